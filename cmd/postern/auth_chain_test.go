package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
)

// TestAuthTakesTheChainOfALoadBalancer that passes on all that its client has sent
// (AWS: X-Amzn-Mtls-Clientcert): the first one counts, if the others are our CAs.
func TestAuthTakesTheChainOfALoadBalancer(t *testing.T) {
	t.Parallel()
	const header = "X-Amzn-Mtls-Clientcert"
	s := claimed(t, withProxies, func(c *config.Config) {
		c.Auth.Callers = append(c.Auth.Callers, config.Caller{Name: "alb", Secret: issuance.NewSecret([]byte("the-secret-of-a-load-balancer")), Format: "nginx", Header: header})
	})
	leaf, issuing, root := s.identity.Leaf.Raw, s.h.authority.Issuers()[0].Certificate.Raw, s.h.authority.Root().Raw
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	client := s.forge(t, key.Public(), func(*x509.Certificate) {})
	sub := s.forge(t, key.Public(), func(c *x509.Certificate) { c.IsCA, c.RawSubject = true, s.h.authority.Root().RawSubject })
	for what, tt := range map[string]struct {
		sent [][]byte
		want issuance.Code
	}{
		"the certificate":                  {[][]byte{leaf}, ""},
		"with its issuer":                  {[][]byte{leaf, issuing}, ""},
		"with its chain":                   {[][]byte{leaf, issuing, root}, ""},
		"with the root alone":              {[][]byte{leaf, root}, ""},
		"with its chain upside down":       {[][]byte{leaf, root, issuing}, ""},
		"with another client":              {[][]byte{leaf, client}, auth.CodeAmbiguous},
		"with its chain, another client":   {[][]byte{leaf, issuing, root, client}, auth.CodeAmbiguous},
		"twice":                            {[][]byte{leaf, leaf}, auth.CodeAmbiguous},
		"with a CA that is not its issuer": {[][]byte{leaf, sub}, auth.CodeAmbiguous},
		"a CA first":                       {[][]byte{issuing, leaf}, auth.CodeAmbiguous},
	} {
		var text strings.Builder
		for _, der := range tt.sent {
			must(t, pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
		}
		value := strings.NewReplacer("+", "%20", "%2B", "+", "%2F", "/", "%3D", "=").Replace(url.QueryEscape(text.String()))
		a := s.askAuth(t, s.client, s.authURL(), map[string]string{auth.SecretHeader: "the-secret-of-a-load-balancer", header: value})
		status := http.StatusForbidden
		if tt.want == "" {
			status = http.StatusOK
		}
		if a.status != status || a.header.Get(auth.RefusalHeader) != string(tt.want) {
			t.Errorf("%s: got %d %q, want %d %q: %s", what, a.status, a.header.Get(auth.RefusalHeader), status, tt.want, a.body)
		}
	}
}
