package bolt_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// BenchmarkFind finds one certificate by each thing that people have in hand, of a
// thousand and of a hundred thousand.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		s := open(b, options(b))
		for i := 0; i < n; i += 1000 {
			if err := s.Update(b.Context(), func(tx issuance.Tx) error { return findable(tx, i, i+1000) }); err != nil {
				b.Fatal(err)
			}
		}
		c := oneOfMany(n / 2)
		old := sha1.Sum(c.DER)
		for name, k := range map[string]issuance.CertificateKey{
			"SHA-256": {SHA256: c.Fingerprint}, "SHA-1": {SHA1: hex.EncodeToString(old[:])}, "ending": {Ending: string(c.Serial)[26:]},
		} {
			b.Run(fmt.Sprintf("%s/of=%d", name, n), func(b *testing.B) {
				findOne(b, s, func(tx issuance.Snapshot) (int, error) {
					found, err := tx.CertificatesWith(k, 50)
					return len(found), err
				})
			})
		}
		b.Run(fmt.Sprintf("contact/of=%d", n), func(b *testing.B) {
			findOne(b, s, func(tx issuance.Snapshot) (int, error) {
				found, _, err := tx.Certificates(issuance.CertificateQuery{Contact: c.Contact, Status: issuance.Active})
				return len(found), err
			})
		})
		closeStore(b, s)
	}
}

func findOne(b *testing.B, s issuance.Store[issuance.Snapshot, issuance.Tx], find func(issuance.Snapshot) (int, error)) {
	for b.Loop() {
		err := s.View(b.Context(), func(tx issuance.Snapshot) error {
			n, err := find(tx)
			if n == 0 {
				err = errors.Join(err, errors.New("nothing was found"))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// oneOfMany is the i-th certificate of a large house; ten belong to each contact.
func oneOfMany(i int) issuance.Certificate {
	serial := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	der := append(serial[:], make([]byte, 868)...)
	sum := sha256.Sum256(der)
	at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
	return issuance.Certificate{
		Serial: issuance.Serial(hex.EncodeToString(serial[:17])), Status: issuance.Active, Order: issuance.OrderID(fmt.Sprint("ord-", i)),
		Organization: "acme", Service: "acme.payments", Contact: issuance.ContactID(fmt.Sprint("con-", i/10)), Issuer: "issuing",
		IssuedAt: at, NotBefore: at, NotAfter: at.AddDate(2, 0, 0), Key: issuance.P256, Fingerprint: hex.EncodeToString(sum[:]), DER: der,
	}
}

func findable(tx issuance.Tx, from, to int) error {
	for i := from; i < to; i++ {
		if err := tx.PutCertificate(oneOfMany(i)); err != nil {
			return err
		}
	}
	return nil
}
