package bolt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log/slog"
	"math/big"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// TestKeysOfAnOldDatabaseAreMarked opens a database of schema version 2, whose
// certificates have no marks of their keys and whose compromised keys are digests
// of another kind.
func TestKeysOfAnOldDatabaseAreMarked(t *testing.T) {
	key, err := seal.Create(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Path: filepath.Join(t.TempDir(), "db"), Key: key, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	stolen, whole := realCertificate(t, "01"), realCertificate(t, "02")
	stolen.Status, stolen.Reason = issuance.Revoked, issuance.KeyCompromise
	err = s.Update(t.Context(), func(tx issuance.Tx) error {
		return first(tx.PutCertificate(stolen), tx.PutCertificate(whole), tx.PutCompromised("a digest of an older kind"))
	})
	if err := first(err, s.Close(), takeBack(o, 2, "certificates.keys", "certificates.ends")); err != nil {
		t.Fatal(err)
	}

	for range 2 { // and again, as a database of today
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
		for _, c := range []issuance.Certificate{stolen, whole} {
			compare(t, s, "key of "+string(c.Serial), []string{string(c.Serial)}, func(tx issuance.Snapshot) ([]string, error) {
				found, err := tx.CertificatesWith(issuance.CertificateKey{Mark: c.Mark()}, 9)
				return serials(found), err
			})
			err := s.View(t.Context(), func(tx issuance.Snapshot) error {
				bad, err := tx.Compromised(c.Mark())
				if bad != (c.Serial == stolen.Serial) {
					t.Errorf("the key of %s is compromised: %v", c.Serial, bad)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// realCertificate returns one whose record has no mark, as in an old database.
func realCertificate(t *testing.T, serial issuance.Serial) issuance.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return issuance.Certificate{Serial: serial, Status: issuance.Active, DER: der}
}

// takeBack makes a database of today one of an older schema version, which has not these buckets.
func takeBack(o Options, version uint64, without ...string) error {
	db, err := openFile(o)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(b *bbolt.Tx) error {
		for _, name := range without {
			if err := b.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		return b.Bucket([]byte(metaBucket)).Put([]byte(schemaKey), binary.BigEndian.AppendUint64(nil, version))
	})
}
