package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// authorityRegister stands for the store: what is known of each serial number.
type authorityRegister struct {
	mu    sync.Mutex
	known map[issuance.Serial]issuance.Certificate
	err   error
}

func (r *authorityRegister) look(_ context.Context, s issuance.Serial) (issuance.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return issuance.Certificate{}, r.err
	}
	c, ok := r.known[s]
	if !ok {
		return issuance.Certificate{}, issuance.ErrNotFound
	}
	return c, nil
}

func (r *authorityRegister) put(cert *x509.Certificate, status issuance.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	serial := issuance.SerialOf(cert.SerialNumber)
	r.known[serial] = issuance.Certificate{
		Serial: serial, Status: status, Issuer: "issuing-1", NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		DER: cert.Raw, ChangedAt: authorityStart(),
	}
}

// authorityGate is a server that demands client certificates, and its client.
type authorityGate struct {
	authority *Authority
	register  *authorityRegister
	clients   *Clients
	now       time.Time
}

func newAuthorityGate(t testing.TB) *authorityGate {
	t.Helper()
	return newAuthorityGateOf(authorityNew(t))
}

func newAuthorityGateOf(a *Authority) *authorityGate {
	g := &authorityGate{authority: a, register: &authorityRegister{known: map[issuance.Serial]issuance.Certificate{}}, now: authorityStart()}
	g.clients = &Clients{Authority: g.authority, Certificate: g.register.look, Now: func() time.Time { return g.now }}
	return g
}

// client returns a key and its certificate, registered as active.
func (g *authorityGate) client(t testing.TB) tls.Certificate {
	t.Helper()
	key := authorityKey(t, issuance.P256)
	cert := authoritySign(t, g.authority, authorityProfile(key.Public()))
	g.register.put(cert, issuance.Active)
	return tls.Certificate{Certificate: [][]byte{cert.Raw, g.authority.Issuers()[0].Certificate.Raw}, PrivateKey: key, Leaf: cert}
}

// authorityHandshake is what the server saw of one connection.
type authorityHandshake struct {
	err     error
	resumed bool
	state   tls.ConnectionState
}

// serve starts a TLS server on a loopback port; it sends one byte to whom it lets in.
func (g *authorityGate) serve(t *testing.T, base *tls.Config) (string, <-chan authorityHandshake) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	keys := &ServerKeys{Authority: g.authority, Profile: ServerProfile{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Validity: 90 * 24 * time.Hour}}
	base.GetCertificate = keys.GetCertificate
	config := g.clients.TLSConfig(base)
	seen := make(chan authorityHandshake)
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			server := tls.Server(conn, config)
			err = server.HandshakeContext(context.Background())
			if err == nil {
				_, err = server.Write([]byte{1})
			}
			seen <- authorityHandshake{err, server.ConnectionState().DidResume, server.ConnectionState()}
			_ = server.Close()
		}
	}()
	return listener.Addr().String(), seen
}

// dial connects, reads the byte, and returns what both sides saw.
func (g *authorityGate) dial(t *testing.T, address string, seen <-chan authorityHandshake, config *tls.Config) (authorityHandshake, error) {
	t.Helper()
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, config)
	var octet [1]byte
	result := make(chan error, 1)
	go func() { _, err := io.ReadFull(conn, octet[:]); result <- err }()
	server := <-seen
	clientErr := <-result
	_ = conn.Close()
	return server, clientErr
}

func (g *authorityGate) clientConfig(version uint16, cert tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(g.authority.Root())
	return &tls.Config{
		MinVersion: version, MaxVersion: version, RootCAs: roots, ServerName: "127.0.0.1", Time: func() time.Time { return g.now },
		Certificates: []tls.Certificate{cert}, ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
}

// TestRevocationEndsResumptionToo is the reason for VerifyConnection: a client
// with a session is asked as a new one is.
func TestRevocationEndsResumptionToo(t *testing.T) {
	changes := map[string]struct {
		change func(*authorityGate, *x509.Certificate)
		code   issuance.Code
	}{
		"revoked": {func(g *authorityGate, c *x509.Certificate) { g.register.put(c, issuance.Revoked) }, CodeRevoked},
		"held":    {func(g *authorityGate, c *x509.Certificate) { g.register.put(c, issuance.Held) }, CodeHeld},
		"forgotten": {func(g *authorityGate, c *x509.Certificate) {
			g.register.mu.Lock()
			defer g.register.mu.Unlock()
			clear(g.register.known)
		}, CodeUnknown},
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, test := range changes {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				g := newAuthorityGate(t)
				address, seen := g.serve(t, &tls.Config{})
				cert := g.client(t)
				config := g.clientConfig(version, cert)
				for i, resumed := range []bool{false, true} {
					if server, err := g.dial(t, address, seen, config); err != nil || server.err != nil || server.resumed != resumed {
						t.Fatalf("connection %d: client %v, server %v, resumed %t; want resumed %t", i, err, server.err, server.resumed, resumed)
					}
				}
				test.change(g, cert.Leaf)
				for _, fresh := range []bool{false, true} {
					if fresh {
						config = g.clientConfig(version, cert)
					}
					server, err := g.dial(t, address, seen, config)
					if err == nil || issuance.CodeOf(server.err) != test.code {
						t.Errorf("after the change, fresh %t: client %v, server %v, want %s", fresh, err, server.err, test.code)
					}
				}
				if name == "held" {
					g.register.put(cert.Leaf, issuance.Active)
					if server, err := g.dial(t, address, seen, g.clientConfig(version, cert)); err != nil || server.err != nil {
						t.Errorf("after the release: client %v, server %v, want it in again", err, server.err)
					}
				}
			})
		}
	}
}

// TestOpenConnectionIsCheckedAgain is what a server does at each request.
func TestOpenConnectionIsCheckedAgain(t *testing.T) {
	g := newAuthorityGate(t)
	address, seen := g.serve(t, &tls.Config{})
	cert := g.client(t)
	server, err := g.dial(t, address, seen, g.clientConfig(tls.VersionTLS13, cert))
	if err != nil || server.err != nil {
		t.Fatalf("client %v, server %v", err, server.err)
	}
	peer := server.state.PeerCertificates[0]
	known, err := g.clients.Check(context.Background(), peer)
	if err != nil || known.Serial != issuance.SerialOf(cert.Leaf.SerialNumber) {
		t.Fatalf("got %s, %v, want the client's certificate", known.Serial, err)
	}
	g.register.put(cert.Leaf, issuance.Revoked)
	if _, err := g.clients.Check(context.Background(), peer); issuance.CodeOf(err) != CodeRevoked {
		t.Errorf("after the revocation: got %v, want %s", err, CodeRevoked)
	}
}

func TestTLSConfigDropsOtherWaysIn(t *testing.T) {
	g := newAuthorityGate(t)
	base := &tls.Config{
		ClientAuth: tls.NoClientCert, MinVersion: tls.VersionTLS10,
		VerifyConnection: func(tls.ConnectionState) error { return nil },
	}
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{GetCertificate: base.GetCertificate}, nil
	}
	address, seen := g.serve(t, base)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := g.clientConfig(version, tls.Certificate{})
		config.Certificates = nil
		if server, err := g.dial(t, address, seen, config); err == nil || server.err == nil {
			t.Errorf("%s without a certificate: client %v, server %v, want an error", tls.VersionName(version), err, server.err)
		}
	}
	config := g.clientConfig(tls.VersionTLS10, g.client(t))
	config.MaxVersion = tls.VersionTLS11
	if server, err := g.dial(t, address, seen, config); err == nil || server.err == nil {
		t.Errorf("TLS 1.1: client %v, server %v, want an error", err, server.err)
	}
	if err := g.clients.VerifyConnection(tls.ConnectionState{}); issuance.CodeOf(err) != CodeMissing {
		t.Errorf("a connection without a certificate: got %v, want %s", err, CodeMissing)
	}
}

// forged signs template with the issuing CA's key, as no method of ours would,
// and registers it: the register is not what refuses it.
func (g *authorityGate) forged(t *testing.T, key crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := authorityBareTemplate()
	change(template)
	is := g.authority.Issuers()[0]
	cert := authorityBare(t, template, is.Certificate, key, authorityKeyOf(t, g.authority, is))
	g.register.put(cert, issuance.Active)
	return cert
}

// authorityBare signs template with the standard library.
func authorityBare(t *testing.T, template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// authorityRenamed is an issuing CA's certificate with another name.
func authorityRenamed(is Issuer) *x509.Certificate {
	renamed := *is.Certificate
	renamed.RawSubject, renamed.Subject = nil, pkix.Name{CommonName: "another CA"}
	return &renamed
}

func TestCheckTellsWhy(t *testing.T) {
	g := newAuthorityGate(t)
	key := authorityKey(t, issuance.P256)
	issue := func(change func(*issuance.Profile)) *x509.Certificate {
		p := authorityProfile(key.Public())
		if change != nil {
			change(&p)
		}
		cert := authoritySign(t, g.authority, p)
		g.register.put(cert, issuance.Active)
		return cert
	}
	with := func(status issuance.Status) *x509.Certificate {
		cert := issue(nil)
		g.register.put(cert, status)
		return cert
	}
	changed := func(change func(*issuance.Certificate)) *x509.Certificate {
		cert := issue(nil)
		c := g.register.known[issuance.SerialOf(cert.SerialNumber)]
		change(&c)
		g.register.known[c.Serial] = c
		return cert
	}
	mallory := authorityOther(t)
	foreign := authoritySign(t, mallory, authorityProfile(key.Public()))
	g.register.put(foreign, issuance.Active)
	child := authorityBare(t, authorityBareTemplate(), issue(nil), key.Public(), key)
	g.register.put(child, issuance.Active)
	is := g.authority.Issuers()[0]
	renamed := authorityBare(t, authorityBareTemplate(), authorityRenamed(is), key.Public(), authorityKeyOf(t, g.authority, is))
	g.register.put(renamed, issuance.Active)
	unregistered := authoritySign(t, g.authority, authorityProfile(key.Public()))
	server, err := g.authority.ServerCertificate(context.Background(), ServerProfile{Names: []string{"certs.example.com"}, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	g.register.put(server.Leaf, issuance.Active)
	g.register.put(g.authority.Issuers()[0].Certificate, issuance.Active)
	tests := map[string]struct {
		cert *x509.Certificate
		want issuance.Code
	}{
		"active":                  {issue(nil), ""},
		"revoked":                 {with(issuance.Revoked), CodeRevoked},
		"held":                    {with(issuance.Held), CodeHeld},
		"abandoned":               {with(issuance.Abandoned), CodeUnknown},
		"a status of the future":  {with("strange"), CodeUnknown},
		"not in the register":     {unregistered, CodeUnknown},
		"another certificate":     {changed(func(c *issuance.Certificate) { c.DER = append([]byte{0}, c.DER[1:]...) }), CodeUnknown},
		"no certificate":          {changed(func(c *issuance.Certificate) { c.DER = nil }), CodeUnknown},
		"another issuer's serial": {changed(func(c *issuance.Certificate) { c.Issuer = "issuing-2" }), CodeUnknown},
		"expired":                 {issue(func(p *issuance.Profile) { p.NotBefore, p.NotAfter = g.now.AddDate(-1, 0, 0), g.now.Add(-time.Second) }), CodeExpired},
		"in its last second":      {issue(func(p *issuance.Profile) { p.NotAfter = g.now }), ""},
		"not yet valid":           {issue(func(p *issuance.Profile) { p.NotBefore = g.now.Add(time.Second) }), CodeNotYetValid},
		"same names, another CA":  {foreign, CodeForeign},
		"our key, another name":   {renamed, CodeForeign},
		"signed by a client":      {child, CodeForeign},
		"the issuing CA itself":   {g.authority.Issuers()[0].Certificate, CodeForeign},
		"the root itself":         {g.authority.Root(), CodeForeign},
		"a server's":              {server.Leaf, CodeUnfit},
		"CA:TRUE":                 {g.forged(t, key.Public(), func(c *x509.Certificate) { c.IsCA = true }), CodeUnfit},
		"no basic constraints":    {g.forged(t, key.Public(), func(c *x509.Certificate) { c.BasicConstraintsValid = false }), CodeUnfit},
		"no usage":                {g.forged(t, key.Public(), func(c *x509.Certificate) { c.ExtKeyUsage = nil }), CodeUnfit},
		"any usage":               {g.forged(t, key.Public(), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), CodeUnfit},
		"encryption alone":        {g.forged(t, key.Public(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), CodeUnfit},
		"RSA-1024":                {g.forged(t, authorityWeakRSA(), func(*x509.Certificate) {}), CodeUnfit},
		"a strange critical extension": {g.forged(t, key.Public(), func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), CodeUnfit},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := g.clients.Check(context.Background(), test.cert)
			if got := issuance.CodeOf(err); got != test.want {
				t.Fatalf("got %q (%v), want %q", got, err, test.want)
			}
			if err != nil && authorityError(t, err).Kind != issuance.Denied {
				t.Errorf("got kind %v, want denied", issuance.KindOf(err))
			}
		})
	}
	outlives := g.forged(t, key.Public(), func(c *x509.Certificate) { c.NotAfter = g.now.AddDate(12, 0, 0) })
	g.now = authorityStart().AddDate(10, 0, 1)
	if _, err := g.clients.Check(context.Background(), outlives); issuance.CodeOf(err) != CodeExpired {
		t.Errorf("under a CA whose time is over: got %v, want %s", err, CodeExpired)
	}
}

// TestADoubtedClockLetsNobodyInWhomItRefuses: nobody knows which of two times is right,
// so a certificate must be valid by both. A clock that nobody doubts is not asked.
func TestADoubtedClockLetsNobodyInWhomItRefuses(t *testing.T) {
	g := newAuthorityGate(t)
	cert := g.client(t).Leaf
	for _, tt := range []struct {
		wall    time.Time
		doubted bool
		want    issuance.Code
	}{
		{cert.NotAfter.Add(time.Hour), true, issuance.CodeClock},
		{cert.NotBefore.Add(-time.Hour), true, issuance.CodeClock},
		{g.now.Add(6 * time.Hour), true, ""},
		{cert.NotAfter.Add(time.Hour), false, ""},
	} {
		g.clients.Wall = func() (time.Time, bool) { return tt.wall, tt.doubted }
		if _, err := g.clients.Check(t.Context(), cert); issuance.CodeOf(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("by the house's clock it is %v, by the machine's %v, in doubt %v: got %v, want code %q",
				g.now, tt.wall, tt.doubted, err, tt.want)
		}
	}
}

func TestCheckFailsClosed(t *testing.T) {
	g := newAuthorityGate(t)
	cert := g.client(t).Leaf
	g.register.err = errors.New("disk on fire")
	_, err := g.clients.Check(context.Background(), cert)
	if err == nil || issuance.KindOf(err) != issuance.Internal || !errors.Is(err, g.register.err) {
		t.Errorf("with a broken register: got %v, want its error, wrapped", err)
	}
}

func BenchmarkCheck(b *testing.B) {
	g := newAuthorityGate(b)
	cert := g.client(b).Leaf
	for b.Loop() {
		if _, err := g.clients.Check(context.Background(), cert); err != nil {
			b.Fatal(err)
		}
	}
}
