package issuance

import (
	"context"
	"errors"
	"sync"
	"time"
)

// reservations are the serial numbers that this process has reserved and not
// signed under yet. Each is taken once: whatever comes of the signing, no second
// certificate is ever signed under the same number. What is not here any more, or
// was reserved by another process, costs the claim one more transaction.
type reservations struct {
	mu   *sync.Mutex
	kept map[OrderID]Serial
}

// maxReservations is how many are remembered, about a megabyte.
const maxReservations = 10_000

func newReservations() reservations {
	return reservations{mu: new(sync.Mutex), kept: make(map[OrderID]Serial)}
}

// keep remembers serial for the order with id, in place of any other.
func (s reservations) keep(id OrderID, serial Serial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxReservations {
		for other := range s.kept { // any
			delete(s.kept, other)
			break
		}
	}
	s.kept[id] = serial
}

// take returns what was kept for the order with id, once; "" if there is nothing.
func (s reservations) take(id OrderID) Serial {
	s.mu.Lock()
	defer s.mu.Unlock()
	serial := s.kept[id]
	delete(s.kept, id)
	return serial
}

// take returns d with a serial number under which nobody ever signed. If another
// process may have signed under the one that is reserved, or this one, in vain, it
// reserves another.
func (r *Registrar) take(ctx context.Context, d draft, token, session Secret) (draft, error) {
	if mine := r.reserved.take(d.order.ID); mine != "" && mine == d.order.Reserved {
		return d, nil
	}
	err := r.update(ctx, func(w *work) (err error) {
		if d, err = w.draft(token, session); err != nil {
			return err
		}
		return w.reserve(&d.order, d.actor)
	})
	return d, err
}

// reserve sets a new serial number aside for o, which it stores, and gives up
// one that was reserved for it before.
func (w *work) reserve(o *Order, by Actor) error {
	if err := w.giveUp(o); err != nil {
		return err
	}
	serial := NewSerial()
	if err := w.unused(serial); err != nil {
		return err
	}
	if err := o.Reserve(serial, w.now); err != nil {
		return err
	}
	if err := w.put(o); err != nil {
		return err
	}
	w.audit(by, ReserveVerb, o, nil)
	return nil
}

// unused returns an error if serial was ever given to a certificate, or given up.
func (w *work) unused(serial Serial) error {
	_, err := w.Certificate(serial)
	switch {
	case err == nil:
		return errors.New("the random serial number was handed out before")
	case errors.Is(err, ErrNotFound):
		return nil
	}
	return err
}

// giveUp abandons the serial number that is reserved for o, if there is one.
// The caller puts o.
func (w *work) giveUp(o *Order) error {
	if o.Reserved == "" {
		return nil
	}
	c := Certificate{
		Serial: o.Reserved, Status: Abandoned, Order: o.ID, Organization: o.Organization, Service: o.Service,
		Contact: o.Contact, ChangedAt: w.now.Truncate(time.Second), ChangedBy: System("sweep"),
	}
	if _, err := w.Certificate(o.Reserved); err == nil { // what became of it stays on record
		o.Reserved = ""
		return nil
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := w.PutCertificate(c); err != nil {
		return err
	}
	o.Reserved = ""
	w.Audit(c.ChangedBy, AbandonVerb, AuditRecord{Organization: o.Organization, Order: o.ID, Serial: c.Serial})
	return nil
}

// abandon gives up the number of d, under which nothing was stored. If that
// cannot be written, the next claim does it, or the sweep.
func (r *Registrar) abandon(ctx context.Context, d draft) error {
	return r.update(ctx, func(w *work) error {
		o, err := w.order(d.order.ID)
		if err != nil || o.Reserved != d.order.Reserved {
			return err
		}
		if err := w.giveUp(&o); err != nil {
			return err
		}
		return w.put(&o)
	})
}
