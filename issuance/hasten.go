package issuance

import (
	"context"
	"time"
)

// soonAgain is the longest that a message waits for its next try because of what
// may be fixed meanwhile. One that waits longer may have arrived already, and is
// sent again rarely.
const soonAgain = 50 * time.Minute

// Hasten makes up to MaxPage messages of channel that have failed and wait for their
// next try due now, because what kept them from being accepted may be fixed. Messages
// that a courier is sending at this moment are not affected, nor are those that were
// never tried: they wait on purpose, for example for a cooling-off period. The caller
// must wake the courier.
func (r *Registrar) Hasten(ctx context.Context, channel Channel) error {
	return r.update(ctx, func(w *work) error {
		waiting, err := w.DueNotices(channel, w.now.Add(soonAgain), MaxPage)
		if err != nil {
			return err
		}
		for _, n := range waiting {
			if tried := n.Attempts > 0 || n.LastError != ""; n.Leased || !tried || !n.NextAt.After(w.now) {
				continue
			}
			n.NextAt = w.now
			if err := w.PutNotice(n); err != nil {
				return err
			}
		}
		return nil
	})
}
