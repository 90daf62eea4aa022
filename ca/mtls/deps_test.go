package mtls

import (
	"os/exec"
	"strings"
	"testing"
)

// TestFewDependencies: who imports this package gets the standard library and
// golang.org/x/crypto with it, and nothing of the CA.
func TestFewDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(path, "golang.org/x/crypto/") && path != "github.com/postern-ca/postern/ca/mtls" {
			t.Errorf("it imports %s", path)
		}
	}
}
