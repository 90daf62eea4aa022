package bolt

import (
	"bytes"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// TestAnOldDatabaseListsByEnd: the lists by when certificates end are the same after
// the migration, also when a certificate has changed since, and nothing of them is
// left where they were.
func TestAnOldDatabaseListsByEnd(t *testing.T) {
	s, err := Open(oldHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []issuance.Certificate
	read := func() (byEnd []string) {
		if err := s.View(t.Context(), func(tx issuance.Snapshot) (err error) {
			if all, _, err = tx.Certificates(issuance.CertificateQuery{}); err != nil {
				return err
			}
			end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
			found, _, err := tx.Certificates(issuance.CertificateQuery{ExpiresBefore: end})
			for i, c := range found {
				if i > 0 && c.NotAfter.Before(found[i-1].NotAfter) {
					t.Errorf("%s is listed behind one that ends later", c.Serial)
				}
			}
			byEnd = serials(found)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return byEnd
	}
	check := func(when string) {
		if got := read(); len(got) == 0 || len(got) != len(all) {
			t.Errorf("%s: %d certificates by their end, want %d", when, len(got), len(all))
		}
	}
	check("after the migration")
	if err := s.Update(t.Context(), func(tx issuance.Tx) error {
		c := all[0]
		c.NotAfter = c.NotAfter.Add(time.Hour)
		return tx.PutCertificate(c)
	}); err != nil {
		t.Fatal(err)
	}
	check("after a change")
	if err := s.db.View(func(b *bbolt.Tx) error {
		c := b.Bucket([]byte("certificates.index")).Cursor()
		for _, old := range []tag{byExpiry, byNeed} {
			if k, _ := c.Seek([]byte{byte(old)}); bytes.HasPrefix(k, []byte{byte(old)}) {
				t.Errorf("an entry of before is left: %x", k)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
