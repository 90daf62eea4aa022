package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTextsArePlain looks for words that nobody would say, in every text that
// people read. It does not replace reading them: make messages.
func TestTextsArePlain(t *testing.T) {
	texts, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 1000 {
		t.Fatalf("%d texts were found: does the walk look at the right place?", len(texts))
	}
	us := unplains()
	for _, s := range texts {
		if why := find(s, us); why != "" {
			t.Errorf("%s:%d: %s\n\t%.160s", s.File, s.Line, why, s.Text)
		}
	}
}

// TestPlantedWordsAreFound plants a word in each kind of file.
func TestPlantedWordsAreFound(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a/error.go":         "package a\n\nvar err = wrap(\"this link is old; \" + \"mend it\")\n",
		"a/comment.go":       "package a\n\n// Size is in octets.\nconst Size = 1\n",
		"README.md":          "# A\n\nMutual TLS is needed.\n",
		"web/text/en.yaml":   "link: Your code's time is over\n",
		"web/page.html":      "<p>The file is sound.</p>\n",
		"web/openapi.json":   `{"info": {"title": "Turn down a request"}}`,
		"config/a.yaml.tmpl": "# A one-time password's life\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	us := unplains()
	for _, s := range texts {
		if find(s, us) != "" {
			found[s.File] = true
		}
	}
	for _, name := range []string{
		"a/error.go", "a/comment.go", "README.md", "web/text/en.yaml", "web/page.html", "web/openapi.json", "config/a.yaml.tmpl",
	} {
		if !found[name] {
			t.Errorf("%s: the word was not found", name)
		}
	}
}

// TestGermanAndFrenchAreLeftAlone holds the rule to English.
func TestGermanAndFrenchAreLeftAlone(t *testing.T) {
	if why := find(text{File: "web/text/fr.yaml", Text: "octets"}, unplains()); why != "" {
		t.Error(why)
	}
	if !strings.Contains(find(text{File: "web/text/en.yaml", Text: "octets"}, unplains()), "byte") {
		t.Error("English is left alone too")
	}
}
