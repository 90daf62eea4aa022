package issuance

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	clockAlertAgain = 6 * time.Hour    // staff are not told again of a doubt that lasts
	clockAlertNext  = 10 * time.Minute // nor of another one
	clockAskAgain   = time.Minute      // time servers are asked this often while it lasts
	clockConfirms   = 2 * time.Minute  // how far the time that a person confirms may be from the clock
)

// clockWatch is what the watcher of the clock remembers from one look to the next.
type clockWatch struct {
	mu      sync.Mutex // one look, or one person who accepts, at a time
	noted   *Doubt     // that is on record
	keepAt  time.Duration
	askAt   time.Duration
	begun   bool // the first look is over
	answers []TimeAnswer
}

// BeginClock has c judge the machine's clock by what store knows of the time, and
// by what is known elsewhere. It is called before anything else asks c.
func BeginClock(ctx context.Context, store Store[Snapshot, Tx], c *Clock, more ...PastTime) error {
	var mark ClockMark
	known := more
	err := store.View(ctx, func(tx Snapshot) (err error) {
		if mark, err = tx.ClockMark(); err != nil {
			return err
		}
		found, err := evidence(tx)
		known = append(known, found...)
		return err
	})
	if err == nil {
		c.Begin(mark, known...)
	}
	return err
}

// evidence returns what store has of times that are over.
func evidence(tx Reader) ([]PastTime, error) {
	recorded, err := tx.Clock()
	if err != nil {
		return nil, err
	}
	out := []PastTime{{"the last recorded time", recorded}}
	certificates, _, err := tx.Certificates(CertificateQuery{Page: Page{Limit: 1}})
	if err != nil {
		return nil, err
	}
	for _, c := range certificates {
		out = append(out, PastTime{"the newest certificate", c.IssuedAt})
	}
	audit, _, err := tx.Audit(AuditQuery{Page: Page{Limit: 1}})
	for _, r := range audit {
		out = append(out, PastTime{"the newest audit record", r.At})
	}
	return out, err
}

// WatchClock looks at the clock: it puts a doubt on record and tells staff, ends it
// when the clock agrees with what is known or time servers agree with the clock, and
// keeps the time now and then. It is called each second.
func (r *Registrar) WatchClock(ctx context.Context) error {
	c, w := r.cfg.Desk.Clock, &r.watch
	if c == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s, now := c.look()
	servers := false
	if r.cfg.AskTime != nil && (!w.begun || s.doubt != nil && now.Steady >= w.askAt) {
		servers = r.askTime(ctx, now)
		if s, now = c.look(); s.doubt != nil {
			w.askAt = now.Steady + clockAskAgain
		}
	}
	first := !w.begun
	w.begun = true
	switch {
	case s.doubt == nil && (first || now.Steady >= w.keepAt):
		c.follow(now)
		return r.keepClock(ctx, now)
	case s.doubt == nil:
		return nil
	case servers:
		return r.settleClock(ctx, System("clock"), now, "time servers agree with it", nil)
	case s.agrees(now) && !s.doubt.byServer:
		return r.settleClock(ctx, System("clock"), now, "it agrees with what is known again", nil)
	}
	return r.noteDoubt(ctx, s, now)
}

// askTime asks time servers, and reports whether they agree with the clock, which was
// at before. Those that agree about another time raise a doubt if there is none.
func (r *Registrar) askTime(ctx context.Context, before Reading) bool {
	c := r.cfg.Desk.Clock
	answers := r.cfg.AskTime(ctx)
	r.watch.answers = answers
	agreed, disputed, off := verdict(answers)
	if disputed {
		c.dispute("time servers say that it is "+distance(off)+" the right time", off)
	}
	now := c.Read()
	steps := now.Wall.Sub(before.Wall) - (now.Steady - before.Steady)
	return agreed && steps.Abs() <= clockSlack // or they agreed with another time than this
}

// keepClock keeps a time that nobody doubts.
func (r *Registrar) keepClock(ctx context.Context, now Reading) error {
	err := r.cfg.Store.Update(ctx, func(tx Tx) error { return tx.PutClockMark(ClockMark{Reading: now}) })
	if err == nil {
		r.watch.keepAt = now.Steady + clockSettles
	}
	return err
}

// KeepClock keeps the present time, for the next start to judge the clock by. It is
// called when the process ends.
func (r *Registrar) KeepClock(ctx context.Context) error {
	c := r.cfg.Desk.Clock
	if c == nil {
		return nil
	}
	s, now := c.look()
	if s.doubt != nil {
		return nil
	}
	return r.keepClock(ctx, now)
}

// noteDoubt puts a doubt on record and tells staff, of one that lasts now and then.
func (r *Registrar) noteDoubt(ctx context.Context, s *clockState, now Reading) error {
	fresh := r.watch.noted != s.doubt
	if fresh {
		r.cfg.Desk.Log.Error("the clock is in doubt; nothing is issued, swept or forgotten until it is settled",
			"cause", s.doubt.Cause, "clock", stamp(now.Wall), "expected", stamp(s.time(now)))
	}
	err := r.update(ctx, func(w *work) error {
		known, err := w.Noted("clock", map[bool]time.Duration{true: clockAlertNext, false: clockAlertAgain}[fresh])
		if err != nil || known && !fresh {
			return err
		}
		if fresh {
			if err := w.markDoubt(s, now); err != nil {
				return err
			}
			w.Audit(System("clock"), DoubtVerb, AuditRecord{Detail: map[string]string{
				"cause": s.doubt.Cause, "clock": stamp(now.Wall), "expected": stamp(s.time(now)),
			}})
		}
		if known {
			return nil
		}
		return w.Alert("", "The server's clock is in doubt: "+s.doubt.Cause+". Until this is settled, "+
			"nothing is issued and nothing expires. "+
			"Correct the clock; if it is right, an administrator confirms it with \"postern clock accept\".")
	})
	if err == nil {
		r.watch.noted = s.doubt
	}
	return err
}

// markDoubt has the next start, if it is not known how long after, go by the time that
// was expected: of a clock that time servers say is ahead, theirs. One that begins with
// a doubt finds what it went by as it is.
func (w *work) markDoubt(s *clockState, now Reading) error {
	if s.doubt.atStart {
		return nil
	}
	at := s.time(now)
	if s.doubt.byServer {
		at = at.Add(-max(0, s.doubt.Jump))
	}
	return w.PutClockMark(ClockMark{
		Reading: Reading{Wall: at, Steady: now.Steady, Run: now.Run}, Doubted: true, Disputed: s.doubt.byServer,
	})
}

// settleClock trusts the clock at now from now on, and what was dated by another
// time goes by this one.
func (r *Registrar) settleClock(ctx context.Context, by Actor, now Reading, why string, check func(*work) error) error {
	c := r.cfg.Desk.Clock
	was := c.Now()
	err := r.update(ctx, func(w *work) error {
		if check != nil {
			if err := check(w); err != nil {
				return err
			}
		}
		w.Audit(by, AcceptVerb, AuditRecord{Detail: map[string]string{"from": stamp(was), "to": stamp(now.Wall), "comment": why}})
		if r.watch.noted != nil {
			if err := w.Alert("", "The server's clock, "+stamp(now.Wall)+", is trusted again: "+why+"."); err != nil {
				return err
			}
		}
		return errors.Join(w.PutClockMark(ClockMark{Reading: now}), w.recall(now.Wall.UTC()))
	})
	if err != nil {
		return err
	}
	c.trust(now)
	r.watch.noted, r.watch.keepAt = nil, now.Steady+clockSettles
	r.cfg.Desk.Log.Info("the clock is trusted", "why", why, "by", by.Name, "was", stamp(was), "is", stamp(now.Wall))
	for _, channel := range []Channel{Mail, SMS} {
		r.cfg.Desk.wake(channel)
	}
	if r.cfg.Desk.WakePublisher != nil {
		r.cfg.Desk.WakePublisher()
	}
	return nil
}

// recall has messages that wait for a time that will not come for long, because the
// clock was ahead when they were queued, be sent as if they had been queued at now.
func (w *work) recall(now time.Time) error {
	const longest = 7 * 24 * time.Hour // nothing waits longer on purpose
	for _, channel := range []Channel{Mail, SMS} {
		waiting, err := w.DueNotices(channel, now.AddDate(1000, 0, 0), MaxPage)
		if err != nil {
			return err
		}
		for _, n := range waiting {
			if n.Leased || n.NextAt.Sub(now) < longest {
				continue
			}
			n.NextAt, n.GiveUpAt = now, now.Add(noticeLifetime(n.Kind))
			if err := w.PutNotice(n); err != nil {
				return err
			}
		}
	}
	return nil
}
