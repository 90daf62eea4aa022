package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// decided is a source that says what a test wants.
type decided struct{ err atomic.Pointer[error] }

func (d *decided) Status(context.Context, Chain) error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *decided) say(err error) {
	if err == nil {
		d.err.Store(nil)
		return
	}
	d.err.Store(&err)
}

// site is a web service behind two-way TLS.
type site struct {
	f        *forger
	verifier *Verifier
	status   *decided
	url      string
	cert     tls.Certificate // the client's
	resumed  atomic.Bool     // of the last handshake that was let in
	log      *lockedLog
}

func newSite(t testing.TB, f *forger) *site {
	t.Helper()
	s := &site{f: f, status: &decided{}, log: &lockedLog{}}
	s.verifier = &Verifier{CAs: f.cas, Revocation: s.status, Now: testStart, Log: slog.New(slog.NewTextHandler(s.log, nil))}
	s.cert = tls.Certificate{Certificate: [][]byte{f.cert(nil)}, PrivateKey: f.key}
	config := s.verifier.TLSConfig(&tls.Config{Certificates: []tls.Certificate{f.server()}})
	check := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		s.resumed.Store(state.DidResume)
		return check(state)
	}
	server := &http.Server{TLSConfig: config, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: s.verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, ok := CallerFrom(r.Context())
		if !ok {
			t.Error("a handler has no caller")
		}
		_, _ = io.WriteString(w, caller.SPIFFEID)
	}))}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	s.url = "https://" + listener.Addr().String()
	return s
}

// lockedLog is a log that a test reads.
type lockedLog struct {
	lines atomic.Pointer[string]
}

func (l *lockedLog) Write(p []byte) (int, error) {
	for {
		before := l.lines.Load()
		text := string(p)
		if before != nil {
			text = *before + text
		}
		if l.lines.CompareAndSwap(before, &text) {
			return len(p), nil
		}
	}
}

func (l *lockedLog) String() string {
	if p := l.lines.Load(); p != nil {
		return *p
	}
	return ""
}

// client returns a client that keeps sessions, and one connection at a time.
func (s *site) client(t testing.TB, version uint16, http2 bool) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.f.root.cert)
	transport := &http.Transport{ForceAttemptHTTP2: http2, MaxConnsPerHost: 1, TLSClientConfig: &tls.Config{
		MinVersion: version, MaxVersion: version, RootCAs: roots, Time: testStart,
		Certificates: []tls.Certificate{s.cert}, ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// get returns status, protocol and body.
func get(client *http.Client, url string) (int, string, string, error) {
	response, err := client.Get(url)
	if err != nil {
		return 0, "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Proto, string(body), err
}

// TestARevokedClientIsOut in TLS 1.2 and 1.3, HTTP/1.1 and 2: on its open
// connection, in a resumed session, and in a new one.
func TestARevokedClientIsOut(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(tls.VersionName(version)+" "+protocol, func(t *testing.T) {
				s := newSite(t, newForger(t))
				client := s.client(t, version, protocol == "HTTP/2.0")
				in := func(what string, resumed bool) {
					t.Helper()
					status, got, body, err := get(client, s.url)
					if err != nil || status != http.StatusOK || got != protocol || body != goodURI || s.resumed.Load() != resumed {
						t.Fatalf("%s: %d %s %q, %v, resumed %t; want 200 %s, resumed %t", what, status, got, body, err, s.resumed.Load(), protocol, resumed)
					}
				}
				in("a first connection", false)
				client.CloseIdleConnections()
				in("a second connection", true)
				s.status.say(refuse(CodeRevoked, "it was revoked"))
				status, _, body, err := get(client, s.url)
				if err != nil || status != http.StatusForbidden || !strings.Contains(body, "certificate-revoked") {
					t.Fatalf("on the open connection: %d %s %v, want 403", status, body, err)
				}
				// The connection was ended with the answer; the session is still there.
				if status, _, body, err := get(client, s.url); err == nil || !s.resumed.Load() {
					t.Errorf("in a resumed session: %d %s, resumed %t; want a failed handshake", status, body, s.resumed.Load())
				}
				fresh := s.client(t, version, protocol == "HTTP/2.0")
				if status, _, body, err := get(fresh, s.url); err == nil || s.resumed.Load() {
					t.Errorf("in a new session: %d %s, want a failed handshake", status, body)
				}
				for _, at := range []string{"at=request code=revoked", "at=handshake code=revoked"} {
					eventually(t, at, func() bool { return strings.Contains(s.log.String(), at) })
				}
				s.status.say(nil)
				client.CloseIdleConnections()
				if status, _, _, err := get(client, s.url); err != nil || status != http.StatusOK {
					t.Errorf("after its release: %d %v", status, err)
				}
			})
		}
	}
}

// TestNoCertificateNoOldTLS: what crypto/tls refuses for us.
func TestNoCertificateNoOldTLS(t *testing.T) {
	s := newSite(t, newForger(t))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := s.client(t, version, false)
		client.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
		if status, _, _, err := get(client, s.url); err == nil {
			t.Errorf("%s without a certificate: %d", tls.VersionName(version), status)
		}
	}
	old := s.client(t, tls.VersionTLS10, false)
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	if status, _, _, err := get(old, s.url); err == nil {
		t.Errorf("TLS 1.1: %d", status)
	}
}

// TestProblems says what clients are told, and what they are not.
func TestProblems(t *testing.T) {
	f := newForger(t)
	cert := f.parsed(nil)
	tests := map[string]struct {
		status error
		cert   *x509.Certificate
		code   int
		want   string
	}{
		"it stands":          {nil, cert, 200, ""},
		"no TLS":             {nil, nil, 403, "certificate-missing"},
		"revoked":            {refuse(CodeRevoked, "internal: by admin"), cert, 403, "certificate-revoked"},
		"held":               {refuse(CodeHeld, "internal"), cert, 403, "certificate-held"},
		"the CA was revoked": {refuse(CodeIssuerRevoked, "internal"), cert, 403, "certificate-refused"},
		"unknown":            {refuse(CodeUnknown, "internal"), cert, 403, "certificate-refused"},
		"nobody can tell":    {errors.New("internal: dial tcp 10.1.2.3"), cert, 503, "status-unavailable"},
		"expired":            {nil, f.parsed(func(p *parts) { p.validity = validity(testStart().Add(-time.Hour), testStart().Add(-time.Minute)) }), 403, "certificate-expired"},
		"early":              {nil, f.parsed(func(p *parts) { p.validity = validity(testStart().Add(time.Minute), testStart().Add(time.Hour)) }), 403, "certificate-early"},
		"forged":             {nil, f.parsed(func(p *parts) { p.drop(extEKU) }), 403, "certificate-refused"},
		"not let in": {nil, f.parsed(func(p *parts) {
			p.set(ext(extSAN, false, seq(uriName("spiffe://example.com/org/other/service/payments-prod"))))
		}), 403, "not-allowed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			source := &decided{}
			source.say(test.status)
			v := &Verifier{CAs: f.cas, Revocation: source, Now: testStart, Allow: Rules{Organizations: []string{"acme"}}}
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.Header.Set("Client-Cert", "it is never looked at")
			if test.cert != nil {
				request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{test.cert}}
			}
			called := false
			recorder := httptest.NewRecorder()
			v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true })).ServeHTTP(recorder, request)
			if recorder.Code != test.code || called != (test.code == 200) {
				t.Fatalf("got %d, handler called: %t; want %d", recorder.Code, called, test.code)
			}
			if test.code == 200 {
				return
			}
			var p problem
			if err := json.Unmarshal(recorder.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if p.Code != test.want || p.Status != test.code || p.Detail == "" || recorder.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %+v, want code %s", p, test.want)
			}
			if body := recorder.Body.String(); strings.Contains(body, "internal") || len(body) > 300 {
				t.Errorf("the client is told too much: %s", body)
			}
		})
	}
}

func TestRulesAndTrustDomain(t *testing.T) {
	f := newForger(t)
	cert := f.parsed(nil)
	tests := map[string]struct {
		rules  Rules
		domain string
		want   Code
	}{
		"no rules":                        {Rules{}, "", ""},
		"its trust domain":                {Rules{}, "example.com", ""},
		"another trust domain":            {Rules{}, "example.org", CodeTrustDomain},
		"its organisation":                {Rules{Organizations: []string{"other", "acme"}}, "", ""},
		"other organisations":             {Rules{Organizations: []string{"other", "Acme"}}, "", CodeNotAllowed},
		"its service":                     {Rules{Services: []string{"acme/payments-prod"}}, "", ""},
		"another's service of this name":  {Rules{Services: []string{"other/payments-prod", "payments-prod"}}, "", CodeNotAllowed},
		"its organisation, other service": {Rules{Organizations: []string{"acme"}, Services: []string{"acme/payments-test"}}, "", CodeNotAllowed},
	}
	for name, test := range tests {
		v := &Verifier{CAs: f.cas, TrustDomain: test.domain, Revocation: stands{}, Allow: test.rules, Now: testStart}
		caller, err := v.Check(context.Background(), []*x509.Certificate{cert})
		if codeOf(err) != test.want || (err == nil) != (test.want == "") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if err == nil && (caller.Organization != "acme" || caller.Service != "payments-prod" || len(caller.Serial) != 34 || caller.Certificate != cert || !caller.NotAfter.Equal(cert.NotAfter)) {
			t.Errorf("%s: got %+v", name, caller)
		}
	}
	if _, err := (&Verifier{}).Check(context.Background(), []*x509.Certificate{cert}); codeOf(err) != CodeForeign {
		t.Errorf("a Verifier without CAs: got %v, want %s", err, CodeForeign)
	}
	if _, ok := CallerFrom(context.Background()); ok {
		t.Error("there is a caller outside of a request")
	}
}

// TestTLSConfigDropsOtherWaysIn of the configuration that it is made from.
func TestTLSConfigDropsOtherWaysIn(t *testing.T) {
	f := newForger(t)
	base := &tls.Config{
		MinVersion: tls.VersionTLS10, ClientAuth: tls.NoClientCert, NextProtos: []string{"h2"},
		GetConfigForClient:    func(*tls.ClientHelloInfo) (*tls.Config, error) { return &tls.Config{}, nil },
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return nil },
		VerifyConnection:      func(tls.ConnectionState) error { return nil },
	}
	got := (&Verifier{CAs: f.cas}).TLSConfig(base)
	if got.MinVersion != tls.VersionTLS12 || got.ClientAuth != tls.RequireAnyClientCert || got.GetConfigForClient != nil || got.VerifyPeerCertificate != nil || len(got.NextProtos) != 1 {
		t.Errorf("got %+v", got)
	}
	if err := got.VerifyConnection(tls.ConnectionState{}); codeOf(err) != CodeMissing {
		t.Errorf("without a certificate: got %v, want %s", err, CodeMissing)
	}
	if base.ClientAuth != tls.NoClientCert {
		t.Error("the base was changed")
	}
	named := x509.NewCertPool()
	named.AddCert(f.issuing.cert)
	if !got.ClientCAs.Equal(named) {
		t.Error("the names of CAs that are sent are not those of the issuing CAs")
	}
	if (&Verifier{}).TLSConfig(nil).VerifyConnection == nil {
		t.Error("without CAs nothing is checked")
	}
}
