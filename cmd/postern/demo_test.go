package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/issuance"
)

// runDemo runs the command and returns its exit status and what it printed.
func runDemo(t *testing.T, args ...string) (status int, out, problems string) {
	t.Helper()
	var o, p bytes.Buffer
	status = cli.Run(t.Context(), cli.Options{
		Args: append([]string{"demo"}, args...), In: strings.NewReader(""), Out: &o, Err: &p, Commands: commands(),
	})
	return status, o.String(), p.String()
}

func TestDemoTellsTheStoryAndKeepsItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 2 { // the second goes on with the same data
		status, out, problems := runDemo(t, "--keep", "--data", dir)
		if status != 0 {
			t.Fatalf("round %d: status %d: %s\n%s", round, status, problems, out)
		}
		for _, s := range steps() {
			if !strings.Contains(out, "\n"+s.name) && !strings.HasPrefix(out, s.name) {
				t.Errorf("round %d has no line for %q:\n%s", round, s.name, out)
			}
		}
	}
	for _, name := range []string{"client.p12", "password.txt", "chain.pem", "root.pem", "crl-bundle.pem", "renewed.p12", "renewed-password.txt"} {
		if info, err := os.Stat(filepath.Join(dir, "demo", name)); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestDemoNeedsAPlaceToKeepFiles(t *testing.T) {
	t.Parallel()
	if status, _, problems := runDemo(t, "--keep"); status != cli.StatusUsage || !strings.Contains(problems, "--data") {
		t.Errorf("got status %d: %s", status, problems)
	}
}

// answer is a transport that answers everything itself.
type answer struct {
	status int
	body   string
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(a.body)), Header: http.Header{}, Request: r}, nil
}

// TestDemoFailsAtEachStepThatDoesNotHold breaks each step in turn: what the
// step looks at is not what it should be.
func TestDemoFailsAtEachStepThatDoesNotHold(t *testing.T) {
	t.Parallel()
	readAll := func(s *story) { // nothing new will be found in the outbox
		for _, m := range s.h.outbox.Messages() {
			s.seen[string(m.Text.Reveal())] = true
		}
	}
	letIn := func(s *story) {
		s.call.Transport = answer{http.StatusOK, `{"organization":"acme","service":"acme.payments"}`}
	}
	breaks := map[string]func(*story){
		"order":        func(s *story) { s.token = issuance.NewSecret([]byte("pst_of-somebody-else")) },
		"approval":     func(s *story) { s.order = "ord-that-is-not-there" },
		"e-mail":       func(s *story) { s.await(t.Context(), s.outboxHas(2)); readAll(s) },
		"SMS code":     func(s *story) { s.await(t.Context(), s.outboxHas(2)); readAll(s) },
		"wrong code":   func(s *story) { s.client.Transport = answer{http.StatusOK, "come in"} },
		"download":     func(s *story) { s.code = "0000000" },
		"password SMS": func(s *story) { s.await(t.Context(), s.outboxHas(3)); readAll(s) },
		"file opened":  func(s *story) { s.file[len(s.file)/2] ^= 1 },
		"two-way TLS":  func(s *story) { s.call = http.DefaultClient },
		"revocation":   func(s *story) { s.serial = issuance.NewSerial() },
		"call refused": letIn,
		"CRL, OCSP":    func(s *story) { s.serial = issuance.NewSerial() },
		"renewal":      func(s *story) { s.serial = issuance.NewSerial() },
	}
	for _, step := range steps() {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			breakIt := breaks[step.name]
			if breakIt == nil {
				t.Fatal("the test does not know how to break this step")
			}
			var out bytes.Buffer
			o := demoOptions{data: demoDir(t), out: &out, log: io.Discard, change: func(now string, s *story) {
				if now == step.name {
					breakIt(s)
					s.patience = time.Second // nobody need wait longer for what does not come
				}
			}}
			err := o.run(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), step.name+": ") {
				t.Errorf("got %v, want an error of step %q", err, step.name)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, " failed") }); i != len(lines)-1 {
				t.Errorf("the story goes on after the step that did not hold:\n%s", out.String())
			}
		})
	}
}

// outboxHas waits for n messages.
func (s *story) outboxHas(n int) func() error {
	return func() error {
		if len(s.h.outbox.Messages()) < n {
			return io.ErrNoProgress
		}
		return nil
	}
}
