package ca

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// BenchmarkSign is the whole of Sign, comparison and second verification included.
// Beside it stands the bare library, doing the same certificate.
func BenchmarkSign(b *testing.B) {
	a := authorityNew(b)
	is := a.Issuers()[0]
	key, raw := authorityKey(b, issuance.P256).Public(), authorityKeyOf(b, a, is)
	b.Run("postern", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Sign(context.Background(), authorityProfile(key)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := x509.CreateCertificate(rand.Reader, authorityBareTemplate(), is.Certificate, key, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// authorityBareTemplate is what Sign makes, as the standard library takes it.
func authorityBareTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(),
		Subject:      pkix.Name{Organization: []string{"Acme Pharma SA"}, CommonName: "payments-prod"},
		NotBefore:    authorityStart().Add(-time.Hour), NotAfter: authorityStart().AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, SubjectKeyId: make([]byte, 20),
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: authorityDomain, Path: "/org/acme/service/payments-prod"}},
		OCSPServer:            []string{"http://pki.example.com/ocsp"},
		IssuingCertificateURL: []string{"http://pki.example.com/pki/issuing-1.cer"},
		CRLDistributionPoints: []string{"http://pki.example.com/pki/crl/issuing-1.crl"},
	}
}
