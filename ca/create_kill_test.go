package ca

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestCreateSurvivesSIGKILL kills Create at each fsync it makes: what is left is
// refused with an explanation or complete, and making it again works.
func TestCreateSurvivesSIGKILL(t *testing.T) {
	program := filepath.Join(t.TempDir(), "create")
	authorityRun(t, nil, "go", "build", "-o", program, "./testdata/create")
	const fsyncs = 13 // six files, each with its directory, and the directory at the end
	var refused atomic.Int32
	t.Run("fsync", func(t *testing.T) {
		for n := 1; n <= fsyncs+1; n++ {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				description := authorityDescription(t)
				out, err := authorityKilledAt(t, n, program, description)
				if killed := err != nil; killed != (n <= fsyncs) {
					t.Fatalf("killed is %t; adjust the number of fsyncs in this test\n%s", killed, out)
				}
				if authorityGoesOn(t, program, description) {
					refused.Add(1)
				}
			})
		}
	})
	if got := refused.Load(); got < fsyncs-2 {
		t.Errorf("%d of %d killed hierarchies were refused, want nearly all", got, fsyncs)
	}
}

// authorityDescription says which hierarchy testdata/create makes.
func authorityDescription(t *testing.T) []byte {
	t.Helper()
	o := authorityCreateOptions(filepath.Join(t.TempDir(), "ca"))
	text, err := json.Marshal(map[string]any{
		"Dir": o.Dir, "TrustDomain": o.TrustDomain, "OrganizationName": o.OrganizationName,
		"Passphrase": authorityPassphrase, "URL": o.URLs.Base, "Now": o.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// authorityKilledAt runs the program, which is killed at its nth fsync.
func authorityKilledAt(t *testing.T, n int, program string, description []byte) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("this test needs strace: install it with your system's packages")
	}
	cmd := exec.Command("strace", "-f", "-qq", "-e", "trace=fsync", "-e", fmt.Sprintf("inject=fsync:signal=SIGKILL:when=%d", n), "-o", os.DevNull, program)
	cmd.Stdin = bytes.NewReader(description)
	return cmd.CombinedOutput()
}

// authorityGoesOn wants that what a killed program left can be opened, or made
// again and opened. It reports whether it was refused at first.
func authorityGoesOn(t *testing.T, program string, description []byte) (refused bool) {
	t.Helper()
	type outcome struct {
		Error  string
		Domain *issuance.Error
	}
	var results []outcome
	if err := json.Unmarshal([]byte(authorityRun(t, description, program, "again")), &results); err != nil || len(results) != 3 {
		t.Fatalf("got %d results, %v", len(results), err)
	}
	opened, made, again := results[0], results[1], results[2]
	switch {
	case again.Error != "":
		t.Errorf("in the end it does not open: %s", again.Error)
	case opened.Error == "" && (made.Domain == nil || made.Domain.Kind != issuance.Conflict):
		t.Errorf("the hierarchy was complete, and making it again: %q", made.Error)
	case opened.Error != "" && made.Error != "":
		t.Errorf("the hierarchy is refused (%s) and cannot be made again: %s", opened.Error, made.Error)
	}
	if opened.Error == "" {
		return false
	}
	if e := opened.Domain; e == nil || e.Hint == "" || !strings.Contains(e.Message, "interrupted") && !strings.Contains(e.Message, "has no root.pem") {
		t.Errorf("it is refused without saying why: %s, %+v", opened.Error, e)
	}
	return true
}
