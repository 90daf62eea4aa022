package issuance

import (
	"context"
	"errors"
)

// Hold puts a certificate on hold until it is released or revoked.
func (r *Registrar) Hold(ctx context.Context, by Actor, serial Serial, note string) (Certificate, error) {
	return r.onCertificate(ctx, by, serial, HoldVerb, note, func(w *work, c *Certificate, note string) error {
		return c.Hold(by, note, w.now)
	})
}

// Release makes a held certificate valid again.
func (r *Registrar) Release(ctx context.Context, by Actor, serial Serial, note string) (Certificate, error) {
	return r.onCertificate(ctx, by, serial, ReleaseVerb, note, func(w *work, c *Certificate, note string) error {
		if err := w.served(c); err != nil {
			return err
		}
		return c.Release(by, note, w.now)
	})
}

// Renew places an order for the successor of a certificate: the same service and
// contact, and the same process as the first time. The old certificate does not
// change. A revoked certificate can also have a successor, with a new key.
func (r *Registrar) Renew(ctx context.Context, by Actor, serial Serial, note string, once Once) (Order, error) {
	c, err := r.Certificate(ctx, serial)
	if err != nil {
		return Order{}, err
	}
	return r.Request(ctx, by, OrderRequest{Service: c.Service, Contact: c.Contact, Renews: serial, Comment: note, Once: once})
}

// Certificate returns the record of serial, or an error that people can act on.
func (r *Registrar) Certificate(ctx context.Context, serial Serial) (c Certificate, err error) {
	err = r.cfg.Store.View(ctx, func(tx Snapshot) error {
		c, err = issued(tx, serial)
		return err
	})
	return c, err
}

// issued is Certificate for serial numbers that a certificate came of.
func issued(tx CertificateReader, serial Serial) (Certificate, error) {
	c, err := tx.Certificate(serial)
	if errors.Is(err, ErrNotFound) || err == nil && c.Status == Abandoned {
		return Certificate{}, NoSuch(CertificateNoun, string(serial))
	}
	return c, err
}

// onCertificate does verb to the certificate with serial, tells its contact,
// and has CRL and OCSP follow.
func (r *Registrar) onCertificate(
	ctx context.Context, by Actor, serial Serial, verb Verb, note string,
	change func(*work, *Certificate, string) error,
) (Certificate, error) {
	note, err := cleanComment("comment", note)
	if err := errors.Join(by.May(verb, CertificateNoun), err); err != nil {
		return Certificate{}, err
	}
	var c Certificate
	err = r.update(ctx, func(w *work) (err error) {
		if c, err = issued(w, serial); err != nil {
			return err
		}
		if err := change(w, &c, note); err != nil {
			return err
		}
		to, err := w.Contact(c.Contact)
		if err != nil {
			return err
		}
		if err := w.Enqueue(Notice{
			Kind: statusNotice(c.Status), Order: c.Order, Serial: c.Serial, Contact: to.ID, To: to.Email,
			Language: to.Language, Text: string(c.Status),
		}); err != nil {
			return err
		}
		return w.changed(by, verb, c, note, nil)
	})
	return c, err
}
