package crlfile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"time"
)

// defaultSkew is how far the clocks of two machines may be apart.
const defaultSkew = 5 * time.Minute

// Check is what a file is held against.
type Check struct {
	Anchors Anchors
	Now     time.Time
	Skew    time.Duration // how far thisUpdate may be ahead of Now; 0: 5 minutes
	// Previous is what was relied on before, nil for nothing: no CA may go back
	// behind it. It need not be verified; lists in it that Anchors' CAs did not
	// sign do not count.
	Previous *Bundle
}

// Verify reads a file and returns what it has, or an [*issuance.Error] whose code
// says why it must not be relied on. A file is good if it has exactly one CRL of
// the root and of each issuing CA that has not expired, each signed by that CA,
// begun and not lapsed (RFC 5280, section 6.3.3), complete (no critical extension),
// and not older than the one in Previous (section 5.2.3).
func (c Check) Verify(text []byte) (*Bundle, error) {
	b, err := Parse(text)
	if err != nil {
		return nil, err
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

// verify checks one list by itself, and says in it whose it is.
func (c Check) verify(l *List) error {
	issuer := c.Anchors.of(l.RevocationList)
	if issuer == nil {
		return refuse(CodeIssuer, "there is a CRL of %s, which is not a CA of this chain", l.Name())
	}
	// It looks at the CA's key usage too, and takes no SHA-1.
	if err := l.CheckSignatureFrom(issuer); err != nil {
		return refuse(CodeSignature, "the CRL of %s is not signed by it: %v", l.Name(), err)
	}
	if critical(l.RevocationList) {
		return refuse(CodeCritical, "the CRL of %s has a critical extension", l.Name())
	}
	skew := c.Skew
	if skew == 0 {
		skew = defaultSkew
	}
	if l.ThisUpdate.After(c.Now.Add(skew)) {
		return refuse(CodeFuture, "the CRL of %s begins at %s only", l.Name(), stamp(l.ThisUpdate))
	}
	if l.NextUpdate.IsZero() {
		return refuse(CodeLapsed, "the CRL of %s does not say how long it is good", l.Name())
	}
	if !c.Now.Before(l.NextUpdate) {
		return refuse(CodeLapsed, "the CRL of %s lapsed at %s", l.Name(), stamp(l.NextUpdate))
	}
	l.Issuer = issuer
	return nil
}

// critical reports whether a list or one of its entries has a critical extension.
// All there are narrow what a list says (issuingDistributionPoint, deltaCRLIndicator)
// or turn it to other CAs (certificateIssuer); and one that is not known forbids to
// use the list (RFC 5280, sections 5.2 and 5.3).
func critical(l *x509.RevocationList) bool {
	is := func(e pkix.Extension) bool { return e.Critical }
	return slices.ContainsFunc(l.Extensions, is) ||
		slices.ContainsFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return slices.ContainsFunc(e.Extensions, is) })
}

// complete checks that each level has one list.
func (c Check) complete(b *Bundle) error {
	for _, ca := range c.Anchors.all() {
		count := 0
		for _, l := range b.Lists {
			if l.Issuer == ca {
				count++
			}
		}
		switch {
		case count > 1:
			return refuse(CodeTwice, "there are %d CRLs of %s", count, ca.Subject)
		case count == 0 && needed(ca, c.Now):
			return refuse(CodeMissing, "there is no CRL of %s", ca.Subject)
		}
	}
	return nil
}

// Follows checks that b, which was verified, goes on from c.Previous, for callers
// who learn of that late: with a lock that they do not want to verify under.
func (c Check) Follows(b *Bundle) error {
	if c.Previous == nil {
		return nil
	}
	ofThisRoot := false
	for _, old := range c.Previous.Lists {
		if ca := c.Anchors.of(old.RevocationList); ca != nil && ca == c.Anchors.root {
			ofThisRoot = old.CheckSignatureFrom(ca) == nil
		}
	}
	for _, old := range c.Previous.Lists {
		ca := c.Anchors.of(old.RevocationList)
		if ca == nil {
			// The chain came from somewhere: who could leave out a CA and its CRL
			// would have servers refuse everybody below it.
			if ofThisRoot && c.Now.Before(old.NextUpdate) {
				return refuse(CodeMissing, "there is no CRL of %s any more, and the one that was here is good until %s", old.Name(), stamp(old.NextUpdate))
			}
			continue
		}
		now := b.by(ca)
		if now == nil || old.CheckSignatureFrom(ca) != nil {
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
