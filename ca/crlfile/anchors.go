package crlfile

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
)

const certificateType = "CERTIFICATE"

// Anchors are the CAs whose CRLs belong in a file: a root that is trusted, and the
// issuing CAs below it. The zero value trusts nobody. It never changes.
type Anchors struct {
	root    *x509.Certificate
	issuers []*x509.Certificate
}

// ParseAnchors reads a PEM file with one self-signed root and, in any order, the
// issuing CAs below it, if no others are to be accepted. Its error is an [*Error]
// of [CodeAnchors] if there is anything else in the file.
func ParseAnchors(text []byte) (Anchors, error) {
	certificates, err := parseCertificates(text)
	if err != nil {
		return Anchors{}, err
	}
	var a Anchors
	for _, c := range certificates {
		switch {
		case !selfSigned(c):
		case a.root != nil && !a.root.Equal(c):
			return Anchors{}, refuse(CodeAnchors, "there are two roots: %s and %s", a.root.Subject, c.Subject)
		default:
			a.root = c
		}
	}
	if a.root == nil {
		return Anchors{}, refuse(CodeAnchors, "there is no self-signed root among the CA certificates")
	}
	return a.with(certificates)
}

// With returns a with the issuing CAs of a chain in PEM added, which may come from
// an untrusted source: each must lead to a's root, and another root in it is an
// error.
func (a Anchors) With(chain []byte) (Anchors, error) {
	certificates, err := parseCertificates(chain)
	if err != nil {
		return Anchors{}, err
	}
	return a.with(certificates)
}

func (a Anchors) with(certificates []*x509.Certificate) (Anchors, error) {
	if a.root == nil {
		return Anchors{}, refuse(CodeAnchors, "there is no root")
	}
	wider := Anchors{root: a.root, issuers: slices.Clone(a.issuers)}
	for _, c := range certificates {
		if !c.Equal(a.root) && !slices.ContainsFunc(wider.issuers, c.Equal) {
			wider.issuers = append(wider.issuers, c)
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(wider.root)
	for _, c := range wider.issuers {
		between.AddCert(c)
	}
	for _, c := range wider.issuers {
		if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCRLSign == 0 {
			return Anchors{}, refuse(CodeAnchors, "%s is not a CA that signs CRLs", c.Subject)
		}
		// At the end of its time: one that has expired since still belongs to the
		// chain, though its CRL is not asked for any more.
		end := c.NotAfter
		if wider.root.NotAfter.Before(end) {
			end = wider.root.NotAfter
		}
		_, err := c.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, CurrentTime: end, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			return Anchors{}, refuse(CodeAnchors, "%s does not lead to the root %s: %v", c.Subject, wider.root.Subject, err)
		}
	}
	return wider, nil
}

// Issuers reports how many issuing CAs there are.
func (a Anchors) Issuers() int { return len(a.issuers) }

// SameRoot reports whether a and b have the same root.
func (a Anchors) SameRoot(b Anchors) bool { return a.root.Equal(b.root) }

// CAs returns every CA, the root last; nil for the zero value.
func (a Anchors) CAs() []*x509.Certificate {
	if a.root == nil {
		return nil
	}
	return append(slices.Clone(a.issuers), a.root)
}

// selfSigned reports whether c is a root: its own issuer, by name and signature.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

// parseCertificates reads PEM that people may have put together: what stands
// between the certificates is left out of account, as OpenSSL does.
func parseCertificates(text []byte) (all []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != certificateType {
			return nil, refuse(CodeAnchors, "there is a %q among the CA certificates", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refuse(CodeAnchors, "a CA certificate cannot be read: %v", err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, refuse(CodeAnchors, "there are no CA certificates in PEM")
	}
	return all, nil
}
