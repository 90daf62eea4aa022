package main

import "go/ast"

// comments adds the comments of the exported names that d declares.
func (v *visitor) comments(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		v.comment(d.Doc, d.Name.IsExported())
	case *ast.GenDecl:
		v.comment(d.Doc, true)
		for _, s := range d.Specs {
			v.specComments(s)
		}
	}
}

func (v *visitor) specComments(s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		v.comment(s.Doc, s.Names[0].IsExported())
		v.comment(s.Comment, s.Names[0].IsExported())
	case *ast.TypeSpec:
		v.comment(s.Doc, s.Name.IsExported())
		if s.Name.IsExported() {
			v.fieldComments(s.Type)
		}
	}
}

func (v *visitor) fieldComments(t ast.Expr) {
	ast.Inspect(t, func(n ast.Node) bool {
		if f, ok := n.(*ast.Field); ok {
			v.comment(f.Doc, true)
			v.comment(f.Comment, true)
		}
		return true
	})
}

func (v *visitor) comment(c *ast.CommentGroup, wanted bool) {
	if c != nil && wanted {
		v.add(c.Pos(), "comment", c.Text())
	}
}
