package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

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

// parallel runs f(0) to f(n-1) at once.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}
