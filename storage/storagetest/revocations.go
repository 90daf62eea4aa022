package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func revocation(serial string, issuer string, status issuance.Status, days int) issuance.Revocation {
	r := issuance.Revocation{
		Serial: issuance.Serial(serial), Issuer: issuer, Status: status, At: start(),
		NotAfter: after(time.Duration(days) * 24 * time.Hour),
	}
	if status == issuance.Revoked {
		r.Reason = issuance.KeyCompromise
	}
	return r
}

func revoke(t testing.TB, s Store, all ...issuance.Revocation) {
	t.Helper()
	update(t, s, func(tx Tx) error {
		for _, r := range all {
			if err := firstError(tx.PutCertificate(standing(r)), tx.AppendRevocation(r)); err != nil {
				return err
			}
		}
		return nil
	})
}

// standing returns a certificate that stands as r says.
func standing(r issuance.Revocation) issuance.Certificate {
	return issuance.Certificate{
		Serial: r.Serial, Issuer: r.Issuer, Status: r.Status, Reason: r.Reason, ChangedAt: r.At, NotAfter: r.NotAfter,
	}
}

func present(t testing.TB, s Store, issuer string) []issuance.Revocation {
	t.Helper()
	out := []issuance.Revocation{}
	view(t, s, func(tx Reader) error {
		return tx.Revocations(issuer, func(r issuance.Revocation) error {
			out = append(out, r)
			return nil
		})
	})
	return out
}

func testRevocations(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	same(t, "none", []issuance.Revocation{}, present(t, s, "a"))
	revoke(t, s,
		revocation("03", "a", issuance.Revoked, 1), revocation("01", "a", issuance.Held, 2),
		revocation("02", "b", issuance.Revoked, 3), revocation("04", "aa", issuance.Revoked, 4))
	same(t, "of a", []issuance.Revocation{
		revocation("01", "a", issuance.Held, 2), revocation("03", "a", issuance.Revoked, 1),
	}, present(t, s, "a"))
	same(t, "of b", []issuance.Revocation{revocation("02", "b", issuance.Revoked, 3)}, present(t, s, "b"))
	same(t, "of nobody", []issuance.Revocation{}, present(t, s, ""))

	revoke(t, s, revocation("01", "a", issuance.Active, 2)) // released
	same(t, "after the release", []string{"03 revoked"}, ids(present(t, s, "a"), revoked))
	revoke(t, s, revocation("01", "a", issuance.Held, 2), revocation("01", "a", issuance.Revoked, 2),
		revocation("09", "a", issuance.Active, 2))
	same(t, "held, then revoked", []string{"01 revoked", "03 revoked"}, ids(present(t, s, "a"), revoked))

	stop := errors.New("stop")
	seen := 0
	view(t, s, func(tx Reader) error {
		if err := tx.Revocations("a", func(issuance.Revocation) error { seen++; return stop }); !errors.Is(err, stop) {
			t.Errorf("Revocations: got %v, want the function's error", err)
		}
		return nil
	})
	same(t, "calls until the error", 1, seen)
}

// testRevocationsAreTheCertificates changes certificates without a word to the
// feed, and the feed without a change of a certificate: what Revocations tells is
// where the certificates stand.
func testRevocationsAreTheCertificates(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	kept := revocation("01", "a", issuance.Revoked, -1000) // expired long ago, and never forgotten
	put := func(r issuance.Revocation) {
		update(t, s, func(tx Tx) error { return tx.PutCertificate(standing(r)) })
	}
	put(kept)
	put(revocation("02", "a", issuance.Active, 1))
	update(t, s, func(tx Tx) error {
		return firstError(tx.AppendRevocation(revocation("01", "a", issuance.Active, -1000)),
			tx.AppendRevocation(revocation("02", "a", issuance.Revoked, 1)))
	})
	s = open()
	same(t, "after changes that are not the certificates'", []issuance.Revocation{kept}, present(t, s, "a"))
	worse := kept
	worse.Reason, worse.At = issuance.Superseded, after(time.Second)
	put(worse)
	same(t, "with another reason", []issuance.Revocation{worse}, present(t, s, "a"))
	put(revocation("01", "b", issuance.Held, 1))
	same(t, "of another issuer", []issuance.Revocation{}, present(t, s, "a"))
}

func testChanges(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	last := func() uint64 { return read(t, s, Reader.LastChange) }
	same(t, "LastChange of nothing", uint64(0), last())
	for i := range 10 {
		revoke(t, s, revocation(fmt.Sprintf("0%d", i), "a", issuance.Revoked, 1))
	}
	same(t, "LastChange", uint64(10), last())
	seqs := func(after uint64, limit int) []string {
		return ids(read(t, s, func(tx Reader) ([]issuance.Revocation, error) { return tx.Changes(after, limit) }),
			func(r issuance.Revocation) string { return fmt.Sprint(r.Seq, " ", r.Serial) })
	}
	same(t, "from the beginning", []string{"1 00", "2 01", "3 02"}, seqs(0, 3))
	same(t, "from the middle", []string{"9 08", "10 09"}, seqs(8, 100))
	same(t, "none new", []string{}, seqs(10, 100))
	same(t, "beyond the end", []string{}, seqs(1<<63, 100))

	// A change that was taken back uses no number up for good.
	failed := errors.New("no")
	if err := s.Update(t.Context(), func(tx Tx) error {
		r := revocation("99", "a", issuance.Revoked, 1)
		return errors.Join(tx.PutCertificate(standing(r)), tx.AppendRevocation(r), failed)
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	same(t, "after a failed Update", 10, len(present(t, s, "a")))
	same(t, "no change of it", []string{}, seqs(10, 100))
	revoke(t, s, revocation("98", "a", issuance.Revoked, 1))
	if n := last(); n <= 10 {
		t.Errorf("LastChange: got %d, want more than 10", n)
	}
	same(t, "the newest change is the last one", 1, len(seqs(last()-1, 100)))
}

func testCRLNumbers(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	next := func(issuer string) (n uint64) {
		update(t, s, func(tx Tx) (err error) {
			n, err = tx.NextCRLNumber(issuer)
			return err
		})
		return n
	}
	same(t, "first", uint64(1), next("a"))
	two := next("a")
	if two <= 1 {
		t.Errorf("second number: got %d, want more than 1", two)
	}
	same(t, "first of another", uint64(1), next("b"))
	s = open()
	if three := next("a"); three <= two {
		t.Errorf("number after opening again: got %d, want more than %d", three, two)
	}
}
