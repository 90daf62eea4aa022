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
	// CSR is in PEM or DER, or nil if none was sent. With a CSR, the key stays
	// where it is, and Key and Target are ignored. An empty CSR is refused: whoever
	// sends a CSR does not want a key that is created here.
	CSR []byte
}

// File is the result of a claim: a PKCS#12 file, or a chain for a CSR.
type File struct {
	Certificate Certificate
	PKCS12      []byte   // nil for a CSR
	Chain       [][]byte // DER: the certificate, the issuing CA, the root
	Target      Target
}

// Claim creates the certificate of the order for which session was opened, or
// returns the file that was created before: another claim within the claim window
// gets the same bytes, whatever it asks for. Any number of claims results in one
// certificate.
func (r *Registrar) Claim(ctx context.Context, token, session Secret, q ClaimRequest) (f File, err error) {
	d, err := r.draft(ctx, token, session)
	if err != nil {
		return File{}, err
	}
	if d.order.State == VerifiedState {
		first, err := r.flights.do(ctx, d.order.ID, func() (err error) {
			// The contact may go away meanwhile; what was begun is finished, and waits for them.
			f, err = r.make(context.WithoutCancel(ctx), d, token, session, q)
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

// draft is all that stands before anything is signed.
type draft struct {
	order        Order
	organization Organization
	service      Service
	actor        Actor // who claims
}

// draft looks up the order of token and, if it can be claimed, all that the
// certificate is made from.
func (r *Registrar) draft(ctx context.Context, token, session Secret) (d draft, err error) {
	err = r.view(ctx, func(l reading) error {
		d, err = l.draft(token, session)
		return err
	})
	return d, err
}

func (l reading) draft(token, session Secret) (d draft, err error) {
	var c Contact
	if d.order, c, err = l.claimed(token, session); err != nil || d.order.State != VerifiedState {
		return d, err
	}
	d.actor = c.actor()
	if err := l.checkClock(); err != nil {
		return d, err
	}
	if d.organization, err = l.Organization(d.order.Organization); err != nil {
		return d, err
	}
	d.service, err = l.Service(d.order.Service)
	return d, err
}

// claimed returns the order of token, which session was opened for, and its
// contact, who is entitled to it at this moment.
func (l reading) claimed(token, session Secret) (o Order, c Contact, err error) {
	if o, err = linked(l, token); err != nil {
		return o, c, err
	}
	if c, err = l.entitled(&o); err != nil && !o.ended() {
		return o, c, err
	}
	// A session that is over ends here, whether the sweep has come round or not.
	over := o.State == VerifiedState && !l.now.Before(o.due(l.policy))
	if over || !o.mine(session) {
		if err := o.usable(l.now); err != nil {
			return o, c, err
		}
		return o, c, &Error{
			Kind: Denied, Code: CodeSession, Message: "the code has not been entered in this browser",
			Hint: "enter the code first",
		}
	}
	return o, c, err
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

func (r *Registrar) choose(ctx context.Context, o Order, q ClaimRequest) (c choice, err error) {
	c.key, c.target = o.Key, o.Target
	if q.CSR != nil {
		if len(q.CSR) == 0 {
			return c, emptyCSR()
		}
		if c.public, err = r.cfg.ReadCSR(q.CSR); err != nil {
			return c, err
		}
		if c.key, err = r.cfg.KeyOf(c.public); err != nil {
			return c, err
		}
		return c, r.cfg.Store.View(ctx, func(tx Snapshot) error { return r.refuseKey(tx, c.public, o) })
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

func emptyCSR() *Error {
	return &Error{
		Kind: Invalid, Code: CodeCSR, Field: "csr", Message: "is empty; the server did not create a key instead",
		Hint: "send the file that begins with -----BEGIN CERTIFICATE REQUEST-----",
	}
}

// make makes the certificate. A serial number is reserved when the code is found
// right, so that the intent is recorded before anything is signed. What a crash
// leaves behind at each step:
//
//  1. an order that can be claimed, with a number that no other process uses:
//     the next claim gives it up and reserves another;
//  2. and 3. the same: key, certificate and file were in memory alone;
//  4. the certificate with its record, its file and its password, sealed: the
//     same session fetches them.
func (r *Registrar) make(ctx context.Context, d draft, token, session Secret, q ClaimRequest) (File, error) {
	// 1. Check what was asked for.
	c, err := r.choose(ctx, d.order, q)
	if err != nil {
		return File{}, err
	}
	if c.public == nil {
		if err := r.gate.enter(ctx); err != nil {
			return File{}, err
		}
		defer r.gate.leave()
	}
	// 2. Take the reserved serial number, for good.
	if d, err = r.take(ctx, d, token, session); err != nil {
		return File{}, err
	}
	// 3. Key, certificate, file: outside of any transaction.
	made, err := r.produce(ctx, d, c)
	if err != nil {
		return File{}, errors.Join(err, r.abandon(ctx, d))
	}
	// 4. Store them.
	cert, err := r.store(ctx, d, c, made)
	if err != nil {
		return File{}, errors.Join(err, r.abandon(ctx, d))
	}
	return r.filed(cert, c.target, made.pkcs12.Reveal())
}

// made is what came of signing.
type made struct {
	signed   Signed
	key      crypto.PublicKey
	pkcs12   Secret // empty for a CSR
	password Secret // empty for a CSR
}

// produce makes the certificate for the key that was brought, or key, certificate and file.
func (r *Registrar) produce(ctx context.Context, d draft, c choice) (m made, err error) {
	if m.key = c.public; c.public != nil {
		m.signed, err = r.sign(ctx, d, c.public)
		return m, err
	}
	key, err := r.cfg.NewKey(c.key)
	if err != nil {
		return m, err
	}
	m.key = key.Public()
	if m.signed, err = r.sign(ctx, d, m.key); err != nil {
		return m, err
	}
	chain, err := r.cfg.Signer.Chain(m.signed.Issuer)
	if err != nil {
		return m, err
	}
	m.password = r.cfg.NewPassword()
	file, err := r.cfg.Pack(Bundle{
		Key: key, Certificate: m.signed.DER, Chain: chain, Password: m.password, Target: c.target,
		FriendlyName: string(d.service.ID),
	})
	m.pkcs12 = NewSecret(file)
	return m, err
}

// sign makes d's certificate for key, under our profile alone.
func (r *Registrar) sign(ctx context.Context, d draft, key crypto.PublicKey) (Signed, error) {
	now := r.now().Truncate(time.Second)
	end := r.cfg.Policy.Validity.After(now)
	if _, last := r.cfg.Signer.Issuer(); end.After(last) {
		end = last
	}
	return r.cfg.Signer.Sign(ctx, Profile{
		Serial: d.order.Reserved, Organization: d.organization.ID, OrganizationName: d.organization.Name,
		Service: d.service.ID.Identifier(), ServiceName: d.service.Name, Distinction: distinction(d.organization, d.service),
		Key: key, NotBefore: now.Add(-r.cfg.Policy.Backdate), NotAfter: end,
	})
}
