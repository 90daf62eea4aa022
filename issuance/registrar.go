package issuance

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"time"
)

// Config is what a Registrar needs; every field but Alerts, Reports and the wakers must be set.
type Config struct {
	Store  Store
	Signer Signer
	Policy Policy
	Now    func() time.Time
	Log    *slog.Logger

	NewKey      func(KeyAlgorithm) (crypto.Signer, error)
	KeyOf       func(crypto.PublicKey) (KeyAlgorithm, error)
	ReadCSR     func([]byte) (crypto.PublicKey, error) // checks the signature and the key
	Pack        func(Bundle) ([]byte, error)           // PKCS#12
	NewPassword func() Secret
	NewSeed     func() Secret                                     // of an order's codes
	Code        func(seed Secret, counter uint64) (Secret, error) // HOTP, RFC 4226
	CheckCode   func(Secret, uint64, string) (bool, error)        // in constant time
	ReadMobile  func(typed string) (string, error)                // E.164, of a mobile that SMS may go to

	Workers int      // keys made and derived at the same time
	Alerts  []string // e-mail addresses of staff who are told what needs a person
	Reports ReportSchedule

	WakeCourier   func(Channel) // a notice is waiting
	WakePublisher func()        // a certificate's status changed
}

// Registrar does the verbs: each loads, makes the transition, puts, enqueues
// and audits in one transaction, or changes nothing and returns an error.
type Registrar struct {
	Config
	gate     gate
	flights  flights
	reserved reservations
}

// New returns a registrar, or an error that names what c lacks.
func New(c Config) (*Registrar, error) {
	switch {
	case c.Store == nil, c.Signer == nil, c.Now == nil, c.Log == nil, c.NewKey == nil, c.KeyOf == nil, c.ReadCSR == nil, c.Pack == nil,
		c.NewPassword == nil, c.NewSeed == nil, c.Code == nil, c.CheckCode == nil, c.ReadMobile == nil:
		return nil, errors.New("issuance: a field of the configuration is not set")
	case c.Workers < 1:
		return nil, errors.New("issuance: at least one worker is needed")
	case len(c.Reports.To) > 0 && !c.Reports.Monthly.Off && c.Reports.Monthly.Day < 1:
		return nil, errors.New("issuance: the monthly report is due on no day")
	}
	if err := c.Policy.Check(); err != nil {
		return nil, err
	}
	if c.WakeCourier == nil {
		c.WakeCourier = func(Channel) {}
	}
	if c.WakePublisher == nil {
		c.WakePublisher = func() {}
	}
	return &Registrar{Config: c, gate: newGate(c.Workers), flights: newFlights(), reserved: newReservations()}, nil
}

// Read runs f in a read-only transaction, for listings and look-ups.
func (r *Registrar) Read(ctx context.Context, f func(Tx) error) error { return r.Store.View(ctx, f) }

// work is one transaction of a verb: a Tx that knows the time and the policy,
// and remembers whom to wake once it has committed.
type work struct {
	Tx
	now    time.Time
	policy Policy
	alerts []string
	wake   map[Channel]bool
	status bool // a certificate's status changed
}

// update runs f in one transaction, then wakes whom it concerns.
func (r *Registrar) update(ctx context.Context, f func(*work) error) error {
	var done *work
	err := r.Store.Update(ctx, func(tx Tx) error {
		w := &work{Tx: tx, now: r.Now().UTC(), policy: r.Policy, alerts: r.Alerts}
		done = w
		if err := f(w); err != nil {
			return err
		}
		return w.tick()
	})
	if err != nil {
		return err
	}
	for channel := range done.wake {
		r.WakeCourier(channel)
	}
	if done.status {
		r.WakePublisher()
	}
	return nil
}

// clockSlack is how far the clock may be set back without anybody minding: time
// servers step it by less.
const clockSlack = 10 * time.Second

// tick remembers the latest time the store has seen, to the second.
func (w *work) tick() error {
	last, err := w.Clock()
	if err != nil {
		return err
	}
	if w.now.Sub(last) < time.Second {
		return nil
	}
	return w.SetClock(w.now)
}

// checkClock refuses to issue while the clock stands before the last time the
// store saw: what was signed would be dated before what it follows.
func (w *work) checkClock() error {
	last, err := w.Clock()
	if err != nil {
		return err
	}
	if w.now.Before(last.Add(-clockSlack)) {
		return &Error{
			Kind: Unavailable, Code: CodeClock,
			Message: "the clock stands at " + w.now.Format(time.RFC3339) + ", before the last recorded time " + last.Format(time.RFC3339) + "; nothing is issued",
			Hint:    "set the server's clock right (NTP), then try again", Retry: time.Minute,
		}
	}
	return nil
}

// put stores o with the time at which the sweep must look at it. A serial number
// that was reserved for an order which cannot be claimed any more is given up.
func (w *work) put(o *Order) error {
	if o.State != VerifiedState {
		if err := w.giveUp(o); err != nil {
			return err
		}
	}
	o.DueAt = o.due(w.policy)
	o.UpdatedAt = w.now
	return w.PutOrder(*o)
}

// audit appends a record of verb on o.
func (w *work) audit(by Actor, verb Verb, o *Order, detail map[string]string) error {
	serial := o.Serial
	if serial == "" {
		serial = o.Reserved
	}
	return w.AppendAudit(AuditRecord{At: w.now, Actor: by, Verb: verb, Organization: o.Organization, Order: o.ID, Serial: serial, Detail: detail})
}

// comment is the detail of an audit record that has nothing but a comment.
func comment(s string) map[string]string {
	if s == "" {
		return nil
	}
	return map[string]string{"comment": s}
}

// onOrder does verb to the order with id: load, transition, put, audit, commit.
func (r *Registrar) onOrder(ctx context.Context, by Actor, id OrderID, verb Verb, note string, transition func(*work, *Order) error) (Order, error) {
	if err := by.mayWrite(string(verb)); err != nil {
		return Order{}, err
	}
	note, err := cleanComment("comment", note)
	if err != nil {
		return Order{}, err
	}
	var o Order
	err = r.update(ctx, func(w *work) (err error) {
		if o, err = w.order(id); err != nil {
			return err
		}
		if err := transition(w, &o); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		return w.audit(by, verb, &o, comment(note))
	})
	return o, err
}

// order is Order with an error that people can act on.
func (w *work) order(id OrderID) (Order, error) {
	o, err := w.Order(id)
	if errors.Is(err, ErrNotFound) {
		return o, notFound("order", string(id))
	}
	return o, err
}
