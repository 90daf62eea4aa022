// Package pagetest checks what the pages of an audience are made of. It is for tests.
package pagetest

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/postern-ca/postern/issuance"
)

// Texts fails t unless the catalogs in files (text/<language>.yaml) have the same
// keys in every language, with the same values standing in them, and none empty.
func Texts(t *testing.T, files fs.FS) {
	t.Helper()
	want := catalog(t, files, issuance.Languages()[0])
	for _, lang := range issuance.Languages()[1:] {
		if diff := cmp.Diff(want, catalog(t, files, lang)); diff != "" {
			t.Errorf("keys and values in %s differ from those in %s (-%[2]s +%[1]s):\n%[3]s", lang, issuance.Languages()[0], diff)
		}
	}
}

// catalog returns the keys of a language, each with the values that stand in its text.
func catalog(t *testing.T, files fs.FS, lang string) map[string]string {
	t.Helper()
	b, err := fs.ReadFile(files, "text/"+lang+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		t.Fatalf("the texts in %s: %v", lang, err)
	}
	out := make(map[string]string)
	var walk func(prefix string, node any)
	walk = func(prefix string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for key, child := range node {
				walk(prefix+"."+key, child)
			}
		case string:
			if strings.TrimSpace(node) == "" {
				t.Errorf("%s is empty in %s", prefix, lang)
			}
			values := regexp.MustCompile(`{{[^}]*}}`).FindAllString(node, -1)
			slices.Sort(values)
			out[strings.TrimPrefix(prefix, ".")] = fmt.Sprint(slices.Compact(values))
		default:
			t.Errorf("%s is no text in %s: %v", prefix, lang, node)
		}
	}
	walk("", tree)
	if len(out) == 0 {
		t.Errorf("there are no texts in %s", lang)
	}
	return out
}
