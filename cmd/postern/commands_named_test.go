package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/issuance"
)

// TestEveryCommandThatIsNamedExists reads every hint of the program and every
// document for command lines of postern: the command and each flag must be there.
func TestEveryCommandThatIsNamedExists(t *testing.T) {
	t.Parallel()
	root := cli.Root(cli.Options{Commands: commands()})
	found := 0
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if err == nil && strings.HasPrefix(e.Name(), ".") && path != "." {
				return fs.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(filepath.Join("../..", path))
		for _, line := range commandLines(path, string(text)) {
			found++
			if wrong := unknownIn(root, line); wrong != "" {
				t.Errorf("%s: %q: there is no %s", path, line, wrong)
			}
		}
		return err
	})
	if err != nil || found < 100 {
		t.Errorf("%d command lines were found: %v", found, err)
	}
}

// TestEveryNextStepIsACommand walks what domain errors point to.
func TestEveryNextStepIsACommand(t *testing.T) {
	t.Parallel()
	root := cli.Root(cli.Options{Commands: commands()})
	text := regexp.MustCompile(`(?:issuance\.)?Next\{\s*(?:issuance\.)?(\w+Verb), (?:issuance\.)?(\w+Noun)`)
	verbs, nouns := constants(t)
	found := 0
	for _, dir := range []string{"issuance", "issuance/report", "issuance/staff", "web/admin", "web/portal", "web/contact"} {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range text.FindAllStringSubmatch(string(source), -1) {
				found++
				line := cli.CommandFor(issuance.Next{Verb: issuance.Verb(verbs[m[1]]), Noun: issuance.Noun(nouns[m[2]]), ID: "id"})
				if wrong := unknownIn(root, line); line == "" || wrong != "" {
					t.Errorf("%s: %s: %q: there is no %s", path, m[0], line, wrong)
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("%d next steps were found", found)
	}
}

// constants returns the values of the verbs and nouns by the names of their constants.
func constants(t *testing.T) (verbs, nouns map[string]string) {
	t.Helper()
	verbs, nouns = make(map[string]string), make(map[string]string)
	files, _ := filepath.Glob("../../issuance/*.go")
	constant := regexp.MustCompile(`(?m)^\s+(\w+(Verb|Noun))\s+(?:Verb|Noun)?\s*= "([^"]+)"`)
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			map[string]map[string]string{"Verb": verbs, "Noun": nouns}[m[2]][m[1]] = m[3]
		}
	}
	return verbs, nouns
}

// commandLines returns what looks like a command line of postern: in Go what stands
// in back quotes in a string, elsewhere also what begins a line of code.
func commandLines(path, text string) (lines []string) {
	quoted := regexp.MustCompile("`(postern [^`]*)`")
	switch filepath.Ext(path) {
	case ".md":
		text = strings.ReplaceAll(text, "\\\n", " ")
		code := regexp.MustCompile(`(?m)^(?: {4,}|\t)(?:.*\$\()?(?:[A-Z_]+=\S+ )*((?:sudo )?(?:/usr/(?:local/)?bin/)?postern [^#|)\n]*)`)
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			lines = append(lines, m[1])
		}
	case ".tmpl", ".go", ".yaml", ".service", ".html":
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
	default:
		return nil
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		lines = append(lines, strings.Join(strings.Fields(m[1]), " "))
	}
	return lines
}

// unknownIn returns the first word of a command line that the program does not know.
func unknownIn(root *cobra.Command, line string) string {
	words := strings.Fields(line)
	for len(words) > 0 && !strings.HasSuffix(words[0], "postern") {
		words = words[1:]
	}
	c, sub := root, true
	for i, w := range words[min(1, len(words)):] {
		w = strings.Trim(w, `"'[],;:.`)
		switch {
		case w == "" || i == 0 && w == "..":
			return ""
		case strings.HasPrefix(w, "--"):
			if name, _, _ := strings.Cut(w[2:], "="); name != "" && name != "help" && name != "version" && c.Flag(name) == nil && c.InheritedFlags().Lookup(name) == nil {
				return "flag --" + name + " of " + c.CommandPath()
			}
			sub = false
		case !sub || strings.HasPrefix(w, "-"):
			sub = false
		case c.HasSubCommands():
			if isName := regexp.MustCompile(`^[a-z][a-z0-9/-]*$`).MatchString(w); !isName {
				return ""
			}
			for _, one := range strings.Split(w, "/") { // as in `order approve/reject`
				next, _, err := c.Find([]string{one})
				if err != nil || next == c {
					return "command " + c.CommandPath() + " " + one
				}
				if !strings.Contains(w, "/") {
					c = next
				}
			}
		}
	}
	return ""
}
