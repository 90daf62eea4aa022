package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca"
)

// nginxOCSP asks about clients' certificates. Not about the issuing CA's, whence
// "leaf": that one is the root's, which signs no OCSP answers.
const nginxOCSP = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {}
http {
	access_log off;
	client_body_temp_path tmp;
	proxy_temp_path tmp;
	fastcgi_temp_path tmp;
	uwsgi_temp_path tmp;
	scgi_temp_path tmp;
	server {
		listen unix:nginx.sock ssl;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_certificate server.pem;
		ssl_certificate_key server.key;
		ssl_client_certificate chain.pem;
		ssl_verify_client on;
		ssl_verify_depth 2;
		ssl_ocsp leaf;
		ssl_ocsp_cache shared:ocsp:1m;

		location / { return 200 "$ssl_client_s_dn"; }
	}
}
`

// startNginx runs nginx with the configuration in the files' directory until the test ends.
func (h ocspHouse) startNginx(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Fatal("this test needs nginx: .ci/deps installs it")
	}
	server, err := h.h.authority.ServerCertificate(t.Context(), ca.ServerProfile{Names: []string{"localhost"}, Validity: time.Hour})
	must(t, err)
	h.put(t, "server.pem", server.Leaf)
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(h.path("server.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	must(t, os.WriteFile(h.path("nginx.conf"), []byte(nginxOCSP), 0o600))
	cmd := exec.Command("nginx", "-p", h.dir, "-c", h.path("nginx.conf"), "-e", "stderr")
	cmd.Dir = h.dir // where its socket is to be
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	must(t, h.await(t.Context(), func() error {
		_, err := os.Stat(h.path("nginx.sock"))
		return err
	}))
}

// nginxClient is a client of nginx that resumes its sessions, if it is to.
func (h ocspHouse) nginxClient(version uint16, resume bool) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(h.h.authority.Root())
	roots.AddCert(h.h.authority.Issuers()[0].Certificate)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{h.identity}, MinVersion: version, MaxVersion: version}
	if resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: config,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.dir, "nginx.sock"))
		},
	}}
}

// TestNginxAsksByOCSP has nginx accept a certificate, and refuse it once it is
// revoked and the answer that nginx keeps has ended, on new connections and on
// resumed ones.
func TestNginxAsksByOCSP(t *testing.T) {
	t.Parallel()
	h := newOCSPHouse(t)
	h.startNginx(t)
	type client struct {
		*http.Client
		name             string
		resumes, resumed bool
	}
	var clients []*client
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, resume := range []bool{false, true} {
			clients = append(clients, &client{Client: h.nginxClient(version, resume), resumes: resume, name: fmt.Sprintf("%s, resuming: %v", name, resume)})
		}
	}
	call := func(c *client) (int, string) {
		r, err := c.Get("https://localhost/")
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		must(t, err)
		c.resumed = r.TLS.DidResume
		return r.StatusCode, firstLine(body)
	}
	each := func(when string, want int) {
		t.Helper()
		for _, c := range clients {
			status, why := call(c)
			if status != want {
				t.Errorf("%s, %s: status %d (%s), want %d", when, c.name, status, why, want)
			}
		}
	}
	each("issued", http.StatusOK)
	each("issued, again", http.StatusOK)
	for _, c := range clients {
		if c.resumed != c.resumes {
			t.Errorf("%s: the second connection resumed: %v", c.name, c.resumed)
		}
	}
	h.change(t, "revoke")
	begin := time.Now()
	lifetime := h.h.cfg.CA.OCSPLifetime
	must(t, h.await(t.Context(), func() error {
		if status, why := call(clients[0]); status == http.StatusOK {
			return fmt.Errorf("still accepted: %s", why)
		}
		return nil
	}))
	if took := time.Since(begin); took > lifetime+2*time.Second {
		t.Errorf("nginx refused it after %v, want %v at most", took, lifetime)
	}
	each("revoked", http.StatusBadRequest)
}
