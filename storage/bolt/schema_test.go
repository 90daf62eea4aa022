package bolt

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// TestMigration makes a database of today, opens it with a program that has one
// more step, and then again with the program of today.
func TestMigration(t *testing.T) {
	dir := t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Path: filepath.Join(dir, "db"), Key: key, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	try := func(steps []migration, use func(*Store)) error {
		s, err := open(o, steps)
		if err != nil {
			return err
		}
		use(s)
		return s.Close()
	}
	read := func(s *Store) {
		if err := s.View(t.Context(), func(tx issuance.Snapshot) error {
			got, err := tx.Order("o1")
			if got.Comment != "kept" {
				t.Errorf("the order after a migration: %+v", got)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if err := try(migrations(), func(s *Store) {
		if err := s.Update(t.Context(), func(tx issuance.Tx) error { return tx.PutOrder(issuance.Order{ID: "o1", Comment: "kept"}) }); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}

	// A step that fails leaves the file as it was, with what the step before it did.
	no := errors.New("no")
	half := append(migrations(), func(b *bbolt.Tx) error { return makeBuckets(b, "new") }, func(*bbolt.Tx) error { return no })
	if err := try(half, read); !errors.Is(err, no) {
		t.Fatalf("a step that fails: got %v, want its error", err)
	}
	if err := try(migrations(), read); err != nil {
		t.Fatalf("after a step that failed: %v", err)
	}

	runs := 0
	newer := append(migrations(), func(b *bbolt.Tx) error {
		runs++
		return makeBuckets(b, "new")
	})
	for range 2 {
		if err := try(newer, read); err != nil {
			t.Fatalf("the newer program: %v", err)
		}
	}
	if runs != 1 {
		t.Errorf("the step ran %d times, want once", runs)
	}

	err = try(migrations(), func(*Store) { t.Error("the older program opened the newer file") })
	e, ok := errors.AsType[*issuance.Error](err)
	if !ok || !strings.Contains(e.Message, fmt.Sprint("schema version ", len(newer))) || e.Hint == "" {
		t.Errorf("the older program: got %v, want an error that names the version", err)
	}
	if err := try(newer, read); err != nil {
		t.Errorf("the newer program, after the older one tried: %v", err)
	}
}
