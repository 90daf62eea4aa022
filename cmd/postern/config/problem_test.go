package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
