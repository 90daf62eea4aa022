package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	// Brief omits what is wrong. It is for listeners that strangers can reach.
	Brief bool
}

// Finding is the result of one check.
type Finding struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func (c Readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	Route(w, ReadyPath)
	ctx, cancel := context.WithTimeout(r.Context(), checkLimit)
	defer cancel()
	ready := true
	findings := make([]Finding, 0, len(c.Checks))
	for _, check := range c.Checks {
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
	if c.Brief {
		findings = findings[:0]
	}
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
