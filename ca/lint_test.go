package ca

import (
	"context"
	"crypto/x509"
	"net"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"github.com/postern-ca/postern/issuance"
)

// TestLint has zlint look at every kind of certificate with the rules of the
// RFCs and of its community, and finds nothing: there are no exceptions. The web
// PKI's rules are for other certificates.
func TestLint(t *testing.T) {
	a := authorityNew(t)
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: lint.SourceList{
		lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6960, lint.RFC6962, lint.RFC8813, lint.Community,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(registry.CertificateLints().Lints()); got < 100 {
		t.Fatalf("zlint has %d rules for us, want 100 or more", got)
	}
	server, err := a.ServerCertificate(context.Background(), ServerProfile{
		Names: []string{"certs.example.com", "www.certs.example.com"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, Validity: 90 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	certificates := map[string]*x509.Certificate{"root": a.Root(), "issuing CA": a.Issuers()[0].Certificate, "server": server.Leaf}
	for _, algorithm := range issuance.KeyAlgorithms() {
		certificates["client "+string(algorithm)] = authoritySign(t, a, authorityProfile(authorityKey(t, algorithm).Public()))
	}
	named := authorityProfile(authorityKey(t, issuance.P256).Public())
	named.Service, named.ServiceName = "groessen", "Zahlungen & Größen, 页面"
	certificates["client with a name in Unicode"] = authoritySign(t, a, named)
	for name, cert := range certificates {
		t.Run(name, func(t *testing.T) {
			parsed, err := zx509.ParseCertificate(cert.Raw)
			if err != nil {
				t.Fatal(err)
			}
			for rule, result := range zlint.LintCertificateEx(parsed, registry).Results {
				if result.Status >= lint.Notice {
					t.Errorf("%s: %s %s", rule, result.Status, result.Details)
				}
			}
		})
	}
}
