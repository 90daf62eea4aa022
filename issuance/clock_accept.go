package issuance

import (
	"context"
	"time"
)

// AcceptClock has by confirm that the clock is right, which says at, give or take two
// minutes: the time that they have looked at themselves. It is an error of kind
// Conflict if nobody doubts the clock.
func (r *Registrar) AcceptClock(ctx context.Context, by Actor, at time.Time) (ClockView, error) {
	if err := by.May(AcceptVerb, ClockNoun); err != nil {
		return ClockView{}, err
	}
	c := r.cfg.Desk.Clock
	if c == nil {
		return ClockView{}, notDoubted()
	}
	r.watch.mu.Lock()
	s, now := c.look()
	err := confirms(at, now.Wall)
	if err == nil {
		err = r.settleClock(ctx, by, now, "confirmed by a person", func(w *work) error {
			recorded, err := w.Clock()
			if err == nil && s.doubt == nil && !now.Wall.Before(recorded.Add(-clockSlack)) {
				err = notDoubted()
			}
			return err
		})
	}
	r.watch.mu.Unlock()
	if err != nil {
		return ClockView{}, err
	}
	return r.ShowClock(ctx)
}

func notDoubted() error {
	return &Error{
		Kind: Conflict, Code: CodeState, Message: "the clock is not in doubt, so there is nothing to accept",
		Hint: "see how it stands", Next: Next{ShowVerb, ClockNoun, ""},
	}
}

// confirms returns an error unless at is what the clock says.
func confirms(at, wall time.Time) error {
	if at.IsZero() {
		return Invalidf("time", "is missing", "send the present time as you know it")
	}
	if off := wall.Sub(at); off.Abs() > clockConfirms {
		return &Error{
			Kind: Conflict, Code: CodeClock, Message: "the clock says " + stamp(wall) + ", not " + stamp(at),
			Hint: "correct the clock, or confirm the time that it says if that is right", Next: Next{ShowVerb, ClockNoun, ""},
		}
	}
	return nil
}

// ShowClock returns how the clock stands.
func (r *Registrar) ShowClock(ctx context.Context) (v ClockView, err error) {
	err = r.view(ctx, func(l reading) error {
		v.Recorded, err = l.Clock()
		return err
	})
	c := r.cfg.Desk.Clock
	if err != nil || c == nil {
		v.Time, v.Wall = r.now(), r.now()
		return v, err
	}
	s, now := c.look()
	v.Time, v.Wall, v.Doubt = c.Now(), now.Wall.UTC(), s.doubt
	r.watch.mu.Lock()
	v.Servers = r.watch.answers
	r.watch.mu.Unlock()
	return v, nil
}

// ClockView is how the clock stands, for staff.
type ClockView struct {
	Time     time.Time // that the house goes by
	Wall     time.Time // what the machine's clock says
	Recorded time.Time // the latest that is on record
	Doubt    *Doubt    // nil: none
	Servers  []TimeAnswer
}
