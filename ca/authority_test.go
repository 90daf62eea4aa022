package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

const (
	authorityDomain     = "example.com"
	authorityPassphrase = "correct horse battery staple"
)

// authorityStart is when the tests' hierarchies are made.
func authorityStart() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func authorityCreateOptions(dir string) CreateOptions {
	return CreateOptions{
		Dir: dir, TrustDomain: authorityDomain, OrganizationName: "Example Bank AG",
		Passphrase: issuance.NewSecret([]byte(authorityPassphrase)),
		URLs:       URLs{Base: "http://pki.example.com"}, Now: authorityStart,
	}
}

func authorityOpenOptions(dir string) OpenOptions {
	return OpenOptions{
		Dir: dir, TrustDomain: authorityDomain, Passphrase: issuance.NewSecret([]byte(authorityPassphrase)),
		URLs: URLs{Base: "http://pki.example.com"}, Now: authorityStart,
	}
}

func authorityOpen(t testing.TB, o OpenOptions) *Authority {
	t.Helper()
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func authorityProfile(key crypto.PublicKey) issuance.Profile {
	return issuance.Profile{
		Serial: issuance.NewSerial(), Organization: "acme", OrganizationName: "Acme Pharma SA", Service: "payments-prod", ServiceName: "payments-prod", Key: key,
		NotBefore: authorityStart().Add(-time.Hour), NotAfter: authorityStart().AddDate(2, 0, 0),
	}
}

// authorityRSA are the RSA keys of all tests, one for each size: making one takes
// up to seconds.
var authorityRSA sync.Map // issuance.KeyAlgorithm to func() (crypto.Signer, error)

func authorityKey(t testing.TB, algorithm issuance.KeyAlgorithm) crypto.Signer {
	t.Helper()
	newKey := func() (crypto.Signer, error) { return NewKey(algorithm) }
	if strings.HasPrefix(string(algorithm), "RSA") {
		once, _ := authorityRSA.LoadOrStore(algorithm, sync.OnceValues(newKey))
		newKey = once.(func() (crypto.Signer, error))
	}
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func authoritySign(t testing.TB, a *Authority, p issuance.Profile) *x509.Certificate {
	t.Helper()
	signed, err := a.Sign(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(signed.DER)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// authorityRun runs a program and returns what it printed.
func authorityRun(t testing.TB, input []byte, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("this test needs %s: install it with your system's packages", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func authorityError(t testing.TB, err error) *issuance.Error {
	t.Helper()
	e, ok := errors.AsType[*issuance.Error](err)
	if !ok {
		t.Fatalf("got error %v, want an *issuance.Error", err)
	}
	if e.Message == "" || e.Hint == "" {
		t.Errorf("error %+v lacks a message or a hint", e)
	}
	return e
}

func TestSignCarriesTheProfile(t *testing.T) {
	a := authorityNew(t)
	for _, algorithm := range issuance.KeyAlgorithms() {
		t.Run(string(algorithm), func(t *testing.T) {
			key := authorityKey(t, algorithm)
			p := authorityProfile(key.Public())
			signed, err := a.Sign(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(signed.DER)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(signed.DER)
			want := issuance.Signed{DER: signed.DER, Issuer: "issuing-1", Fingerprint: hex.EncodeToString(sum[:]), NotBefore: p.NotBefore, NotAfter: p.NotAfter}
			if diff := cmp.Diff(want, signed); diff != "" {
				t.Errorf("Signed (-want +got):\n%s", diff)
			}
			authorityCheckClient(t, a, p, cert)
		})
	}
}

// authorityCheckClient compares a certificate with the profile through the
// standard library's eyes: not one field more.
func authorityCheckClient(t testing.TB, a *Authority, p issuance.Profile, cert *x509.Certificate) {
	t.Helper()
	type fields struct {
		Subject, Issuer, Serial, SAN string
		NotBefore, NotAfter          time.Time
		Names                        int
		KeyUsage                     x509.KeyUsage
		ExtKeyUsage                  []x509.ExtKeyUsage
		OtherUsages, Extensions      int
		CA, Constrained              bool
		CDP, OCSP, Issuers           []string
		AKI                          []byte
		SKILen                       int
	}
	san := ""
	if len(cert.URIs) == 1 {
		san = cert.URIs[0].String()
	}
	got := fields{
		cert.Subject.String(), cert.Issuer.String(), string(issuance.SerialOf(cert.SerialNumber)), san, cert.NotBefore, cert.NotAfter,
		len(cert.URIs) + len(cert.DNSNames) + len(cert.EmailAddresses) + len(cert.IPAddresses), cert.KeyUsage, cert.ExtKeyUsage,
		len(cert.UnknownExtKeyUsage), len(cert.Extensions), cert.IsCA, cert.BasicConstraintsValid,
		cert.CRLDistributionPoints, cert.OCSPServer, cert.IssuingCertificateURL, cert.AuthorityKeyId, len(cert.SubjectKeyId),
	}
	want := fields{
		"CN=payments-prod,O=Acme Pharma SA", "CN=Client Issuing CA 1,O=Example Bank AG", string(p.Serial),
		"spiffe://example.com/org/acme/service/payments-prod", p.NotBefore, p.NotAfter, 1,
		x509.KeyUsageDigitalSignature,
		[]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		0, 8, false, true,
		[]string{"http://pki.example.com/pki/crl/issuing-1.crl"},
		[]string{"http://pki.example.com/ocsp"},
		[]string{"http://pki.example.com/pki/issuing-1.cer"},
		a.Issuers()[0].Certificate.SubjectKeyId, 20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}
	if !p.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(cert.PublicKey) {
		t.Error("the certificate is for another key")
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.Root())
	middle.AddCert(a.Issuers()[0].Certificate)
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: middle, CurrentTime: authorityStart(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		t.Errorf("verifying the chain: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	a := authorityNew(t)
	key := authorityKey(t, issuance.P256).Public()
	_, end := a.Issuer()
	tests := map[string]func(*issuance.Profile){
		"a second beyond the issuer":   func(p *issuance.Profile) { p.NotAfter = end.Add(time.Second) },
		"an end at the beginning":      func(p *issuance.Profile) { p.NotAfter = p.NotBefore },
		"an end before the beginning":  func(p *issuance.Profile) { p.NotAfter = p.NotBefore.Add(-time.Second) },
		"no serial number":             func(p *issuance.Profile) { p.Serial = "" },
		"a serial of 21 bytes":         func(p *issuance.Profile) { p.Serial = issuance.Serial(strings.Repeat("7f", 21)) },
		"no organisation name":         func(p *issuance.Profile) { p.OrganizationName = "" },
		"a line break in the name":     func(p *issuance.Profile) { p.OrganizationName = "Acme\nCN=root" },
		"a long organisation name":     func(p *issuance.Profile) { p.OrganizationName = strings.Repeat("ä", 65) },
		"a slash in the organisation":  func(p *issuance.Profile) { p.Organization = "acme/service/other" },
		"a slash in the service":       func(p *issuance.Profile) { p.Service = "../../org/other" },
		"dots for a service":           func(p *issuance.Profile) { p.Service = ".." },
		"no service":                   func(p *issuance.Profile) { p.Service = "" },
		"a space in the service":       func(p *issuance.Profile) { p.Service = "my page" },
		"no service name":              func(p *issuance.Profile) { p.ServiceName = "" },
		"a name of 65 characters":      func(p *issuance.Profile) { p.ServiceName = strings.Repeat("ä", 65) },
		"a line break in a service":    func(p *issuance.Profile) { p.ServiceName = "my\npage" },
		"a name that turns text":       func(p *issuance.Profile) { p.ServiceName = "my \u202epage" },
		"no key":                       func(p *issuance.Profile) { p.Key = nil },
		"a key of the wrong algorithm": func(p *issuance.Profile) { p.Key = authorityWeakRSA() },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p := authorityProfile(key)
			change(&p)
			if signed, err := a.Sign(context.Background(), p); err == nil {
				t.Errorf("got a certificate of %d bytes, want an error", len(signed.DER))
			}
		})
	}
	p := authorityProfile(key)
	p.NotAfter = end
	if got := authoritySign(t, a, p).NotAfter; !got.Equal(end) {
		t.Errorf("a certificate that ends with its issuer: got %s, want %s", got, end)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Sign(ctx, authorityProfile(key)); !errors.Is(err, context.Canceled) {
		t.Errorf("signing after the caller left: got %v, want %v", err, context.Canceled)
	}
}

func TestOpenSSLVerifiesChains(t *testing.T) {
	a := authorityNew(t)
	dir := t.TempDir()
	root, middle := filepath.Join(dir, "root.pem"), filepath.Join(dir, "issuing.pem")
	for path, cert := range map[string]*x509.Certificate{root: a.Root(), middle: a.Issuers()[0].Certificate} {
		if err := os.WriteFile(path, certificatePEM(cert), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := []string{"verify", "-x509_strict", "-attime", "1795262400", "-CAfile", root} // 21 November 2026
	authorityRun(t, nil, "openssl", append(at, middle)...)
	for _, algorithm := range issuance.KeyAlgorithms() {
		cert := authoritySign(t, a, authorityProfile(authorityKey(t, algorithm).Public()))
		authorityRun(t, certificatePEM(cert), "openssl", append(at, "-untrusted", middle, "-purpose", "sslclient")...)
	}
	server, err := a.ServerCertificate(context.Background(), ServerProfile{Names: []string{"certs.example.com"}, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	authorityRun(t, certificatePEM(server.Leaf), "openssl", append(at, "-untrusted", middle, "-purpose", "sslserver", "-verify_hostname", "certs.example.com")...)
}

// authorityKeyOf returns the key of an issuing CA itself, which signs what no method
// of ours would.
func authorityKeyOf(t testing.TB, a *Authority, is Issuer) crypto.Signer {
	t.Helper()
	key, err := readKey(a.dir, is.ID, a.passphrase, is.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
