package issuance

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"time"
)

// Reenroll renews the certificate with serial for whoever has proven to have its
// key: the successor has the same names and the key of csr, a PKCS #10 request in
// DER that asks for exactly these names (RFC 7030, section 4.2.2). It places an
// order without an invitation, within the limits of Policy.Reenroll, and informs
// the contact.
//
// A certificate can have one valid successor. A client that asks again with the
// same key, because the answer was lost, gets that one again; another key is
// refused with CodeRenewed until staff have revoked the successor.
func (r *Registrar) Reenroll(ctx context.Context, serial Serial, csr []byte) (f File, err error) {
	if len(csr) == 0 {
		return File{}, emptyCSR()
	}
	old, err := r.Certificate(ctx, serial)
	if err != nil {
		return File{}, err
	}
	// 1. Check what is asked for.
	c, err := r.choose(ctx, Order{Organization: old.Organization}, ClaimRequest{CSR: csr})
	if err != nil {
		return File{}, err
	}
	if err := sameNames(csr, old.DER); err != nil {
		return File{}, err
	}
	first, err := r.flights.do(ctx, OrderID("reenroll/"+serial), func() (err error) {
		// The client may go away meanwhile; what was begun is finished, and waits for it.
		f, err = r.renewBy(context.WithoutCancel(ctx), serial, c)
		return err
	})
	if first || err != nil {
		return f, err
	}
	return r.renewed(ctx, serial, c.public)
}

// renewBy makes the successor of the certificate with serial, or returns the one
// that was made for the same key. What a crash leaves behind at each step:
//
//  1. before it, nothing;
//  2. an order with a number that is never signed under again: the sweep cancels
//     it, and the certificate can be renewed;
//  3. the same: the new certificate was in memory alone;
//  4. the certificate with its record: the client asks again, and gets it.
func (r *Registrar) renewBy(ctx context.Context, serial Serial, c choice) (File, error) {
	// 2. Record the intent: an order, and a serial number that is reserved for it.
	d, made, err := r.reserveRenewal(ctx, serial, c.public)
	if err != nil {
		return File{}, err
	}
	if made.Serial != "" {
		return r.filed(made, d.order.Target, nil)
	}
	// 3. Sign, outside of any transaction.
	signed, err := r.produce(ctx, d, c)
	if err != nil {
		return File{}, errors.Join(err, r.dropRenewal(ctx, d))
	}
	// 4. Store it.
	cert, err := r.store(ctx, d, c, signed)
	if err != nil {
		return File{}, errors.Join(err, r.dropRenewal(ctx, d))
	}
	return r.filed(cert, c.target, nil)
}

func (r *Registrar) reserveRenewal(
	ctx context.Context, serial Serial, key crypto.PublicKey,
) (d draft, made Certificate, err error) {
	err = r.update(ctx, func(w *work) error {
		d, made = draft{}, Certificate{}
		if err := w.checkClock(); err != nil {
			return err
		}
		old, err := issued(w, serial)
		if err != nil {
			return err
		}
		o := &d.order
		*o = Order{
			ID: OrderID(NewID("ord-", w.now)), Organization: old.Organization, Service: old.Service, Contact: old.Contact, Renews: serial,
			RequestedBy: old.Holder(), RequestedAt: w.now, DecidedBy: System("policy.reenroll"), DecidedAt: w.now,
		}
		if err := w.renewable(o, old); err != nil {
			return err
		}
		if made, err = w.successor(old, key); err != nil || made.Serial != "" {
			return err
		}
		if err := w.refuseWorn(old, key); err != nil {
			return err
		}
		if d.organization, err = w.Organization(old.Organization); err != nil {
			return err
		}
		if d.service, err = w.Service(old.Service); err != nil {
			return err
		}
		o.Key, o.Target, d.actor = d.service.Key, d.service.Target, old.Holder()
		if err := o.Reenroll(w.now); err != nil {
			return err
		}
		w.audit(d.actor, ReenrollVerb, o, map[string]string{"renews": string(serial)})
		return w.reserve(o, d.actor)
	})
	return d, made, err
}

// renewable returns why old may not renew itself at this moment, nil if it may.
func (w *work) renewable(o *Order, old Certificate) error {
	switch {
	case w.policy.Reenroll == 0:
		return &Error{
			Kind: Denied, Code: CodeRenewalOff, Message: "automatic renewal is turned off",
			Hint: "order a new certificate (policy.reenroll is off)",
		}
	case w.policy.FourEyes:
		return &Error{Kind: Denied, Code: CodeFourEyes, Message: "every certificate must be approved, so automatic " +
			"renewal is not possible", Hint: "order a new certificate (policy.four_eyes is on)"}
	}
	if err := old.allow(ReenrollVerb, Active); err != nil {
		return err
	}
	if !old.Stands(w.now) {
		return &Error{Kind: Denied, Code: CodeRenewalLate, Message: "certificate " + string(old.Serial) +
			" has expired", Hint: "order a new certificate"}
	}
	if from := old.NotAfter.Add(-w.policy.Reenroll); w.now.Before(from) {
		return &Error{Kind: Denied, Code: CodeRenewalEarly, Message: "the certificate can be renewed from " +
			from.UTC().Format(time.RFC3339) + " on", Hint: "keep using the current certificate and try again then"}
	}
	_, err := w.entitled(o)
	return err
}

// successor returns the certificate that old was renewed by and that is not
// revoked, the zero one if there is none; it must be for key.
func (l reading) successor(old Certificate, key crypto.PublicKey) (Certificate, error) {
	if old.RenewedBy == "" {
		return Certificate{}, nil
	}
	c, err := l.Certificate(old.RenewedBy)
	if err != nil || c.Status == Revoked {
		return Certificate{}, err
	}
	if !c.has(key) {
		return Certificate{}, &Error{
			Kind: Conflict, Code: CodeRenewed,
			Message: "the certificate has already been renewed, by " + string(c.Serial) + ", for another key",
			Hint:    "use that certificate; if its key is lost, ask for its revocation first",
		}
	}
	return c, nil
}

// refuseWorn refuses a key that has served two certificates already.
func (w *work) refuseWorn(old Certificate, key crypto.PublicKey) error {
	mark := MarkOf(key)
	if old.Renews == "" || mark == "" || old.Mark() != mark {
		return nil
	}
	before, err := w.Certificate(old.Renews)
	if errors.Is(err, ErrNotFound) || err == nil && before.Mark() != mark {
		return nil
	} else if err != nil {
		return err
	}
	return &Error{
		Kind: Invalid, Code: CodeCSR, Field: "csr",
		Message: "its key has already been used for two certificates",
		Hint:    "create a new key and make the CSR with it",
	}
}

// has reports whether c is for key, exponent and sign included.
func (c Certificate) has(key crypto.PublicKey) bool {
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return false
	}
	own, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(key)
}

// renewed returns what another request has made beside this one.
func (r *Registrar) renewed(ctx context.Context, serial Serial, key crypto.PublicKey) (File, error) {
	var made Certificate
	err := r.view(ctx, func(l reading) error {
		old, err := issued(l, serial)
		if err != nil {
			return err
		}
		made, err = l.successor(old, key)
		return err
	})
	if err == nil && made.Serial == "" {
		err = &Error{
			Kind: Unavailable, Code: CodeBusy, Message: "the certificate is being renewed right now",
			Hint: "try again in a moment", Retry: time.Second,
		}
	}
	if err != nil {
		return File{}, err
	}
	return r.filed(made, "", nil)
}

// succeeded records, in the transaction that stores it, that cert is the
// successor of another. That of a re-enrolment must be the only one.
func (w *work) succeeded(o *Order, cert Certificate) error {
	if cert.Renews == "" {
		return nil
	}
	old, err := w.Certificate(cert.Renews)
	if err != nil {
		return err
	}
	if o.uninvited() {
		if err := w.onlySuccessor(o, old, cert); err != nil {
			return err
		}
	}
	old.RenewedBy, old.Succession = cert.Serial, SuccessorIssued
	return w.PutCertificate(old)
}

// onlySuccessor looks again at what was so when the number was reserved, and
// tells the contact.
func (w *work) onlySuccessor(o *Order, old, cert Certificate) error {
	if err := w.renewable(o, old); err != nil {
		return err
	}
	if _, err := w.successor(old, nil); err != nil { // no key is that of another process's
		return err
	}
	to, err := w.Contact(o.Contact)
	if err != nil {
		return err
	}
	return w.Enqueue(Notice{
		Kind: RenewedNotice, Order: o.ID, Serial: cert.Serial, Contact: to.ID, To: to.Email, Language: to.Language,
	})
}

// dropRenewal ends the order of d, of which nothing came. If that cannot be
// written, the sweep does it.
func (r *Registrar) dropRenewal(ctx context.Context, d draft) error {
	return r.update(ctx, func(w *work) error {
		o, err := w.order(d.order.ID)
		if err != nil || o.State != VerifiedState || !o.uninvited() {
			return err
		}
		return w.dropUninvited(&o)
	})
}

// dropUninvited cancels a re-enrolment that came to nothing: nobody was invited
// who could go on with it.
func (w *work) dropUninvited(o *Order) error {
	if err := o.Cancel(System("sweep"), "the re-enrolment was not completed", w.now); err != nil {
		return err
	}
	return w.finish(o, CancelVerb)
}

// Holder is c acting for itself: the client that has its key. It is the zero Actor
// of the zero Certificate.
func (c Certificate) Holder() Actor {
	if c.Serial == "" {
		return Actor{}
	}
	return Actor{Role: RoleService, ID: string(c.Serial), Name: string(c.Service)}
}
