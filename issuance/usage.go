package issuance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Usage is the recorded use of a certificate, at our own listeners and at web
// services that report it. It is a separate record, because it changes often.
type Usage struct {
	Serial Serial `json:"serial"`
	// Count counts the uses that were let in, the first at First and the last at Last.
	Count uint64    `json:"count,omitzero"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Refused counts the uses that were refused; the last was refused for RefusedCode.
	Refused     uint64    `json:"refused,omitzero"`
	RefusedLast time.Time `json:"refused_last,omitzero"`
	RefusedCode Code      `json:"refused_code,omitzero"`
}

// use adds one use; refused says why it was refused, empty if it was not.
func (u *Usage) use(at time.Time, refused Code) {
	if refused != "" {
		u.add(Usage{Refused: 1, RefusedLast: at, RefusedCode: refused})
		return
	}
	u.add(Usage{Count: 1, First: at, Last: at})
}

// add adds what was seen at other times, in whatever order.
func (u *Usage) add(v Usage) {
	if u.Count == 0 || v.Count > 0 && v.First.Before(u.First) {
		u.First = v.First
	}
	if v.Last.After(u.Last) {
		u.Last = v.Last
	}
	if v.Refused > 0 && !v.RefusedLast.Before(u.RefusedLast) {
		u.RefusedLast, u.RefusedCode = v.RefusedLast, v.RefusedCode
	}
	u.Count += v.Count
	u.Refused += v.Refused
}

// The bounds of what is kept in memory, and of one transaction.
const (
	maxSeen   = 100_000 // certificates, of some 250 bytes each
	seenBatch = 300     // certificates: a write of a few milliseconds
)

// Seen counts the uses of certificates in memory and adds the counts to the store
// at intervals, so that no request waits for a disk. A crash loses only what was
// counted since the last [Seen.Flush]. Between two flushes it counts up to a
// hundred thousand certificates; uses of further ones appear only in its totals.
type Seen struct {
	Store Store[Snapshot, Tx]
	Now   func() time.Time

	flush sync.Mutex // one Flush at a time

	mu      sync.Mutex
	pending map[Serial]*Usage
	away    int // certificates that a Flush is bringing into the store; they may come back
	totals  SeenTotals
}

// SeenTotals are the uses since the process began. Dropped is how many of the
// accepted and refused uses were not recorded for their certificate.
type SeenTotals struct{ Accepted, Refused, Dropped uint64 }

// See counts a use of a registered certificate. refused is the reason if it was not
// let in, and empty otherwise. It may be called concurrently, and never waits for
// the store.
func (s *Seen) See(serial Serial, refused Code) {
	now := s.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused == "" {
		s.totals.Accepted++
	} else {
		s.totals.Refused++
	}
	u := s.of(serial)
	if u == nil {
		s.totals.Dropped++
		return
	}
	u.use(now, refused)
}

// of returns what is pending for serial, nil if there is no room.
func (s *Seen) of(serial Serial) *Usage {
	u := s.pending[serial]
	if u != nil || len(s.pending)+s.away >= maxSeen {
		return u
	}
	if s.pending == nil {
		s.pending = make(map[Serial]*Usage)
	}
	u = &Usage{Serial: serial}
	s.pending[serial] = u
	return u
}

// Totals returns the uses since the process began.
func (s *Seen) Totals() SeenTotals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}

// Flush adds the counts to those in the store, some hundreds of certificates in one
// transaction. Counts that could not be stored are kept for the next Flush.
func (s *Seen) Flush(ctx context.Context) error {
	s.flush.Lock()
	defer s.flush.Unlock()
	all := s.take()
	for len(all) > 0 {
		batch := all[:min(len(all), seenBatch)]
		if err := s.Store.Update(ctx, func(tx Tx) error { return addUsages(tx, batch) }); err != nil {
			s.giveBack(all)
			return fmt.Errorf("storing the uses of %d certificates: %w", len(all), err)
		}
		all = all[len(batch):]
		s.stored(len(batch))
	}
	return nil
}

// take returns what is pending, by serial number: neighbours share a page.
func (s *Seen) take() []Usage {
	s.mu.Lock()
	pending := s.pending
	s.pending, s.away = nil, len(pending)
	s.mu.Unlock()
	all := make([]Usage, 0, len(pending))
	for _, u := range pending {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b Usage) int { return cmp.Compare(a.Serial, b.Serial) })
	return all
}

func (s *Seen) stored(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away -= n
}

func (s *Seen) giveBack(all []Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = 0 // the room that they had is theirs again
	for _, u := range all {
		s.of(u.Serial).add(u)
	}
}

func addUsages(tx Certificates, batch []Usage) error {
	for _, more := range batch {
		u, err := tx.Usage(more.Serial)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		u.Serial = more.Serial
		first := u.Count == 0 && more.Count > 0
		u.add(more)
		if first {
			if err := markUsed(tx, u.Serial); err != nil {
				return err
			}
		}
		if err := tx.PutUsage(u); err != nil {
			return err
		}
	}
	return nil
}
