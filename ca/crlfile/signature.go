package crlfile

import (
	"bytes"
	"crypto/x509"
	"errors"
)

// AcceptsSignature reports whether Postern's CAs, or an external root above them,
// sign with this algorithm: SHA-2 with ECDSA or RSA (RFC 5758, RFC 4055), or
// Ed25519 (RFC 8410). The standard library accepts SHA-1 for everything except
// certificates, and so for CRLs.
func AcceptsSignature(algorithm x509.SignatureAlgorithm) bool {
	switch algorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.PureEd25519:
		return true
	}
	return false
}

// signedBy returns an error unless ca signed l and may sign CRLs.
func (l *List) signedBy(ca *x509.Certificate) error {
	switch {
	case ca.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("it is a CA that does not sign CRLs")
	case !AcceptsSignature(l.SignatureAlgorithm):
		return errors.New("it is signed with " + l.SignatureAlgorithm.String() + ", which is not accepted")
	}
	return l.CheckSignatureFrom(ca)
}

// isOf reports whether l is known to be ca's, or shows it now.
func (l *List) isOf(ca *x509.Certificate) bool {
	if l.Issuer != nil {
		return same(l.Issuer, ca)
	}
	return l.signedBy(ca) == nil
}

// same reports whether a and b are certificates of one CA, which has one CRL for
// all of them: the same name and key. There are more than one when a CA got a new
// certificate before the old one's time was over; and anybody can make a second one
// of an ECDSA signature.
func same(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// ID returns what identifies a CA across its certificates: its name and key.
func ID(ca *x509.Certificate) string {
	return string(ca.RawSubject) + string(ca.RawSubjectPublicKeyInfo)
}
