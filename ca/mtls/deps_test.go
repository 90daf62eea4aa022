package mtls

import (
	"os/exec"
	"strings"
	"testing"
)

// TestFewDependencies: who imports this package gets the standard library,
// golang.org/x/crypto and package crlfile with it, and nothing of the CA.
func TestFewDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		ours := path == "github.com/postern-ca/postern/ca/mtls" || path == "github.com/postern-ca/postern/ca/crlfile"
		if !ours && !strings.HasPrefix(path, "golang.org/x/crypto/") {
			t.Errorf("it imports %s", path)
		}
	}
}
