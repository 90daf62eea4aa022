package ca

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/postern-ca/postern/ca/catest"
)

// authorityStock has a hierarchy as Create made it, and the same and another one
// with keys that are cheap to open. Tests take copies: making one for each of them
// took most of the time of this package.
var authorityStock = sync.OnceValues(func() (s struct{ made, ours, another catest.Tree }, err error) {
	create := func(dir string) error { return Create(authorityCreateOptions(dir)) }
	lighten := func(dir string) error { return catest.Lighten(dir, []byte(authorityPassphrase)) }
	if s.made, err = catest.Made(create); err != nil {
		return s, err
	}
	if s.ours, err = catest.Made(func(dir string) error { return errors.Join(s.made.Copy(dir), lighten(dir)) }); err != nil {
		return s, err
	}
	s.another, err = catest.Made(func(dir string) error { return errors.Join(create(dir), lighten(dir)) })
	return s, err
})

// authorityDir returns a directory with a hierarchy for the test alone.
func authorityDir(t testing.TB) string {
	t.Helper()
	stock, err := authorityStock()
	return authorityCopied(t, stock.ours, err)
}

// authorityOtherDir is authorityDir, of a hierarchy that has nothing to do with
// that of all the others.
func authorityOtherDir(t testing.TB) string {
	t.Helper()
	stock, err := authorityStock()
	return authorityCopied(t, stock.another, err)
}

// authorityMadeDir is authorityDir, with the keys as Create encrypted them.
func authorityMadeDir(t testing.TB) string {
	t.Helper()
	stock, err := authorityStock()
	return authorityCopied(t, stock.made, err)
}

func authorityCopied(t testing.TB, files catest.Tree, err error) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	if err = errors.Join(err, files.Copy(dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// authorityNew opens a hierarchy for the test alone.
func authorityNew(t testing.TB) *Authority {
	t.Helper()
	return authorityOpen(t, authorityOpenOptions(authorityDir(t)))
}

// authorityOther is authorityNew, of another hierarchy.
func authorityOther(t testing.TB) *Authority {
	t.Helper()
	return authorityOpen(t, authorityOpenOptions(authorityOtherDir(t)))
}
