package mtls

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// CAs is the hierarchy whose client certificates are accepted: issuing CAs, and the
// CAs above them up to a root. It changes only if [CRLs.ChainURL] is set, and any
// number of goroutines may use it.
type CAs struct {
	issuing []issuer
	all     []*x509.Certificate
	seen    *seen
	wider   atomic.Pointer[CAs] // with what was learned; nil: nothing
}

// issuer is an issuing CA and the CAs above it, the root last.
type issuer struct {
	cert  *x509.Certificate
	above []*x509.Certificate
}

// ReadCAs reads the PEM file that Postern serves as /pki/chain.pem.
func ReadCAs(file string) (*CAs, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CAs: %w", err)
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("reading the CAs in %s: %w", file, err)
	}
	cas, err := NewCAs(certs...)
	if err != nil {
		return nil, fmt.Errorf("reading the CAs in %s: %w", file, err)
	}
	return cas, nil
}

// parseCertificates reads PEM that has certificates alone.
func parseCertificates(data []byte) (certs []*x509.Certificate, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it contains a %s; it may contain only certificates", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// NewCAs builds a hierarchy from its certificates, in any order: the self-signed
// ones are roots, and those that issued none of the others are issuing CAs. Only
// clients of issuing CAs are accepted, never those of a root or of a CA in between.
// The validity of the CAs is checked together with each client. NewCAs returns an
// error if a certificate is not a CA certificate as defined in RFC 5280, has a key
// that [KeyProblem] rejects, or does not lead to a root.
func NewCAs(certs ...*x509.Certificate) (*CAs, error) {
	c := &CAs{all: certs, seen: newSeen()}
	for _, cert := range certs {
		if err := checkCA(cert); err != nil {
			return nil, fmt.Errorf("%s: %w", cert.Subject, err)
		}
	}
	for _, cert := range certs {
		if isRoot(cert) || c.issuedAny(cert) {
			continue
		}
		above, err := c.above(cert)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cert.Subject, err)
		}
		c.issuing = append(c.issuing, issuer{cert, above})
	}
	if len(c.issuing) == 0 {
		return nil, errors.New("there is no issuing CA with its root; use the complete /pki/chain.pem")
	}
	return c, nil
}

func isRoot(cert *x509.Certificate) bool { return issued(cert, cert) }

// issued reports whether parent is the CA that child names as its issuer.
func issued(parent, child *x509.Certificate) bool {
	return bytes.Equal(child.RawIssuer, parent.RawSubject) &&
		(len(child.AuthorityKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId))
}

func (c *CAs) issuedAny(parent *x509.Certificate) bool {
	for _, child := range c.all {
		if child != parent && issued(parent, child) {
			return true
		}
	}
	return false
}

// above returns the CAs above cert, after the standard library has found the
// chain valid at the moment when the last of them began.
func (c *CAs) above(cert *x509.Certificate) ([]*x509.Certificate, error) {
	var above []*x509.Certificate
	for at := cert; !isRoot(at); {
		parent := c.parentOf(at)
		if parent == nil || len(above) == len(c.all) { // the latter in a loop
			return nil, errors.New("does not lead to a root")
		}
		if err := checkSignature(parent, at.SignatureAlgorithm, at.RawTBSCertificate, at.Signature); err != nil {
			return nil, err
		}
		above = append(above, parent)
		// Each CA below counts (RFC 5280, section 4.2.1.9), cert too.
		if limited := parent.MaxPathLen > 0 || parent.MaxPathLenZero; limited && parent.MaxPathLen < len(above) {
			return nil, errors.New("is further below " + parent.Subject.String() + " than its path length allows")
		}
		at = parent
	}
	_, err := verifyAbove(cert, above, x509.ExtKeyUsageAny)
	return above, err
}

func (c *CAs) parentOf(child *x509.Certificate) *x509.Certificate {
	for _, parent := range c.all {
		if parent != child && issued(parent, child) {
			return parent
		}
	}
	return nil
}

// verifyAbove asks the standard library for a chain from cert over above, and
// nothing else, to the last of above. Time is checked apart, so it is asked about
// the moment when the last one began.
func verifyAbove(cert *x509.Certificate, above []*x509.Certificate, usage x509.ExtKeyUsage) ([][]*x509.Certificate, error) {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: cert.NotBefore,
	}
	for _, parent := range above {
		if parent.NotBefore.After(options.CurrentTime) {
			options.CurrentTime = parent.NotBefore
		}
		options.Intermediates.AddCert(parent)
	}
	options.Roots.AddCert(above[len(above)-1])
	return cert.Verify(options)
}

// standing returns an error unless i and all above it stand at now.
func (i issuer) standing(now time.Time) error {
	for _, cert := range append([]*x509.Certificate{i.cert}, i.above...) {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			return refuse(CodeIssuerTime, "the CA that issued it is not valid at this time: "+cert.Subject.String())
		}
	}
	return nil
}
