package main

import (
	"crypto"
	"crypto/x509"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// TestOneOCSPRequestAboutSeveralCertificates is answered about each, as openssl reads it.
func TestOneOCSPRequestAboutSeveralCertificates(t *testing.T) {
	t.Parallel()
	h := newOCSPHouse(t)
	url := h.h.cfg.Plain.URL + "/ocsp"
	args := []string{
		"ocsp", "-issuer", h.path("issuing.pem"), "-cert", h.path("leaf.pem"), "-cert", h.path("unissued.pem"), "-sha256", "-cert", h.path("leaf.pem"),
		"-url", url, "-CAfile", h.path("root.pem"), "-verify_other", h.path("issuing.pem"), "-no_nonce",
	}
	want := func(status string) {
		t.Helper()
		out, err := h.run(t, "openssl", args...)
		for _, line := range []string{"Response verify OK", "leaf.pem: " + status, "unissued.pem: unknown"} {
			if err != nil || !strings.Contains(out, line) {
				t.Errorf("openssl does not print %q (%v):\n%s", line, err, out)
			}
		}
	}
	want("good")
	h.change(t, "hold")
	want("revoked")

	// Nobody may sign for two CAs.
	out, _ := h.run(t, "openssl", "ocsp", "-issuer", h.path("issuing.pem"), "-cert", h.path("leaf.pem"), "-issuer", h.path("root.pem"), "-cert", h.path("issuing.pem"),
		"-url", url, "-CAfile", h.path("root.pem"), "-no_nonce")
	if !strings.Contains(out, "unauthorized") {
		t.Errorf("about certificates of two CAs: openssl prints\n%s", out)
	}
}

// TestOCSPWithANonce: who sends one gets it back, where the configuration says so.
func TestOCSPWithANonce(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]bool{"on": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newOCSPHouse(t, func(cfg *config.Config) { cfg.CA.OCSPNonce, cfg.CA.OCSPPresign = on, true })
			url := h.h.cfg.Plain.URL + "/ocsp"
			ask := func(more ...string) string {
				t.Helper()
				out, err := h.run(t, "openssl", append([]string{
					"ocsp", "-issuer", h.path("issuing.pem"), "-cert", h.path("leaf.pem"), "-url", url,
					"-CAfile", h.path("root.pem"), "-verify_other", h.path("issuing.pem"), "-text",
				}, more...)...)
				if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, "leaf.pem: good") {
					t.Errorf("openssl ocsp %v: %v\n%s", more, err, out)
				}
				return out
			}
			// openssl sends a nonce unless it is told not to, and warns if it does not come back.
			for range 2 {
				out := ask()
				if warned := strings.Contains(out, "no nonce in response"); warned == on {
					t.Errorf("openssl warns of a missing nonce: %v\n%s", warned, out)
				}
			}
			if out := ask("-no_nonce"); strings.Contains(out, "OCSP Nonce") {
				t.Errorf("a nonce that nobody sent:\n%s", out)
			}
			// GnuTLS refuses an answer without its nonce.
			out, err := h.run(t, "ocsptool", "--ask="+url, "--nonce", "--load-cert", h.path("leaf.pem"), "--load-issuer", h.path("issuing.pem"), "--load-trust", h.path("chain.pem"))
			verdict := map[bool]string{true: "Verifying OCSP Response: Success", false: "could not read response's nonce"}[on]
			if !strings.Contains(out, verdict) {
				t.Errorf("ocsptool does not print %q: %v\n%s", verdict, err, out)
			}
			// NSS sends none.
			if out, err := h.run(t, "ocspclnt", "-d", "sql:"+h.dir, "-V", "leaf", "-u", "c"); !strings.Contains(out, "succeeded") {
				t.Errorf("ocspclnt: %v\n%s", err, out)
			}
			h.wantNoStore(t, on)
		})
	}
}

// wantNoStore fails unless an answer with a nonce is kept by nobody, and any other by everybody.
func (h ocspHouse) wantNoStore(t *testing.T, on bool) {
	t.Helper()
	request, err := ocsp.CreateRequest(h.identity.Leaf, h.issuingCA(), &ocsp.RequestOptions{Hash: crypto.SHA1})
	must(t, err)
	list := []byte{0x30, 19, 0x30, 17, 6, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 2, 4, 4, 4, 2, 7, 7} // Extensions: a nonce of two bytes
	tbs := append(request[4:len(request):len(request)], append([]byte{0xa2, byte(len(list))}, list...)...)
	inner := append([]byte{0x30, byte(len(tbs))}, tbs...)
	nonced := append([]byte{0x30, byte(len(inner))}, inner...)
	for _, tt := range []struct {
		what    string
		request []byte
		kept    bool
	}{{"without a nonce", request, true}, {"with a nonce", nonced, !on}} {
		a := h.ocspAsk(t, "POST", "/ocsp", "application/ocsp-request", tt.request)
		if noStore := strings.Contains(a.header.Get("Cache-Control"), "no-store"); noStore == tt.kept || a.status != 200 {
			t.Errorf("%s: %d, Cache-Control %q", tt.what, a.status, a.header.Get("Cache-Control"))
		}
	}
}

func (h ocspHouse) issuingCA() *x509.Certificate { return h.h.authority.Issuers()[0].Certificate }
