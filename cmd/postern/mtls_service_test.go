package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/ca/mtls"
)

// TestAWebServiceRefusesARevokedCertificate has web services in Go behind a real
// Postern, one that follows the CRLs and one that asks by OCSP: open connections,
// resumed and new ones, in TLS 1.2 and 1.3.
func TestAWebServiceRefusesARevokedCertificate(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t)
	s.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	file := filepath.Join(t.TempDir(), "chain.pem")
	_, _, chain, err := s.do(t.Context(), http.DefaultClient, http.MethodGet, s.h.cfg.Plain.URL+"/pki/chain.pem", "", nil)
	must(t, err)
	must(t, os.WriteFile(file, []byte(chain), 0o600))
	cas, err := mtls.ReadCAs(file)
	must(t, err)
	crls := &mtls.CRLs{CAs: cas, URL: s.h.cfg.Plain.URL + "/pki/crl-bundle.pem"}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- crls.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	must(t, crls.Wait(t.Context()))
	services := map[string]*webService{
		"CRLs": s.newWebService(t, &mtls.Verifier{CAs: cas, Revocation: crls}),
		"OCSP": s.newWebService(t, &mtls.Verifier{CAs: cas, Revocation: &mtls.OCSP{MaxAge: 500 * time.Millisecond, URL: s.h.cfg.Plain.URL + "/ocsp"}}),
	}
	for name, service := range services {
		for range 2 {
			for kind, client := range service.clients {
				if status, body := service.get(client); status != http.StatusOK || body != "acme/payments" {
					t.Fatalf("%s, %s, before: %d %s", name, kind, status, body)
				}
			}
		}
	}
	var c struct{ Status string }
	must(t, s.api(t.Context(), http.MethodPost, "/certificates/"+string(s.serial)+"/revoke", map[string]string{"reason": "keyCompromise"}, &c))
	revoked := time.Now()
	for name, service := range services {
		for kind, client := range service.clients {
			for {
				status, body := service.get(client)
				if status != http.StatusOK {
					if status != 0 && !strings.Contains(body, "certificate-revoked") {
						t.Errorf("%s, %s: %d %s", name, kind, status, body)
					}
					break
				}
				if time.Since(revoked) > patience {
					t.Fatalf("%s, %s: still let in", name, kind)
				}
				time.Sleep(5 * time.Millisecond)
			}
			took := time.Since(revoked)
			t.Logf("%s, %s: refused %v after the revocation", name, kind, took.Round(time.Millisecond))
		}
	}
}

// webService is one of a customer's, with clients of several kinds.
type webService struct {
	url     string
	clients map[string]*http.Client
}

func (s *story) newWebService(t *testing.T, verifier *mtls.Verifier) *webService {
	t.Helper()
	own, err := s.h.authority.ServerCertificate(t.Context(), ca.ServerProfile{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Validity: 24 * time.Hour})
	must(t, err)
	server := httptest.NewUnstartedServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := mtls.CallerFrom(r.Context())
		fmt.Fprint(w, caller.Organization+"/"+caller.Service)
	})))
	server.TLS = verifier.TLSConfig(&tls.Config{Certificates: []tls.Certificate{own}})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	service := &webService{server.URL, map[string]*http.Client{}}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, fresh := range []bool{false, true} {
			service.clients[fmt.Sprintf("%s, new connections %v", name, fresh)] = newCaller(s, roots, version, false, fresh).client
		}
	}
	return service
}

// get returns status 0 for a connection that was refused.
func (w *webService) get(client *http.Client) (status int, body string) {
	response, err := client.Get(w.url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(content)
}
