package issuance_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestVerbsAreAllVerbs: a filter knows each word that a record may have.
func TestVerbsAreAllVerbs(t *testing.T) {
	source, err := os.ReadFile("verb.go")
	if err != nil {
		t.Fatal(err)
	}
	unrecorded := []issuance.Verb{issuance.ListVerb, issuance.ShowVerb, issuance.CreateLocalVerb}
	declared := regexp.MustCompile(`(?m)^\s+\w+Verb\s+Verb = "([a-z-]+)"`).FindAllSubmatch(source, -1)
	for _, d := range declared {
		if v := issuance.Verb(d[1]); !slices.Contains(unrecorded, v) && !slices.Contains(issuance.Verbs(), v) {
			t.Errorf("Verbs lacks %s", v)
		}
	}
	if len(declared) != len(issuance.Verbs())+len(unrecorded) {
		t.Errorf("%d verbs are declared, Verbs has %d", len(declared), len(issuance.Verbs()))
	}
}
