package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// refused fails the test unless err is one that people can act on.
func refused(t *testing.T, what string, err error, message string) {
	t.Helper()
	e, ok := errors.AsType[*issuance.Error](err)
	if !ok || !strings.Contains(e.Message, message) || e.Hint == "" {
		t.Errorf("%s: got %v, want an error with a hint that says %q", what, err, message)
	}
}

func putOrder(t testing.TB, s *bolt.Store, id issuance.OrderID) {
	t.Helper()
	if err := s.Update(context.Background(), func(tx issuance.Tx) error { return tx.PutOrder(issuance.Order{ID: id}) }); err != nil {
		t.Fatal(err)
	}
}

func hasOrder(t testing.TB, s *bolt.Store, id issuance.OrderID) bool {
	t.Helper()
	err := s.View(context.Background(), func(tx issuance.Snapshot) error {
		_, err := tx.Order(id)
		return err
	})
	if err != nil && !errors.Is(err, issuance.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestOpenRefuses(t *testing.T) {
	good := options(t)
	_, err := bolt.Open(bolt.Options{Key: good.Key})
	refused(t, "no path", err, "empty")
	_, err = bolt.Open(bolt.Options{Path: good.Path})
	refused(t, "no key", err, "no key")

	s := open(t, good)
	other := good
	other.LockTimeout = time.Millisecond
	_, err = bolt.Open(other)
	refused(t, "a file that is open", err, "another postern process is using this file")
	closeStore(t, s)

	other.Key, err = seal.Create(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = bolt.Open(other)
	refused(t, "another key", err, "does not belong to this database")

	foreign := good
	foreign.Path = filepath.Join(t.TempDir(), "foreign")
	if err := os.WriteFile(foreign.Path, bytes.Repeat([]byte("no database"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(foreign); err == nil {
		t.Error("a file that is no database: got no error")
	}
	foreign.Path = filepath.Join(t.TempDir(), "none", "db")
	if _, err := bolt.Open(foreign); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: got %v, want fs.ErrNotExist", err)
	}
	closeStore(t, open(t, good)) // none of this has hurt the file
}

func TestFileMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	o := options(t)
	closeStore(t, open(t, o))
	mode := func() fs.FileMode {
		info, err := os.Stat(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	if got := mode(); got != 0o600 {
		t.Errorf("mode of a new file: got %v, want 0600", got)
	}
	if err := os.Chmod(o.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, o))
	if got := mode(); got != 0o600 {
		t.Errorf("mode of an old file that was open to others: got %v, want 0600", got)
	}
}

// TestNewKey opens a database with a new first key, then without the old one.
func TestNewKey(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	load := func(lines string) *seal.Ring {
		if err := os.WriteFile(keyFile, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := seal.Load(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const first, second = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	o := options(t)
	ref := issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "o"}
	o.Key = load(first)
	s := open(t, o)
	if err := s.Update(t.Context(), func(tx issuance.Tx) error { return tx.PutSecret(ref, issuance.NewSecret([]byte("seed"))) }); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	o.Key = load(second + first)
	s = open(t, o)
	if err := s.View(t.Context(), func(tx issuance.Snapshot) error {
		got, err := tx.Secret(ref)
		if string(got.Reveal()) != "seed" {
			t.Errorf("with both keys: got %q", got.Reveal())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	closeStore(t, s)
	o.Key = load(second)
	s = open(t, o)
	defer closeStore(t, s)
	if err := s.View(t.Context(), func(tx issuance.Snapshot) error {
		got, err := tx.Secret(ref)
		if string(got.Reveal()) != "seed" {
			t.Errorf("without the old key: got %q, which was not sealed again", got.Reveal())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, options(t))
	closeStore(t, s)
	run := func(issuance.Tx) error {
		t.Error("ran in a closed store")
		return nil
	}
	for what, err := range map[string]error{
		"Update": s.Update(t.Context(), run), "View": s.View(t.Context(), func(issuance.Snapshot) error { return run(nil) }),
		"Snapshot": s.Snapshot(t.Context(), new(bytes.Buffer)), "Scrub": s.Scrub(t.Context()),
	} {
		if issuance.KindOf(err) != issuance.Unavailable {
			t.Errorf("%s: got %v, want an Unavailable error", what, err)
		}
	}
}

func TestSnapshot(t *testing.T) {
	o := options(t)
	s := open(t, o)
	defer closeStore(t, s)
	putOrder(t, s, "before")
	var copied bytes.Buffer
	if err := s.Snapshot(t.Context(), writerFunc(func(p []byte) (int, error) {
		if copied.Len() == 0 {
			putOrder(t, s, "meanwhile") // writers do not wait
		}
		return copied.Write(p)
	})); err != nil {
		t.Fatal(err)
	}
	o.Path = filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(o.Path, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, o)
	defer closeStore(t, c)
	if !hasOrder(t, c, "before") || hasOrder(t, c, "meanwhile") {
		t.Error("the copy is not the database as it was at the moment")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func drop[R any](_ R, err error) error { return err }
