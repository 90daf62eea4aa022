// Package crlfiletest makes CAs and CRLs for tests, sound ones and such as no CA
// should make.
package crlfiletest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// CA is a root or an issuing CA.
type CA struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Root makes a root.
func Root(t testing.TB, name string) *CA {
	t.Helper()
	return (&CA{}).issue(t, name, func(*x509.Certificate) {})
}

// Issue makes an issuing CA below c; change, if it is not nil, may alter what is signed.
func (c *CA) Issue(t testing.TB, name string, change func(*x509.Certificate)) *CA {
	t.Helper()
	if change == nil {
		change = func(*x509.Certificate) {}
	}
	return c.issue(t, name, change)
}

func (c *CA) issue(t testing.TB, name string, change func(*x509.Certificate)) *CA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	change(template)
	parent, signer := c.Certificate, c.Key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	check(t, err)
	certificate, err := x509.ParseCertificate(der)
	check(t, err)
	return &CA{Certificate: certificate, Key: key}
}

// Again returns c with a second certificate for its key, issued by parent.
func (c *CA) Again(t testing.TB, parent *CA) *CA {
	t.Helper()
	template := *c.Certificate
	template.SerialNumber, template.NotAfter = big.NewInt(time.Now().UnixNano()), template.NotAfter.AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, &template, parent.Certificate, c.Key.Public(), parent.Key)
	check(t, err)
	certificate, err := x509.ParseCertificate(der)
	check(t, err)
	return &CA{Certificate: certificate, Key: c.Key}
}

// PEM returns the certificates of CAs, one after the other.
func PEM(all ...*CA) (text []byte) {
	for _, c := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate.Raw})...)
	}
	return text
}

// List is what a CRL is made of. The zero value is an empty one, number 0, made
// now and good for a day.
type List struct {
	Number                 int64
	ThisUpdate, NextUpdate time.Time
	Serials                []int64 // what is revoked
	Extensions             []pkix.Extension
	EntryExtensions        []pkix.Extension // of each entry
}

// CRL signs a list and returns it in PEM.
func (c *CA) CRL(t testing.TB, l List) []byte {
	t.Helper()
	if l.ThisUpdate.IsZero() {
		l.ThisUpdate = time.Now()
	}
	if l.NextUpdate.IsZero() {
		l.NextUpdate = time.Now().Add(24 * time.Hour)
	}
	template := &x509.RevocationList{
		Number: big.NewInt(l.Number), ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate,
		ExtraExtensions: l.Extensions,
	}
	for _, serial := range l.Serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: big.NewInt(serial), RevocationTime: l.ThisUpdate, ExtraExtensions: l.EntryExtensions,
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, c.Certificate, c.Key)
	check(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
