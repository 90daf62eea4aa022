package issuance

import (
	"context"
	"time"
)

// Hasten makes up to MaxPage messages of channel that wait for their next try due
// now, because what kept them from being accepted may be fixed. Messages that a
// courier is sending at this moment are not affected. The caller must wake the
// courier.
func (r *Registrar) Hasten(ctx context.Context, channel Channel) error {
	return r.update(ctx, func(w *work) error {
		waiting, err := w.DueNotices(channel, w.now.Add(24*time.Hour), MaxPage)
		if err != nil {
			return err
		}
		for _, n := range waiting {
			if n.Leased || !n.NextAt.After(w.now) {
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
