package ca

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestServerCertificate(t *testing.T) {
	a := authorityNew(t)
	made, err := a.ServerCertificate(context.Background(), ServerProfile{
		Names: []string{"certs.example.com", "localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, Validity: 90 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	leaf := made.Leaf
	if diff := cmp.Diff([]string{"certs.example.com", "localhost"}, leaf.DNSNames); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if len(leaf.IPAddresses) != 2 || leaf.IPAddresses[0].String() != "127.0.0.1" || leaf.IPAddresses[1].String() != "::1" {
		t.Errorf("addresses: got %v, want 127.0.0.1 and ::1", leaf.IPAddresses)
	}
	if got, want := leaf.Subject.String(), "CN=certs.example.com,O=Example Bank AG"; got != want {
		t.Errorf("subject: got %s, want %s", got, want)
	}
	if got, want := leaf.NotAfter, authorityStart().Add(90*24*time.Hour); !got.Equal(want) {
		t.Errorf("end: got %s, want %s", got, want)
	}
	if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || len(leaf.OCSPServer) != 0 || leaf.IsCA {
		t.Errorf("usage %v, OCSP %v, CA %t: want serverAuth alone, no OCSP, no CA", leaf.ExtKeyUsage, leaf.OCSPServer, leaf.IsCA)
	}
	if diff := cmp.Diff([][]byte{leaf.Raw, a.Issuers()[0].Certificate.Raw}, made.Certificate); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
	long := strings.Repeat("a", 60) + ".example.com"
	made, err = a.ServerCertificate(context.Background(), ServerProfile{Names: []string{long}, Validity: time.Hour})
	if err != nil || made.Leaf.Subject.CommonName != "" || made.Leaf.DNSNames[0] != long {
		t.Errorf("a name that does not fit CN: got CN %q, names %v, %v", made.Leaf.Subject.CommonName, made.Leaf.DNSNames, err)
	}
}

func TestServerCertificateRefuses(t *testing.T) {
	a := authorityNew(t)
	for name, p := range map[string]ServerProfile{
		"nothing":              {Validity: time.Hour},
		"an empty name":        {Names: []string{""}, Validity: time.Hour},
		"a wildcard":           {Names: []string{"*.example.com"}, Validity: time.Hour},
		"a URL":                {Names: []string{"https://example.com"}, Validity: time.Hour},
		"NUL":                  {Names: []string{"example.com\x00.evil.example"}, Validity: time.Hour},
		"a name beyond ASCII":  {Names: []string{"bücher.example"}, Validity: time.Hour},
		"a name of 254":        {Names: []string{strings.Repeat("a.", 127)}, Validity: time.Hour},
		"a hyphen first":       {Names: []string{"-a.example"}, Validity: time.Hour},
		"a broken address":     {IPs: []net.IP{{1, 2, 3}}, Validity: time.Hour},
		"no time":              {Names: []string{"a.example"}, Validity: -2 * time.Hour},
		"longer than its CA":   {Names: []string{"a.example"}, Validity: 11 * 365 * 24 * time.Hour},
		"one good, one broken": {Names: []string{"a.example", "b..example"}, Validity: time.Hour},
	} {
		if _, err := a.ServerCertificate(context.Background(), p); err == nil {
			t.Errorf("%s: got a certificate, want an error", name)
		}
	}
}

func TestNewKeyAndItsAlgorithm(t *testing.T) {
	for _, algorithm := range issuance.KeyAlgorithms() {
		key, err := NewKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		got, err := KeyAlgorithmOf(key.Public())
		if err != nil || got != algorithm {
			t.Errorf("%s: got %q, %v", algorithm, got, err)
		}
	}
	for _, algorithm := range []issuance.KeyAlgorithm{"", "P-521", "RSA-1024"} {
		if _, err := NewKey(algorithm); err == nil {
			t.Errorf("%q: got a key, want an error", algorithm)
		} else {
			authorityError(t, err)
		}
	}
	for name, key := range map[string]any{"nil": nil, "a string": "key", "RSA-1024": authorityWeakRSA()} {
		if _, err := KeyAlgorithmOf(key); err == nil {
			t.Errorf("%s: got an algorithm, want an error", name)
		} else {
			authorityError(t, err)
		}
	}
}
