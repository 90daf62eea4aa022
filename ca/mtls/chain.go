package mtls

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"
)

// Chain is a client certificate that was signed by one of our issuing CAs and has
// Postern's profile, and the CAs above it.
type Chain struct {
	Leaf   *x509.Certificate
	Issuer *x509.Certificate
	Above  []*x509.Certificate // of Issuer, the root last
}

// Verify returns the chain of a client certificate, presented[0], at now. It checks
// neither the certificate's validity period, which [CheckTime] does, nor its
// status. The other certificates that a client presents are never trusted; they
// only help to explain a refusal. Errors are of type [*Error].
//
// The presented certificates must come from a parser: if the Raw bytes and the
// fields of one do not match, the result is meaningless.
func (c *CAs) Verify(presented []*x509.Certificate, now time.Time) (Chain, error) {
	if len(presented) == 0 {
		return Chain{}, refuse(CodeMissing, "no client certificate was presented")
	}
	c = c.widest()
	leaf := presented[0]
	i := c.seen.issuer(leaf)
	if i == nil {
		var err error
		if i, err = c.first(leaf, presented[1:]); err != nil {
			return Chain{}, err
		}
		c.seen.add(leaf, i)
	}
	if err := i.standing(now); err != nil {
		return Chain{}, err
	}
	return Chain{leaf, i.cert, i.above}, nil
}

// CheckTime returns an error of type [*Error] unless now is between cert's
// notBefore and notAfter, inclusive (RFC 5280, section 4.1.2.5).
func CheckTime(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(cert.NotBefore):
		return refuse(CodeEarly, "it is not valid before "+cert.NotBefore.UTC().Format(time.RFC3339))
	case now.After(cert.NotAfter):
		return refuse(CodeExpired, "it expired at "+cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// first makes the checks whose outcome never changes: they come once for a
// certificate. The signature is the first, so that strangers cost little.
func (c *CAs) first(leaf *x509.Certificate, others []*x509.Certificate) (*issuer, error) {
	if leaf.Version != 3 { // the others have no extensions to look at
		return nil, refuse(CodeVersion, "it is not an X.509 version 3 certificate")
	}
	i, err := c.issuerOf(leaf, others)
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*x509.Certificate) error{checkForm, checkCAParts, checkUsage, checkCritical, checkKey} {
		if err := check(leaf); err != nil {
			return nil, err
		}
	}
	if err := checkNames(leaf, i.cert); err != nil {
		return nil, err
	}
	if _, err := verifyAbove(leaf, append([]*x509.Certificate{i.cert}, i.above...), x509.ExtKeyUsageClientAuth); err != nil {
		return nil, libraryRefusal(err)
	}
	return i, nil
}

// libraryRefusal names what only the standard library looks at: name constraints
// (RFC 5280, section 4.2.1.10), and what is left.
func libraryRefusal(err error) error {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if ok && (invalid.Reason == x509.CANotAuthorizedForThisName ||
		invalid.Reason == x509.TooManyConstraints || invalid.Reason == x509.UnconstrainedName) {
		return &Error{Code: CodeConstraints, Message: "its CA is not allowed to issue for its names", Err: err}
	}
	return &Error{Code: CodeChain, Message: "its chain is not valid", Err: err}
}

// issuerOf returns the issuing CA whose name, key identifier and signature leaf has.
func (c *CAs) issuerOf(leaf *x509.Certificate, others []*x509.Certificate) (*issuer, error) {
	var named, keyed bool
	for n := range c.issuing {
		i := &c.issuing[n]
		name, key := bytes.Equal(leaf.RawIssuer, i.cert.RawSubject), bytes.Equal(leaf.AuthorityKeyId, i.cert.SubjectKeyId)
		named, keyed = named || name, keyed || key
		if name && key {
			return i, checkSignature(i.cert, leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature)
		}
	}
	switch {
	case named:
		return nil, refuse(CodeIssuerKey, "it has the name of our CA, but not its key identifier")
	case keyed:
		return nil, refuse(CodeIssuerName, "it has the key identifier of our CA, but not its name")
	case bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		return nil, refuse(CodeSelfSigned, "it is self-signed")
	case c.belowOurs(leaf, others):
		return nil, refuse(CodeLongChain, "it was issued below our issuing CA, which may not have subordinate CAs")
	}
	return nil, refuse(CodeForeign, "it was not issued by one of our issuing CAs: "+leaf.Issuer.String())
}

// belowOurs reports whether the chain that the client sends claims to lead from
// leaf to one of our issuing CAs. Nothing depends on it but the reason.
func (c *CAs) belowOurs(leaf *x509.Certificate, others []*x509.Certificate) bool {
	at := leaf
	for range others { // a loop ends here
		next := (*x509.Certificate)(nil)
		for _, other := range others {
			if other != at && bytes.Equal(at.RawIssuer, other.RawSubject) {
				next = other
				break
			}
		}
		if next == nil {
			return false
		}
		for _, i := range c.issuing {
			if bytes.Equal(next.RawIssuer, i.cert.RawSubject) {
				return true
			}
		}
		at = next
	}
	return false
}
