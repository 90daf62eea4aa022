package issuance

import (
	"context"
	"strings"
	"time"
)

// ChannelState is the current state of a channel, as its courier knows it.
type ChannelState struct {
	Channel Channel
	Paused  bool      // the account or its settings need a person; messages wait, none is lost
	Since   time.Time // when it paused, or began to fail; zero if it does neither
	Reason  string    // of the pause or the last failure, for staff; no secrets
}

// overdueAfter is how long a message may wait before somebody should look.
const overdueAfter = 10 * time.Minute

// Overdue returns up to MaxPage messages of channel that have waited for longer
// than ten minutes, in the order in which they are due. It omits messages that wait
// on purpose, for example for a cooling-off period.
func Overdue(tx NoticeReader, channel Channel, now time.Time) ([]Notice, error) {
	return waitingFor(tx, channel, now, overdueAfter)
}

// Waiting is Overdue for messages that have waited for any time.
func Waiting(tx NoticeReader, channel Channel, now time.Time) ([]Notice, error) {
	return waitingFor(tx, channel, now, -time.Second)
}

// waitingFor returns the messages that have waited, not on purpose, for more than longer.
func waitingFor(tx NoticeReader, channel Channel, now time.Time, longer time.Duration) ([]Notice, error) {
	const ever = 100 * 365 * 24 * time.Hour
	waiting, err := tx.DueNotices(channel, now.Add(ever), MaxPage)
	var out []Notice
	for _, n := range waiting {
		tried := n.Attempts > 0 || n.LastError != "" || !n.NextAt.After(now)
		onItsWay := n.Leased && n.Attempts <= 1
		if tried && !onItsWay && now.Sub(n.dueSince()) > longer {
			out = append(out, n)
		}
	}
	return out, err
}

// dueSince returns when n was first to be sent, or sent again by staff.
func (n Notice) dueSince() time.Time {
	if !n.WaitsSince.IsZero() {
		return n.WaitsSince
	}
	return n.GiveUpAt.Add(-noticeLifetime(n.Kind))
}

// delayedAfter is how long a message may wait before its contact is told of it.
const delayedAfter = 30 * time.Second

// delayed reports whether n waits for its provider: it was refused at least once, or
// nobody could hand it over, because the channel is paused or slow.
func (n Notice) delayed(now time.Time) bool {
	return n.State == Pending && (n.LastError != "" || now.Sub(n.dueSince()) > delayedAfter)
}

// stranded reports whether n, which carries c, is not sent any more, and only waits to
// be dropped: it is too late for c, and a provider may have been given it, so that it
// is not made anew by itself. A try that is under way may still succeed.
func (n Notice) stranded(c OneTimeCode, now time.Time) bool {
	onItsWay := n.Leased && now.Before(n.NextAt)
	return n.State == Pending && n.Attempts > 0 && !onItsWay && c.late(now)
}

// watchAgain is how long staff are not told again of a channel that goes on failing.
const watchAgain = 6 * time.Hour

// WatchChannels alerts staff about channels that are paused or whose messages have
// waited too long. It uses the other channel, since a failing one cannot report on
// itself. It is called regularly, and repeats the alert about a channel after six
// hours.
func (r *Registrar) WatchChannels(ctx context.Context, states []ChannelState) error {
	for _, s := range states {
		text, err := r.trouble(ctx, s)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if err := r.update(ctx, func(w *work) error {
			known, err := w.Noted("channel/"+string(s.Channel), watchAgain)
			if known || err != nil {
				return err
			}
			if s.Channel == Mail {
				return w.AlertBySMS(text)
			}
			return w.Alert("", text)
		}); err != nil {
			return err
		}
	}
	return nil
}

// trouble says what is wrong with a channel, in a sentence; "" if nothing is.
func (r *Registrar) trouble(ctx context.Context, s ChannelState) (text string, err error) {
	name := map[Channel]string{Mail: "E-mail", SMS: "SMS"}[s.Channel]
	if s.Paused {
		return name + " is paused since " + s.Since.UTC().Format("15:04 MST") + ": " + sentence(s.Reason), nil
	}
	err = r.view(ctx, func(l reading) error {
		overdue, err := Overdue(l, s.Channel, l.now)
		if len(overdue) > 0 {
			text = name + ": " + itoa(len(overdue)) + " messages have waited for longer than 10 minutes: " + sentence(overdue[0].LastError)
		}
		return err
	})
	return text, err
}

// sentence ends s with a full stop, once.
func sentence(s string) string {
	if s == "" {
		s = "the reason is unknown"
	}
	return strings.TrimRight(s, ". ") + "."
}

// CodesUsedUp reports whether the contact of o cannot continue today without help
// from staff: all tries at the code are used, and no more codes may be sent.
func (o *Order) CodesUsedUp(p Policy, now time.Time) bool {
	if o.State != InvitedState || o.Code.Counter == 0 {
		return false
	}
	_, daily := o.Code.nextAt(p, now)
	dead := !o.Code.Live || o.Code.spent(p) || o.Code.expired(p, now)
	return daily && dead
}
