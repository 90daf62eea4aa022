package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
)

// TestCommitsAreShared holds the committer up until 100 callers are queued.
func TestCommitsAreShared(t *testing.T) {
	s := open(t, options(t))
	defer closeStore(t, s)
	before := s.Stats()
	var all sync.WaitGroup
	held(t, s, func() {
		for i := range 100 {
			all.Go(func() { putOrder(t, s, issuance.OrderID(fmt.Sprint(i))) })
		}
		queued(t, s, 100)
	})
	all.Wait()
	after := s.Stats()
	if got := after.Commits - before.Commits; got != 1 {
		t.Errorf("100 callers who came together took %d commits, want 1", got)
	}
	if got := after.Operations - before.Operations; got != 101 {
		t.Errorf("Operations: got %d, want 101", got)
	}
}

// held calls f while an Update runs that writes nothing.
func held(t *testing.T, s *bolt.Store, f func()) {
	t.Helper()
	if err := s.Update(context.Background(), func(issuance.Tx) error {
		f()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// queued waits until n callers are queued.
func queued(t *testing.T, s *bolt.Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); s.Queued() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d callers are queued, want %d", s.Queued(), n)
		}
	}
}

func TestNoCommitForNothing(t *testing.T) {
	s := open(t, options(t))
	defer closeStore(t, s)
	putOrder(t, s, "o1")
	before := s.Stats().Commits
	no := errors.New("no")
	for _, want := range []error{nil, no} {
		if err := s.Update(t.Context(), func(tx issuance.Tx) error { return errors.Join(drop(tx.Order("o1")), want) }); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	putOrder(t, s, "o1") // the same record again
	if got := s.Stats().Commits; got != before {
		t.Errorf("%d commits for nothing", got-before)
	}
}

// TestFailureInABatchRunsTheOthersAgain lets the second of three fail after it wrote.
func TestFailureInABatchRunsTheOthersAgain(t *testing.T) {
	s := open(t, options(t))
	defer closeStore(t, s)
	no := errors.New("no")
	runs := make([]int, 3)
	errs := make([]error, 3)
	var all sync.WaitGroup
	held(t, s, func() {
		for i := range 3 {
			all.Go(func() {
				errs[i] = s.Update(context.Background(), func(tx issuance.Tx) error {
					runs[i]++
					if err := tx.PutOrder(issuance.Order{ID: issuance.OrderID(fmt.Sprint(i))}); err != nil || i != 1 {
						return err
					}
					return no
				})
			})
			queued(t, s, i+1)
		}
	})
	all.Wait()
	if errs[0] != nil || !errors.Is(errs[1], no) || errs[2] != nil {
		t.Errorf("errors: %v", errs)
	}
	if runs[0] != 2 || runs[1] != 1 || runs[2] != 1 {
		t.Errorf("runs: got %v, want [2 1 1]", runs)
	}
	if !hasOrder(t, s, "0") || hasOrder(t, s, "1") || !hasOrder(t, s, "2") {
		t.Error("the wrong ones were kept")
	}
}

// TestCancelledInTheQueue ends the context of one of three who wait.
func TestCancelledInTheQueue(t *testing.T) {
	s := open(t, options(t))
	defer closeStore(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	held(t, s, func() {
		all.Go(func() { putOrder(t, s, "first") })
		queued(t, s, 1)
		all.Go(func() {
			if err := s.Update(ctx, func(tx issuance.Tx) error { return tx.PutOrder(issuance.Order{ID: "cancelled"}) }); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
		queued(t, s, 2)
		all.Go(func() { putOrder(t, s, "third") })
		queued(t, s, 3)
		cancel()
	})
	all.Wait()
	if !hasOrder(t, s, "first") || hasOrder(t, s, "cancelled") || !hasOrder(t, s, "third") {
		t.Error("the wrong ones were kept")
	}
}
