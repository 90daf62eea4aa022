package bolt

import (
	"bytes"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// TestAPurgedRevocationComesBack: a program of before had purged it because the clock
// was ahead, and its certificate's record still says that it is revoked.
func TestAPurgedRevocationComesBack(t *testing.T) {
	o := oldHouse(t)
	o.Path += ".fresh"
	old, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c := issuance.Certificate{
		Serial: "01", Issuer: "a", Status: issuance.Revoked, Reason: issuance.KeyCompromise,
		ChangedAt: time.Unix(1000, 0).UTC(), NotAfter: time.Unix(2000, 0).UTC(),
	}
	if err := old.Update(t.Context(), func(tx issuance.Tx) error { return tx.PutCertificate(c) }); err != nil {
		t.Fatal(err)
	}
	err = old.db.Update(func(b *bbolt.Tx) error { // that program knew no such entries
		cursor := b.Bucket([]byte("certificates.find")).Cursor()
		for k, _ := cursor.First(); k != nil; k, _ = cursor.Next() {
			if bytes.HasPrefix(k, []byte{byte(byRevocation)}) {
				return cursor.Delete()
			}
		}
		return nil
	})
	if err := first(err, old.Close(), takeBack(o, 3, "certificates.ends")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []issuance.Revocation
	if err := s.Feed().View(t.Context(), func(tx issuance.FeedReader) error {
		return tx.Revocations("a", func(r issuance.Revocation) error { got = append(got, r); return nil })
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != c.Revocation() {
		t.Errorf("after the migration: %+v, want %+v", got, c.Revocation())
	}
}
