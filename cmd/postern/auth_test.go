package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
	"github.com/postern-ca/postern/web/auth"
)

const proxySecret = "a-secret-that-a-proxy-has-alone"

// withProxies configures a proxy with a secret and, over TLS, one with the
// certificate of acme.payments.
func withProxies(c *config.Config) {
	c.Auth.Listen, c.Auth.URL = "127.0.0.1:0", "https://localhost"
	c.Auth.Callers = []config.Caller{
		{Name: "edge", Secret: issuance.NewSecret([]byte(proxySecret)), Format: "haproxy", Upstreams: []config.Upstream{
			{Name: "payments", Organizations: []string{"acme"}, Environments: []string{"production"}},
			{Name: "trial", Environments: []string{"test"}},
			{Name: "sandbox", Environment: "test", AllowWithoutCertificate: true},
		}},
		{Name: "gate", Services: []string{"acme.payments"}, Format: "caddy"},
	}
}

// claimed is newHouseStory whose order is claimed: there is a certificate.
func claimed(t *testing.T, changes ...func(*config.Config)) *story {
	t.Helper()
	s := newHouseStory(t, changes...)
	s.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	return s
}

// asked is an answer to a proxy.
type asked struct {
	status int
	header http.Header
	body   string
}

func (s *story) askAuth(t *testing.T, client *http.Client, address string, header map[string]string) asked {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	must(t, err)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	a, err := client.Do(r)
	must(t, err)
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	must(t, err)
	return asked{a.StatusCode, a.Header, string(body)}
}

// shown are the headers of a proxy whose client shows der.
func shown(der []byte) map[string]string {
	return map[string]string{auth.SecretHeader: proxySecret, "X-SSL-Client-Cert": base64.StdEncoding.EncodeToString(der)}
}

func (s *story) authURL() string {
	_, port, _ := strings.Cut(s.h.listeners.auth.Addr().String(), ":")
	return "https://localhost:" + port + auth.Path
}

// forge signs with the issuing CA's own key what no method of ours would sign, and
// puts it into the register: the register is not what refuses it.
func (s *story) forge(t *testing.T, key crypto.PublicKey, change func(*x509.Certificate)) []byte {
	t.Helper()
	is := s.h.authority.Issuers()[0]
	template := *s.identity.Leaf
	template.SerialNumber = issuance.NewSerial().Int()
	template.NotAfter = template.NotAfter.Add(-time.Minute)
	change(&template)
	der, err := x509.CreateCertificate(rand.Reader, &template, is.Certificate, key, issuingKey(t, s.h.cfg))
	must(t, err)
	s.enrol(t, der, issuance.Active)
	return der
}

func (s *story) enrol(t *testing.T, der []byte, status issuance.Status) {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	sum := sha256.Sum256(der)
	must(t, s.h.store.Update(t.Context(), func(tx issuance.Tx) error {
		like, err := tx.Certificate(s.serial)
		if err != nil {
			return err
		}
		like.Serial, like.Status, like.DER, like.Fingerprint = issuance.SerialOf(cert.SerialNumber), status, der, hex.EncodeToString(sum[:])
		like.NotBefore, like.NotAfter, like.ChangedAt = cert.NotBefore, cert.NotAfter, time.Now()
		return tx.PutCertificate(like)
	}))
}

// TestAuthTellsWhy asks about certificates of every kind, on the listener for
// proxies and on staff's.
func TestAuthTellsWhy(t *testing.T) {
	t.Parallel()
	s := claimed(t, withProxies)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	made := func(change func(*x509.Certificate)) []byte { return s.forge(t, key.Public(), change) }
	with := func(status issuance.Status) []byte {
		der := made(func(*x509.Certificate) {})
		s.enrol(t, der, status)
		return der
	}
	is := s.h.authority.Issuers()[0]
	selfSigned := *s.identity.Leaf
	selfSigned.PublicKey = key.Public()
	self, err := x509.CreateCertificate(rand.Reader, &selfSigned, &selfSigned, key.Public(), key)
	must(t, err)
	lookAlike, err := x509.CreateCertificate(rand.Reader, s.identity.Leaf, &x509.Certificate{RawSubject: is.Certificate.RawSubject, SubjectKeyId: is.Certificate.SubjectKeyId}, key.Public(), key)
	must(t, err)
	server, err := s.h.authority.ServerCertificate(t.Context(), ca.ServerProfile{Names: []string{"localhost"}, Validity: time.Hour})
	must(t, err)
	stranger := *s.identity.Leaf
	stranger.SerialNumber = issuance.NewSerial().Int()
	unknown, err := x509.CreateCertificate(rand.Reader, &stranger, is.Certificate, key.Public(), issuingKey(t, s.h.cfg))
	must(t, err)
	twin, err := x509.CreateCertificate(rand.Reader, s.identity.Leaf, is.Certificate, key.Public(), issuingKey(t, s.h.cfg))
	must(t, err)
	for _, tt := range []struct {
		name string
		der  []byte
		want issuance.Code
	}{
		{"claimed", s.identity.Leaf.Raw, ""},
		{"active", with(issuance.Active), ""},
		{"held", with(issuance.Held), ca.CodeHeld},
		{"revoked", with(issuance.Revoked), ca.CodeRevoked},
		{"expired", made(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), ca.CodeExpired},
		{"not yet valid", made(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), ca.CodeNotYetValid},
		{"self-signed, of the same number", self, ca.CodeForeign},
		{"from a CA of the same name", lookAlike, ca.CodeForeign},
		{"the issuing CA's", is.Certificate.Raw, ca.CodeForeign},
		{"the root's", s.h.authority.Root().Raw, ca.CodeForeign},
		{"a CA's from the issuing CA", made(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }), ca.CodeUnfit},
		{"a server's", server.Certificate[0], ca.CodeUnfit},
		{"of no use", made(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), ca.CodeUnfit},
		{"of any use", made(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), ca.CodeUnfit},
		{"with a weak key", s.forge(t, weak.Public(), func(*x509.Certificate) {}), ca.CodeUnfit},
		{"with the number of another", twin, ca.CodeUnknown},
		{"not in the register", unknown, ca.CodeUnknown},
		{"none", nil, auth.CodeMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, address := range []string{s.authURL(), s.h.cfg.Admin.URL + auth.Path} {
				for range 2 { // what is remembered changes nothing
					a := s.askAuth(t, s.client, address+"?upstream=payments", shown(tt.der))
					want := http.StatusForbidden
					switch tt.want {
					case "":
						want = http.StatusOK
					case auth.CodeMissing:
						want = http.StatusUnauthorized
					}
					var p struct{ Code issuance.Code }
					if want != http.StatusOK {
						must(t, json.Unmarshal([]byte(a.body), &p))
					}
					if a.status != want || a.header.Get(auth.RefusalHeader) != string(tt.want) || p.Code != tt.want {
						t.Errorf("%s: got %d %q %s, want %q", address, a.status, a.header.Get(auth.RefusalHeader), a.body, tt.want)
					}
					if want == http.StatusOK && (a.header.Get(auth.ServiceHeader) != "acme.payments" || a.header.Get(auth.OrganizationHeader) != "acme" || a.header.Get(auth.EnvironmentHeader) != "production") {
						t.Errorf("%s: got %v", address, a.header)
					}
				}
			}
		})
	}
}

// TestAuthOnStaffsListener: neither opens the other's doors.
func TestAuthOnStaffsListener(t *testing.T) {
	t.Parallel()
	s := claimed(t, withProxies)
	for _, header := range []map[string]string{{"Authorization": "Bearer " + proxySecret}, {auth.SecretHeader: proxySecret}} {
		if a := s.askAuth(t, s.client, s.h.cfg.Admin.URL+"/api/v1/orders", header); a.status != http.StatusUnauthorized {
			t.Errorf("a proxy's secret on staff's API: got %d", a.status)
		}
	}
	a := s.askAuth(t, s.client, s.h.cfg.Admin.URL+auth.Path, map[string]string{"Authorization": "Bearer " + string(s.token.Reveal())})
	if a.status != http.StatusForbidden || a.header.Get(auth.RefusalHeader) != string(auth.CodeProxy) {
		t.Errorf("a token of staff's at %s: got %d %s", auth.Path, a.status, a.body)
	}
	if a := s.askAuth(t, s.client, s.authURL()+"?upstream=payments", shown(nil)); a.status != http.StatusUnauthorized {
		t.Errorf("without a certificate: got %d %s", a.status, a.body)
	}
	if a := s.askAuth(t, s.client, strings.TrimSuffix(s.authURL(), auth.Path)+"/metrics", shown(nil)); a.status != http.StatusNotFound {
		t.Errorf("beside %s: got %d", auth.Path, a.status)
	}
	metrics := s.askAuth(t, s.client, s.h.cfg.Admin.URL+"/metrics", nil)
	for _, want := range []string{`{listener="admin",method="GET",route="/auth",status="403"}`, `{listener="auth",method="GET",route="/auth",status="401"}`} {
		if !strings.Contains(metrics.body, "postern_http_requests_total"+want) {
			t.Errorf("the measurements have no %s", want)
		}
	}
	// Without callers there is no such address.
	bare := newHouseStory(t)
	if a := bare.askAuth(t, bare.client, bare.h.cfg.Admin.URL+auth.Path, shown(nil)); a.status != http.StatusNotFound || bare.h.listeners.auth != nil {
		t.Errorf("without callers: got %d", a.status)
	}
}

// TestAuthByTwoWayTLS has a proxy with a certificate of ours and no secret.
func TestAuthByTwoWayTLS(t *testing.T) {
	t.Parallel()
	s := claimed(t, withProxies)
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	proxy := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{s.identity}}}}
	client := map[string]string{"X-SSL-Client-Cert": base64.StdEncoding.EncodeToString(s.identity.Leaf.Raw)}
	if a := s.askAuth(t, proxy, s.authURL(), client); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := s.askAuth(t, s.client, s.authURL(), client); a.header.Get(auth.RefusalHeader) != string(auth.CodeProxy) {
		t.Errorf("without certificate and secret: got %d %s", a.status, a.body)
	}
	if a := s.askAuth(t, s.client, s.authURL()+"?upstream=sandbox", shown(nil)); a.status != http.StatusOK || a.header.Get(auth.VerifiedHeader) != "none" {
		t.Errorf("beside it, a proxy with a secret: got %d %s", a.status, a.body)
	}
	_, err := s.revoke(t.Context())
	must(t, err)
	if a := s.askAuth(t, proxy, s.authURL(), client); a.header.Get(auth.RefusalHeader) != string(auth.CodeProxy) {
		t.Errorf("revoked, over the open connection: got %d %s", a.status, a.body)
	}
}

// TestAuthWithoutARegister asks a store that was closed.
func TestAuthWithoutARegister(t *testing.T) {
	t.Parallel()
	s := claimed(t, withProxies)
	key, err := seal.Load(s.h.cfg.Seal.KeyFile)
	must(t, err)
	store, err := bolt.Open(bolt.Options{Path: filepath.Join(t.TempDir(), databaseFile), Key: key})
	must(t, err)
	must(t, store.Close())
	clients := &ca.Clients{Authority: s.h.authority, Certificate: func(ctx context.Context, serial issuance.Serial) (c issuance.Certificate, err error) {
		return c, store.View(ctx, func(tx issuance.Snapshot) error {
			c, err = tx.Certificate(serial)
			return err
		})
	}}
	h, err := auth.New(auth.Options{Callers: []auth.Caller{proxy(s.h.cfg.Auth.Callers[0])}, Check: clients.Check, Service: s.h.standing.Service, Log: s.h.log})
	must(t, err)
	server := httptest.NewServer(h)
	defer server.Close()
	a := s.askAuth(t, s.client, server.URL+auth.Path+"?upstream=sandbox", shown(s.identity.Leaf.Raw))
	if a.status != http.StatusServiceUnavailable || a.header.Get(auth.RefusalHeader) != string(auth.CodeRegister) {
		t.Errorf("got %d %s", a.status, a.body)
	}
}
