package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/issuance"
)

// authorityWeakRSA returns an RSA public key of 1024 bits.
func authorityWeakRSA() *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
}

// authorityForger makes requests that no library makes.
type authorityForger struct {
	t   testing.TB
	key crypto.Signer // P-256
}

func newAuthorityForger(t testing.TB) authorityForger {
	return authorityForger{t, authorityKey(t, issuance.P256)}
}

// pem returns a request, made by the standard library, in PEM.
func (f authorityForger) pem(change func(*x509.CertificateRequest)) []byte {
	return authorityCSRPEM(f.der(f.key, change))
}

// der returns a request for key.
func (f authorityForger) der(key crypto.Signer, change func(*x509.CertificateRequest)) []byte {
	f.t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "client"}}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		f.t.Fatal(err)
	}
	return der
}

func authorityCSRPEM(der []byte) []byte { return authorityPEM("CERTIFICATE REQUEST", der) }

func authorityPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// with returns a request with extensions.
func (f authorityForger) with(extensions ...pkix.Extension) []byte {
	return f.pem(func(r *x509.CertificateRequest) { r.ExtraExtensions = extensions })
}

// authorityForgery is a request, part by part. What is nil is as it should be.
type authorityForgery struct {
	version, subject, spki, attributes, algorithm []byte // DER elements
	sign                                          func(tbs []byte) []byte
}

// forge assembles a request; without a sign of its own it is signed by f.key.
func (f authorityForger) forge(p authorityForgery) []byte {
	f.t.Helper()
	or := func(part, fallback []byte) []byte {
		if part == nil {
			return fallback
		}
		return part
	}
	if p.sign == nil {
		p.sign = f.sign
	}
	info := sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(or(p.version, []byte{2, 1, 0}))
		b.AddBytes(or(p.subject, []byte{0x30, 0}))
		b.AddBytes(or(p.spki, f.spki()))
		b.AddBytes(or(p.attributes, []byte{0xa0, 0}))
	})
	return sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddBytes(or(p.algorithm, authorityAlgorithm(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, nil)))
		b.AddASN1BitString(p.sign(info))
	})
}

func (f authorityForger) sign(tbs []byte) []byte {
	f.t.Helper()
	signature, err := crypto.SignMessage(f.key, rand.Reader, tbs, crypto.SHA256)
	if err != nil {
		f.t.Fatal(err)
	}
	return signature
}

func (f authorityForger) spki() []byte {
	f.t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	return spki
}

func authorityAlgorithm(oid asn1.ObjectIdentifier, parameters []byte) []byte {
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddBytes(parameters)
	})
}

func authoritySPKI(oid asn1.ObjectIdentifier, parameters, key []byte) []byte {
	return sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(authorityAlgorithm(oid, parameters))
		b.AddASN1BitString(key)
	})
}

// ec returns a request with a point on a curve, named by the last arcs of its OID.
func (f authorityForger) ec(curve asn1.ObjectIdentifier, point []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(curve)
	return f.forge(authorityForgery{spki: authoritySPKI(authorityOIDs().ec, b.BytesOrPanic(), point)})
}

// rsaRaw returns a request with these RSA numbers, signed with d if there is one.
func (f authorityForger) rsaRaw(n, e, d *big.Int) []byte {
	key := sequence(func(b *cryptobyte.Builder) { b.AddASN1BigInt(n); b.AddASN1BigInt(e) })
	p := authorityForgery{
		spki:      authoritySPKI(authorityOIDs().rsa, []byte{5, 0}, key),
		algorithm: authorityAlgorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, []byte{5, 0}),
	}
	if d != nil {
		p.sign = func(tbs []byte) []byte {
			sum := sha256.Sum256(tbs)
			padded := make([]byte, (n.BitLen()+7)/8)
			info := append([]byte{0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20}, sum[:]...)
			for i := range padded {
				padded[i] = 0xff
			}
			padded[0], padded[1], padded[len(padded)-len(info)-1] = 0, 1, 0
			copy(padded[len(padded)-len(info):], info)
			m := new(big.Int).SetBytes(padded)
			return m.Exp(m, d, n).FillBytes(make([]byte, len(padded)))
		}
	}
	return f.forge(p)
}

// rsaFactors returns a request for the product of p and q with exponent e, with a
// signature that is right if e has an inverse.
func (f authorityForger) rsaFactors(p, q *big.Int, e int64) []byte {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	return f.rsaRaw(new(big.Int).Mul(p, q), big.NewInt(e), new(big.Int).ModInverse(big.NewInt(e), phi))
}

// prime returns a prime of so many bits, the two highest ones set.
func (f authorityForger) prime(bits int) *big.Int {
	f.t.Helper()
	p, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// next returns the prime after p.
func authorityNextPrime(p *big.Int) *big.Int {
	q := new(big.Int).Add(p, big.NewInt(2))
	for !q.ProbablyPrime(8) {
		q.Add(q, big.NewInt(2))
	}
	return q
}

type authorityOIDSet struct{ rsa, ec, p256, p384, ed25519 asn1.ObjectIdentifier }

func authorityOIDs() authorityOIDSet {
	return authorityOIDSet{
		rsa: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, ec: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1},
		p256: asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, p384: asn1.ObjectIdentifier{1, 3, 132, 0, 34}, ed25519: asn1.ObjectIdentifier{1, 3, 101, 112},
	}
}

// openssl makes a key with genpkey's arguments, and a request with req's.
func (f authorityForger) openssl(genpkey []string, req ...string) []byte {
	f.t.Helper()
	dir := f.t.TempDir()
	key, out := filepath.Join(dir, "key.pem"), filepath.Join(dir, "request.pem")
	authorityRun(f.t, nil, "openssl", append([]string{"genpkey", "-out", key}, genpkey...)...)
	authorityRun(f.t, nil, "openssl", append([]string{"req", "-new", "-key", key, "-subj", "/CN=client", "-out", out}, req...)...)
	data, err := os.ReadFile(out)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// dsa makes a DSA request; the parameters need a file.
func (f authorityForger) dsa() []byte {
	params := filepath.Join(f.t.TempDir(), "dsa.pem")
	authorityRun(f.t, nil, "openssl", "genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", params)
	return f.openssl([]string{"-paramfile", params})
}

// rocaModulus is one of the weak moduli that titanous/rocacheck is tested with.
func (f authorityForger) rocaModulus() *big.Int {
	f.t.Helper()
	der, err := base64.StdEncoding.DecodeString("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlze9c7qGdjDLVR/ntk+4" +
		"ZkfMcYsAnmfTFHfe3Xv7jRQqPCXCULtr0y0jG3aRJmEenoXO9uDveqr43gFB9yvAdLEhu0aJqpB7lNZ+yXsvfVp/96dkSN8oWYL/dd9Z7GQO" +
		"vVniHUY3Xsd7zdw2eYOyHSXhhA2Ttwnj3c1jEYfC0y9q1cU99aL0ogGDqolcOvlkJu+mGb+6+WyboFa1gwRukYxBHZWKiHCt/eihvXsPTzTl" +
		"XmTXWdGJtA1xZDnCBWuZ90b5R0agXVIESTl0cCyHaQM/tLZmktJIU+Eu7ALBXemPg9kh3SCnYd3/YvDGCtYSXOWthHwlP5CImRBcQaNncQIDAQAB")
	if err != nil {
		f.t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return key.(*rsa.PublicKey).N
}

// attribute returns the attributes of a request: one, with one value.
func authorityAttribute(oid asn1.ObjectIdentifier, value []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		})
	})
	return b.BytesOrPanic()
}
