package issuance

import (
	"context"
	"time"
)

// soonAgain is the longest that a message waits for its next try because of what
// may be fixed meanwhile. One that waits longer may have arrived already, and is
// sent again rarely.
const soonAgain = 50 * time.Minute

// Hasten has the messages of channel that failed and wait for their next try tried
// now, up to MaxPage of them: what kept them from being accepted may be fixed. Those
// that a courier has at this moment stay with it, and one that was never tried waits
// on purpose, as for a cooling-off time. The caller tells the courier.
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
