package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

const (
	edgeSecret = "the secret of the edge"
	meshSecret = "the secret of the mesh"
)

// desk is a register with some services' certificates, and the handler.
type desk struct {
	handler *Auth
	mu      sync.Mutex
	refused map[issuance.ServiceID]issuance.Code
	failure error
	waits   bool // until the caller gives up
	seen    []string
	issued  map[issuance.ServiceID][]byte
}

// newDesk has certificates of acme.payments and postern.mesh, which run in
// production, and of acme.trial and globex.orders, which are tests.
func newDesk(tb testing.TB, change func(*Options)) *desk {
	tb.Helper()
	d := &desk{refused: map[issuance.ServiceID]issuance.Code{}, issued: map[issuance.ServiceID][]byte{}}
	for i, id := range []issuance.ServiceID{"acme.payments", "postern.mesh", "acme.trial", "globex.orders", "acme.closed"} {
		d.issued[id] = issue(tb, id, int64(i+1))
	}
	o := Options{
		Callers: []Caller{
			{Name: "edge", Secret: issuance.NewSecret([]byte(edgeSecret)), Format: Nginx, Upstreams: map[string]Upstream{
				"payments": {Organizations: []issuance.OrgID{"acme"}, Environments: []issuance.Environment{issuance.Production}},
				"orders":   {Services: []issuance.ServiceID{"globex.orders"}},
				"sandbox":  {WithoutCertificate: true},
			}},
			{Name: "mesh", Secret: issuance.NewSecret([]byte(meshSecret)), Format: Envoy, ByHeader: true, Upstreams: map[string]Upstream{
				"payments": {Organizations: []issuance.OrgID{"acme"}}, "sandbox": {WithoutCertificate: true},
			}},
			{Name: "gate", Services: []issuance.ServiceID{"postern.mesh"}, Format: HAProxy},
			{Name: "one", Secret: issuance.NewSecret([]byte("the secret of one upstream")), Format: HAProxy, Upstreams: map[string]Upstream{
				"payments": {Organizations: []issuance.OrgID{"acme"}},
			}},
		},
		Check: d.check, Service: d.service, Log: slog.New(slog.DiscardHandler),
		Seen: func(s issuance.Serial, refused issuance.Code) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.seen = append(d.seen, strings.TrimLeft(string(s), "0")+" "+string(refused))
		},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if d.handler, err = New(o); err != nil {
		tb.Fatal(err)
	}
	return d
}

func issue(tb testing.TB, id issuance.ServiceID, serial int64) []byte {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	org, name, _ := strings.Cut(string(id), ".")
	uri, _ := url.Parse("spiffe://example.com/org/" + org + "/service/" + name)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: string(id)}, URIs: []*url.URL{uri}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func (d *desk) check(ctx context.Context, c *x509.Certificate) (issuance.Certificate, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waits {
		<-ctx.Done()
		return issuance.Certificate{}, ctx.Err()
	}
	id := issuance.ServiceID(c.Subject.CommonName)
	if d.failure != nil {
		return issuance.Certificate{}, d.failure
	}
	if string(d.issued[id]) != string(c.Raw) {
		return issuance.Certificate{}, denied("certificate-foreign", "it is not ours", "use yours")
	}
	org, _, _ := strings.Cut(string(id), ".")
	known := issuance.Certificate{Serial: issuance.SerialOf(c.SerialNumber), Organization: issuance.OrgID(org), Service: id}
	if code := d.refused[id]; code != "" {
		return known, denied(code, "it does not stand", "ask for a new one")
	}
	return known, nil
}

func (d *desk) service(_ context.Context, id issuance.ServiceID) (issuance.Service, error) {
	s := issuance.Service{ID: id, Environment: issuance.Production}
	if id == "acme.trial" || id == "globex.orders" {
		s.Environment = issuance.Test
	}
	s.Disabled = id == "acme.closed"
	if id == "acme.lost" {
		return s, issuance.ErrNotFound
	}
	return s, nil
}

// answer is what a proxy sees.
type answer struct {
	status  int
	refusal string
	header  http.Header
	body    string
}

func (d *desk) ask(method, target string, header http.Header, change func(*http.Request)) answer {
	r := httptest.NewRequest(method, target, nil)
	r.Header = header
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header().Get(RefusalHeader), w.Header(), w.Body.String()}
}

// fromEdge is what nginx sends for a client that shows der.
func fromEdge(der []byte, more ...string) http.Header {
	h := headers(append([]string{SecretHeader, edgeSecret}, more...)...)
	if der != nil {
		h.Set("X-SSL-Client-Cert", asNginx(der))
	}
	return h
}
