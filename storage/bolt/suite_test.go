package bolt_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
	"github.com/postern-ca/postern/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, fresh)
}

// fresh is a store in a directory of its own.
func fresh(t testing.TB) func() storagetest.Store {
	o := options(t)
	var s *bolt.Store
	t.Cleanup(func() { closeStore(t, s) })
	return func() storagetest.Store {
		if s != nil {
			closeStore(t, s)
		}
		s = open(t, o)
		return s.All()
	}
}

// options returns those of a new database with a new key.
func options(t testing.TB) bolt.Options {
	t.Helper()
	dir := t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	return bolt.Options{Path: filepath.Join(dir, "postern.db"), Key: key, Log: slog.New(slog.DiscardHandler)}
}

func open(t testing.TB, o bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *bolt.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
