package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Mistakes are listed as somebody goes through the file who corrects them.
func TestProblemsAreInTheOrderOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(path, []byte(`log: {level: loud}
sms: {provider: pigeon}
policy:
  code_attempts: 50
dta: x
mail: {from: nobody}
plain: {url: "x"}
public:
  url: http://certs.example.com
  listen: nowhere
`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Options{Path: path, Environ: []string{"POSTERN_BRAND_COLOUR=red"}})
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatal(err)
	}
	var got []int
	for _, p := range e.Problems {
		got = append(got, p.line())
	}
	if !slices.IsSorted(got) {
		t.Errorf("the lines are %v:\n%v", got, err)
	}
	lines := slices.Clone(got)
	for i, n := range lines {
		if n > 10 { // what is not set, and what a variable sets
			lines = lines[:i]
			break
		}
	}
	if diff := cmp.Diff([]int{1, 2, 4, 5, 6, 7, 9, 10}, lines); diff != "" || len(got) == len(lines) {
		t.Errorf("lines (-want +got):\n%s\n%v", diff, err)
	}
}

// A hint about an address that is sent nothing secret does not say that it is, and
// does not send anybody to keys that there are not.
func TestHintsOfTheCheckpointWebhook(t *testing.T) {
	for address, want := range map[string]string{
		"http://audit.example.com/":      "hides that checkpoints do not arrive",
		"https://u:p@audit.example.com/": "put what admits the server into the path",
	} {
		path := filepath.Join(t.TempDir(), "postern.yaml")
		if err := os.WriteFile(path, []byte("audit: {checkpoint_webhook: \""+address+"\"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Options{Path: path})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secrets are sent there") {
			t.Errorf("%s: the hints are\n%v", address, err)
		}
	}
}
