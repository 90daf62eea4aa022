package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func revocation(serial string, issuer string, status issuance.Status, days int) issuance.Revocation {
	r := issuance.Revocation{Serial: issuance.Serial(serial), Issuer: issuer, Status: status, At: start(), NotAfter: after(time.Duration(days) * 24 * time.Hour)}
	if status == issuance.Revoked {
		r.Reason = issuance.KeyCompromise
	}
	return r
}

func revoke(t testing.TB, s Store, all ...issuance.Revocation) {
	t.Helper()
	update(t, s, func(tx Tx) error {
		for _, r := range all {
			if err := tx.AppendRevocation(r); err != nil {
				return err
			}
		}
		return nil
	})
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
	want := func(seq uint64, r issuance.Revocation) issuance.Revocation {
		r.Seq = seq
		return r
	}
	same(t, "of a", []issuance.Revocation{want(2, revocation("01", "a", issuance.Held, 2)), want(1, revocation("03", "a", issuance.Revoked, 1))}, present(t, s, "a"))
	same(t, "of b", []issuance.Revocation{want(3, revocation("02", "b", issuance.Revoked, 3))}, present(t, s, "b"))
	same(t, "of nobody", []issuance.Revocation{}, present(t, s, ""))

	revoke(t, s, revocation("01", "a", issuance.Active, 2)) // released
	same(t, "after the release", []string{"03 revoked"}, ids(present(t, s, "a"), revoked))
	revoke(t, s, revocation("01", "a", issuance.Held, 2), revocation("01", "a", issuance.Revoked, 2), revocation("09", "a", issuance.Active, 2))
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

func testForgetRevocations(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	for i := range 5 {
		revoke(t, s, revocation(fmt.Sprintf("0%d", i), "a", issuance.Revoked, i), revocation(fmt.Sprintf("1%d", i), "b", issuance.Held, i))
	}
	revoke(t, s, revocation("10", "b", issuance.Active, 0)) // released: nothing to forget
	forget := func(before time.Time, limit int) (n int) {
		update(t, s, func(tx Tx) (err error) {
			n, err = tx.ForgetRevocations(before, limit)
			return err
		})
		return n
	}
	same(t, "none asked for", 0, forget(after(1000*time.Hour), 0))
	same(t, "none expired", 0, forget(start(), 10))
	same(t, "limited", 2, forget(after(48*time.Hour), 2))
	same(t, "the rest of them", 1, forget(after(48*time.Hour), 10))
	same(t, "no more", 0, forget(after(48*time.Hour), 10))
	same(t, "left of a", []string{"02 revoked", "03 revoked", "04 revoked"}, ids(present(t, s, "a"), revoked))
	same(t, "left of b", []string{"12 held", "13 held", "14 held"}, ids(present(t, s, "b"), revoked))
	changes := read(t, s, func(tx Reader) ([]issuance.Revocation, error) { return tx.Changes(11, 10) })
	same(t, "changes", []string{"00 active", "01 active", "11 active"}, ids(changes, revoked))
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
		return errors.Join(tx.AppendRevocation(revocation("99", "a", issuance.Revoked, 1)), failed)
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	same(t, "after a failed Update", []string{"00 revoked"}, ids(present(t, s, "a")[:1], revoked))
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
