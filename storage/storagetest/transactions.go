package storagetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
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
			"organisation": second(tx.Organization("org")), "contact": second(tx.Contact("contact00001")), "service": second(tx.Service("org.s")),
			"link": second(tx.OrderByLink("link")), "order": second(tx.Order("order00002")), "certificate": second(tx.Certificate("serial00001")),
			"notice": second(tx.Notice("notice00001")), "token": second(tx.Token("t")), "digest": second(tx.TokenByDigest("d")),
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
		if writes && (tx.PutOrder(order(1, nil)) == nil || tx.SetClock(start()) == nil || tx.AppendAudit(issuance.AuditRecord{}) == nil) {
			t.Error("a View has written")
		}
		return nil
	})
	same(t, "orders", 0, len(listOrders(t, s, issuance.OrderQuery{})))
}

// testCompareAndSet lets many take one order at once: one of them wins.
func testCompareAndSet(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	lost := errors.New("lost")
	for round := range 20 {
		putOrders(t, s, order(round, nil))
		var won atomic.Int32
		parallel(8, func(int) {
			err := s.Update(t.Context(), func(tx Tx) error {
				o, err := tx.Order(order(round, nil).ID)
				if err != nil {
					return err
				}
				if o.State != issuance.RequestedState {
					return lost
				}
				o.State = issuance.InvitedState
				return tx.PutOrder(o)
			})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, lost):
				t.Error(err)
			}
		})
		same(t, "winners", int32(1), won.Load())
	}
}

// testParallelUpdates counts to 1,000 in 1,000 goroutines while others read.
func testParallelUpdates(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	putOrders(t, s, order(1, nil))
	const n = 1000
	parallel(n, func(i int) {
		update(t, s, func(tx Tx) error {
			o, err := tx.Order("order00001")
			if err != nil {
				return err
			}
			o.Attempts++
			return firstError(tx.PutOrder(o), tx.PutOrder(order(10+i, nil)), tx.AppendAudit(issuance.AuditRecord{Order: o.ID}))
		})
		view(t, s, func(tx Reader) error {
			_, err := tx.Order(issuance.OrderID(name("order", 10+i)))
			return err // an acknowledged record is there for all
		})
	})
	o := read(t, s, func(tx Reader) (issuance.Order, error) { return tx.Order("order00001") })
	same(t, "counted", n, o.Attempts)
	same(t, "orders", n+1, len(listOrders(t, s, issuance.OrderQuery{})))
	audit := collect(t, s, 500, func(tx Reader, p issuance.Page) ([]issuance.AuditRecord, string, error) {
		return tx.Audit(issuance.AuditQuery{Page: p})
	})
	for i, r := range audit {
		if want := uint64(n - i); r.Seq != want {
			t.Fatalf("audit record %d has Seq %d, want %d: the numbers rise by one", i, r.Seq, want)
		}
	}
}

// testFailuresAmongOthers runs Updates that fail and panic, before and after
// they wrote, among others that must come through.
func testFailuresAmongOthers(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	no := errors.New("no")
	const n = 400
	parallel(n, func(i int) {
		defer func() {
			if got := recover(); (got != nil) != (i%8 == 5 || i%8 == 6) {
				t.Errorf("caller %d: recovered %v", i, got)
			}
		}()
		err := s.Update(t.Context(), func(tx Tx) error {
			switch i % 8 {
			case 1:
				return no
			case 5:
				panic("before")
			}
			if err := tx.PutOrder(order(i, nil)); err != nil {
				return err
			}
			switch i % 8 {
			case 2, 3:
				return no
			case 6:
				panic("after")
			}
			return tx.AppendAudit(issuance.AuditRecord{Order: order(i, nil).ID})
		})
		if wantErr := i%8 >= 1 && i%8 <= 3; errors.Is(err, no) != wantErr {
			t.Errorf("caller %d: got %v", i, err)
		}
	})
	var want []string
	for i := n - 1; i >= 0; i-- {
		if i%8 == 0 || i%8 == 4 || i%8 == 7 {
			want = append(want, fmt.Sprintf("%05d", i))
		}
	}
	same(t, "orders", want, listOrders(t, s, issuance.OrderQuery{}))
}

func testCancellation(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(Tx) error {
		t.Error("ran with a context that had ended")
		return nil
	}
	if err := s.Update(ended, never); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: got %v, want context.Canceled", err)
	}
	if err := s.View(ended, func(Reader) error { return never(nil) }); !errors.Is(err, context.Canceled) {
		t.Errorf("View: got %v, want context.Canceled", err)
	}

	// One that runs is finished, although its context ends meanwhile. It
	// keeps another one waiting, whose context ends too.
	first, cancelFirst := context.WithCancel(t.Context())
	waiting, cancelWaiting := context.WithCancel(t.Context())
	var second sync.WaitGroup
	err := s.Update(first, func(tx Tx) error {
		second.Go(func() {
			if err := s.Update(waiting, never); !errors.Is(err, context.Canceled) {
				t.Errorf("the waiting Update: got %v, want context.Canceled", err)
			}
		})
		cancelFirst()
		cancelWaiting()
		second.Wait()
		return tx.PutOrder(order(1, nil))
	})
	if err != nil {
		t.Errorf("the running Update: got %v, want nil", err)
	}
	same(t, "orders", []string{"00001"}, listOrders(t, s, issuance.OrderQuery{}))
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
				tx.AppendRevocation(revocation(name("", i), "a", issuance.Revoked, 1)), tx.PutCertificate(standing(revocation(name("", i), "a", issuance.Revoked, 1))))
		})
		s = open()
	}
	same(t, "orders", []string{"00004", "00003", "00002", "00001", "00000"}, listOrders(t, s, issuance.OrderQuery{State: issuance.InvitedState}))
	same(t, "revocations", 5, len(present(t, s, "a")))
	same(t, "LastChange", uint64(5), read(t, s, Reader.LastChange))
	due := read(t, s, func(tx Reader) ([]issuance.Notice, error) {
		return tx.DueNotices(issuance.SMS, after(time.Hour), 10)
	})
	same(t, "due notices", 5, len(due))
}

// parallel runs f(0) to f(n-1) at once.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}
