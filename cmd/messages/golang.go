package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"unicode"
)

// readGo returns the strings of a Go file that read as words, each with the call
// or field that it is given to, and the comments of exported names.
func readGo(path string, content []byte) ([]text, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, content, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	v := &visitor{set: set}
	for _, d := range file.Decls {
		v.comments(d)
		v.walk(d, "string")
	}
	v.comment(file.Doc, true)
	return v.found, nil
}

type visitor struct {
	set   *token.FileSet
	found []text
}

func (v *visitor) add(at token.Pos, kind, s string) {
	s = strings.Join(strings.Fields(s), " ")
	if s != "" {
		v.found = append(v.found, text{Line: v.set.Position(at).Line, Kind: kind, Text: s})
	}
}

// walk finds the strings below n; kind is what they are given to.
func (v *visitor) walk(n ast.Node, kind string) {
	ast.Inspect(n, func(m ast.Node) bool {
		switch m := m.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			v.walk(m.Type, kind)
			return false // not its tag
		case *ast.CallExpr:
			return v.within(m.Args, called(m.Fun), m.Fun)
		case *ast.KeyValueExpr:
			v.walk(m.Key, "key")
			v.walk(m.Value, keyed(m.Key, kind))
			return false
		case *ast.BinaryExpr:
			return !v.joined(m, kind)
		case *ast.BasicLit:
			if s, ok := literal(m); ok && words(s) {
				v.add(m.Pos(), kind, s)
			}
		}
		return true
	})
}

// within walks what a call is given, and the call itself.
func (v *visitor) within(args []ast.Expr, kind string, fun ast.Expr) bool {
	v.walk(fun, kind)
	for _, a := range args {
		v.walk(a, kind)
	}
	return false
}

// joined adds a chain of + as one text, with … for what is not a literal.
func (v *visitor) joined(e *ast.BinaryExpr, kind string) bool {
	if e.Op != token.ADD {
		return false
	}
	s := v.chain(e, kind)
	if words(s) {
		v.add(e.Pos(), kind, s)
	}
	return strings.ContainsFunc(s, unicode.IsLetter)
}

func (v *visitor) chain(e ast.Expr, kind string) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return v.chain(e.X, kind) + v.chain(e.Y, kind)
	case *ast.ParenExpr:
		return v.chain(e.X, kind)
	case *ast.BasicLit:
		s, _ := literal(e)
		return s
	}
	v.walk(e, kind)
	return "…"
}

func literal(l *ast.BasicLit) (string, bool) {
	if l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// words says whether s may be a sentence: two words or more, with a letter each.
func words(s string) bool {
	n := 0
	for _, w := range strings.Fields(s) {
		if strings.ContainsFunc(w, unicode.IsLetter) {
			n++
		}
	}
	return n > 1
}

func called(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
		return f.Sel.Name
	}
	return "string"
}

func keyed(key ast.Expr, kind string) string {
	if id, ok := key.(*ast.Ident); ok {
		return id.Name
	}
	return kind
}
