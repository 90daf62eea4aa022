package delivery

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/postern-ca/postern/issuance"
)

const pkcs12Name = "Payments Prod"

// pkcs12CA is a hierarchy of one root and one issuing CA.
type pkcs12CA struct {
	root, issuing       *x509.Certificate
	rootKey, issuingKey crypto.Signer
}

func newPKCS12CA(tb testing.TB) pkcs12CA {
	tb.Helper()
	var ca pkcs12CA
	ca.rootKey, ca.issuingKey = pkcs12Key(tb, issuance.P256), pkcs12Key(tb, issuance.P256)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca.root = pkcs12Sign(tb, template, template, ca.rootKey.Public(), ca.rootKey)
	ca.issuing = pkcs12Sign(tb, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Issuing CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, ca.root, ca.issuingKey.Public(), ca.rootKey)
	return ca
}

func pkcs12Sign(tb testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		tb.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func pkcs12Key(tb testing.TB, algorithm issuance.KeyAlgorithm) crypto.Signer {
	tb.Helper()
	var key crypto.Signer
	var err error
	switch algorithm {
	case issuance.P256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case issuance.P384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case issuance.RSA2048:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case issuance.RSA3072:
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case issuance.RSA4096:
		key, err = rsa.GenerateKey(rand.Reader, 4096)
	case issuance.Ed25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// bundle returns what Pack needs for a new client certificate over key.
func (ca pkcs12CA) bundle(tb testing.TB, key crypto.Signer, target issuance.Target) issuance.Bundle {
	tb.Helper()
	client := pkcs12Sign(tb, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "payments-prod", Organization: []string{"Müller & Söhne AG"}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca.issuing, key.Public(), ca.issuingKey)
	return issuance.Bundle{
		Key: key, Certificate: client.Raw, Chain: [][]byte{ca.issuing.Raw, ca.root.Raw},
		FriendlyName: pkcs12Name, Password: NewPassword(), Target: target,
	}
}

// server returns the key pair of a TLS server on loopback.
func (ca pkcs12CA) server(tb testing.TB) (certificate *x509.Certificate, key crypto.Signer) {
	tb.Helper()
	key = pkcs12Key(tb, issuance.P256)
	return pkcs12Sign(tb, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.issuing, key.Public(), ca.issuingKey), key
}

func pkcs12Pack(tb testing.TB, b issuance.Bundle) []byte {
	tb.Helper()
	file, err := Pack(b)
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

func TestPackOpensWithLibrary(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	for _, target := range []issuance.Target{issuance.Modern, issuance.Compatible} {
		t.Run(string(target), func(t *testing.T) {
			t.Parallel()
			b := ca.bundle(t, pkcs12Key(t, issuance.P256), target)
			file := pkcs12Pack(t, b)
			key, certificate, chain, err := pkcs12.DecodeChain(file, string(b.Password.Reveal()))
			if err != nil {
				t.Fatal(err)
			}
			if !key.(*ecdsa.PrivateKey).Equal(b.Key) {
				t.Error("another key came out than went in")
			}
			got := [][]byte{certificate.Raw}
			for _, c := range chain {
				got = append(got, c.Raw)
			}
			if diff := cmp.Diff(append([][]byte{b.Certificate}, b.Chain...), got); diff != "" {
				t.Error(diff)
			}
			if _, _, _, err := pkcs12.DecodeChain(file, string(NewPassword().Reveal())); err != pkcs12.ErrIncorrectPassword {
				t.Errorf("with another password: got %v, want %v", err, pkcs12.ErrIncorrectPassword)
			}
		})
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	ca, other := newPKCS12CA(t), newPKCS12CA(t)
	for name, c := range map[string]struct {
		change func(*issuance.Bundle)
		want   string
	}{
		"foreign key":         {func(b *issuance.Bundle) { b.Key = pkcs12Key(t, issuance.P256) }, "private key does not belong to the certificate"},
		"key of another kind": {func(b *issuance.Bundle) { b.Key = pkcs12Key(t, issuance.Ed25519) }, "private key does not belong to the certificate"},
		"no key":              {func(b *issuance.Bundle) { b.Key = nil }, "private key does not belong to the certificate"},
		"no certificate":      {func(b *issuance.Bundle) { b.Certificate = nil }, "reading the certificate"},
		"cut certificate":     {func(b *issuance.Bundle) { b.Certificate = b.Certificate[:100] }, "reading the certificate"},
		"bytes after it":      {func(b *issuance.Bundle) { b.Certificate = append(bytes.Clone(b.Certificate), 0) }, "reading the certificate"},
		"cut chain":           {func(b *issuance.Bundle) { b.Chain = [][]byte{b.Chain[0][:100]} }, "reading certificate 1 of the chain"},
		"chain upside down":   {func(b *issuance.Bundle) { b.Chain = [][]byte{b.Chain[1], b.Chain[0]} }, "certificate 1 of the chain is not the issuer"},
		"namesake's chain":    {func(b *issuance.Bundle) { b.Chain = [][]byte{other.issuing.Raw, other.root.Raw} }, "certificate 1 of the chain did not sign"},
		"namesake's root":     {func(b *issuance.Bundle) { b.Chain = [][]byte{b.Chain[0], other.root.Raw} }, "certificate 2 of the chain did not sign"},
		"no password":         {func(b *issuance.Bundle) { b.Password = issuance.Secret{} }, "password: is empty"},
		"umlaut in password":  {func(b *issuance.Bundle) { b.Password = issuance.NewSecret([]byte("Schlüssel")) }, "not printable ASCII"},
		"newline in password": {func(b *issuance.Bundle) { b.Password = issuance.NewSecret([]byte("abc\n")) }, "not printable ASCII"},
		"no name":             {func(b *issuance.Bundle) { b.FriendlyName = "" }, "friendly name is empty"},
		"long name":           {func(b *issuance.Bundle) { b.FriendlyName = strings.Repeat("x", 256) }, "longer than 255"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := ca.bundle(t, pkcs12Key(t, issuance.P256), issuance.Modern)
			c.change(&b)
			file, err := Pack(b)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if file != nil {
				t.Error("got a file and an error")
			}
			if password := string(b.Password.Reveal()); err != nil && password != "" && strings.Contains(err.Error(), password) {
				t.Error("the error tells the password")
			}
		})
	}
}

// Every salt and vector is new, within a file and between two of the same
// contents, and nothing of the contents shows.
func TestPackNeverRepeatsItself(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	for _, target := range []issuance.Target{issuance.Modern, issuance.Compatible} {
		b := ca.bundle(t, pkcs12Key(t, issuance.P256), target)
		plain, err := x509.MarshalPKCS8PrivateKey(b.Key)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for range 2 {
			file := pkcs12Pack(t, b)
			for _, random := range pkcs12Randoms(t, file) {
				if seen[string(random)] {
					t.Errorf("%s: %x comes twice", target, random)
				}
				seen[string(random)] = true
			}
			if bytes.Contains(file, plain[len(plain)-32:]) || bytes.Contains(file, b.Certificate[:64]) {
				t.Errorf("%s: the file has the key or the certificate in the clear", target)
			}
		}
	}
}

// pkcs12Randoms returns the salt of file's MAC, and of each encrypted part the
// parameters and the first block.
func pkcs12Randoms(t *testing.T, file []byte) [][]byte {
	t.Helper()
	var p pfx
	var safe authenticatedSafe
	var keys []keyBag
	pkcs12Unmarshal(t, file, &p)
	pkcs12Unmarshal(t, p.AuthSafe.Content, &safe)
	pkcs12Unmarshal(t, safe.Key.Content, &keys)
	certificates, key := safe.Certificates.Content.Content, keys[0].Value
	return [][]byte{
		p.MAC.Salt,
		certificates.Algorithm.Parameters.FullBytes, certificates.Content[:16],
		key.Algorithm.Parameters.FullBytes, key.Data[:16],
	}
}

func pkcs12Unmarshal(t *testing.T, der []byte, to any) {
	t.Helper()
	if rest, err := asn1.Unmarshal(der, to); err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes more", err, len(rest))
	}
}

// The wanted keys are OpenSSL's, of `openssl kdf -keylen SIZE -kdfopt digest:SHA1
// -kdfopt hexpass:PASSWORD -kdfopt hexsalt:SALT -kdfopt iter:100000 -kdfopt id:ID
// PKCS12KDF`, where PASSWORD is in UTF-16 and ends with two zero bytes.
func TestPKCS12Derivation(t *testing.T) {
	t.Parallel()
	salt, err := hex.DecodeString("0102030405060708")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target issuance.Target
		id     purpose
		size   int
		want   string
	}{
		{issuance.Compatible, keyPurpose, 24, "d63f23c60ac34cd8898f3c5d02a540c14749c541b915d826"},
		{issuance.Compatible, ivPurpose, 8, "53d75ec38c747898"},
		{issuance.Compatible, macPurpose, 20, "055fb23ac8f871d55b8526731a7665c9f7214a56"},
		{issuance.Modern, macPurpose, 32, "d9c01ea0b36b7dfe09524855a7d68f2f6f8f2c6e73cfd336f951e5b27b97284a"},
	} {
		p, err := newProtection(c.target, "h7kd-2mqx-9e4r-vt3a-bzn8-6wyc")
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(p.derive(c.id, salt, c.size)); got != c.want {
			t.Errorf("%s, id %d: got %s, want %s", c.target, c.id, got, c.want)
		}
	}
}
