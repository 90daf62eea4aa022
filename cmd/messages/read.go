package main

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// text is one text that people read.
type text struct {
	File string // its path below the root
	Line int
	Kind string // what it is: the call or field that it is given to, "comment", "prose", ...
	Text string // on one line
}

// read returns all texts below root, by file and line.
func read(root string) ([]text, error) {
	var all []text
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if d.IsDir() {
			return skipped(filepath.ToSlash(name))
		}
		found, err := readFile(path)
		for i := range found {
			found[i].File = filepath.ToSlash(name)
		}
		all = append(all, found...)
		return err
	})
	slices.SortStableFunc(all, func(a, b text) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	return all, err
}

// skipped passes over folders that hold nothing that people read.
func skipped(name string) error {
	base := filepath.Base(name)
	if name != "." && strings.HasPrefix(base, ".") || base == "testdata" || name == "cmd/messages" || base == "dist" {
		return fs.SkipDir
	}
	return nil
}

// readFile returns the texts of one file, in the manner of its kind.
func readFile(path string) ([]text, error) {
	reader := readerOf(path)
	if reader == nil {
		return nil, nil
	}
	content, err := os.ReadFile(path) //nolint:gosec // a developer's tool, over its own repository
	if err != nil {
		return nil, err
	}
	return reader(path, content)
}

func readerOf(path string) func(string, []byte) ([]text, error) {
	switch ext := filepath.Ext(path); {
	case strings.HasSuffix(path, "_test.go"):
		return nil
	case ext == ".go":
		return readGo
	case ext == ".md":
		return lines("prose")
	case strings.HasSuffix(path, ".yaml.tmpl"):
		return lines("template")
	case ext == ".html":
		return lines("page")
	case ext == ".yaml" && strings.HasPrefix(filepath.Base(filepath.Dir(path)), "text"):
		return lines("text")
	case filepath.Base(path) == "openapi.json":
		return readOpenAPI
	}
	return nil
}
