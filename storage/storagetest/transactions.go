package storagetest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// testAtomicity writes to everything and fails: nothing may be left of it.
func testAtomicity(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	putOrders(t, s, order(1, nil))
	no := errors.New("no")
	err := s.Update(t.Context(), func(tx Tx) error { return errors.Join(writeEverything(tx), no) })
	if !errors.Is(err, no) {
		t.Fatalf("Update: got %v, want the function's error", err)
	}
	checkNothingWritten(t, s)

	// A Put that the store itself refuses, and an error after it.
	update(t, s, func(tx Tx) error {
		if err := tx.PutOrder(issuance.Order{}); err == nil {
			t.Error("PutOrder without an id: got no error")
		}
		return nil
	})
}

func writeEverything(tx Tx) error {
	_, err := tx.NextCRLNumber("a")
	return firstError(err,
		tx.PutOrganization(issuance.Organization{ID: "org"}), tx.PutContact(contact(1, "org", "a@b.example")),
		tx.PutService(issuance.Service{ID: "org.s", Organization: "org"}),
		tx.PutOrder(order(1, func(o *issuance.Order) { o.State, o.DueAt, o.Link.Digest = issuance.InvitedState, start(), "link" })),
		tx.PutOrder(order(2, nil)), tx.PutCertificate(certificate(1, nil)), tx.PutNotice(notice(1, nil)),
		tx.AppendRevocation(revocation("01", "a", issuance.Revoked, 1)),
		tx.PutSecret(issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "o"}, issuance.NewSecret([]byte("x"))),
		tx.PutToken(staff.Token{ID: "t", Digest: "d"}), tx.AppendAudit(issuance.AuditRecord{Order: "o"}),
		tx.PutReceipt(issuance.Receipt{Key: "k"}), tx.SetClock(start()))
}

func checkNothingWritten(t *testing.T, s Store) {
	t.Helper()
	view(t, s, func(tx Reader) error {
		got, err := tx.Order("order00001")
		same(t, "the order that was there", order(1, nil), got)
		due, err2 := tx.DueOrders(after(time.Hour), 10)
		same(t, "due orders", 0, len(due))
		audit, _, err3 := tx.Audit(issuance.AuditQuery{})
		same(t, "audit records", 0, len(audit))
		invited, _, err4 := tx.Orders(issuance.OrderQuery{State: issuance.InvitedState})
		same(t, "invited orders", 0, len(invited))
		clock, err5 := tx.Clock()
		same(t, "clock", time.Time{}, clock)
		last, err6 := tx.Changes(0, 10)
		same(t, "changes", 0, len(last))
		for what, err := range map[string]error{
			"organisation": second(tx.Organization("org")), "contact": second(tx.Contact("contact00001")),
			"service": second(tx.Service("org.s")),
			"link":    second(tx.OrderByLink("link")), "order": second(tx.Order("order00002")),
			"certificate": second(tx.Certificate("serial00001")),
			"notice":      second(tx.Notice("notice00001")), "token": second(tx.Token("t")), "digest": second(tx.TokenByDigest("d")),
			"receipt": second(tx.Receipt("k")), "secret": second(tx.Secret(issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "o"})),
		} {
			if !isNotFound(err) {
				t.Errorf("%s: got %v, want ErrNotFound", what, err)
			}
		}
		return firstError(err, err2, err3, err4, err5, err6)
	})
	same(t, "revocations", 0, len(present(t, s, "a")))
}

func testPanic(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	putOrders(t, s, order(1, nil))
	for _, write := range []bool{false, true} {
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v, want the function's own panic", got)
				}
			}()
			s.Update(t.Context(), func(tx Tx) error {
				if write {
					writeEverything(tx)
				}
				panic("boom")
			})
		}()
	}
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want the function's own panic", got)
			}
		}()
		s.View(t.Context(), func(Reader) error { panic("boom") })
	}()
	// A goroutine that ends inside of its Update, as t.FailNow does.
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Update(context.Background(), func(tx Tx) error {
			writeEverything(tx)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	checkNothingWritten(t, s)
	putOrders(t, s, order(3, nil))
}

// testIsolation looks at a View while an Update commits, and at an Update's own writes.
func testIsolation(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	putOrders(t, s, order(1, nil))
	began, committed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(committed)
		<-began
		putOrders(t, s, order(1, func(o *issuance.Order) { o.State = issuance.InvitedState }), order(2, nil))
	}()
	view(t, s, func(tx Reader) error {
		close(began)
		<-committed
		o, err := tx.Order("order00001")
		same(t, "the order in the View", issuance.RequestedState, o.State)
		list, _, err2 := tx.Orders(issuance.OrderQuery{})
		same(t, "orders in the View", 1, len(list))
		return errors.Join(err, err2)
	})
	same(t, "orders after it", 2, len(listOrders(t, s, issuance.OrderQuery{})))
	update(t, s, func(tx Tx) error {
		if err := tx.PutOrder(order(3, func(o *issuance.Order) { o.State = issuance.LockedState })); err != nil {
			return err
		}
		list, _, err := tx.Orders(issuance.OrderQuery{State: issuance.LockedState})
		same(t, "an Update's own order", []string{"order00003"}, ids(list, orderID))
		return err
	})
}

func testTxAfterItsEnd(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	var kept []Reader
	keep := func(tx Tx) error {
		kept = append(kept, tx)
		return nil
	}
	view(t, s, func(tx Reader) error {
		kept = append(kept, tx)
		return nil
	})
	update(t, s, keep)
	update(t, s, func(tx Tx) error { return errors.Join(keep(tx), tx.PutOrder(order(1, nil))) })
	for _, tx := range kept {
		if _, err := tx.Order("order00001"); err == nil || isNotFound(err) {
			t.Errorf("Order after the end: got %v, want an error that says so", err)
		}
		if tx, writes := tx.(Tx); writes && tx.PutOrder(order(2, nil)) == nil {
			t.Error("PutOrder after the end: got no error")
		}
	}
}

func testViewCannotWrite(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	view(t, s, func(r Reader) error {
		tx, writes := r.(Tx) // its type does not offer it; whoever asks for it must be refused
		if writes && (tx.PutOrder(order(1, nil)) == nil ||
			tx.SetClock(start()) == nil || tx.AppendAudit(issuance.AuditRecord{}) == nil) {
			t.Error("a View has written")
		}
		return nil
	})
	same(t, "orders", 0, len(listOrders(t, s, issuance.OrderQuery{})))
}

// testReopen ends the store between the steps of a story.
func testReopen(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	for i := range 5 {
		putOrders(t, s, order(i, nil))
		s = open()
		update(t, s, func(tx Tx) error {
			o, err := tx.Order(order(i, nil).ID)
			if err != nil {
				return err
			}
			o.State = issuance.InvitedState
			return firstError(tx.PutOrder(o), tx.PutNotice(notice(i, nil)), tx.AppendAudit(issuance.AuditRecord{Order: o.ID}),
				tx.AppendRevocation(revocation(name("", i), "a", issuance.Revoked, 1)),
				tx.PutCertificate(standing(revocation(name("", i), "a", issuance.Revoked, 1))))
		})
		s = open()
	}
	same(t, "orders", []string{"00004", "00003", "00002", "00001", "00000"},
		listOrders(t, s, issuance.OrderQuery{State: issuance.InvitedState}))
	same(t, "revocations", 5, len(present(t, s, "a")))
	same(t, "LastChange", uint64(5), read(t, s, Reader.LastChange))
	due := read(t, s, func(tx Reader) ([]issuance.Notice, error) {
		return tx.DueNotices(issuance.SMS, after(time.Hour), 10)
	})
	same(t, "due notices", 5, len(due))
}
