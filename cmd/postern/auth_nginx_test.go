package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
)

// withNginx configures the proxy of docs/web-services/auth.md, which asks over
// plain HTTP on loopback.
func withNginx(c *config.Config) {
	withProxies(c)
	c.Auth.URL = "http://127.0.0.1"
	c.Auth.Callers = c.Auth.Callers[:1]
	c.Auth.Callers[0].Format = "nginx"
}

// nginx is a web service behind the nginx of docs/web-services/auth.md.
type nginx struct {
	s   *story
	url string
	saw http.Header // of the last request that arrived; nil: none did
}

// startNginx runs what the page shows, with changes, until the test ends.
func startNginx(t *testing.T, s *story, changes ...string) *nginx {
	t.Helper()
	n := &nginx{s: s}
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { n.saw = r.Header.Clone() }))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	n.writeKeys(t, dir)
	port, err := freePort(0)
	must(t, err)
	n.url = fmt.Sprintf("https://localhost:%d/", port)
	page, err := os.ReadFile("../../docs/web-services/auth.md")
	must(t, err)
	_, text, ok := strings.Cut(string(page), "```nginx\n")
	text, _, _ = strings.Cut(text, "```")
	if !ok {
		t.Fatal("the page shows no configuration of nginx")
	}
	for _, change := range append([]string{
		"127.0.0.1:9444 -> " + s.h.listeners.auth.Addr().String(), "listen 443 -> " + fmt.Sprintf("listen 127.0.0.1:%d", port), "/etc/nginx/ -> " + dir + "/",
		"127.0.0.1:8000 -> " + strings.TrimPrefix(service.URL, "http://"), "SECRET -> " + proxySecret,
	}, changes...) {
		from, to, _ := strings.Cut(change, " -> ")
		if !strings.Contains(text, from) {
			t.Fatalf("the page's configuration has no %q", from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	whole := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr; events {} http { access_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		whole += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(whole+text+"}\n"), 0o600))
	n.run(t, filepath.Join(dir, "nginx.conf"), port)
	return n
}

func (n *nginx) run(t *testing.T, file string, port int) {
	t.Helper()
	var said bytes.Buffer
	program := exec.Command("nginx", "-e", "stderr", "-c", file)
	program.Stderr = &said
	if err := program.Start(); err != nil {
		t.Fatalf("nginx (apt-get install nginx-light): %v", err)
	}
	t.Cleanup(func() {
		must(t, program.Process.Kill())
		_ = program.Wait() // it was killed
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
	must(t, n.s.await(t.Context(), func() error {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = c.Close()
		}
		return err
	}))
}

// writeKeys writes nginx's certificate and key, and the chain of Postern's CAs.
func (n *nginx) writeKeys(t *testing.T, dir string) {
	t.Helper()
	server, err := n.s.h.authority.ServerCertificate(t.Context(), ca.ServerProfile{Names: []string{"localhost"}, Validity: time.Hour})
	must(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	must(t, err)
	var chain [][]byte
	for _, is := range n.s.h.authority.Issuers() {
		chain = append(chain, is.Certificate.Raw)
	}
	for file, content := range map[string]struct {
		kind string
		ders [][]byte
	}{
		"server.pem": {"CERTIFICATE", server.Certificate}, "server.key": {"PRIVATE KEY", [][]byte{key}},
		"chain.pem": {"CERTIFICATE", append(chain, n.s.h.authority.Root().Raw)},
	} {
		var b bytes.Buffer
		for _, der := range content.ders {
			must(t, pem.Encode(&b, &pem.Block{Type: content.kind, Bytes: der}))
		}
		must(t, os.WriteFile(filepath.Join(dir, file), b.Bytes(), 0o600))
	}
}

// proxied is a client application that calls through nginx.
type proxied struct {
	*http.Client
	reused, resumed bool // of the last request
}

func (n *nginx) proxied(version uint16, fresh bool, identity ...tls.Certificate) *proxied {
	v := new(proxied)
	roots := x509.NewCertPool()
	roots.AddCert(n.s.h.authority.Root())
	config := &tls.Config{
		RootCAs: roots, MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4),
		VerifyConnection: func(state tls.ConnectionState) error { v.resumed = state.DidResume; return nil },
	}
	if len(identity) > 0 { // sent whether or not nginx names its CA
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &identity[0], nil }
	}
	v.Client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: fresh, TLSClientConfig: config}}
	return v
}

// visit returns status and reason of one request with header.
func (n *nginx) visit(t *testing.T, v *proxied, header http.Header) (status int, refusal string) {
	t.Helper()
	n.saw = nil
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { v.reused = i.Reused }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, n.url, nil)
	must(t, err)
	if header != nil {
		r.Header = header
	}
	a, err := v.Do(r)
	must(t, err)
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	must(t, err)
	if a.StatusCode != http.StatusOK && n.saw != nil {
		t.Errorf("a refused request arrived at the web service, with %v", n.saw)
	}
	return a.StatusCode, a.Header.Get(auth.RefusalHeader)
}

// told returns what the web service was told of its caller.
func (n *nginx) told() map[string][]string {
	told := map[string][]string{}
	for name, values := range n.saw {
		about := name != auth.SecretHeader && name != auth.UpstreamHeader // those mean nothing to a web service
		if strings.HasPrefix(name, "Postern-") && about || name == "X-Ssl-Client-Cert" {
			told[name] = values
		}
	}
	return told
}

func (s *story) identityHeaders() map[string][]string {
	return map[string][]string{
		auth.VerifiedHeader: {"certificate"}, auth.OrganizationHeader: {"acme"}, auth.ServiceHeader: {"acme.payments"}, auth.EnvironmentHeader: {"production"},
		auth.SerialHeader: {string(s.serial)}, auth.SPIFFEHeader: {s.identity.Leaf.URIs[0].String()},
	}
}

// TestNginxAsksAtEachRequest revokes while connections are open, and sessions can
// be resumed.
func TestNginxAsksAtEachRequest(t *testing.T) {
	t.Parallel()
	s := claimed(t, withNginx)
	n := startNginx(t, s)
	kinds := map[string]*proxied{}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		kinds[name+", open"] = n.proxied(version, false, s.identity)
		kinds[name+", resumed"] = n.proxied(version, true, s.identity)
	}
	each := func(when string, status int, refusal issuance.Code) {
		t.Helper()
		for name, v := range kinds {
			if got, why := n.visit(t, v, nil); got != status || why != string(refusal) {
				t.Errorf("%s, %s: got %d %q, want %d %q", when, name, got, why, status, refusal)
			}
			if diff := cmp.Diff(s.identityHeaders(), n.told()); status == http.StatusOK && diff != "" {
				t.Errorf("%s, %s: -want +told:\n%s", when, name, diff)
			}
			if when != "first" && v.reused == strings.HasSuffix(name, "resumed") || when != "first" && !v.reused && !v.resumed {
				t.Errorf("%s, %s: reused %v, resumed %v: this test tests nothing", when, name, v.reused, v.resumed)
			}
		}
	}
	var c struct{ Status string }
	verb := func(v, reason string) {
		t.Helper()
		must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/"+v, map[string]string{"reason": reason}, &c))
	}
	each("first", http.StatusOK, "")
	each("again", http.StatusOK, "")
	must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/hold", map[string]string{}, &c))
	each("held", http.StatusForbidden, ca.CodeHeld)
	must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/release", map[string]string{}, &c))
	each("released", http.StatusOK, "")
	verb("revoke", "keyCompromise")
	each("revoked", http.StatusForbidden, ca.CodeRevoked)
	// Nobody to be asked: nobody is let in.
	must(t, s.h.listeners.auth.Close())
	each("without Postern", http.StatusInternalServerError, "")
}

// spoofed are the headers that a client sends to be taken for somebody else.
func (s *story) spoofed() http.Header {
	escaped := strings.ReplaceAll(url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.identity.Leaf.Raw}))), "+", "%20")
	h := http.Header{
		"X-Ssl-Client-Cert": {escaped, escaped}, "x-ssl-client-cert": {escaped}, "X_SSL_Client_Cert": {escaped}, "Ssl-Client-Cert": {escaped},
		"Postern-Proxy-Secret": {"guess"}, "Postern-Upstream": {"sandbox"}, "Authorization": {"Bearer guess"},
	}
	for _, name := range []string{auth.VerifiedHeader, auth.OrganizationHeader, auth.ServiceHeader, auth.SerialHeader, auth.SPIFFEHeader, auth.EnvironmentHeader} {
		h[name] = []string{"certificate", "somebody else"}
		h[strings.ToLower(name)] = []string{"somebody else"}
	}
	return h
}

// TestNginxBelievesNoHeaders sends everything that Postern and nginx say to each
// other, and to the web service, as a client.
func TestNginxBelievesNoHeaders(t *testing.T) {
	t.Parallel()
	s := claimed(t, withNginx)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	revoked := s.forge(t, key.Public(), func(*x509.Certificate) {})
	s.enrol(t, revoked, issuance.Revoked)
	other := tls.Certificate{Certificate: [][]byte{revoked}, PrivateKey: key}
	itself := *s.identity.Leaf
	itself.PublicKey = key.Public()
	self, err := x509.CreateCertificate(rand.Reader, &itself, &itself, key.Public(), key)
	must(t, err)
	stranger := tls.Certificate{Certificate: [][]byte{self}, PrivateKey: key}

	n := startNginx(t, s)
	if status, why := n.visit(t, n.proxied(tls.VersionTLS13, false), s.spoofed()); status != http.StatusUnauthorized || why != string(auth.CodeMissing) {
		t.Errorf("without a certificate: got %d %q", status, why)
	}
	if status, why := n.visit(t, n.proxied(tls.VersionTLS13, false, other), s.spoofed()); status != http.StatusForbidden || why != string(ca.CodeRevoked) {
		t.Errorf("with a revoked certificate, and another's in the header: got %d %q", status, why)
	}
	if status, _ := n.visit(t, n.proxied(tls.VersionTLS13, false, stranger), s.spoofed()); status != http.StatusBadRequest {
		t.Errorf("with a stranger's certificate: got %d", status)
	}
	if status, why := n.visit(t, n.proxied(tls.VersionTLS13, false, s.identity), s.spoofed()); status != http.StatusOK {
		t.Errorf("with a certificate that stands: got %d %q", status, why)
	}
	if diff := cmp.Diff(s.identityHeaders(), n.told()); diff != "" {
		t.Errorf("-want +told:\n%s", diff)
	}

	anyCA := startNginx(t, s, "ssl_verify_client optional -> ssl_verify_client optional_no_ca")
	if status, why := anyCA.visit(t, anyCA.proxied(tls.VersionTLS13, false, stranger), s.spoofed()); status != http.StatusForbidden || why != string(ca.CodeForeign) {
		t.Errorf("with a stranger's certificate that nginx lets pass: got %d %q", status, why)
	}

	sandbox := startNginx(t, s, "upstream=payments -> upstream=sandbox")
	if status, why := sandbox.visit(t, sandbox.proxied(tls.VersionTLS13, false), s.spoofed()); status != http.StatusOK {
		t.Errorf("at the test, without a certificate: got %d %q", status, why)
	}
	if diff := cmp.Diff(map[string][]string{auth.VerifiedHeader: {"none"}}, sandbox.told()); diff != "" {
		t.Errorf("at the test, -want +told:\n%s", diff)
	}
}
