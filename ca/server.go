package ca

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// ServerProfile describes a server certificate.
type ServerProfile struct {
	Names    []string // DNS names in ASCII; the first is also the CN
	IPs      []net.IP
	Validity time.Duration // from now on
}

func (p ServerProfile) check() error {
	if len(p.Names)+len(p.IPs) == 0 {
		return errors.New("a server certificate needs a name or an address")
	}
	for _, n := range p.Names {
		if !isHostName(n) {
			return fmt.Errorf("a server certificate cannot have the name %.64q", n)
		}
	}
	for _, ip := range p.IPs {
		if ip.To16() == nil {
			return errors.New("a server certificate cannot have an address that is neither IPv4 nor IPv6")
		}
	}
	return nil
}

// isHostName reports whether s is a host name of RFC 1123, section 2.1, in ASCII,
// without wildcards: ours are for hosts we run.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// ServerCertificate creates a P-256 key and a certificate for TLS servers, with the
// chain except the root. The certificate is not in the register, so OCSP does not
// know it.
func (a *Authority) ServerCertificate(ctx context.Context, p ServerProfile) (tls.Certificate, error) {
	if err := errors.Join(ctx.Err(), p.check()); err != nil {
		return tls.Certificate{}, err
	}
	key, err := NewKey(issuance.P256)
	if err != nil {
		return tls.Certificate{}, err
	}
	is := a.current()
	subject := pkix.Name{Organization: is.Certificate.Subject.Organization}
	if len(p.Names) > 0 && len(p.Names[0]) <= 64 {
		subject.CommonName = p.Names[0]
	}
	l, err := newLeaf(issuance.NewSerial().Int(), subject, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	now := a.now().UTC().Truncate(time.Second)
	l.notBefore, l.notAfter = now.Add(-time.Hour), now.Add(p.Validity)
	l.extensions = is.profile.server(p.Names, p.IPs, l.keyID)
	cert, err := is.sign(l)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing a server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw, is.Certificate.Raw}, PrivateKey: key, Leaf: cert}, nil
}
