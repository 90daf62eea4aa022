package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
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
)

// usesShown are those of a certificate as the API shows them, without its times.
type usesShown struct {
	FirstUsedAt   time.Time `json:"first_used_at"`
	LastUsedAt    time.Time `json:"last_used_at"`
	LastRefusedAt time.Time `json:"last_refused_at"`
	Serial        issuance.Serial
	Uses          uint64
	RefusedUses   uint64        `json:"refused_uses"`
	LastRefusal   issuance.Code `json:"last_refusal"`
}

// wantUses flushes, and compares what the API shows of a certificate, and lists.
func (s *story) wantUses(t *testing.T, want usesShown) (got usesShown) {
	t.Helper()
	must(t, s.h.seen.Flush(t.Context()))
	must(t, s.api(t.Context(), http.MethodGet, "/certificates/"+string(want.Serial), nil, &got))
	plain := got
	plain.FirstUsedAt, plain.LastUsedAt, plain.LastRefusedAt = time.Time{}, time.Time{}, time.Time{}
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if (got.Uses > 0) != !got.FirstUsedAt.IsZero() || (got.Uses > 0) != !got.LastUsedAt.IsZero() || (got.RefusedUses > 0) != !got.LastRefusedAt.IsZero() ||
		got.LastUsedAt.Before(got.FirstUsedAt) || time.Since(got.FirstUsedAt) > time.Hour && got.Uses > 0 {
		t.Errorf("the times of %+v", got)
	}
	var list struct{ Items []usesShown }
	must(t, s.api(t.Context(), http.MethodGet, "/certificates?service=acme.payments", nil, &list))
	for _, listed := range list.Items {
		if listed.Serial == want.Serial {
			if diff := cmp.Diff(got, listed); diff != "" {
				t.Errorf("listed otherwise than shown:\n%s", diff)
			}
			return got
		}
	}
	t.Errorf("%s is not listed", want.Serial)
	return got
}

// TestUsesAreSeen: a call over two-way TLS and a proxy's question count on the
// certificate, so do those that are refused, and nothing else does.
func TestUsesAreSeen(t *testing.T) {
	t.Parallel()
	s := claimed(t, withProxies)
	s.wantUses(t, usesShown{Serial: s.serial})
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	app := newCaller(s, roots, tls.VersionTLS13, true, false)
	if in, why := app.call(t.Context()); !in {
		t.Fatal(why)
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 1})
	if a := s.askAuth(t, s.client, s.authURL()+"?upstream=payments", shown(s.identity.Leaf.Raw)); a.status != http.StatusOK {
		t.Fatal(a.status, a.body)
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 2})

	// A stranger's certificate with the same number is no use of ours.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	like := *s.identity.Leaf
	like.PublicKey = key.Public()
	twin, err := x509.CreateCertificate(rand.Reader, &like, &like, key.Public(), key)
	must(t, err)
	if a := s.askAuth(t, s.client, s.authURL()+"?upstream=payments", shown(twin)); a.status != http.StatusForbidden {
		t.Fatal(a.status, a.body)
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 2})

	// Nor is who shows the certificate and has not its key, which shows only after
	// the handshake's check of the certificate.
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		thief := newCaller(s, roots, version, false, true)
		thief.client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{{Certificate: s.identity.Certificate, PrivateKey: key}}
		if in, _ := thief.call(t.Context()); in {
			t.Fatal("a client without the key was let in")
		}
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 2})

	_, err = s.revoke(t.Context())
	must(t, err)
	if in, _ := app.call(t.Context()); in {
		t.Fatal("a revoked certificate was let in")
	}
	s.wantUses(t, usesShown{Serial: s.serial, Uses: 2, RefusedUses: 1, LastRefusal: ca.CodeRevoked})
	if a := s.askAuth(t, s.client, s.authURL()+"?upstream=payments", shown(s.identity.Leaf.Raw)); a.status != http.StatusForbidden {
		t.Fatal(a.status, a.body)
	}
	got := s.wantUses(t, usesShown{Serial: s.serial, Uses: 2, RefusedUses: 2, LastRefusal: ca.CodeRevoked})
	s.wantOnTerminal(t, got)

	metrics := s.askAuth(t, s.client, s.h.cfg.Admin.URL+"/metrics", nil)
	for _, want := range []string{`_total{outcome="accepted"} 2`, `_total{outcome="refused"} 2`, `_dropped_total 0`} {
		if !strings.Contains(metrics.body, "postern_certificate_uses"+want) {
			t.Errorf("the measurements have no %s", want)
		}
	}
}

// wantOnTerminal runs `postern cert show` and `cert list`.
func (s *story) wantOnTerminal(t *testing.T, want usesShown) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root.pem")
	_, _, pem, err := s.do(t.Context(), http.DefaultClient, http.MethodGet, s.h.cfg.Plain.URL+"/pki/root.pem", "", nil)
	must(t, err)
	must(t, os.WriteFile(root, pem, 0o600))
	postern := func(args ...string) string {
		program, err := exec.LookPath("postern")
		must(t, err)
		c := exec.CommandContext(t.Context(), program, args...)
		c.Env = append(os.Environ(), "POSTERN_SERVER="+s.h.cfg.Admin.URL, "POSTERN_TOKEN="+string(s.token.Reveal()), "SSL_CERT_FILE="+root)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		return string(out)
	}
	minute := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04Z") }
	show := postern("cert", "show", string(want.Serial))
	for _, line := range []string{
		fmt.Sprintf("%s; %d since %s\n", minute(want.LastUsedAt), want.Uses, minute(want.FirstUsedAt)),
		fmt.Sprintf("%s (certificate-revoked); %d in all\n", minute(want.LastRefusedAt), want.RefusedUses),
	} {
		if !strings.Contains(show, line) {
			t.Errorf("cert show has no %q:\n%s", line, show)
		}
	}
	if list := postern("cert", "list"); !strings.Contains(list, "LAST USED") || !strings.Contains(list, minute(want.LastUsedAt)+"  "+string(want.Serial)) {
		t.Errorf("cert list:\n%s", list)
	}
}

// TestAnExpiredCertificatesUseIsSeen: it comes through the handshake, to hear why
// it is refused.
func TestAnExpiredCertificatesUseIsSeen(t *testing.T) {
	t.Parallel()
	s := claimed(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der := s.forge(t, key.Public(), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	s.identity = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	s.identity.Leaf, err = x509.ParseCertificate(der)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(s.h.authority.Root())
	if in, why := newCaller(s, roots, tls.VersionTLS12, false, false).call(t.Context()); in {
		t.Fatal(why)
	}
	s.wantUses(t, usesShown{Serial: issuance.SerialOf(s.identity.Leaf.SerialNumber), RefusedUses: 1, LastRefusal: ca.CodeExpired})
}

// TestUsesAreKeptAtTheEnd: those of the last seconds are in the store after the
// house was stopped.
func TestUsesAreKeptAtTheEnd(t *testing.T) {
	t.Parallel()
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	log := newLog(config.Log{Level: "error"}, io.Discard)
	h, err := open(t.Context(), cfg, log, time.Now)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	<-ready
	must(t, h.seen.Flush(t.Context())) // after the timer's first round, whose next is seconds away
	h.seen.See("12", "")
	stop()
	must(t, <-served)
	must(t, h.close())
	h, err = open(t.Context(), cfg, log, time.Now)
	must(t, err)
	defer h.close()
	must(t, h.registrar.Read(t.Context(), func(tx issuance.Reader) error {
		u, err := tx.Usage("12")
		if u.Count != 1 {
			err = errors.Join(err, errors.New("the use is not in the store"))
		}
		return err
	}))
}
