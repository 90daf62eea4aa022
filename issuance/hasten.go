package issuance

import (
	"context"
	"time"
)

// Hasten has the messages of channel that wait for their next try tried now, up to
// MaxPage of them: what kept them from being accepted may be mended. Those that a
// courier has at this moment stay with it. The caller tells the courier.
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
