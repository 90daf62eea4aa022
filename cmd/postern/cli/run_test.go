package cli_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// seen is a request that a fake got.
type seen struct {
	method, path, query string
	header              http.Header
	body                string
}

// fake answers as the admin API does, and remembers what it was asked.
type fake struct {
	*httptest.Server
	answers map[string]answer // by method and path

	mu       sync.Mutex
	requests []seen
}

type answer struct {
	status int
	kind   string // "" for application/json, or problem+json from 400 on
	body   string
}

func newFake(t *testing.T, answers map[string]answer) *fake {
	t.Helper()
	f := &fake{answers: answers}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.requests = append(f.requests, seen{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header, string(body)})
	a, ok := f.answers[r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery]
	if !ok {
		a, ok = f.answers[r.Method+" "+r.URL.Path]
	}
	f.mu.Unlock()
	if !ok {
		a = answer{status: http.StatusNotFound, body: `{"detail":"there is nothing at this address","code":"no-such-path"}`}
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.kind == "" {
		a.kind = "application/json"
		if a.status >= 400 {
			a.kind = "application/problem+json"
		}
	}
	w.Header().Set("Content-Type", a.kind)
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

// asked returns the requests, each as "METHOD path?query body".
func (f *fake) asked() (lines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		line := r.method + " " + r.path
		if r.query != "" {
			line += "?" + r.query
		}
		if r.body != "" {
			line += " " + r.body
		}
		lines = append(lines, line)
	}
	return lines
}

// result is how a command ended.
type result struct {
	status   int
	out, err string
}

func run(t *testing.T, environ []string, input string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	status := cli.Run(t.Context(), cli.Options{Args: args, Environ: environ, In: strings.NewReader(input), Out: &out, Err: &errs, Version: "1.2.3"})
	return result{status, out.String(), errs.String()}
}

// staff runs a command against f with a token.
func (f *fake) staff(t *testing.T, args ...string) result {
	t.Helper()
	return run(t, []string{"POSTERN_SERVER=" + f.URL, "POSTERN_TOKEN=pst_secret"}, "", args...)
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.AllowUnexported(result{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func tempFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func testKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
