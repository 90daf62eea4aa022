package issuance

import (
	"context"
	"errors"
)

// OrderRequest asks for a certificate for a service, which a contact is to receive.
type OrderRequest struct {
	Service ServiceID
	Contact ContactID
	Key     string // "" for the service's preference
	Target  string // "" for the service's preference
	Renews  Serial // "" for a first certificate
	Another bool   // allow a second open order for the same service and contact
	Comment string
	Once    Once
}

// Request places an order. The CA creates nothing before the claim.
func (r *Registrar) Request(ctx context.Context, by Actor, q OrderRequest) (Order, error) {
	note, err := cleanComment("comment", q.Comment)
	if err := errors.Join(by.May(RequestVerb, OrderNoun), err); err != nil {
		return Order{}, err
	}
	var o Order
	err = r.update(ctx, func(w *work) (err error) {
		if made, err := w.Once(by, q.Once); err != nil || made != "" {
			o, err = w.orderOr(OrderID(made), err)
			return err
		}
		o = Order{ID: OrderID(NewID("ord-", w.now)), RequestedBy: by, RequestedAt: w.now, Renews: q.Renews, Comment: note}
		if err := w.fill(&o, q); err != nil {
			return err
		}
		if err := o.move(RequestVerb, RequestedState, w.now); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		w.audit(by, RequestVerb, &o, comment(note))
		return w.Made(by, q.Once, string(o.ID))
	})
	return o, err
}

// fill checks whom and what the order is for.
func (w *work) fill(o *Order, q OrderRequest) error {
	s, c, err := w.parties(q)
	if err != nil {
		return err
	}
	q.Service, q.Contact = s.ID, c.ID
	org, err := w.Organization(s.Organization)
	if err != nil {
		return err
	}
	switch {
	case org.Disabled:
		return Invalidf("service", "organisation "+string(org.ID)+" is disabled", "enable it first")
	case s.Disabled:
		return Invalidf("service", "service "+string(s.ID)+" is disabled", "enable it first")
	case c.Organization != s.Organization:
		return Invalidf("contact", "the contact belongs to "+string(c.Organization)+", the service to "+string(s.Organization),
			"choose a contact of the service's organisation")
	case c.Disabled:
		return Invalidf("contact", "the contact is disabled", "choose another contact, or enable this one")
	case !c.MayReceive:
		return Invalidf("contact", "the contact is not authorised to receive certificates",
			"choose another contact, or authorise this one")
	}
	if err := w.onlyOrder(q, s); err != nil {
		return err
	}
	o.Organization, o.Service, o.Contact, o.Key, o.Target = s.Organization, s.ID, c.ID, s.Key, s.Target
	if q.Key != "" {
		if o.Key, err = ParseKeyAlgorithm(q.Key); err != nil {
			return err
		}
	}
	if q.Target != "" {
		if o.Target, err = ParseTarget(q.Target); err != nil {
			return err
		}
	}
	return nil
}

// parties returns whom an order is for, and who receives it. A contact who is named
// by address or number is one of the service's organisation.
func (w *work) parties(q OrderRequest) (s Service, c Contact, err error) {
	v := w.r.Resolver(w)
	service := func(typed string) (ServiceID, error) { return v.Service(typed, "") }
	if err = resolve("service", &q.Service, service); err != nil {
		return s, c, err
	}
	if s, err = w.Service(q.Service); err != nil {
		return s, c, err
	}
	contact := func(typed string) (ContactID, error) { return v.Contact(typed, s.Organization) }
	if err = resolve("contact", &q.Contact, contact); err != nil {
		return s, c, err
	}
	c, err = w.Contact(q.Contact)
	return s, c, err
}

// inField makes a look-up's error one of the input field that named the record.
func inField(field string, e *Error) *Error {
	e.Kind, e.Code, e.Field = Invalid, CodeInvalid, field
	return e
}

// Approve invites the contact: it queues the e-mail with the URL and, unless codes
// are sent only on request, the SMS with the one-time code.
func (r *Registrar) Approve(ctx context.Context, by Actor, id OrderID, note string) (Order, error) {
	token := NewToken()
	return r.onOrder(ctx, by, id, ApproveVerb, note, func(w *work, o *Order, _ string) error {
		if err := w.checkClock(); err != nil {
			return err
		}
		of, err := w.approvalOf(o)
		if err != nil {
			return err
		}
		if err := o.Approve(by, of, DigestOf(token), w.policy, w.now); err != nil {
			return err
		}
		return w.invite(o, token)
	})
}

// Reject turns a request down.
func (r *Registrar) Reject(ctx context.Context, by Actor, id OrderID, note string) (Order, error) {
	return r.onOrder(ctx, by, id, RejectVerb, note, func(w *work, o *Order, note string) error { return o.Reject(by, note, w.now) })
}

// Resend sends a new link, which invalidates the old one, and a new code if one may
// be sent.
func (r *Registrar) Resend(ctx context.Context, by Actor, id OrderID, note string) (Order, error) {
	token := NewToken()
	return r.onOrder(ctx, by, id, ResendVerb, note, func(w *work, o *Order, _ string) error {
		if o.State == LapsedState && o.Renews != "" { // another may renew it by now
			if err := w.onlyRenewal(o.Renews, Service{ID: o.Service}); err != nil {
				return err
			}
		}
		if err := o.Resend(DigestOf(token), w.policy, w.now); err != nil {
			return err
		}
		return w.invite(o, token)
	})
}

// Unlock restores the tries of a locked order.
func (r *Registrar) Unlock(ctx context.Context, by Actor, id OrderID, note string) (Order, error) {
	return r.onOrder(ctx, by, id, UnlockVerb, note, func(w *work, o *Order, _ string) error {
		if _, err := w.receiver(o); err != nil {
			return err
		}
		return o.Unlock(w.now)
	})
}

// Cancel cancels an order before the download. It revokes what was issued, and
// wipes the file and its password.
func (r *Registrar) Cancel(ctx context.Context, by Actor, id OrderID, note string) (Order, error) {
	return r.onOrder(ctx, by, id, CancelVerb, note, func(w *work, o *Order, note string) error {
		issued := o.State == IssuedState
		if err := o.Cancel(by, note, w.now); err != nil {
			return err
		}
		if issued {
			if err := w.revoke(by, o.Serial, CessationOfOperation, "order cancelled before the download"); err != nil {
				return err
			}
		}
		return w.forget(o.ID, LinkSecret, SeedSecret, PKCS12Secret, PasswordSecret)
	})
}

// invite queues the e-mail with the link, and the first code unless it is to be
// asked for or may not be sent now.
func (w *work) invite(o *Order, token Secret) error {
	c, err := w.receiver(o)
	if err != nil {
		return err
	}
	if err := w.PutSecret(secretOf(o.ID, LinkSecret), token); err != nil {
		return err
	}
	wait := max(0, w.cooling(c, Mail))
	o.delayLink(wait, w.policy)
	if err := w.Enqueue(Notice{
		Kind: InvitationNotice, Order: o.ID, Contact: c.ID, To: c.Email, Language: c.Language,
		Counter: o.Link.Number, NextAt: w.now.Add(wait),
	}); err != nil {
		return err
	}
	if w.policy.CodeOnRequest || wait > 0 { // a code would not outlive the wait
		return nil
	}
	// Staff need not wait as contacts must: a new link comes with a new code.
	p := w.policy
	p.CodeCooldown = 0
	if err := w.code(o, c, p); err != nil && KindOf(err) != Limited {
		return err
	}
	return nil
}

// code makes the next code and queues its SMS. A refusal changes nothing.
func (w *work) code(o *Order, c Contact, p Policy) error {
	if wait := w.cooling(c, SMS); wait > 0 {
		return &Error{
			Kind: Limited, Code: CodeCoolingOff, Message: "the mobile number has changed recently",
			Hint: "for your safety, codes are sent to a new number only after a waiting period", Retry: wait,
		}
	}
	old := o.Code.Notice
	if err := o.NewCode(p, w.now); err != nil {
		return err
	}
	seed := secretOf(o.ID, SeedSecret)
	if _, err := w.Secret(seed); errors.Is(err, ErrNotFound) {
		if err := w.PutSecret(seed, w.r.cfg.NewSeed()); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := w.drop(old, "a newer code was sent"); err != nil {
		return err
	}
	n := Notice{
		ID: NoticeID(NewID("msg-", w.now)), Kind: CodeNotice, Order: o.ID, Contact: c.ID, To: c.Mobile,
		Language: c.Language, Counter: o.Code.Counter,
	}
	o.Code.Notice = n.ID
	return w.Enqueue(n)
}

// forget wipes secrets of an order.
func (w *work) forget(id OrderID, kinds ...SecretKind) error {
	for _, k := range kinds {
		if err := w.DeleteSecret(secretOf(id, k)); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) orderOr(id OrderID, err error) (Order, error) {
	if err != nil {
		return Order{}, err
	}
	return w.order(id)
}
