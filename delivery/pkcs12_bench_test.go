package delivery

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/postern-ca/postern/issuance"
)

// BenchmarkPack has the library's encoder, which names no key, beside it.
func BenchmarkPack(b *testing.B) {
	ca := newPKCS12CA(b)
	key := pkcs12Key(b, issuance.P256)
	for _, target := range []issuance.Target{issuance.Modern, issuance.Compatible} {
		bundle := ca.bundle(b, key, target)
		b.Run(string(target), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pkcs12Pack(b, bundle)
			}
		})
		encoder := pkcs12.Modern2023
		if target == issuance.Compatible {
			encoder = pkcs12.LegacyDES
		}
		leaf, err := x509.ParseCertificate(bundle.Certificate)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(target)+"/library", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encoder.WithIterations(iterations).Encode(key, leaf, []*x509.Certificate{ca.issuing, ca.root}, string(bundle.Password.Reveal())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPackParts has what the formats cannot do without, to compare Pack with.
func BenchmarkPackParts(b *testing.B) {
	password, salt := string(NewPassword().Reveal()), newSalt(16)
	b.Run("PBKDF2", func(b *testing.B) {
		for b.Loop() {
			if _, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, c := range []struct {
		name   string
		target issuance.Target
		id     purpose
		size   int
	}{
		{"MAC-SHA256", issuance.Modern, macPurpose, 32},
		{"MAC-SHA1", issuance.Compatible, macPurpose, 20},
		{"3DES-key", issuance.Compatible, keyPurpose, 24},
		{"3DES-IV", issuance.Compatible, ivPurpose, 8},
	} {
		p, err := newProtection(c.target, password)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				p.derive(c.id, salt[:p.saltLength], c.size)
			}
		})
	}
}
