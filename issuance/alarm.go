package issuance

import (
	"context"
	"time"
)

// alarmAgain is how long staff are not told the same thing again.
const alarmAgain = time.Hour

// Alarm tells staff by e-mail that something of the house needs a person. What names
// it: of the same thing they are told again after an hour.
func (r *Registrar) Alarm(ctx context.Context, what, text string) error {
	return r.update(ctx, func(w *work) error {
		known, err := w.Noted("alarm/"+what, alarmAgain)
		if known || err != nil {
			return err
		}
		return w.Alert("", text)
	})
}
