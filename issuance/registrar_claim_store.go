package issuance

import "context"

// store records certificate, file and password together. An order whose key was
// brought is complete then: nothing secret waits for the chain to arrive, and a
// certificate that its owner can use is not revoked because nobody saw it arrive.
func (r *Registrar) store(ctx context.Context, d draft, c choice, m made) (cert Certificate, err error) {
	err = r.update(ctx, func(w *work) error {
		o, err := w.order(d.order.ID)
		if err != nil {
			return err
		}
		if _, err := w.entitled(&o); err != nil { // meanwhile
			return err
		}
		fromCSR := m.pkcs12.Empty()
		if err := o.Issue(d.order.Reserved, fromCSR, w.now); err != nil {
			return err
		}
		o.Target = c.target
		if cert, err = w.certify(&o, d, c, m); err != nil {
			return err
		}
		w.audit(d.actor, IssueVerb, &o, map[string]string{"key": string(c.key), "fingerprint": cert.Fingerprint})
		if fromCSR {
			return w.complete(&o, d.actor)
		}
		return w.keepFile(&o, m)
	})
	return cert, err
}

// certify stores the certificate that was signed for o.
func (w *work) certify(o *Order, d draft, c choice, m made) (Certificate, error) {
	if err := w.unused(o.Serial); err != nil {
		return Certificate{}, err
	}
	if err := w.r.refuseKey(w, m.key, *o); err != nil { // meanwhile
		return Certificate{}, err
	}
	cert := Certificate{
		Serial: o.Serial, Status: Active, Order: o.ID, Organization: o.Organization, Service: o.Service, Contact: o.Contact,
		Issuer: m.signed.Issuer, IssuedAt: w.now, NotBefore: m.signed.NotBefore, NotAfter: m.signed.NotAfter,
		Key: c.key, KeyMark: MarkOf(m.key), Fingerprint: m.signed.Fingerprint, DER: m.signed.DER, FromCSR: o.FromCSR, Renews: o.Renews,
	}
	if err := w.PutCertificate(cert); err != nil {
		return cert, err
	}
	if err := w.succeeded(o, cert); err != nil {
		return cert, err
	}
	return cert, w.forget(o.ID, LinkSecret)
}

// keepFile keeps file and password, sealed, until they have served.
func (w *work) keepFile(o *Order, m made) error {
	if err := w.PutSecret(secretOf(o.ID, PKCS12Secret), m.pkcs12); err != nil {
		return err
	}
	if err := w.PutSecret(secretOf(o.ID, PasswordSecret), m.password); err != nil {
		return err
	}
	return w.put(o)
}
