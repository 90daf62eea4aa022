package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// ocspHouse is a house with an identity, and the files that OCSP clients want.
type ocspHouse struct {
	*story
	dir string // chain.pem, root.pem, issuing.pem, leaf.pem, unissued.pem, and an NSS database
}

func newOCSPHouse(t *testing.T, change ...func(*config.Config)) ocspHouse {
	t.Helper()
	s := newHouseStory(t, append(change, func(cfg *config.Config) {
		cfg.CA.OCSPLifetime = 5 * time.Second
		cfg.Plain.URL = "http://" + cfg.Plain.Listen // who asks has no resolver that knows localhost
	})...)
	s.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	h := ocspHouse{s, t.TempDir()}
	issuers := s.h.authority.Issuers()
	issuing := issuers[len(issuers)-1].Certificate
	// Signed behind the register's back, as by who stole the key.
	signed, err := s.h.authority.Sign(t.Context(), issuance.Profile{
		Serial: issuance.NewSerial(), Organization: "acme", OrganizationName: "Acme", Service: "payments", ServiceName: "payments", Key: s.identity.Leaf.PublicKey,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	})
	must(t, err)
	unissued, err := x509.ParseCertificate(signed.DER)
	must(t, err)
	h.put(t, "root.pem", s.h.authority.Root())
	h.put(t, "issuing.pem", issuing)
	h.put(t, "chain.pem", issuing, s.h.authority.Root())
	h.put(t, "leaf.pem", s.identity.Leaf)
	h.put(t, "leaf-chain.pem", s.identity.Leaf, issuing)
	h.put(t, "unissued.pem", unissued)
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "root", "-t", "CT,,", "-i", h.path("root.pem")},
		{"-A", "-n", "issuing", "-t", ",,", "-i", h.path("issuing.pem")},
		{"-A", "-n", "leaf", "-t", ",,", "-i", h.path("leaf.pem")},
		{"-A", "-n", "unissued", "-t", ",,", "-i", h.path("unissued.pem")},
	} {
		if out, err := h.run(t, "certutil", append([]string{"-d", "sql:" + h.dir}, args...)...); err != nil {
			t.Fatalf("certutil %q: %v\n%s", args, err, out)
		}
	}
	return h
}

func (h ocspHouse) path(name string) string { return filepath.Join(h.dir, name) }

func (h ocspHouse) put(t *testing.T, name string, certificates ...*x509.Certificate) {
	t.Helper()
	var b []byte
	for _, c := range certificates {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	must(t, os.WriteFile(h.path(name), b, 0o600))
}

// run runs a program of Debian's and returns all that it printed.
func (h ocspHouse) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("this test needs %s: .ci/deps installs it", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

// change has staff do verb to the certificate.
func (h ocspHouse) change(t *testing.T, verb string) {
	t.Helper()
	body := map[string]string{}
	if verb == "revoke" {
		body["reason"] = "keyCompromise"
	}
	var c struct{ Status string }
	must(t, h.api(t.Context(), http.MethodPost, "/certificates/"+string(h.serial)+"/"+verb, body, &c))
}

// TestOCSPClientsAgree has OpenSSL, GnuTLS and NSS (Firefox's library) ask about a
// certificate that is good, held, released and revoked, about one that is not in
// the register, and about one of an issuer that does not answer by OCSP: answers
// that are signed when they are asked for, and in advance.
func TestOCSPClientsAgree(t *testing.T) {
	t.Parallel()
	for name, presign := range map[string]bool{"when asked": false, "in advance": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newOCSPHouse(t, func(cfg *config.Config) { cfg.CA.OCSPPresign = presign })
			for presign && h.h.responder.Stats().Presigned == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			h.clientsAgree(t)
			if got := h.h.responder.Stats(); (got.Presigned > 0) != presign || got.Kept == 0 {
				t.Errorf("%+v, want answers that were kept, signed in advance: %v", got, presign)
			}
		})
	}
}

func (h ocspHouse) clientsAgree(t *testing.T) {
	t.Helper()
	url := h.h.cfg.Plain.URL + "/ocsp"
	openssl := func(cert, issuer string) []string {
		return []string{"ocsp", "-issuer", h.path(issuer + ".pem"), "-cert", h.path(cert + ".pem"), "-url", url, "-CAfile", h.path("root.pem"), "-verify_other", h.path("issuing.pem")}
	}
	ocsptool := func(cert, issuer string) []string {
		return []string{"--ask=" + url, "--load-cert", h.path(cert + ".pem"), "--load-issuer", h.path(issuer + ".pem"), "--load-trust", h.path("chain.pem")}
	}
	// NSS takes the address from the certificate.
	status := func(cert, _ string) []string { return []string{"-d", "sql:" + h.dir, "-S", cert} }
	verified := func(cert, _ string) []string { return []string{"-d", "sql:" + h.dir, "-V", cert, "-u", "c"} }
	clients := []struct {
		name, program string
		ask           func(cert, issuer string) []string
		want          map[string][]string // what it prints, by status
	}{
		{"openssl", "openssl", openssl, map[string][]string{
			"good": {"Response verify OK", ": good"}, "held": {"Response verify OK", "Reason: certificateHold"},
			"revoked": {"Response verify OK", "Reason: keyCompromise"}, "unknown": {"Response verify OK", ": unknown"}, "foreign": {"unauthorized"},
		}},
		{"ocsptool", "ocsptool", ocsptool, map[string][]string{
			"good": {"OCSP Response: Success", "Certificate Status: good"}, "held": {"OCSP Response: Success", "Certificate Status: revoked"},
			"revoked": {"OCSP Response: Success", "Certificate Status: revoked"}, "unknown": {"OCSP Response: Success", "Certificate Status: unknown"},
			"foreign": {"Response Status: unauthorized"},
		}},
		{"NSS status", "ocspclnt", status, map[string][]string{
			"good": {"succeeded"}, "held": {"has been revoked"}, "revoked": {"has been revoked"}, "unknown": {"has no status for the certificate"},
		}},
		{"NSS verification", "ocspclnt", verified, map[string][]string{
			"good": {"succeeded"}, "held": {"has been revoked"}, "revoked": {"has been revoked"}, "unknown": {"has no status for the certificate"},
		}},
	}
	ask := func(cert, issuer, status string) {
		t.Helper()
		for _, c := range clients {
			if c.want[status] == nil {
				continue
			}
			out, err := h.run(t, c.program, c.ask(cert, issuer)...)
			for _, want := range c.want[status] {
				if !strings.Contains(out, want) {
					t.Errorf("%s, %s: it does not print %q (%v):\n%s", status, c.name, want, err, out)
				}
			}
		}
	}
	ask("leaf", "issuing", "good")
	ask("unissued", "issuing", "unknown")
	ask("issuing", "root", "foreign")
	h.change(t, "hold")
	ask("leaf", "issuing", "held")
	h.change(t, "release")
	ask("leaf", "issuing", "good")
	h.change(t, "revoke")
	ask("leaf", "issuing", "revoked")
}
