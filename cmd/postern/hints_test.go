package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHintsNameHeadings: where a text of the program sends people to a part of a
// document, the document has it.
func TestHintsNameHeadings(t *testing.T) {
	root := os.DirFS("../..")
	place := regexp.MustCompile(`(docs/[a-z/-]+\.md), ([A-Z][^"` + "`" + `\n]*)["` + "`" + `]`)
	found := 0
	err := fs.WalkDir(root, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		for _, m := range place.FindAllStringSubmatch(string(text), -1) {
			found++
			doc, err := fs.ReadFile(root, m[1])
			if err != nil || !strings.Contains("\n"+string(doc), "# "+m[2]+"\n") {
				t.Errorf("%s names %q of %s, which is not there: %v", path, m[2], m[1], err)
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d places in documents are named: %v", found, err)
	}
}
