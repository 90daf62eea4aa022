package issuance

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Desk is what the verbs of all rooms share. The caller makes one for the whole
// program, and does not change it afterwards. Now and Log must be set.
type Desk struct {
	Now    func() time.Time
	Clock  *Clock // whose Now it is; nil: Now is never in doubt
	Log    *slog.Logger
	Alerts []string // e-mail addresses of staff who are told what needs a person
	// Mobiles are their numbers, in E.164, which get an SMS when e-mail cannot be
	// sent.
	Mobiles []string

	WakeCourier   func(Channel) // a notice is waiting
	WakePublisher func()        // a certificate's status changed
}

// Check returns an error that names what is missing in d.
func (d *Desk) Check() error {
	if d == nil || d.Now == nil || d.Log == nil {
		return errors.New("issuance: the desk lacks Now or Log")
	}
	return nil
}

// Do runs one verb in one transaction of store: f loads, makes the transition,
// puts, enqueues and audits, or changes nothing and returns an error. The audit
// records of f are appended last. After the commit, Do wakes the courier and the
// publisher as needed.
func Do[R any, T Ledger](ctx context.Context, d *Desk, store Store[R, T], f func(T, *Entry) error) error {
	var done *Entry
	from := OriginOf(ctx)
	err := store.Update(ctx, func(tx T) error {
		done = &Entry{Now: d.Now().UTC(), desk: d, ledger: tx, from: from}
		if err := f(tx, done); err != nil {
			return err
		}
		return done.close()
	})
	if err != nil {
		return err
	}
	done.tell()
	return nil
}

// tell wakes those whom the entry concerns.
func (e *Entry) tell() {
	for channel := range e.wake {
		e.desk.wake(channel)
	}
	if e.status && e.desk.WakePublisher != nil {
		e.desk.WakePublisher()
	}
}

func (d *Desk) wake(channel Channel) {
	if d.WakeCourier != nil {
		d.WakeCourier(channel)
	}
}
