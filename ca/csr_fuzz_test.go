package ca

import (
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
