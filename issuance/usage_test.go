package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// seenHouse is a collector on a real store, with a clock that is set by hand.
type seenHouse struct {
	*issuance.Seen
	t     testing.TB
	clock atomic.Int64 // Unix nanoseconds
	// updates counts the transactions; from the failing one on, they fail.
	updates, failing int
	during           func() // is called in each transaction
}

var errDisk = errors.New("the disk is gone")

func newSeen(t testing.TB) *seenHouse {
	t.Helper()
	dir := t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(bolt.Options{Path: filepath.Join(dir, "postern.db"), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &seenHouse{t: t}
	h.Seen = &issuance.Seen{Store: seenStore{store, h}, Now: func() time.Time { return time.Unix(0, h.clock.Load()) }}
	return h
}

// seenStore is the real store, until its house says that it fails.
type seenStore struct {
	issuance.Store[issuance.Snapshot, issuance.Tx]
	h *seenHouse
}

func (s seenStore) Update(ctx context.Context, f func(issuance.Tx) error) error {
	s.h.updates++
	if s.h.during != nil {
		s.h.during()
	}
	return s.Store.Update(ctx, func(tx issuance.Tx) error {
		if err := f(tx); err != nil || s.h.failing == 0 || s.h.updates < s.h.failing {
			return err
		}
		return errDisk
	})
}

func (h *seenHouse) see(at int, serial issuance.Serial, refused issuance.Code) {
	h.clock.Store(int64(at) * int64(time.Second))
	h.See(serial, refused)
}

func (h *seenHouse) flushed() {
	h.t.Helper()
	if err := h.Flush(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// want compares what the store has of a certificate, zero if it has nothing.
func (h *seenHouse) want(want issuance.Usage) {
	h.t.Helper()
	var got issuance.Usage
	if err := h.Store.View(h.t.Context(), func(tx issuance.Snapshot) (err error) {
		got, err = tx.Usage(want.Serial)
		if errors.Is(err, issuance.ErrNotFound) {
			got.Serial, err = want.Serial, nil
		}
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("-want +got:\n%s", diff)
	}
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func TestUsesAddUp(t *testing.T) {
	h := newSeen(t)
	h.see(10, "a", "")
	h.see(11, "a", "certificate-held")
	h.see(12, "a", "")
	h.see(13, "b", "certificate-revoked")
	h.want(issuance.Usage{Serial: "a"}) // nothing reaches the store before
	h.flushed()
	h.want(issuance.Usage{Serial: "a", First: at(10), Last: at(12), Count: 2, Refused: 1, RefusedLast: at(11), RefusedCode: "certificate-held"})
	h.want(issuance.Usage{Serial: "b", Refused: 1, RefusedLast: at(13), RefusedCode: "certificate-revoked"})

	h.see(20, "a", "certificate-revoked")
	h.see(21, "b", "")
	h.see(5, "a", "") // the clock was put back
	h.see(5, "a", "certificate-expired")
	h.flushed()
	h.want(issuance.Usage{Serial: "a", First: at(5), Last: at(12), Count: 3, Refused: 3, RefusedLast: at(20), RefusedCode: "certificate-revoked"})
	h.want(issuance.Usage{Serial: "b", First: at(21), Last: at(21), Count: 1, Refused: 1, RefusedLast: at(13), RefusedCode: "certificate-revoked"})

	before := h.updates
	h.flushed()
	if h.updates != before {
		t.Error("a flush of nothing writes")
	}
	if want := (issuance.SeenTotals{Accepted: 4, Refused: 4}); h.Totals() != want {
		t.Errorf("got %+v, want %+v", h.Totals(), want)
	}
}

// TestAFailedFlushLosesNothing: of several transactions the third fails; more
// uses come meanwhile; the next flush stores everything, once.
func TestAFailedFlushLosesNothing(t *testing.T) {
	h := newSeen(t)
	const certificates = 1000
	serial := func(i int) issuance.Serial { return issuance.Serial(fmt.Sprintf("%034x", i)) }
	for i := range certificates {
		h.see(1, serial(i), "")
	}
	h.failing = 3
	h.during = func() { h.see(2, serial(certificates-1), "") }
	if err := h.Flush(t.Context()); !errors.Is(err, errDisk) {
		t.Fatalf("got %v, want the store's error", err)
	}
	if h.updates != 3 {
		t.Errorf("%d transactions, want 3: two that are stored and one that fails", h.updates)
	}
	h.want(issuance.Usage{Serial: serial(0), First: at(1), Last: at(1), Count: 1})
	h.want(issuance.Usage{Serial: serial(certificates - 1)})
	h.failing, h.during = 0, nil
	h.flushed()
	for i := range certificates - 1 {
		h.want(issuance.Usage{Serial: serial(i), First: at(1), Last: at(1), Count: 1})
	}
	h.want(issuance.Usage{Serial: serial(certificates - 1), First: at(1), Last: at(2), Count: 4})

	h.see(3, serial(0), "")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Flush(over); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	h.flushed()
	h.want(issuance.Usage{Serial: serial(0), First: at(1), Last: at(3), Count: 2})
}

// TestSeenIsBounded: beyond a hundred thousand certificates, what a flush has in
// its hands among them, uses are counted in the totals alone.
func TestSeenIsBounded(t *testing.T) {
	h := newSeen(t)
	const most = 100_000
	serial := func(i int) issuance.Serial { return issuance.Serial(fmt.Sprintf("%034x", i)) }
	for i := range most + 10 {
		h.see(1, serial(i), "")
	}
	h.see(2, serial(most-1), "")
	if want := (issuance.SeenTotals{Accepted: most + 11, Dropped: 10}); h.Totals() != want {
		t.Errorf("got %+v, want %+v", h.Totals(), want)
	}
	h.failing = 1
	h.during = func() { h.see(3, serial(most+1), "") }
	if err := h.Flush(t.Context()); !errors.Is(err, errDisk) {
		t.Fatalf("got %v, want the store's error", err)
	}
	if got := h.Totals().Dropped; got != 11 {
		t.Errorf("%d uses were dropped, want 11: what may come back keeps its room", got)
	}
	h.failing, h.during = 0, nil
	h.flushed()
	h.want(issuance.Usage{Serial: serial(most - 1), First: at(1), Last: at(2), Count: 2})
	h.want(issuance.Usage{Serial: serial(most + 1)})
	h.see(4, serial(most+1), "")
	h.flushed()
	h.want(issuance.Usage{Serial: serial(most + 1), First: at(4), Last: at(4), Count: 1})
}

// TestSeenByManyAtOnce: no use is lost or counted twice while others flush.
func TestSeenByManyAtOnce(t *testing.T) {
	h := newSeen(t)
	h.clock.Store(int64(time.Second))
	var all sync.WaitGroup
	done := make(chan struct{})
	flushes := make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				flushes <- nil
				return
			default:
				if err := h.Flush(context.Background()); err != nil {
					flushes <- err
					return
				}
			}
		}
	}()
	const callers, uses = 8, 5000
	for range callers {
		all.Go(func() {
			for i := range uses {
				h.See(issuance.Serial(fmt.Sprint(i%10)), map[bool]issuance.Code{true: "certificate-held"}[i%5 == 0])
			}
		})
	}
	all.Wait()
	close(done)
	if err := <-flushes; err != nil {
		t.Fatal(err)
	}
	h.flushed()
	for i := range 10 {
		want := issuance.Usage{Serial: issuance.Serial(fmt.Sprint(i)), First: at(1), Last: at(1), Count: callers * uses / 10}
		if i%5 == 0 {
			want = issuance.Usage{Serial: want.Serial, Refused: callers * uses / 10, RefusedLast: at(1), RefusedCode: "certificate-held"}
		}
		h.want(want)
	}
}

// BenchmarkSee is what one request pays, alone and beside others, for one
// certificate of a thousand.
func BenchmarkSee(b *testing.B) {
	serials := make([]issuance.Serial, 1000)
	for i := range serials {
		serials[i] = issuance.Serial(fmt.Sprintf("%034x", i))
	}
	b.Run("alone", func(b *testing.B) {
		s := &issuance.Seen{Now: time.Now}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.See(serials[i%len(serials)], "")
		}
	})
	b.Run("together", func(b *testing.B) {
		s := &issuance.Seen{Now: time.Now}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				s.See(serials[i%len(serials)], "")
			}
		})
	})
}

// BenchmarkFlush brings the uses of a thousand certificates into a store that
// knows them.
func BenchmarkFlush(b *testing.B) {
	h := newSeen(b)
	for b.Loop() {
		for i := range 1000 {
			h.See(issuance.Serial(fmt.Sprintf("%034x", i)), "")
		}
		if err := h.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
