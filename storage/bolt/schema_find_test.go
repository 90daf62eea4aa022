package bolt

import (
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// oldHouse returns the options of a copy of testdata/schema-1.db.gz, which a
// program of schema version 1 wrote: nine certificates, the last one abandoned.
func oldHouse(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	secret, err := os.ReadFile("testdata/schema-1.key")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.Load(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open("testdata/schema-1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "postern.db")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return Options{Path: path, Key: key, Log: slog.New(slog.DiscardHandler)}
}

// TestAnOldDatabaseIsFoundIn opens it with the program of today, which finds
// what the old one wrote by all that people have in hand.
func TestAnOldDatabaseIsFoundIn(t *testing.T) {
	s, err := Open(oldHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	findAll(t, s)
	// What is changed now is found by the new, and no more by the old.
	if err := s.Update(t.Context(), func(tx issuance.Tx) error {
		c, err := tx.Contact("con-1")
		c.Mobile = "+41790000000"
		return first(err, tx.PutContact(c))
	}); err != nil {
		t.Fatal(err)
	}
	compare(t, s, "the old number", nil, func(tx issuance.Snapshot) ([]string, error) { return named(tx, "+41791234561") })
	compare(t, s, "the new number", []string{"con-1"}, func(tx issuance.Snapshot) ([]string, error) { return named(tx, "+41790000000") })
}

func findAll(t *testing.T, s *Store) {
	t.Helper()
	serial := func(i int) string { return fmt.Sprintf("3f0c5e%018d%010x", i, i) }
	for i := range 9 {
		want := []string{serial(i)}
		if i == 8 {
			want = nil
		}
		old := sha1.Sum(fmt.Append(nil, "certificate ", i))
		for _, k := range []issuance.CertificateKey{{SHA1: hex.EncodeToString(old[:])}, {Ending: serial(i)[26:]}} {
			compare(t, s, fmt.Sprintf("%+v", k), want, func(tx issuance.Snapshot) ([]string, error) {
				found, err := tx.CertificatesWith(k, 9)
				return serials(found), err
			})
		}
	}
	compare(t, s, "SHA-256", []string{serial(3)}, func(tx issuance.Snapshot) ([]string, error) {
		c, err := tx.Certificate(issuance.Serial(serial(3)))
		if err != nil {
			return nil, err
		}
		found, err := tx.CertificatesWith(issuance.CertificateKey{SHA256: c.Fingerprint}, 9)
		return serials(found), err
	})
	compare(t, s, "a contact's", []string{serial(7), serial(5), serial(3), serial(1)}, func(tx issuance.Snapshot) ([]string, error) {
		found, _, err := tx.Certificates(issuance.CertificateQuery{Contact: "con-1"})
		return serials(found), err
	})
	compare(t, s, "a name", []string{"acme.payments", "zeta.payments"}, func(tx issuance.Snapshot) (ids []string, err error) {
		found, _, err := tx.Services(issuance.ServiceQuery{Name: "Payments"})
		for _, r := range found {
			ids = append(ids, string(r.ID))
		}
		return ids, err
	})
	compare(t, s, "a number", []string{"con-1"}, func(tx issuance.Snapshot) ([]string, error) { return named(tx, "+41791234561") })
	compare(t, s, "an organisation", []string{"zeta"}, func(tx issuance.Snapshot) (ids []string, err error) {
		found, err := tx.OrganizationsNamed("ZETA ag", 2)
		for _, r := range found {
			ids = append(ids, string(r.ID))
		}
		return ids, err
	})
}

func named(tx issuance.Snapshot, mobile string) (ids []string, err error) {
	found, _, err := tx.Contacts(issuance.ContactQuery{Mobile: mobile})
	for _, r := range found {
		ids = append(ids, string(r.ID))
	}
	return ids, err
}

func serials(found []issuance.Certificate) (out []string) {
	for _, c := range found {
		out = append(out, string(c.Serial))
	}
	return out
}

func compare(t *testing.T, s *Store, what string, want []string, find func(issuance.Snapshot) ([]string, error)) {
	t.Helper()
	var got []string
	err := s.View(t.Context(), func(tx issuance.Snapshot) (err error) {
		got, err = find(tx)
		return err
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("by %s (-want +got), %v:\n%s", what, err, diff)
	}
}

// TestAMigrationInPartsBeginsAnew is killed, so to say, after some of its
// transactions: the old program still opens the file and changes it, and then the
// new one makes all entries, and none of what is not there any more.
func TestAMigrationInPartsBeginsAnew(t *testing.T) {
	o := oldHouse(t)
	db, err := openFile(o)
	if err != nil {
		t.Fatal(err)
	}
	size := batch{records: 2, entries: 3, run: 2}
	if err := first(prepared()[0].fill(db, o.Log, size), findByClues(db, size)); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(b *bbolt.Tx) error {
		to := b.Bucket([]byte("certificates.find"))
		runs := b.Bucket([]byte(runsBucket))
		if n := to.Stats().KeyN + runs.Stats().KeyN; n != 8*4 {
			t.Errorf("made in parts: %d entries, want 32", n)
		}
		stale := append(runHead(byEnding, 1), backwards("3f0c5e"+"gone"+"feedfeed")...)
		return runs.Put(stale, nil)
	}); err != nil {
		t.Fatal(err)
	}
	if err := first(migrate(db, migrations()[:1], o), db.Close()); err != nil {
		t.Fatalf("the old program: %v", err)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	findAll(t, s)
	compare(t, s, "what is there no more", nil, func(tx issuance.Snapshot) ([]string, error) {
		found, err := tx.CertificatesWith(issuance.CertificateKey{Ending: "feedfeed"}, 9)
		return serials(found), err
	})
}
