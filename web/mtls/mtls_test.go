package mtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// register answers the checks: it knows one certificate, until it is revoked.
type register struct {
	revoked atomic.Bool
	checks  atomic.Int64
	failure error

	mu   sync.Mutex
	seen []string
}

func (r *register) see(s issuance.Serial, refused issuance.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, strings.TrimLeft(string(s), "0")+" "+string(refused))
}

func (r *register) check(_ context.Context, c *x509.Certificate) (issuance.Certificate, error) {
	r.checks.Add(1)
	known := issuance.Certificate{Serial: issuance.SerialOf(c.SerialNumber), Organization: "acme", Service: "acme.payments", NotAfter: c.NotAfter}
	if issuance.KindOf(r.failure) == issuance.Denied {
		return issuance.Certificate{}, r.failure
	}
	if r.failure != nil {
		return known, r.failure
	}
	if r.revoked.Load() {
		return known, &issuance.Error{Kind: issuance.Denied, Code: "certificate-revoked", Message: "the certificate was revoked", Hint: "order a new one"}
	}
	return known, nil
}

func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := url.Parse("spiffe://example.com/org/acme/service/payments")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1234), Subject: pkix.Name{Organization: []string{"Acme"}, CommonName: "payments"}, URIs: []*url.URL{id},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listen serves the handler over TLS that accepts any client certificate, or
// none: what is tested here is the check of each request.
func listen(t *testing.T, r *register, http2 bool) (url string, client *http.Client) {
	t.Helper()
	h, err := New(Options{Check: r.check, Seen: r.see, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = http2
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	client = server.Client()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig.Certificates = []tls.Certificate{clientCertificate(t)}
	return server.URL, client
}

// ask makes a request and tells whether it went over a connection that was open already.
func ask(t *testing.T, client *http.Client, method, url string) (status int, body string, reused bool, answer *http.Response) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err = client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b), reused, answer
}

func TestWhoAmI(t *testing.T) {
	base, client := listen(t, new(register), false)
	status, body, _, _ := ask(t, client, http.MethodGet, base+"/whoami")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	want := map[string]any{
		"organization": "acme", "service": "acme.payments", "serial": "0000000000000000000000000000001234", "not_after": "2046-01-01T00:00:00Z",
		"subject": "CN=payments,O=Acme", "spiffe_id": "spiffe://example.com/org/acme/service/payments",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTheNextRequestOfAnOpenConnectionIsRefused revokes between two requests of
// one connection, and looks that the connection then ends.
func TestTheNextRequestOfAnOpenConnectionIsRefused(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		r := new(register)
		base, client := listen(t, r, http2)
		if status, _, _, answer := ask(t, client, http.MethodGet, base+"/whoami"); status != http.StatusOK || answer.Proto[:6] != name[:6] {
			t.Fatalf("%s: %d by %s", name, status, answer.Proto)
		}
		r.revoked.Store(true)
		for _, path := range []string{"/whoami", "/nothing"} {
			status, body, reused, _ := ask(t, client, http.MethodGet, base+path)
			if status != http.StatusForbidden || !strings.Contains(body, `"certificate-revoked"`) {
				t.Errorf("%s %s: %d %s", name, path, status, body)
			}
			if path == "/whoami" && !reused {
				t.Errorf("%s: the second request went over a new connection: this test tests nothing", name)
			}
			if path == "/nothing" && reused {
				t.Errorf("%s: the connection goes on after a refusal", name)
			}
		}
		if diff := cmp.Diff([]string{"1234 ", "1234 certificate-revoked", "1234 certificate-revoked"}, r.seen); diff != "" {
			t.Errorf("%s: seen (-want +got):\n%s", name, diff)
		}
	}
}

// TestAStrangersRequestIsNotSeen: a certificate that is not ours is nobody's use.
func TestAStrangersRequestIsNotSeen(t *testing.T) {
	r := &register{failure: &issuance.Error{Kind: issuance.Denied, Code: "certificate-foreign", Message: "it is not ours", Hint: "use ours"}}
	base, client := listen(t, r, false)
	if status, body, _, _ := ask(t, client, http.MethodGet, base+"/whoami"); status != http.StatusForbidden || len(r.seen) != 0 {
		t.Errorf("%d %s, seen %q", status, body, r.seen)
	}
}

func TestEveryRequestIsChecked(t *testing.T) {
	r := new(register)
	base, client := listen(t, r, false)
	for i, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/whoami", 200},
		{http.MethodHead, "/whoami", 200},
		{http.MethodPost, "/whoami", 405},
		{http.MethodGet, "/other", 404},
		{http.MethodGet, "//whoami", 404},
		{http.MethodOptions, "/whoami", 405},
	} {
		if status, body, _, _ := ask(t, client, c.method, base+c.path); status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.status)
		}
		if got := r.checks.Load(); got != int64(i+1) {
			t.Errorf("after %d requests there were %d checks", i+1, got)
		}
	}
}

func TestWithoutACertificate(t *testing.T) {
	r := new(register)
	base, client := listen(t, r, false)
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
	if status, body, _, _ := ask(t, client, http.MethodGet, base+"/whoami"); status != http.StatusForbidden || !strings.Contains(body, `"certificate-missing"`) {
		t.Errorf("%d %s", status, body)
	}
	h, err := New(Options{Check: r.check, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/whoami", nil))
	if w.Code != http.StatusForbidden || r.checks.Load() != 0 {
		t.Errorf("without TLS: %d", w.Code)
	}
	if len(r.seen) != 0 {
		t.Errorf("without a certificate: seen %q", r.seen)
	}
}

// TestARegisterThatCannotBeAskedRefuses: no answer is not a yes.
func TestARegisterThatCannotBeAskedRefuses(t *testing.T) {
	r := &register{failure: errors.New("the disk is gone")}
	base, client := listen(t, r, false)
	status, body, _, _ := ask(t, client, http.MethodGet, base+"/whoami")
	if status != http.StatusInternalServerError || strings.Contains(body, "disk") || strings.Contains(body, "acme") {
		t.Errorf("%d %s", status, body)
	}
	if len(r.seen) != 0 {
		t.Errorf("what nobody could tell was seen: %q", r.seen)
	}
}

func TestNewRefusesWhatIsNotWired(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a listener without a check is made")
	}
}
