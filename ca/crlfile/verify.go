package crlfile

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"time"
)

// ClockSkew is how far the clock of a CA may be ahead of ours.
const ClockSkew = 5 * time.Minute

// Check is what a file is checked against.
type Check struct {
	// CAs are those whose CRLs belong in the file. The caller must trust them.
	CAs []*x509.Certificate
	// PassOver ignores the CRLs of other CAs; otherwise a file with such a CRL is
	// refused with CodeIssuer.
	PassOver bool
	Now      time.Time
	// Previous is the bundle that was used before, or nil: no CA may return to an
	// older list. It does not have to be verified; lists in it that were not signed
	// by one of CAs do not count.
	Previous *Bundle
}

// Verify reads a file and returns its contents, or an [*Error] whose code says why
// it must not be used. A file is accepted if it has exactly one CRL of each CA that
// is valid now, each signed by that CA, current (RFC 5280, section 6.3.3), complete
// (no critical extension), and not older than the one in Previous (section 5.2.3).
func (c Check) Verify(text []byte) (*Bundle, error) {
	if len(c.CAs) == 0 {
		return nil, refuse(CodeAnchors, "there are no CA certificates")
	}
	b, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if c.PassOver {
		all := len(b.Lists)
		b.Lists = slices.DeleteFunc(b.Lists, func(l *List) bool { return c.of(l) == nil })
		b.PassedOver = all - len(b.Lists)
	}
	for _, l := range b.Lists {
		if err := c.verify(l); err != nil {
			return nil, err
		}
	}
	if err := c.complete(b); err != nil {
		return nil, err
	}
	if err := c.Follows(b); err != nil {
		return nil, err
	}
	return b, nil
}

// of returns the CA that a list says it is of, nil if there is none: by name, and
// by key where both say which (RFC 5280, section 5.2.1).
func (c Check) of(l *List) *x509.Certificate {
	for _, ca := range c.CAs {
		sameKey := len(l.AuthorityKeyId) == 0 || len(ca.SubjectKeyId) == 0 || bytes.Equal(l.AuthorityKeyId, ca.SubjectKeyId)
		if bytes.Equal(l.RawIssuer, ca.RawSubject) && sameKey {
			return ca
		}
	}
	return nil
}

// verify checks one list by itself, and says in it whose it is.
func (c Check) verify(l *List) error {
	issuer := c.of(l)
	if issuer == nil {
		return refuse(CodeIssuer, "the CRL of %s is not from a CA of this chain", l.Name())
	}
	if err := l.signedBy(issuer); err != nil {
		return refuse(CodeSignature, "the CRL of %s is not signed by it: %v", l.Name(), err)
	}
	if e := critical(l.RevocationList); e != nil {
		return refuse(CodeCritical, "the CRL of %s has the critical extension %s, so it is not a complete CRL", l.Name(), e.Id)
	}
	switch {
	case l.ThisUpdate.After(c.Now.Add(ClockSkew)):
		return refuse(CodeFuture, "the CRL of %s is valid only from %s", l.Name(), stamp(l.ThisUpdate))
	case l.NextUpdate.IsZero():
		return refuse(CodeLapsed, "the CRL of %s does not say how long it is valid", l.Name())
	case l.LapsedAt(c.Now):
		return refuse(CodeLapsed, "the CRL of %s expired at %s", l.Name(), stamp(l.NextUpdate))
	}
	l.Issuer = issuer
	return nil
}

// critical returns a critical extension that a list or one of its entries has, nil
// for none. All there are narrow what a list says (issuingDistributionPoint,
// deltaCRLIndicator) or turn it to other CAs (certificateIssuer); and one that is
// not known forbids to use the list (RFC 5280, sections 5.2 and 5.3).
func critical(l *x509.RevocationList) *pkix.Extension {
	in := func(all []pkix.Extension) *pkix.Extension {
		if i := slices.IndexFunc(all, func(e pkix.Extension) bool { return e.Critical }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	found := in(l.Extensions)
	for i := 0; found == nil && i < len(l.RevokedCertificateEntries); i++ {
		found = in(l.RevokedCertificateEntries[i].Extensions)
	}
	return found
}

// complete checks that each level has one list.
func (c Check) complete(b *Bundle) error {
	for _, ca := range c.CAs {
		count := 0
		for _, l := range b.Lists {
			if same(l.Issuer, ca) {
				count++
			}
		}
		switch {
		case count > 1:
			return refuse(CodeTwice, "there are %d CRLs of %s", count, ca.Subject)
		case count == 0 && !c.Now.Before(ca.NotBefore) && !c.Now.After(ca.NotAfter):
			return refuse(CodeMissing, "there is no CRL of %s", ca.Subject)
		}
	}
	return nil
}

// Follows checks that the verified bundle b is not older than c.Previous. It is for
// callers that learn of Previous late, under a lock under which they do not want to
// verify.
func (c Check) Follows(b *Bundle) error {
	if c.Previous == nil {
		return nil
	}
	ofThisRoot := slices.ContainsFunc(c.Previous.Lists, func(old *List) bool {
		ca := c.of(old)
		return ca != nil && selfSigned(ca) && old.isOf(ca)
	})
	for _, old := range c.Previous.Lists {
		ca := c.of(old)
		if ca == nil {
			// The chain came from somewhere: who could leave out a CA and its CRL
			// would have servers refuse everybody below it.
			if ofThisRoot && !old.LapsedAt(c.Now) {
				return refuse(CodeMissing, "there is no longer a CRL of %s, and the previous one is valid until %s", old.Name(),
					stamp(old.NextUpdate))
			}
			continue
		}
		now := b.by(ca)
		if now == nil || !old.isOf(ca) {
			continue
		}
		back := now.number().Cmp(old.number())
		if back < 0 || back == 0 && now.ThisUpdate.Before(old.ThisUpdate) {
			return refuse(CodeOlder, "the CRL of %s has number %s of %s, older than number %s of %s", now.Name(),
				now.number(), stamp(now.ThisUpdate), old.number(), stamp(old.ThisUpdate))
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
