package storagetest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func testAudit(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	record := func(i int) issuance.AuditRecord {
		return issuance.AuditRecord{
			At: after(time.Duration(i)), Actor: issuance.Actor{Role: issuance.RoleOfficer, ID: "t", Name: "Olga"},
			Verb:         issuance.ApproveVerb,
			Organization: "acme", Order: issuance.OrderID(fmt.Sprint("o", i%2)), Serial: issuance.Serial(fmt.Sprint("s", i%4)),
			Subject: "x", Detail: map[string]string{"a": "b"}, Sealed: "d",
			Origin: issuance.Origin{Address: []string{"192.0.2.7", "2001:db8::7"}[i%2], Request: fmt.Sprint("r-", i)},
		}
	}
	putCertificates(t, s,
		certificate(0, func(c *issuance.Certificate) { c.Serial, c.Order = "s0", "o0" }),
		certificate(1, func(c *issuance.Certificate) { c.Serial, c.Order, c.Status = "s1", "o1", issuance.Abandoned }))
	appendRecords := func(from, to int) {
		update(t, s, func(tx Tx) error {
			for i := from; i <= to; i++ {
				if err := tx.AppendAudit(record(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	appendRecords(1, 6)
	list := func(q issuance.AuditQuery) []issuance.AuditRecord {
		return collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.AuditRecord, string, error) {
			q.Page = p
			return tx.Audit(q)
		})
	}
	seqs := func(q issuance.AuditQuery) []string {
		return ids(list(q), func(r issuance.AuditRecord) string { return fmt.Sprint(r.Seq) })
	}
	want, newest := record(6), list(issuance.AuditQuery{})[0]
	if want.Seq = 6; len(newest.Prev) == len(issuance.NoLink) {
		want.Prev = newest.Prev
	}
	same(t, "the newest", want, newest)
	same(t, "all", []string{"6", "5", "4", "3", "2", "1"}, seqs(issuance.AuditQuery{}))
	same(t, "of an order", []string{"5", "3", "1"}, seqs(issuance.AuditQuery{Order: "o1"}))
	same(t, "of a certificate", []string{"4"}, seqs(issuance.AuditQuery{Serial: "s0"}))
	same(t, "of an abandoned serial number", []string{"5", "1"}, seqs(issuance.AuditQuery{Serial: "s1"}))
	same(t, "of both", []string{"5", "1"}, seqs(issuance.AuditQuery{Order: "o1", Serial: "s1"}))
	same(t, "of a certificate and another order", []string{}, seqs(issuance.AuditQuery{Order: "o1", Serial: "s0"}))
	same(t, "of an unknown certificate", []string{}, seqs(issuance.AuditQuery{Serial: "s9"}))
	same(t, "by one", want, read(t, s, func(tx Reader) (issuance.AuditRecord, error) { return tx.AuditRecord(6) }))
	view(t, s, func(tx Reader) error {
		if _, err := tx.AuditRecord(7); !isNotFound(err) {
			t.Errorf("a record that is not there: %v", err)
		}
		return nil
	})
	same(t, "of a verb", 6, len(seqs(issuance.AuditQuery{Did: issuance.ApproveVerb})))
	same(t, "of another verb", []string{}, seqs(issuance.AuditQuery{Did: issuance.RevokeVerb}))
	same(t, "of somebody, in any case", 6, len(seqs(issuance.AuditQuery{Who: "OLGA"})))
	same(t, "of somebody else", []string{}, seqs(issuance.AuditQuery{Who: "Olg"}))
	same(t, "of an address", []string{"6", "4", "2"}, seqs(issuance.AuditQuery{Address: netip.MustParsePrefix("192.0.2.7/32")}))
	same(t, "of a network and an order", []string{"5", "3", "1"}, seqs(issuance.AuditQuery{
		Address: netip.MustParsePrefix("2001:db8::/64"), Order: "o1",
	}))
	same(t, "of a request", []string{"3"}, seqs(issuance.AuditQuery{Request: "r-3"}))
	same(t, "of nobody", []string{}, seqs(issuance.AuditQuery{Order: "none"}))
	update(t, s, func(tx Tx) error {
		for id, want := range map[issuance.OrderID][]string{"o1": {"5", "3", "1"}, "none": {}, "o1\x00": {}} {
			done, err := tx.DoneTo(id, issuance.ApproveVerb)
			same(t, "done to "+string(id), want, ids(done, func(r issuance.AuditRecord) string { return fmt.Sprint(r.Seq) }))
			other, err2 := tx.DoneTo(id, issuance.RejectVerb)
			if err != nil || err2 != nil || len(other) != 0 {
				t.Errorf("done to %q: %v, %v, and by another verb %v", id, err, err2, other)
			}
		}
		return nil
	})
	for _, id := range []issuance.OrderID{"o1\x00a", "o1\x00", "\x00", "o1\x00a\xff\xff\xff\xff\xff\xff\xff\xfe"} {
		same(t, "of what is no order", []string{}, seqs(issuance.AuditQuery{Order: id}))
		view(t, s, func(tx Reader) error {
			if _, err := tx.Order(id); !isNotFound(err) {
				t.Errorf("the order %q: %v", id, err)
			}
			return nil
		})
	}
	s = open()
	appendRecords(7, 7)
	same(t, "after opening again", []string{"7", "6"}, seqs(issuance.AuditQuery{})[:2])
}

func testReceipts(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	receipt := func(i int) issuance.Receipt {
		return issuance.Receipt{Key: name("olga ", i), Request: "digest", Made: "order1", At: after(time.Duration(i) * time.Hour)}
	}
	update(t, s, func(tx Tx) error {
		for i := range 5 {
			if err := tx.PutReceipt(receipt(i)); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "Receipt", receipt(3), read(t, s, func(tx Reader) (issuance.Receipt, error) { return tx.Receipt("olga 00003") }))
	forget := func(before time.Time, limit int) (n int) {
		update(t, s, func(tx Tx) (err error) {
			n, err = tx.ForgetReceipts(before, limit)
			return err
		})
		return n
	}
	same(t, "nothing old", 0, forget(start(), 10))
	same(t, "limited", 2, forget(after(3*time.Hour), 2))
	same(t, "the rest of them", 1, forget(after(3*time.Hour), 10))
	view(t, s, func(tx Reader) error {
		for i := range 5 {
			if _, err := tx.Receipt(receipt(i).Key); isNotFound(err) != (i < 3) {
				t.Errorf("receipt %d: %v", i, err)
			}
		}
		return nil
	})
}

func testClock(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	clock := func() time.Time { return read(t, s, Reader.Clock) }
	same(t, "never set", time.Time{}, clock())
	set := func(at time.Time) { update(t, s, func(tx Tx) error { return tx.SetClock(at) }) }
	set(after(1))
	same(t, "set", after(1), clock())
	set(after(time.Hour).In(time.FixedZone("east", 3600)))
	same(t, "set again", after(time.Hour), clock())
	set(start())
	s = open()
	same(t, "the latest, after an earlier one", after(time.Hour), clock())

	mark := func() issuance.ClockMark { return read(t, s, Reader.ClockMark) }
	same(t, "no mark", issuance.ClockMark{}, mark())
	want := issuance.ClockMark{Reading: issuance.Reading{Wall: after(time.Minute), Steady: 7, Run: "boot-1"}, Doubted: true}
	update(t, s, func(tx Tx) error { return tx.PutClockMark(want) })
	s = open()
	same(t, "the mark", want, mark())
	same(t, "the time of the mark, which is earlier", after(time.Minute), clock())
}

// testOwn changes what it has put and what it has got, and asks that the store's
// own record stays as it was.
func testOwn(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	o := order(1, func(o *issuance.Order) { o.Code.MadeAt = make([]time.Time, 1, 8) })
	o.Code.MadeAt[0] = after(1)
	putOrders(t, s, o)
	o.Code.MadeAt[0] = after(2)
	get := func() issuance.Order {
		return read(t, s, func(tx Reader) (issuance.Order, error) { return tx.Order(o.ID) })
	}
	update(t, s, func(tx Tx) error {
		for i := range 2 {
			changed, err := tx.Order(o.ID)
			if err != nil {
				return err
			}
			changed.Code.MadeAt = append(changed.Code.MadeAt, after(time.Duration(i)))
			if i == 1 {
				if err := tx.PutOrder(changed); err != nil {
					return err
				}
				_ = append(changed.Code.MadeAt, after(9))
			}
		}
		return nil
	})
	same(t, "MadeAt", []time.Time{after(1), after(1)}, get().Code.MadeAt)
}

// testTimes puts times that are not in UTC and asks for them back in UTC, and
// that what was put is left as it was.
func testTimes(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	east := time.FixedZone("east", 5*3600)
	made := []time.Time{after(1).In(east)}
	o := order(1, func(o *issuance.Order) {
		o.RequestedAt, o.Link.ExpiresAt, o.Code.MadeAt = o.RequestedAt.In(east), after(2).In(east), made
	})
	putOrders(t, s, o)
	if made[0].Location() != east {
		t.Error("PutOrder changed the caller's own slice")
	}
	got := read(t, s, func(tx Reader) (issuance.Order, error) { return tx.Order(o.ID) })
	for what, times := range map[string][2]time.Time{
		"RequestedAt": {o.RequestedAt, got.RequestedAt}, "Link.ExpiresAt": {o.Link.ExpiresAt, got.Link.ExpiresAt},
		"Code.MadeAt": {made[0], got.Code.MadeAt[0]},
	} {
		if !times[0].Equal(times[1]) || times[1].Location() != time.UTC {
			t.Errorf("%s: got %v, want %v in UTC", what, times[1], times[0])
		}
	}
	if !got.DueAt.IsZero() || !got.DecidedAt.IsZero() {
		t.Error("a zero time did not come back as zero")
	}
}
