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
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
)

// TestAWebServiceRefusesARevokedCertificate has web services in Go behind a real
// Postern, one that follows the CRLs and one that asks by OCSP: open connections,
// resumed and new ones, in TLS 1.2 and 1.3.
func TestAWebServiceRefusesARevokedCertificate(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t)
	s.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	cas := s.readCAs(t)
	crls := s.followCRLs(t, cas)
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

// withGoServices configures a web service that asks /auth itself, and reports.
func withGoServices(c *config.Config) {
	c.Auth.Listen, c.Auth.URL = "127.0.0.1:0", "https://localhost"
	c.Auth.Callers = []config.Caller{{Name: "api", Secret: issuance.NewSecret([]byte(proxySecret)), Format: "rfc9440"}}
}

func (s *story) readCAs(t *testing.T) *mtls.CAs {
	t.Helper()
	file := filepath.Join(t.TempDir(), "chain.pem")
	_, _, chain, err := s.do(t.Context(), http.DefaultClient, http.MethodGet, s.h.cfg.Plain.URL+"/pki/chain.pem", "", nil)
	must(t, err)
	must(t, os.WriteFile(file, []byte(chain), 0o600))
	cas, err := mtls.ReadCAs(file)
	must(t, err)
	return cas
}

func (s *story) followCRLs(t *testing.T, cas *mtls.CAs) *mtls.CRLs {
	t.Helper()
	crls := &mtls.CRLs{CAs: cas, URL: s.h.cfg.Plain.URL + "/pki/crl-bundle.pem"}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- crls.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	must(t, crls.Wait(t.Context()))
	return crls
}

func secretOfGoService() string { return proxySecret }

// TestAWebServiceAsksAuth has one in Go ask the real /auth: about a certificate that
// is active, held, released, its service disabled and enabled, and revoked.
func TestAWebServiceAsksAuth(t *testing.T) {
	t.Parallel()
	s := claimed(t, withGoServices)
	service := s.newWebService(t, &mtls.Verifier{CAs: s.readCAs(t), Revocation: &mtls.Auth{
		URL: s.authURL(), Secret: secretOfGoService, Client: s.client, Environments: []string{"production"},
	}})
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	callers := map[string]*caller{}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		callers[name+", open"] = newCaller(s, roots, version, false, false)
		callers[name+", resumed"] = newCaller(s, roots, version, false, true)
		callers[name+", new"] = newCaller(s, roots, version, false, true)
		callers[name+", new"].client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = nil
	}
	// until asks until all are let in, or all are refused for code.
	until := func(what, code string) {
		t.Helper()
		since := time.Now()
		for name, c := range callers {
			for {
				status, body := service.get(c.client)
				if code == "" && status == http.StatusOK || code != "" && status != http.StatusOK {
					if status != http.StatusOK && status != 0 && !strings.Contains(body, code) {
						t.Errorf("%s, %s: %d %s", what, name, status, body)
					}
					break
				}
				if time.Since(since) > patience {
					t.Fatalf("%s, %s: still %d %s", what, name, status, body)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		took := time.Since(since)
		t.Logf("%s: %v until all six are answered so", what, took.Round(time.Millisecond))
		if took > 5*time.Second { // a second, and what a machine that is busy with other tests takes
			t.Errorf("%s took %v", what, took)
		}
	}
	until("active", "")
	until("active, again", "")
	for name, c := range callers {
		if want := strings.HasSuffix(name, "resumed"); c.resumed != want {
			t.Errorf("%s: resumed: %t", name, c.resumed)
		}
	}
	certificate, ofService := "/certificates/"+string(s.serial), "/services/acme.payments"
	for _, step := range []struct{ what, verb, code string }{
		{certificate, "hold", "certificate-held"},
		{certificate, "release", ""},
		{ofService, "disable", "service-disabled"},
		{ofService, "enable", ""},
	} {
		s.verb(t, step.what, step.verb)
		until(step.verb, step.code)
	}
	_, err := s.revoke(t.Context())
	must(t, err)
	until("revoked", "certificate-revoked")
}

// TestWhatAWebServiceSawIsShown: uses, a request that was refused and a handshake
// that was, which no listener of ours has seen.
func TestWhatAWebServiceSawIsShown(t *testing.T) {
	t.Parallel()
	s := claimed(t, withGoServices)
	cas := s.readCAs(t)
	reporter := &mtls.Reporter{URL: strings.TrimSuffix(s.authURL(), auth.Path) + auth.SeenPath, Secret: secretOfGoService, Client: s.client}
	verifier := &mtls.Verifier{CAs: cas, Revocation: s.followCRLs(t, cas), Reporter: reporter}
	service := s.newWebService(t, verifier)
	open, anew := service.clients["TLS 1.3, new connections false"], service.clients["TLS 1.3, new connections true"]
	for _, client := range []*http.Client{open, anew, open} {
		if status, body := service.get(client); status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
	must(t, reporter.Flush(t.Context()))
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 3})
	_, err := s.revoke(t.Context())
	must(t, err)
	chain, err := cas.Verify([]*x509.Certificate{s.identity.Leaf}, time.Now())
	must(t, err)
	for limit := time.Now().Add(patience); verifier.Revocation.Status(t.Context(), chain) == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the revocation has not come")
		}
	}
	if status, body := service.get(open); status != http.StatusForbidden {
		t.Fatal(status, body)
	}
	if status, body := service.get(anew); status != 0 {
		t.Fatal(status, body)
	}
	must(t, reporter.Flush(t.Context()))
	got := s.wantUses(t, usesShown{Serial: s.serial, Uses: 3, RefusedUses: 2, LastRefusal: ca.CodeRevoked})
	s.wantOnTerminal(t, got)
	var c struct{ Status string }
	must(t, s.api(t.Context(), http.MethodGet, "/certificates/"+string(s.serial), nil, &c))
	if c.Status != "revoked" {
		t.Errorf("the report changed the status to %q", c.Status)
	}
	// Who has no secret reports nothing.
	stranger := &mtls.Reporter{URL: reporter.URL, Client: s.client, Secret: func() string { return "guessed-by-somebody" }}
	verifier.Reporter = stranger
	_, _ = verifier.Check(t.Context(), []*x509.Certificate{s.identity.Leaf})
	if err := stranger.Flush(t.Context()); err == nil {
		t.Error("a stranger's report was taken")
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 3, RefusedUses: 2, LastRefusal: ca.CodeRevoked})
}
