package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Check is one condition for the server to be ready.
type Check struct {
	Name string
	Hint string // what to do if it fails, unless its error says that
	Run  func(context.Context) error
	// Warns says that a failure is only reported: the server is ready all the same.
	Warns bool
}

// checkLimit bounds the time of all checks together.
const checkLimit = 5 * time.Second

// The paths of Live and Readiness, on every listener that has them.
const (
	LivePath  = "/healthz"
	ReadyPath = "/readyz"
)

// Live answers that the process runs.
func Live(w http.ResponseWriter, _ *http.Request) {
	Route(w, LivePath)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprintln(w, "ok")
}

// Readiness runs checks, and answers 200 if all succeed and 503 otherwise, in text
// or, on request, in JSON.
type Readiness struct {
	Checks []Check
}

// Brief answers as [Readiness] does, but without what is wrong. It is for listeners
// that strangers can reach: however many ask, the checks run once a second at most,
// and those that only warn are left out. The zero value with Checks is ready to use.
type Brief struct {
	Checks []Check

	mu      sync.Mutex
	ready   bool
	checked time.Time // with a monotonic reading
}

// briefFor is how long an answer to strangers stays the same.
const briefFor = time.Second

// Finding is the result of one check.
type Finding struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func (c Readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	Route(w, ReadyPath)
	ready, findings := run(r.Context(), c.Checks)
	answerReady(w, r, ready, findings)
}

func (b *Brief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	Route(w, ReadyPath)
	answerReady(w, r, b.known(r.Context()), []Finding{})
}

// known returns what is known, from a second ago at most. A caller who hangs up
// does not end the checks, whose result others get.
func (b *Brief) known(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.checked.IsZero() || time.Since(b.checked) >= briefFor {
		serious := slices.DeleteFunc(slices.Clone(b.Checks), func(c Check) bool { return c.Warns })
		b.ready, _ = run(context.WithoutCancel(ctx), serious)
		b.checked = time.Now()
	}
	return b.ready
}

// run runs checks, and reports whether those that do not only warn succeeded.
func run(ctx context.Context, checks []Check) (ready bool, findings []Finding) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	ready, findings = true, make([]Finding, 0, len(checks))
	for _, check := range checks {
		f := Finding{Name: check.Name, Ready: true}
		if err := check.Run(ctx); err != nil {
			ready = ready && check.Warns
			f = Finding{Name: check.Name, Ready: check.Warns, Problem: err.Error(), Hint: check.Hint}
			if e, ok := errors.AsType[*issuance.Error](err); ok && e.Hint != "" && e != issuance.ErrNotFound {
				f.Hint = e.Hint
			}
		}
		findings = append(findings, f)
	}
	return ready, findings
}

// answerReady writes the result of checks.
func answerReady(w http.ResponseWriter, r *http.Request, ready bool, findings []Finding) {
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(struct {
			Ready  bool      `json:"ready"`
			Checks []Finding `json:"checks"`
		}{ready, findings})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, readyText(ready, findings))
}

func readyText(ready bool, findings []Finding) string {
	var b strings.Builder
	b.WriteString(map[bool]string{true: "ready\n", false: "not ready\n"}[ready])
	for _, f := range findings {
		switch {
		case f.Ready && f.Problem == "":
			fmt.Fprintf(&b, "%s: ok\n", f.Name)
			continue
		case f.Ready:
			fmt.Fprintf(&b, "%s: warning: %s\n", f.Name, f.Problem)
		default:
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Problem)
		}
		if f.Hint != "" {
			fmt.Fprintf(&b, "  %s\n", f.Hint)
		}
	}
	return b.String()
}
