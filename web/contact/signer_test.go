package contact

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// signer is an issuing CA of the test's own.
type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newSigner(t *testing.T) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key, cert}
}

func (s *signer) Sign(_ context.Context, p issuance.Profile) (issuance.Signed, error) {
	template := &x509.Certificate{
		SerialNumber: p.Serial.Int(), Subject: pkix.Name{CommonName: p.Service, Organization: []string{p.OrganizationName}},
		NotBefore: p.NotBefore, NotAfter: p.NotAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.cert, p.Key, s.key)
	sum := sha256.Sum256(der)
	return issuance.Signed{DER: der, Issuer: "test", Fingerprint: hex.EncodeToString(sum[:]), NotBefore: p.NotBefore, NotAfter: p.NotAfter}, err
}

func (s *signer) Issuer() (string, time.Time) { return "test", s.cert.NotAfter }

func (s *signer) Chain(string) ([][]byte, error) { return [][]byte{s.cert.Raw}, nil }
