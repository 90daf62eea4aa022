package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
)

// filled returns options of a store with some hundred records, which is closed, and its file.
func filled(t *testing.T) (bolt.Options, []byte) {
	t.Helper()
	o := options(t)
	o.Existing = false
	s := open(t, o)
	for i := range 3 { // several commits, so that pages are free
		if err := s.Update(t.Context(), func(tx issuance.Tx) error {
			var errs []error
			for j := range 40 {
				id := issuance.OrderID(fmt.Sprintf("%03d", j))
				errs = append(errs, tx.PutOrder(issuance.Order{ID: id, Attempts: i, Comment: strings.Repeat("x", 300)}), tx.PutSecret(ofOrder(id), issuance.NewSecret(make([]byte, 100))))
			}
			return errors.Join(errs...)
		}); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	file, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	o.Existing = true
	return o, file
}

func damaged(t *testing.T, what string, err error, message string) {
	t.Helper()
	refused(t, what, err, message)
	if issuance.CodeOf(err) != bolt.CodeDamaged || issuance.KindOf(err) != issuance.Unavailable || !strings.Contains(err.Error(), "postern.db") {
		t.Errorf("%s: got %v", what, err)
	}
}

// TestOpenRefusesWhatIsNotWhole: each file would lose every revocation if it were
// served, or taken for a new one.
func TestOpenRefusesWhatIsNotWhole(t *testing.T) {
	o, whole := filled(t)
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(b *bbolt.Tx) error { _, err := b.CreateBucket([]byte("others")); return err }), db.Close()); err != nil {
		t.Fatal(err)
	}
	others, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	noMetas := bytes.Clone(whole)
	for _, at := range []int{16 + 20, 4096 + 16 + 20} { // in what the checksums are about
		noMetas[at] ^= 0xFF
	}
	for what, c := range map[string]struct {
		content []byte
		message string
	}{
		"empty":               {nil, "is empty"},
		"some octets":         {whole[:100], "is cut short"},
		"8 KiB of it":         {whole[:8192], "is cut short: it has 8192 octets"},
		"its last page gone":  {cutBelow(t, whole), "is cut short"},
		"zeros":               {make([]byte, len(whole)), "is not a database of Postern's"},
		"text":                {bytes.Repeat([]byte("no database\n"), 5000), "is not a database of Postern's"},
		"another program's":   {others, "has no tables of Postern's"},
		"both metas spoilt":   {noMetas, "is damaged"},
		"a page of zeros":     {spoil(t, whole, 0), "is damaged"},
		"a page of ones":      {spoil(t, whole, 0xFF), "is damaged"},
		"the root's children": {spoil(t, whole, 0x02), "is damaged"},
	} {
		if err := os.WriteFile(o.Path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(o)
		if err == nil {
			s.Close()
		}
		damaged(t, what, err, c.message)
		if got, err := os.ReadFile(o.Path); err != nil || !bytes.Equal(got, c.content) {
			t.Errorf("%s: the file was changed, %v", what, err)
		}
	}
	if err := os.Remove(o.Path); err != nil {
		t.Fatal(err)
	}
	_, err = bolt.Open(o)
	damaged(t, "missing", err, "is not there")
	if err := os.WriteFile(o.Path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, o))
}

// used returns the pages in use of a file, but for the metas, and how many pages it has below the mark.
func used(t *testing.T, whole []byte) (ids []int, end int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(b *bbolt.Tx) error {
		for end = 0; ; end++ {
			p, err := b.Page(end)
			if err != nil || p == nil {
				return err
			}
			if p.Type == "leaf" || p.Type == "branch" {
				ids = append(ids, end)
			}
			if p.OverflowCount > 0 {
				end += p.OverflowCount
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return ids, end
}

func cutBelow(t *testing.T, whole []byte) []byte {
	_, end := used(t, whole)
	return whole[:(end-1)*4096]
}

// spoil overwrites the page in use that is in the middle.
func spoil(t *testing.T, whole []byte, with byte) []byte {
	ids, _ := used(t, whole)
	out := bytes.Clone(whole)
	copy(out[ids[len(ids)/2]*4096:], bytes.Repeat([]byte{with}, 4096))
	return out
}

// TestEveryPageIsLookedAt spoils one page after the other: the file is refused if
// the page is in use, and opens if it is not.
func TestEveryPageIsLookedAt(t *testing.T) {
	o, whole := filled(t)
	ids, end := used(t, whole)
	inUse := make(map[int]bool)
	for _, id := range ids {
		inUse[id] = true
	}
	refusals := 0
	for id := 2; id < end; id++ {
		content := bytes.Clone(whole)
		clear(content[id*4096 : (id+1)*4096])
		if err := os.WriteFile(o.Path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(o)
		switch {
		case err == nil && inUse[id]:
			t.Errorf("page %d was spoilt, and the file opened", id)
		case err != nil:
			refusals++
			damaged(t, fmt.Sprint("page ", id), err, "is damaged")
		}
		if err == nil {
			closeStore(t, s)
		}
	}
	if refusals < len(ids) || len(ids) < 10 {
		t.Errorf("%d of %d pages in use were refused", refusals, len(ids))
	}
}

// TestDamagedWhileServed spoils pages under an open store. It must not end the
// process, nor write any more; what can be read still is.
func TestDamagedWhileServed(t *testing.T) {
	for what, harm := range map[string]func(f *os.File, id int) error{
		"zeros": func(f *os.File, id int) error { _, err := f.WriteAt(make([]byte, 4096), int64(id)*4096); return err },
		"ones": func(f *os.File, id int) error {
			_, err := f.WriteAt(bytes.Repeat([]byte{0xFF}, 4096), int64(id)*4096)
			return err
		},
		"cut": func(f *os.File, _ int) error { return f.Truncate(8192) },
	} {
		t.Run(what, func(t *testing.T) {
			o, whole := filled(t)
			o.ScrubAfter = time.Hour
			s := open(t, o)
			defer s.Close()
			if err := s.Health(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(o.Path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			ids, _ := used(t, whole)
			for _, id := range ids[1:] {
				if err := harm(f, id); err != nil {
					t.Fatal(err)
				}
			}
			read := func(tx issuance.Snapshot) error { _, _, err := tx.Orders(issuance.OrderQuery{}); return err }
			var seen error
			for range 2 {
				seen = errors.Join(seen, s.View(t.Context(), read),
					s.Update(context.Background(), func(tx issuance.Tx) error { return tx.PutOrder(issuance.Order{ID: "new"}) }))
			}
			damaged(t, "reading and writing", seen, "is damaged")
			damaged(t, "health", s.Health(), "is damaged")
			ran := false
			err = s.Update(context.Background(), func(issuance.Tx) error { ran = true; return nil })
			if damaged(t, "a later write", err, "is damaged"); ran {
				t.Error("a write ran after the damage")
			}
			if err := s.Scrub(t.Context()); err == nil {
				t.Error("a scrub wrote after the damage")
			}
		})
	}
}

// TestPanicsOfOthersGoOn: the caller's own panic is no damage.
func TestPanicsOfOthersGoOn(t *testing.T) {
	s := open(t, options(t))
	defer closeStore(t, s)
	view := func(ctx context.Context, f func(issuance.Tx) error) error {
		return s.View(ctx, func(issuance.Snapshot) error { return f(nil) })
	}
	for _, run := range []func(context.Context, func(issuance.Tx) error) error{view, s.Update} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = run(t.Context(), func(issuance.Tx) error { var p *int; *p = 1; return nil })
		}()
	}
	if err := s.Health(); err != nil {
		t.Error(err)
	}
}
