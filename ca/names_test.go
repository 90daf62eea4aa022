package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/issuance"
)

// TestNamesInAnyScript signs for names as people write them: OpenSSL shows the
// very characters, and the SPIFFE ID has the identifier.
func TestNamesInAnyScript(t *testing.T) {
	a := authorityNew(t)
	cas, err := mtls.NewCAs(a.Root(), a.Issuers()[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{
		"my page": "printable", "Zahlungen & Größen": "utf8", "我的页面": "utf8", "Anna’s page": "utf8",
		"a/b, c+d:e.f(g)": "printable", strings.Repeat("ä", 64): "utf8",
	} {
		t.Run(name, func(t *testing.T) {
			p := authorityProfile(authorityKey(t, issuance.P256).Public())
			p.Service, p.ServiceName = "my-page", name
			cert := authoritySign(t, a, p)
			text := authorityRun(t, certificatePEM(cert), "openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-nameopt", "multiline,utf8,-esc_msb")
			for _, want := range []string{"commonName                = " + name + "\n", "URI:spiffe://example.com/org/acme/service/my-page\n"} {
				if !strings.Contains(text, want) {
					t.Errorf("openssl does not print %q:\n%s", want, text)
				}
			}
			if want, err := asn1.MarshalWithParams(name, kind); err != nil || !bytes.Contains(cert.RawSubject, want) {
				t.Errorf("the subject %x has no %s string of the name, %x, %v", cert.RawSubject, kind, want, err)
			}
			verifier := &mtls.Verifier{CAs: cas, Revocation: authorityAllStand{}, Now: authorityStart}
			caller, err := verifier.Check(t.Context(), []*x509.Certificate{cert})
			if err != nil || caller.Service != "my-page" {
				t.Errorf("a web service: got %+v, %v; want service my-page", caller, err)
			}
		})
	}
}

// authorityAllStand has nothing revoked.
type authorityAllStand struct{}

func (authorityAllStand) Status(context.Context, mtls.Chain) error { return nil }
