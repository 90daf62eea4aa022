package bolt

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// TestKeyChangedBeforeSecretsWereSealedAgain: an earlier version put the new key on
// record, and left the secrets under the old one.
func TestKeyChangedBeforeSecretsWereSealedAgain(t *testing.T) {
	const first, second, third = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	dir, logged := t.TempDir(), new(bytes.Buffer)
	key := func(lines string) *seal.Ring {
		path := filepath.Join(dir, "key")
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		ring, err := seal.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	use := func(lines string, f func(*Store) error) {
		t.Helper()
		s, err := Open(Options{Path: filepath.Join(dir, "db"), Key: key(lines), Log: slog.New(slog.NewTextHandler(logged, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f(s), s.Close()); err != nil {
			t.Error(err)
		}
	}
	ref := issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "o"}
	use(first, func(s *Store) error {
		return s.Update(t.Context(), func(tx issuance.Tx) error { return tx.PutSecret(ref, issuance.NewSecret([]byte("seed"))) })
	})
	use(first, func(s *Store) error { // what the earlier version left
		return s.db.Update(func(b *bbolt.Tx) error {
			gone, err := key(third).Seal(ref, issuance.NewSecret([]byte("of a key that nobody has")))
			return errors.Join(err, knowKey(b.Bucket([]byte(metaBucket)), key(second+first)),
				b.Bucket([]byte(secretsBucket)).Put(secretKey(issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "gone"}), gone))
		})
	})
	use(second+first, func(*Store) error { return nil })
	if !strings.Contains(logged.String(), "level=WARN") || !strings.Contains(logged.String(), "again=1 unopened=1") {
		t.Errorf("the start with both keys logged\n%s", logged)
	}
	use(second, func(s *Store) error {
		return s.View(t.Context(), func(tx issuance.Snapshot) error {
			got, err := tx.Secret(ref)
			if string(got.Reveal()) != "seed" {
				t.Errorf("without the old key: got %q", got.Reveal())
			}
			return err
		})
	})
}
