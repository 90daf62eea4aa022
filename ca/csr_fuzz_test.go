package ca

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func FuzzReadCSR(f *testing.F) {
	forger := newAuthorityForger(f)
	der := forger.der(forger.key, nil)
	f.Add(der)
	f.Add(authorityCSRPEM(der))
	f.Add(append([]byte(byteOrderMark), authorityCSRPEM(der)...))
	f.Add(forger.forge(authorityForgery{subject: []byte{0x30, 3, 1, 1, 1}, attributes: []byte{0xa0, 3, 0x30, 1, 5}}))
	f.Add(forger.rsaRaw(authorityWeakRSA().N, big.NewInt(65537), nil))
	f.Add(forger.ec(authorityOIDs().p384, []byte{4}))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := ReadCSR(data)
		if err != nil {
			authorityError(t, err)
			return
		}
		if _, err := KeyAlgorithmOf(key); err != nil {
			t.Errorf("an accepted key cannot be certified: %v", err)
		}
		if _, err := x509.MarshalPKIXPublicKey(key); err != nil {
			t.Errorf("an accepted key cannot be encoded: %v", err)
		}
		// Where the standard library reads the request too, it reads the same.
		der, err := csrDER(bytes.TrimPrefix(data, []byte(byteOrderMark)))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := x509.ParseCertificateRequest(der)
		if err == nil && (theirs.CheckSignature() != nil || !theirs.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(key)) {
			t.Errorf("the standard library reads another key, or no signature of it")
		}
	})
}

func BenchmarkReadCSR(b *testing.B) {
	for _, algorithm := range issuance.KeyAlgorithms() {
		key := authorityKey(b, algorithm)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(algorithm), func(b *testing.B) {
			for b.Loop() {
				if _, err := ReadCSR(der); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
