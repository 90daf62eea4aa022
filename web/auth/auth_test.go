package auth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestWhoCalls(t *testing.T) {
	d := newDesk(t, nil)
	a := d.ask("GET", "/auth?upstream=payments", fromEdge(d.issued["acme.payments"]), nil)
	got := map[string]string{}
	for name := range a.header {
		got[name] = a.header.Get(name)
	}
	want := map[string]string{
		"Postern-Verified": "certificate", "Postern-Organization": "acme", "Postern-Service": "acme.payments", "Postern-Environment": "production",
		"Postern-Serial": "0000000000000000000000000000000001", "Postern-Spiffe-Id": "spiffe://example.com/org/acme/service/payments",
		"Cache-Control": "no-store", "Content-Length": "0",
	}
	if diff := cmp.Diff(want, got); diff != "" || a.status != http.StatusOK || a.body != "" {
		t.Errorf("%d %q, -want +got:\n%s", a.status, a.body, diff)
	}
}

func TestRules(t *testing.T) {
	d := newDesk(t, nil)
	for _, tt := range []struct {
		name, upstream string
		client         issuance.ServiceID
		status         int
		refusal        issuance.Code
	}{
		{"let in", "payments", "acme.payments", 200, ""},
		{"another organisation", "payments", "globex.orders", 403, CodeOrganization},
		{"another environment", "payments", "acme.trial", 403, CodeEnvironment},
		{"another service", "orders", "acme.payments", 403, CodeService},
		{"the service", "orders", "globex.orders", 200, ""},
		{"no rules", "sandbox", "globex.orders", 200, ""},
		{"none, in production", "payments", "", 401, CodeMissing},
		{"none, at the test", "sandbox", "", 200, ""},
		{"a disabled service", "payments", "acme.closed", 403, CodeDisabled},
		{"a disabled service, where there are no rules", "sandbox", "acme.closed", 403, CodeDisabled},
		{"no such upstream", "nowhere", "acme.payments", 403, CodeUpstream},
		{"an upstream with no name", "", "acme.payments", 403, CodeUpstream},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := d.ask("GET", "/auth?upstream="+tt.upstream, fromEdge(d.issued[tt.client]), nil)
			if a.status != tt.status || a.refusal != string(tt.refusal) {
				t.Fatalf("got %d %q: %s", a.status, a.refusal, a.body)
			}
			if a.header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be kept")
			}
			for _, name := range []string{OrganizationHeader, ServiceHeader, SerialHeader, SPIFFEHeader, EnvironmentHeader} {
				if known := a.header.Get(name) != ""; known != (tt.status == 200 && tt.client != "") {
					t.Errorf("%s is %q", name, a.header.Get(name))
				}
			}
			if a.status == 200 {
				if want := map[bool]string{true: "none", false: "certificate"}[tt.client == ""]; a.header.Get(VerifiedHeader) != want {
					t.Errorf("%s is %q, want %q", VerifiedHeader, a.header.Get(VerifiedHeader), want)
				}
				return
			}
			var p struct{ Code, Detail, Hint string }
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Code != string(tt.refusal) || p.Detail == "" || p.Hint == "" || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("the body is %q: %v", a.body, err)
			}
			if challenged := a.header.Get("WWW-Authenticate") == `Certificate realm="postern"`; challenged != (a.status == 401) {
				t.Errorf("WWW-Authenticate is %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

// TestTheClientChoosesNoUpstream has names of an upstream that is open to all
// where a proxy passes them on from its client.
func TestTheClientChoosesNoUpstream(t *testing.T) {
	d := newDesk(t, nil)
	mesh := func(more ...string) http.Header {
		return headers(append([]string{SecretHeader, meshSecret}, more...)...)
	}
	one := func(more ...string) http.Header {
		return headers(append([]string{SecretHeader, "the secret of one upstream"}, more...)...)
	}
	for _, tt := range []struct {
		name, target string
		header       http.Header
		want         issuance.Code
	}{
		{"nginx, client's header", "/auth?upstream=payments", fromEdge(nil, UpstreamHeader, "sandbox"), CodeMissing},
		{"nginx, nothing of its own", "/auth", fromEdge(nil, UpstreamHeader, "sandbox"), CodeUpstream},
		{"nginx, two names", "/auth?upstream=payments&upstream=sandbox", fromEdge(nil), CodeUpstream},
		{"nginx, a broken query", "/auth?upstream=sandbox;upstream=sandbox", fromEdge(nil), CodeUpstream},
		{"a path below, as Envoy has its client's", "/auth/pay?upstream=sandbox", fromEdge(nil), CodeUpstream},
		{"the path with a slash", "/auth/?upstream=sandbox", fromEdge(nil), CodeUpstream},
		{"Envoy, client's query", "/auth/pay?upstream=sandbox", mesh(UpstreamHeader, "payments"), CodeMissing},
		{"Envoy, nothing of its own", "/auth?upstream=sandbox", mesh(), CodeUpstream},
		{"Envoy, two names", "/auth/pay", mesh(UpstreamHeader, "payments", UpstreamHeader, "sandbox"), CodeUpstream},
		{"Envoy, joined names", "/auth/pay", mesh(UpstreamHeader, "payments,sandbox"), CodeUpstream},
		{"one upstream, not named", "/auth", one(), CodeMissing},
		{"one upstream, another named", "/auth?upstream=sandbox", one(), CodeUpstream},
	} {
		if a := d.ask("GET", tt.target, tt.header, nil); a.refusal != string(tt.want) {
			t.Errorf("%s: got %d %q, want %q", tt.name, a.status, a.refusal, tt.want)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	d := newDesk(t, nil)
	header := headers(SecretHeader, meshSecret, UpstreamHeader, "payments", "X-Forwarded-Client-Cert", xfcc(d.issued["acme.payments"]))
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		for target, want := range map[string]int{
			"/auth": 200, "/auth/": 200, "/auth/pay/1?x=1": 200, "/auth//../api/v1": 200, "/auth/%2e%2e/x": 200,
			"/": 404, "/authx": 404, "/Auth": 404, "//auth": 404, "/api/v1/orders": 404,
		} {
			if a := d.ask(method, target, header, nil); a.status != want {
				t.Errorf("%s %s: got %d, want %d", method, target, a.status, want)
			}
		}
	}
}

func TestProxiesProveWhoTheyAre(t *testing.T) {
	d := newDesk(t, nil)
	der := d.issued["acme.payments"]
	shows := func(der []byte) func(*http.Request) {
		return func(r *http.Request) {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		}
	}
	certificate := "X-SSL-Client-Cert"
	for _, tt := range []struct {
		name   string
		header http.Header
		change func(*http.Request)
		want   int
	}{
		{"secret", headers(SecretHeader, edgeSecret, certificate, asNginx(der)), nil, 200},
		{"bearer", headers("Authorization", "Bearer "+edgeSecret, certificate, asNginx(der)), nil, 200},
		{"bearer in lower case", headers("Authorization", "bearer "+edgeSecret, certificate, asNginx(der)), nil, 200},
		{"secret, and the client's token", headers(SecretHeader, edgeSecret, "Authorization", "Bearer abc", certificate, asNginx(der)), nil, 200},
		{"two-way TLS", headers(certificate, asBase64(der)), shows(d.issued["postern.mesh"]), 200},
		{"two-way TLS, and the client's token", headers("Authorization", "Bearer abc", certificate, asBase64(der)), shows(d.issued["postern.mesh"]), 200},

		{"none", headers(certificate, asNginx(der)), nil, 403},
		{"an empty one", headers(SecretHeader, "", certificate, asNginx(der)), nil, 403},
		{"an empty bearer", headers("Authorization", "Bearer ", certificate, asNginx(der)), nil, 403},
		{"a wrong one", headers(SecretHeader, edgeSecret+"x", certificate, asNginx(der)), nil, 403},
		{"a wrong one, and a right bearer", headers(SecretHeader, "x", "Authorization", "Bearer "+edgeSecret, certificate, asNginx(der)), nil, 403},
		{"the client's and the right one", headers(SecretHeader, "x", SecretHeader, edgeSecret, certificate, asNginx(der)), nil, 403},
		{"the right one and the client's", headers(SecretHeader, edgeSecret, SecretHeader, "x", certificate, asNginx(der)), nil, 403},
		{"two bearers", headers("Authorization", "Bearer x", "Authorization", "Bearer "+edgeSecret, certificate, asNginx(der)), nil, 403},
		{"basic", headers("Authorization", "Basic "+edgeSecret, certificate, asNginx(der)), nil, 403},
		{"another proxy's format", headers(SecretHeader, meshSecret, UpstreamHeader, "payments", certificate, asNginx(der)), nil, 401},
		{"two-way TLS of a client", headers(certificate, asBase64(der)), shows(der), 403},
		{"two-way TLS of a client, and a right secret", headers(SecretHeader, edgeSecret, certificate, asNginx(der)), shows(der), 403},
		{"two-way TLS of a stranger", headers(certificate, asBase64(der)), shows(issue(t, "postern.mesh", 2)), 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := d.ask("GET", "/auth?upstream=payments", tt.header, tt.change)
			if a.status != tt.want || tt.want == 403 && a.refusal != string(CodeProxy) {
				t.Errorf("got %d %s %s, want %d", a.status, a.refusal, a.body, tt.want)
			}
			if strings.Contains(a.body, "secret of the") || strings.Contains(a.body, "acme.payments") && tt.change == nil {
				t.Errorf("the answer tells too much: %s", a.body)
			}
		})
	}
	d.refused["postern.mesh"] = "certificate-revoked"
	if a := d.ask("GET", "/auth", headers(certificate, asBase64(der)), shows(d.issued["postern.mesh"])); a.refusal != string(CodeProxy) {
		t.Errorf("a proxy whose certificate was revoked: got %d %s", a.status, a.refusal)
	}
}

// TestTheRegisterIsAskedEachTime revokes between two requests of a certificate
// that is remembered.
func TestTheRegisterIsAskedEachTime(t *testing.T) {
	d := newDesk(t, nil)
	header := fromEdge(d.issued["acme.payments"])
	get := func() answer { return d.ask("GET", "/auth?upstream=payments", header, nil) }
	if a := get(); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if len(d.handler.parsed.young) != 1 || len(d.handler.shown.young) != 1 {
		t.Fatal("it is not remembered: this test tests nothing")
	}
	for _, code := range []issuance.Code{"certificate-revoked", "certificate-held", "certificate-expired"} {
		d.refused["acme.payments"] = code
		if a := get(); a.status != 403 || a.refusal != string(code) || strings.Contains(a.body, "acme") {
			t.Errorf("got %d %s %s", a.status, a.refusal, a.body)
		}
	}
	delete(d.refused, "acme.payments")
	if a := get(); a.status != 200 {
		t.Errorf("released: got %d", a.status)
	}
	want := []string{"1 ", "1 certificate-revoked", "1 certificate-held", "1 certificate-expired", "1 "}
	if diff := cmp.Diff(want, d.seen); diff != "" {
		t.Errorf("seen, -want +got:\n%s", diff)
	}
}

// TestStrangersAreNotSeen: who makes a certificate with the serial number of
// another's leaves no trace on that.
func TestStrangersAreNotSeen(t *testing.T) {
	d := newDesk(t, nil)
	if a := d.ask("GET", "/auth?upstream=payments", fromEdge(issue(t, "acme.payments", 1)), nil); a.refusal != "certificate-foreign" {
		t.Errorf("got %d %s", a.status, a.refusal)
	}
	d.ask("GET", "/auth?upstream=payments", fromEdge(nil), nil)
	if len(d.seen) != 0 || len(d.handler.parsed.young)+len(d.handler.shown.young) != 0 {
		t.Errorf("seen: %q, remembered: %d, %d", d.seen, len(d.handler.parsed.young), len(d.handler.shown.young))
	}
	d.ask("GET", "/auth?upstream=payments", fromEdge(d.issued["globex.orders"]), nil)
	if diff := cmp.Diff([]string{"4 organization-refused"}, d.seen); diff != "" {
		t.Error(diff)
	}
	silent := newDesk(t, func(o *Options) { o.Seen = nil })
	if a := silent.ask("GET", "/auth?upstream=payments", fromEdge(silent.issued["acme.payments"]), nil); a.status != 200 {
		t.Errorf("with nobody to be told: got %d", a.status)
	}
}

// TestNoAnswerIsNo: if the register cannot be asked, nobody is let in.
func TestNoAnswerIsNo(t *testing.T) {
	d := newDesk(t, nil)
	header := fromEdge(d.issued["acme.payments"])
	for _, err := range []error{
		errors.New("the disk is gone"), issuance.ErrNotFound, context.DeadlineExceeded,
		&issuance.Error{Kind: issuance.Unavailable, Code: issuance.CodeBusy, Message: "busy"},
	} {
		d.failure = err
		a := d.ask("GET", "/auth?upstream=sandbox", header, nil)
		if a.status != 503 || a.refusal != string(CodeRegister) || a.header.Get("Retry-After") == "" || strings.Contains(a.body, "disk") {
			t.Errorf("%v: got %d %s %s", err, a.status, a.refusal, a.body)
		}
	}
	d.failure = nil
	d.issued["acme.lost"] = issue(t, "acme.lost", 9)
	if a := d.ask("GET", "/auth?upstream=payments", fromEdge(d.issued["acme.lost"]), nil); a.status != 503 {
		t.Errorf("a service that is not there: got %d %s", a.status, a.body)
	}
	d.waits = true
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	a := d.ask("GET", "/auth?upstream=payments", header, func(r *http.Request) { *r = *r.WithContext(ctx) })
	if a.status != 503 {
		t.Errorf("a register that does not answer: got %d", a.status)
	}
	if len(d.seen) != 0 {
		t.Errorf("seen: %q", d.seen)
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	check := func(context.Context, *x509.Certificate) (issuance.Certificate, error) {
		return issuance.Certificate{}, nil
	}
	service := func(context.Context, issuance.ServiceID) (issuance.Service, error) {
		return issuance.Service{}, nil
	}
	secret := issuance.NewSecret([]byte("x"))
	edge := Caller{Name: "edge", Secret: secret, Format: Nginx}
	log := slog.New(slog.DiscardHandler)
	for name, o := range map[string]Options{
		"nothing":      {},
		"no callers":   {Check: check, Service: service, Log: log},
		"no check":     {Callers: []Caller{edge}, Service: service, Log: log},
		"no proof":     {Callers: []Caller{{Name: "edge", Format: Nginx}}, Check: check, Service: service, Log: log},
		"two proofs":   {Callers: []Caller{{Name: "edge", Secret: secret, Services: []issuance.ServiceID{"a.b"}, Format: Nginx}}, Check: check, Service: service, Log: log},
		"no format":    {Callers: []Caller{{Name: "edge", Secret: secret}}, Check: check, Service: service, Log: log},
		"one name":     {Callers: []Caller{edge, {Name: "edge", Secret: issuance.NewSecret([]byte("y")), Format: Nginx}}, Check: check, Service: service, Log: log},
		"one secret":   {Callers: []Caller{edge, {Name: "mesh", Secret: secret, Format: Nginx}}, Check: check, Service: service, Log: log},
		"without name": {Callers: []Caller{{Secret: secret, Format: Nginx}}, Check: check, Service: service, Log: log},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: a handler is made", name)
		}
	}
}

// TestManyAtOnce asks for certificates that stand and are revoked and released
// meanwhile, with a memory that is too small for them; the race detector looks on.
func TestManyAtOnce(t *testing.T) {
	d := newDesk(t, nil)
	d.handler.parsed = newRecent[[sha256.Size]byte](1)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 50 {
				id := []issuance.ServiceID{"acme.payments", "acme.trial", "globex.orders", "postern.mesh"}[(i+n)%4]
				a := d.ask("GET", "/auth?upstream=sandbox", fromEdge(d.issued[id]), nil)
				if a.status == 200 && a.header.Get(ServiceHeader) != string(id) || a.status != 200 && a.refusal != "certificate-held" {
					t.Errorf("%s: got %d %s for %s", id, a.status, a.refusal, a.header.Get(ServiceHeader))
				}
				if i == 0 {
					d.mu.Lock()
					d.refused["acme.trial"] = []issuance.Code{"", "certificate-held"}[n%2]
					d.mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if n := len(d.handler.parsed.young) + len(d.handler.parsed.old); n > 2 {
		t.Errorf("%d certificates are remembered, want 2 at the most", n)
	}
}

func BenchmarkAuth(b *testing.B) {
	d := newDesk(b, func(o *Options) { o.Seen = nil })
	der := d.issued["acme.payments"]
	for name, header := range map[string]http.Header{
		"nginx": fromEdge(der),
		"envoy": headers(SecretHeader, meshSecret, UpstreamHeader, "payments", "X-Forwarded-Client-Cert", xfcc(der)),
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/auth?upstream=payments", nil)
			r.Header = header
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				d.handler.ServeHTTP(w, r)
			}
			if got := w.header.Get(ServiceHeader); got != "acme.payments" {
				b.Fatal(fmt.Sprint(w.header))
			}
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header { return d.header }

func (d discard) Write(b []byte) (int, error) { return len(b), nil }

func (d discard) WriteHeader(int) {}
