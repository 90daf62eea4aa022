package issuance

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	reportSkew = 5 * time.Minute // how far the clocks of two machines may be apart
	// maxReportedUses is the most of one certificate in one report: a web service
	// that was cut off for a day and had ten thousand requests a second.
	maxReportedUses = 1_000_000_000
)

// UsageReport is the result of [Seen.Report].
type UsageReport struct {
	Taken   int `json:"taken"`
	Unknown int `json:"unknown"` // of certificates that are not in the register
	Invalid int `json:"invalid"` // could not have been
}

// Report adds uses that somebody else has seen, whom the caller must trust. It can
// only add to counts, and never changes the status of a certificate. Its error is
// the store's; then nothing was added.
func (s *Seen) Report(ctx context.Context, usages []Usage) (UsageReport, error) {
	now := s.Now().UTC()
	var good []Usage
	var r UsageReport
	err := s.Store.View(ctx, func(tx Snapshot) error {
		good, r = nil, UsageReport{}
		for _, u := range usages {
			c, err := issued(tx, u.Serial)
			switch {
			case errors.Is(err, ErrNotFound):
				r.Unknown++
			case err != nil:
				return err
			case !u.possible(c, now):
				r.Invalid++
			default:
				good = append(good, u)
			}
		}
		return nil
	})
	if err != nil {
		return UsageReport{}, fmt.Errorf("looking up the certificates of a report: %w", err)
	}
	r.Taken = len(good)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range good {
		s.totals.Accepted += u.Count
		s.totals.Refused += u.Refused
		if p := s.of(u.Serial); p != nil {
			p.add(u.notAfter(now))
		} else {
			s.totals.Dropped += u.Count + u.Refused
		}
	}
	return r, nil
}

// possible reports whether u may be of c: something, that began and ended in this
// order, neither before c nor later than now.
func (u Usage) possible(c Certificate, now time.Time) bool {
	in := func(n uint64, code bool, times ...time.Time) bool {
		for _, t := range times {
			outside := t.Before(c.NotBefore.Add(-reportSkew)) || t.After(now.Add(reportSkew))
			if n > 0 && outside || n == 0 && !t.IsZero() {
				return false
			}
		}
		return n <= maxReportedUses && code == (n > 0)
	}
	return u.Count+u.Refused > 0 && in(u.Count, u.Count > 0, u.First, u.Last) && !u.Last.Before(u.First) &&
		in(u.Refused, u.RefusedCode != "", u.RefusedLast)
}

// notAfter returns u with its times in UTC, and none of them after now: another's
// clock may be ahead.
func (u Usage) notAfter(now time.Time) Usage {
	for _, t := range []*time.Time{&u.First, &u.Last, &u.RefusedLast} {
		if *t = t.UTC(); t.After(now) {
			*t = now
		}
	}
	return u
}
