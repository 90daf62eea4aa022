package main

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// TestEveryRouteIsSafe asks every route of every listener, well and badly, and
// looks for the security headers on each answer.
func TestEveryRouteIsSafe(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t, func(c *config.Config) {
		c.Auth.Callers = []config.Caller{{Name: "gateway", Secret: issuance.NewSecret([]byte("a-secret-of-a-gateway-long-enough")), Format: "nginx"}}
	})
	common := []string{"/", "/healthz", "/readyz", "/nothing", "//nothing", "/../etc/passwd", "/assets/page.css", "/assets/nothing.css", "/%2e%2e/x"}
	routes := map[string][]string{
		s.h.cfg.Public.URL: {"/claim", "/claim/status", "/claim/code", "/claim/verify", "/claim/download", "/c/" + strings.Repeat("a", 43), "/c/x/code", "/c/x/claim", "/pki", "/ocsp"},
		s.h.cfg.Plain.URL: {
			"/pki", "/pki/", "/pki/root.pem", "/pki/root.cer", "/pki/root.mobileconfig", "/pki/chain.pem", "/pki/crl-bundle.pem", "/pki/crl/root.crl",
			"/pki/crl/nothing.crl", "/pki/issuing-1.cer", "/pki/nothing.cer", "/ocsp", "/ocsp/rubbish",
		},
		s.h.cfg.Admin.URL: {"/metrics", "/outbox", "/outbox.json", "/outbox/0.html", "/api/v1/openapi.json", "/api/v1/orders", "/api/v1/nothing", "/auth", "/auth/seen"},
		s.h.cfg.MTLS.URL:  {"/whoami", "/.well-known/est/cacerts", "/.well-known/est/csrattrs", "/.well-known/est/simpleenroll", "/.well-known/est/nothing"},
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // the certificates are not what is tested
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	for listener, paths := range routes {
		for _, path := range append(paths, common...) {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "QUERY"} {
				r, err := http.NewRequestWithContext(t.Context(), method, listener+path, nil)
				must(t, err)
				answer, err := client.Do(r)
				must(t, err)
				answer.Body.Close()
				if answer.StatusCode >= 500 {
					t.Errorf("%s %s is answered with %s", method, r.URL.Path, answer.Status)
				}
				safe(t, method+" "+listener+path, answer.Header)
			}
		}
	}
}

func safe(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=()", "Content-Security-Policy": "default-src 'none'",
	} {
		if name != "X-Content-Type-Options" && (strings.Contains(what, "/ocsp") || strings.Contains(what, "/auth")) {
			continue // programs ask there, by the thousand
		}
		if got := h.Values(name); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %s is %q, want one with %q", what, name, got, want)
		}
	}
}
