package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
)

// verb has staff do verb to something, as in POST /certificates/…/hold.
func (s *story) verb(t *testing.T, what, verb string) {
	t.Helper()
	must(t, s.api(t.Context(), http.MethodPost, what+"/"+verb, map[string]string{}, new(struct{})))
}

// TestARefusedHandshakeIsSeen, once for each, if our CA has signed the certificate
// and the register knows it.
func TestARefusedHandshakeIsSeen(t *testing.T) {
	t.Parallel()
	s := claimed(t)
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	anew := func(version uint16, identity tls.Certificate) {
		t.Helper()
		c := newCaller(s, roots, version, false, true)
		c.client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{identity}
		if in, why := c.call(t.Context()); in {
			t.Fatal(why)
		}
	}
	resumes := newCaller(s, roots, tls.VersionTLS13, false, true)
	if in, why := resumes.call(t.Context()); !in {
		t.Fatal(why)
	}
	s.verb(t, "/certificates/"+string(s.serial), "hold")
	want := usesShown{Serial: s.serial, Uses: 1, LastRefusal: ca.CodeHeld}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		anew(version, s.identity)
		want.RefusedUses++
		s.wantUses(t, want)
	}
	if in, why := resumes.call(t.Context()); in || strings.Contains(why, "403") {
		t.Fatal(in, why)
	}
	want.RefusedUses++
	s.wantUses(t, want)

	// Nobody's certificate with the same number, and one of ours that is not in the
	// register, count for nobody.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	like := *s.identity.Leaf
	like.PublicKey = key.Public()
	is := s.h.authority.Issuers()[0]
	twin, err := x509.CreateCertificate(rand.Reader, &like, &like, key.Public(), key)
	must(t, err)
	like.SerialNumber = issuance.NewSerial().Int()
	unknown, err := x509.CreateCertificate(rand.Reader, &like, is.Certificate, key.Public(), issuingKey(t, s.h.cfg))
	must(t, err)
	before := s.h.seen.Totals()
	for _, der := range [][]byte{twin, unknown} {
		anew(tls.VersionTLS13, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	}
	if got := s.h.seen.Totals(); got != before {
		t.Errorf("got %+v, want %+v", got, before)
	}
	_, err = s.revoke(t.Context())
	must(t, err)
	anew(tls.VersionTLS13, s.identity)
	want.RefusedUses++
	want.LastRefusal = ca.CodeRevoked
	s.wantUses(t, want)
}

// TestADisabledServiceIsRefused at /auth, as a proxy too, and at the two-way TLS
// listener, on an open connection and in a handshake; until it is enabled.
func TestADisabledServiceIsRefused(t *testing.T) {
	t.Parallel()
	s := claimed(t, withProxies)
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	open := newCaller(s, roots, tls.VersionTLS13, true, false)
	proxy := newCaller(s, roots, tls.VersionTLS13, true, false).client
	ask := func(client *http.Client, header map[string]string, status int, code string) {
		t.Helper()
		a := s.askAuth(t, client, s.authURL()+"?upstream=payments", header)
		if a.status != status || a.header.Get(auth.RefusalHeader) != code {
			t.Errorf("got %d %q, want %d %q: %s", a.status, a.header.Get(auth.RefusalHeader), status, code, a.body)
		}
	}
	fromGate := map[string]string{"X-SSL-Client-Cert": shown(s.identity.Leaf.Raw)["X-SSL-Client-Cert"]}
	letIn := func() {
		t.Helper()
		ask(s.client, shown(s.identity.Leaf.Raw), http.StatusOK, "")
		ask(proxy, fromGate, http.StatusOK, "")
		if in, why := open.call(t.Context()); !in {
			t.Fatal(why)
		}
	}
	letIn()
	s.verb(t, "/services/acme.payments", "disable")
	ask(s.client, shown(s.identity.Leaf.Raw), http.StatusForbidden, "service-disabled")
	ask(proxy, fromGate, http.StatusForbidden, "proxy-unknown")
	status, _, body, err := s.do(t.Context(), open.client, http.MethodGet, s.h.cfg.MTLS.URL+"/whoami", "", nil)
	if err != nil || status != http.StatusForbidden || !strings.Contains(string(body), "service-disabled") {
		t.Errorf("on the open connection: %d %s %v", status, body, err)
	}
	if in, _ := newCaller(s, roots, tls.VersionTLS12, false, true).call(t.Context()); in {
		t.Error("a new connection is let in")
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 3, RefusedUses: 3, LastRefusal: ca.CodeDisabled})
	s.verb(t, "/services/acme.payments", "enable")
	letIn()
}
