package ca

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TestOnlyNoneOrAnExpiredOnePasses holds the handshake of a listener that demands
// no certificate against every other that does not stand.
func TestOnlyNoneOrAnExpiredOnePasses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*authorityGate, *x509.Certificate) *x509.Certificate
		want   issuance.Code // of the handshake
		check  issuance.Code // of the request
	}{
		"one that stands": {func(_ *authorityGate, c *x509.Certificate) *x509.Certificate { return c }, "", ""},
		"expired": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			g.now = c.NotAfter.Add(time.Second)
			return c
		}, "", CodeExpired},
		"early": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			g.now = c.NotBefore.Add(-time.Second)
			return c
		}, CodeNotYetValid, CodeNotYetValid},
		"revoked": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			g.register.put(c, issuance.Revoked)
			return c
		}, CodeRevoked, CodeRevoked},
		"revoked, then expired": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			g.register.put(c, issuance.Revoked)
			g.now = c.NotAfter.Add(time.Second)
			return c
		}, CodeRevoked, CodeRevoked},
		"held": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			g.register.put(c, issuance.Held)
			return c
		}, CodeHeld, CodeHeld},
		"unknown": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			clear(g.register.known)
			return c
		}, CodeUnknown, CodeUnknown},
		"unknown, and expired": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			clear(g.register.known)
			g.now = c.NotAfter.Add(time.Second)
			return c
		}, CodeUnknown, CodeUnknown},
		"of another CA": {func(_ *authorityGate, _ *x509.Certificate) *x509.Certificate {
			return newAuthorityGateOf(authorityOther(t)).client(t).Leaf
		}, CodeForeign, CodeForeign},
		"for servers": {func(g *authorityGate, c *x509.Certificate) *x509.Certificate {
			return g.forged(t, c.PublicKey, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		}, CodeUnfit, CodeUnfit},
	} {
		g := newAuthorityGate(t)
		cert := tc.change(g, g.client(t).Leaf)
		config := g.clients.OptionalTLSConfig(&tls.Config{})
		if err := config.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}); issuance.CodeOf(err) != tc.want || tc.want == "" && err != nil {
			t.Errorf("%s: the handshake got %v, want %q", name, err, tc.want)
		}
		if _, err := g.clients.Check(t.Context(), cert); issuance.CodeOf(err) != tc.check {
			t.Errorf("%s: the request got %v, want %q", name, err, tc.check)
		}
	}
	g := newAuthorityGate(t)
	cert := g.client(t).Leaf
	config := g.clients.OptionalTLSConfig(&tls.Config{ClientAuth: tls.NoClientCert})
	if err := config.VerifyConnection(tls.ConnectionState{}); err != nil || config.ClientAuth != tls.RequestClientCert {
		t.Errorf("without a certificate: %v; ClientAuth is %v", err, config.ClientAuth)
	}
	g.register.err = errors.New("the disk is gone")
	if err := config.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}); err == nil {
		t.Error("a register that cannot be asked lets a client in")
	}
}
