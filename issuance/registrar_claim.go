package issuance

import (
	"context"
	"crypto"
	"errors"
	"time"
)

// ClaimRequest is what a contact chooses at the claim.
type ClaimRequest struct {
	Key    string // "" for the order's preference
	Target string // "" for the order's preference
	CSR    []byte // PEM or DER; then the key stays where it is, and Key and Target do not matter
}

// File is what a claim makes: a PKCS#12 file, or a chain for a CSR.
type File struct {
	Certificate Certificate
	PKCS12      []byte   // nil for a CSR
	Chain       [][]byte // DER: the certificate, the issuing CA, the root
	Target      Target
}

// Claim makes the certificate of the order that session was opened for, or
// returns the file that was made before: whoever claims again in the claim
// window gets the same bytes, whatever they ask for. One certificate comes of
// any number of claims.
func (r *Registrar) Claim(ctx context.Context, token, session Secret, q ClaimRequest) (f File, err error) {
	o, err := r.claimant(ctx, token, session)
	if err != nil {
		return File{}, err
	}
	if o.State == VerifiedState {
		first, err := r.flights.do(ctx, o.ID, func() (err error) {
			// The contact may go away meanwhile; what was begun is finished, and waits for them.
			f, err = r.make(context.WithoutCancel(ctx), o, token, session, q)
			return err
		})
		switch {
		case first && CodeOf(err) != CodeState:
			return f, err
		case !first && err != nil:
			return File{}, err
		} // otherwise somebody else has made it, before this claim or beside it
	}
	return r.file(ctx, token, session)
}

// claimant returns the order of token if session was opened for it.
func (r *Registrar) claimant(ctx context.Context, token, session Secret) (o Order, err error) {
	err = r.Store.View(ctx, func(tx Tx) error {
		o, err = r.claimed(tx, token, session)
		return err
	})
	return o, err
}

func (r *Registrar) claimed(tx Tx, token, session Secret) (Order, error) {
	o, err := linked(tx, token)
	if err != nil {
		return o, err
	}
	// A session that is over ends here, whether the sweep has come round or not.
	over := o.State == VerifiedState && !o.reserved() && !r.Now().Before(o.due(r.Policy))
	if over || !o.mine(session) {
		if err := o.usable(r.Now()); err != nil {
			return o, err
		}
		return o, &Error{Kind: Denied, Code: CodeSession, Message: "the code was not entered in this browser", Hint: "enter the code first"}
	}
	return o, nil
}

// mine reports whether session is the one that was opened for o.
func (o *Order) mine(session Secret) bool {
	d := DigestOf(session)
	return d != "" && o.Session.Digest == d
}

// choice is a ClaimRequest that was checked.
type choice struct {
	key    KeyAlgorithm
	target Target
	public crypto.PublicKey // of a CSR; nil otherwise
}

func (r *Registrar) choose(o Order, q ClaimRequest) (c choice, err error) {
	c.key, c.target = o.Key, o.Target
	if len(q.CSR) > 0 {
		err = r.turns.take(func() (err error) {
			if c.public, err = r.ReadCSR(q.CSR); err != nil {
				return err
			}
			c.key, err = r.KeyOf(c.public)
			return err
		})
		return c, err
	}
	if q.Key != "" {
		if c.key, err = ParseKeyAlgorithm(q.Key); err != nil {
			return c, err
		}
	}
	if q.Target != "" {
		if c.target, err = ParseTarget(q.Target); err != nil {
			return c, err
		}
	}
	return c, nil
}

// make makes the certificate. What a crash leaves behind at each step:
//
//  1. nothing;
//  2. a reservation, which the sweep gives up, and an order that can be claimed again;
//  3. the same: key, certificate and file were in memory alone;
//  4. the certificate with its record, its file and its password, sealed: the
//     same session fetches them.
func (r *Registrar) make(ctx context.Context, o Order, token, session Secret, q ClaimRequest) (File, error) {
	// 1. Check what was asked for.
	c, err := r.choose(o, q)
	if err != nil {
		return File{}, err
	}
	if c.public == nil {
		if err := r.gate.enter(ctx); err != nil {
			return File{}, err
		}
		defer r.gate.leave()
	}
	// 2. Reserve the serial number: the intent is recorded before anything is signed.
	draft, err := r.reserve(ctx, token, session, c)
	if err != nil {
		return File{}, err
	}
	// 3. Key, certificate, file: outside of any transaction.
	made, err := r.produce(ctx, draft, c)
	if err != nil {
		return File{}, errors.Join(err, r.abandon(ctx, draft))
	}
	// 4. Store them.
	cert, err := r.store(ctx, draft, c, made)
	if err != nil {
		return File{}, errors.Join(err, r.abandon(ctx, draft))
	}
	return r.filed(cert, c.target, made.pkcs12.Reveal())
}

// draft is what stands when a serial number has been reserved.
type draft struct {
	order        Order
	certificate  Certificate
	organization Organization
	service      Service
	contact      Contact
}

func (r *Registrar) reserve(ctx context.Context, token, session Secret, c choice) (d draft, err error) {
	serial := NewSerial()
	issuer, _ := r.Signer.Issuer()
	err = r.update(ctx, func(w *work) error {
		if err := w.checkClock(); err != nil {
			return err
		}
		if d.order, err = r.claimed(w, token, session); err != nil {
			return err
		}
		if c.public != nil {
			if err := w.refuseCompromised(c.public); err != nil {
				return err
			}
		}
		o := &d.order
		if err := o.Reserve(serial, r.Policy, w.now); err != nil {
			return err
		}
		if _, err := w.Certificate(serial); !errors.Is(err, ErrNotFound) {
			return errors.Join(err, errors.New("the random serial number was handed out before"))
		}
		if d.organization, err = w.Organization(o.Organization); err != nil {
			return err
		}
		if d.service, err = w.Service(o.Service); err != nil {
			return err
		}
		if d.contact, err = w.entitled(o); err != nil {
			return err
		}
		d.certificate = Certificate{
			Serial: serial, Status: Reserved, Order: o.ID, Organization: o.Organization, Service: o.Service,
			Contact: o.Contact, Issuer: issuer, ReservedAt: w.now, Renews: o.Renews,
		}
		if err := w.PutCertificate(d.certificate); err != nil {
			return err
		}
		if err := w.put(o); err != nil {
			return err
		}
		return w.audit(d.contact.actor(), ClaimVerb, o, nil)
	})
	return d, err
}

// made is what came of signing.
type made struct {
	signed   Signed
	pkcs12   Secret // empty for a CSR
	password Secret // empty for a CSR
}

// produce makes the certificate for the key that was brought, or key, certificate and file.
func (r *Registrar) produce(ctx context.Context, d draft, c choice) (m made, err error) {
	if c.public != nil {
		err = r.turns.take(func() error {
			m.signed, err = r.sign(ctx, d, c.public)
			return err
		})
		return m, err
	}
	key, err := r.NewKey(c.key)
	if err != nil {
		return m, err
	}
	if m.signed, err = r.sign(ctx, d, key.Public()); err != nil {
		return m, err
	}
	chain, err := r.Signer.Chain(m.signed.Issuer)
	if err != nil {
		return m, err
	}
	m.password = r.NewPassword()
	file, err := r.Pack(Bundle{
		Key: key, Certificate: m.signed.DER, Chain: chain, Password: m.password, Target: c.target,
		FriendlyName: string(d.service.ID),
	})
	m.pkcs12 = NewSecret(file)
	return m, err
}

// sign makes d's certificate for key, under our profile alone.
func (r *Registrar) sign(ctx context.Context, d draft, key crypto.PublicKey) (Signed, error) {
	now := r.Now().UTC().Truncate(time.Second)
	end := r.Policy.Validity.After(now)
	if _, last := r.Signer.Issuer(); end.After(last) {
		end = last
	}
	return r.Signer.Sign(ctx, Profile{
		Serial: d.certificate.Serial, Organization: d.organization.ID, OrganizationName: d.organization.Name,
		Service: d.service.Name, Key: key, NotBefore: now.Add(-r.Policy.Backdate), NotAfter: end,
	})
}

// store records certificate, file and password together.
func (r *Registrar) store(ctx context.Context, d draft, c choice, m made) (cert Certificate, err error) {
	err = r.update(ctx, func(w *work) error {
		o, err := w.order(d.order.ID)
		if err != nil {
			return err
		}
		fromCSR := m.pkcs12.Empty()
		if err := o.Issue(d.certificate.Serial, fromCSR, w.now); err != nil {
			return err
		}
		cert = d.certificate
		cert.Key, cert.FromCSR = c.key, fromCSR
		if err := cert.activate(m.signed, w.now); err != nil {
			return err
		}
		o.Target = c.target
		if err := w.forget(o.ID, LinkSecret); err != nil {
			return err
		}
		if !fromCSR {
			if err := w.PutSecret(SecretRef{PKCS12Secret, o.ID}, m.pkcs12); err != nil {
				return err
			}
			if err := w.PutSecret(SecretRef{PasswordSecret, o.ID}, m.password); err != nil {
				return err
			}
		}
		if err := w.PutCertificate(cert); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		return w.audit(d.contact.actor(), IssueVerb, &o, map[string]string{"key": string(c.key), "fingerprint": cert.Fingerprint})
	})
	return cert, err
}

// abandon gives a reservation up; if that cannot be stored, the sweep does it.
func (r *Registrar) abandon(ctx context.Context, d draft) error {
	return r.update(ctx, func(w *work) error { return w.settleReservation(d.order.ID, d.certificate.Serial) })
}

// settleReservation gives up what was reserved for the order with id, unless a
// certificate came of it meanwhile.
func (w *work) settleReservation(id OrderID, serial Serial) error {
	o, err := w.order(id)
	if err != nil {
		return err
	}
	if o.Reservation.Serial != serial {
		return nil
	}
	c, err := w.Certificate(serial)
	if err != nil {
		return err
	}
	if err := c.abandon(w.now); err != nil {
		return err
	}
	if err := w.audit(System("sweep"), AbandonVerb, &o, nil); err != nil {
		return err
	}
	if err := o.Abandon(w.now); err != nil {
		return err
	}
	if err := w.PutCertificate(c); err != nil {
		return err
	}
	return w.put(&o)
}
