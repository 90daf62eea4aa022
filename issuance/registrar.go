package issuance

import (
	"context"
	"crypto"
	"errors"
	"time"
)

// Config is what a Registrar needs; every field but AskTime and Documents must be set.
type Config struct {
	Desk   *Desk
	Store  Store[Snapshot, Tx]
	Signer Signer
	Policy Policy

	NewKey      func(KeyAlgorithm) (crypto.Signer, error)
	KeyOf       func(crypto.PublicKey) (KeyAlgorithm, error)
	ReadCSR     func([]byte) (crypto.PublicKey, error) // checks the signature and the key
	Pack        func(Bundle) ([]byte, error)           // PKCS#12
	NewPassword func() Secret
	NewSeed     func() Secret                                     // of an order's codes
	Code        func(seed Secret, counter uint64) (Secret, error) // HOTP, RFC 4226
	CheckCode   func(Secret, uint64, string) (bool, error)        // in constant time
	ReadMobile  func(typed string) (string, error)                // E.164, of a mobile that SMS may go to
	// ASCIIAddress returns a mail address with its domain in ASCII, or an error
	// that says why that is not possible.
	ASCIIAddress func(address string) (string, error)

	Workers int // how many keys are made or derived at the same time

	// AskTime asks time servers how far they are ahead of the wall clock; nil: there
	// are none. It answers within seconds.
	AskTime func(context.Context) []TimeAnswer

	// Documents returns, for each kind of notice, the function that returns the
	// document with the id in the notice.
	Documents map[NoticeKind]func(ctx context.Context, id string) (Document, error)
}

func (c Config) check() error {
	switch {
	case c.Store == nil, c.Signer == nil, c.NewKey == nil, c.KeyOf == nil, c.ReadCSR == nil, c.Pack == nil,
		c.NewPassword == nil, c.NewSeed == nil, c.Code == nil, c.CheckCode == nil, c.ReadMobile == nil, c.ASCIIAddress == nil:
		return errors.New("issuance: a field of the configuration is not set")
	case c.Workers < 1:
		return errors.New("issuance: at least one worker is needed")
	}
	return errors.Join(c.Desk.Check(), c.Policy.Check())
}

// Registrar has the verbs of orders, certificates and the register. Each loads,
// makes the transition, puts, enqueues and audits in one transaction, or changes
// nothing and returns an error.
type Registrar struct {
	cfg      Config
	gate     gate
	flights  flights
	reserved reservations
	watch    clockWatch
	names    namesakes
}

// New returns a registrar, or an error that names what is missing in c.
func New(c Config) (*Registrar, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Registrar{cfg: c, gate: newGate(c.Workers), flights: newFlights(), reserved: newReservations()}, nil
}

// now returns the time in UTC.
func (r *Registrar) now() time.Time { return r.cfg.Desk.Now().UTC() }

// Read runs f in a read-only transaction, for listings and look-ups.
func (r *Registrar) Read(ctx context.Context, f func(Reader) error) error {
	return r.cfg.Store.View(ctx, func(tx Snapshot) error { return f(tx) })
}

// records are what both a Snapshot and a Tx can be asked.
type records interface {
	RegisterReader
	OrderReader
	CertificateReader
	NoticeReader
	VaultReader
	Clock() (time.Time, error)
}

// reading is one look into the store: it knows the time and the policy.
type reading struct {
	records
	now    time.Time
	policy Policy
	clock  *Clock
}

// view runs f in a read-only transaction.
func (r *Registrar) view(ctx context.Context, f func(reading) error) error {
	return r.cfg.Store.View(ctx, func(tx Snapshot) error { return f(r.reading(tx, r.now())) })
}

func (r *Registrar) reading(tx records, now time.Time) reading {
	return reading{records: tx, now: now, policy: r.cfg.Policy, clock: r.cfg.Desk.Clock}
}

// work is one transaction of a verb: a reading that can change what it reads, and
// the entry in which the verb leaves its notices and audit records. Each comes
// from update.
type work struct {
	Tx
	reading
	*Entry
	r *Registrar
}

// update runs f in one transaction, then wakes whom it concerns.
func (r *Registrar) update(ctx context.Context, f func(*work) error) error {
	return Do(ctx, r.cfg.Desk, r.cfg.Store, func(tx Tx, e *Entry) error {
		return f(&work{Tx: tx, reading: r.reading(tx, e.Now), Entry: e, r: r})
	})
}

// checkClock refuses to issue while the clock is in doubt, or before the last time
// the store saw: what was signed would be dated before what it follows.
func (l reading) checkClock() error {
	if err := l.clock.Sure(); err != nil {
		return err
	}
	last, err := l.Clock()
	if err != nil {
		return err
	}
	if l.now.Before(last.Add(-clockSlack)) {
		return &Error{
			Kind: Unavailable, Code: CodeClock,
			Message: "the clock says " + l.now.Format(time.RFC3339) + ", which is earlier than the last recorded time " +
				last.Format(time.RFC3339) + "; no certificate is issued",
			Hint: "correct the server's clock; if it is right, confirm it", Retry: time.Minute, Next: Next{AcceptVerb, ClockNoun, ""},
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

// audit records verb on o.
func (w *work) audit(by Actor, verb Verb, o *Order, detail map[string]string) {
	serial := o.Serial
	if serial == "" {
		serial = o.Reserved
	}
	w.Audit(by, verb, AuditRecord{Organization: o.Organization, Order: o.ID, Serial: serial, Detail: detail})
}

// comment is the detail of an audit record that has nothing but a comment.
func comment(s string) map[string]string {
	if s == "" {
		return nil
	}
	return map[string]string{"comment": s}
}

// onOrder does verb to the order with id: load, transition, put, audit, commit.
// The transition gets the comment as it is kept.
func (r *Registrar) onOrder(ctx context.Context, by Actor, id OrderID, verb Verb, note string, transition func(*work,
	*Order, string) error,
) (Order, error) {
	note, err := cleanComment("comment", note)
	if err := errors.Join(by.May(verb, OrderNoun), err); err != nil {
		return Order{}, err
	}
	var o Order
	err = r.update(ctx, func(w *work) (err error) {
		if o, err = w.order(id); err != nil {
			return err
		}
		if err := transition(w, &o, note); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		w.audit(by, verb, &o, comment(note))
		return nil
	})
	return o, err
}

// order is Order with an error that people can act on.
func (l reading) order(id OrderID) (Order, error) {
	o, err := l.Order(id)
	if errors.Is(err, ErrNotFound) {
		return o, NoSuch(OrderNoun, string(id))
	}
	return o, err
}
