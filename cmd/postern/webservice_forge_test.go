package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// withoutUsage is the forged certificate that OpenSSL lets in.
const withoutUsage = "without extended key usage"

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// leafTemplate is a certificate as our CA makes them, but for its serial number,
// which is in no register.
func leafTemplate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	id, err := url.Parse(samplePayments)
	must(t, err)
	return &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(), Subject: pkix.Name{CommonName: name, Organization: []string{"Acme Trading Ltd"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{id},
	}
}

// forged returns client certificates that no web service may let in, by what is
// wrong with them. Those that our issuing CA "signed" are signed with its key.
func (f *frontier) forged() map[string]*tls.Certificate {
	f.t.Helper()
	issuer, raw := f.h.authority.Issuers()[0], issuingKey(f.t, f.h.cfg)
	sign := func(by *x509.Certificate, with crypto.Signer, change func(*x509.Certificate)) *tls.Certificate {
		key := newKey(f.t)
		template := leafTemplate(f.t, "payments")
		if change != nil {
			change(template)
		}
		if by == nil {
			by, with = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), with)
		must(f.t, err)
		return &tls.Certificate{Certificate: [][]byte{der, issuer.Certificate.Raw}, PrivateKey: key}
	}
	ours := func(change func(*x509.Certificate)) *tls.Certificate {
		return sign(issuer.Certificate, raw, change)
	}
	// An issuing CA that has our names, and another key.
	otherKey := newKey(f.t)
	other := &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(), RawSubject: issuer.Certificate.RawSubject, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: issuer.Certificate.SubjectKeyId,
	}
	otherDER, err := x509.CreateCertificate(rand.Reader, other, other, otherKey.Public(), otherKey)
	must(f.t, err)
	other, err = x509.ParseCertificate(otherDER)
	must(f.t, err)
	foreign := &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(), Subject: pkix.Name{CommonName: "Foreign CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return map[string]*tls.Certificate{
		"none": nil,
		"expired": ours(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().Add(-time.Minute)
		}),
		"not yet valid":            ours(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }),
		"of a foreign CA":          sign(foreign, otherKey, nil),
		"self-signed":              sign(nil, nil, nil),
		"right name, wrong issuer": sign(other, otherKey, nil),
		"a server's":               ours(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"without clientAuth": ours(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageEmailProtection}
		}),
		withoutUsage:           ours(func(c *x509.Certificate) { c.ExtKeyUsage = nil }),
		"the issuing CA's own": {Certificate: [][]byte{issuer.Certificate.Raw}, PrivateKey: raw},
		"signed by a client's key": func() *tls.Certificate {
			c := sign(f.identity.Leaf, f.identity.PrivateKey.(crypto.Signer), nil)
			c.Certificate = append([][]byte{c.Certificate[0]}, f.identity.Certificate...)
			return c
		}(),
	}
}
