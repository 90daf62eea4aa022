package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// fetchTo fetches an address into a file.
func (h ocspHouse) fetchTo(t *testing.T, address, name string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "application/pkix-crl" && kind != "application/x-pem-file" {
		t.Fatalf("%s: %d, %s", address, answer.StatusCode, kind)
	}
	must(t, os.WriteFile(h.path(name), body, 0o600))
}

// TestShardsAndDeltaAreServed follows the address in a certificate, as a verifier
// does, before and after the certificate is revoked.
func TestShardsAndDeltaAreServed(t *testing.T) {
	t.Parallel()
	h := newOCSPHouse(t, func(cfg *config.Config) {
		cfg.CA.CRLShards, cfg.CA.CRLDelta = 4, true
		// Certificates of before name shards of eight.
		must(t, os.WriteFile(filepath.Join(cfg.Data, caDirectory, "crl-shards"), []byte("8\n"), 0o600))
	})
	points := h.identity.Leaf.CRLDistributionPoints
	if len(points) != 1 || !strings.HasSuffix(points[0], "of4.crl") {
		t.Fatalf("the certificate names %q", points)
	}
	crl := h.h.cfg.Plain.URL + "/pki/crl/"
	base := crl + "issuing-1.crl"
	h.fetchTo(t, base, "base.crl")
	h.fetchTo(t, crl+"issuing-1-7of8.crl", "old.crl")
	verify := func(when, want string, options ...string) {
		t.Helper()
		args := append([]string{"verify", "-crl_check", "-CAfile", h.path("chain.pem")}, options...)
		out, err := h.run(t, "openssl", append(args, h.path("leaf.pem"))...)
		if !strings.Contains(out, want) {
			t.Errorf("%s: openssl verify said (%v)\n%swant %s", when, err, out, want)
		}
	}
	pem := func(name string) string {
		t.Helper()
		if out, err := h.run(t, "openssl", "crl", "-inform", "DER", "-in", h.path(name), "-out", h.path(name+".pem")); err != nil {
			t.Fatal(out)
		}
		return h.path(name + ".pem")
	}
	h.fetchTo(t, points[0], "shard.crl")
	verify("issued", ": OK", "-CRLfile", pem("shard.crl"))
	h.change(t, "revoke")
	must(t, h.await(t.Context(), func() error { return h.inBundle(t.Context()) }))
	verify("revoked, with the shard of before", ": OK", "-CRLfile", pem("shard.crl"))
	h.fetchTo(t, points[0], "shard.crl")
	verify("revoked, with the shard", "certificate revoked", "-CRLfile", pem("shard.crl"))
	h.fetchTo(t, crl+"issuing-1-delta.crl", "delta.crl")
	verify("revoked, with the full CRL of before", ": OK", "-use_deltas", "-CRLfile", pem("base.crl"))
	verify("revoked, with it and the delta", "certificate revoked", "-use_deltas", "-CRLfile", pem("base.crl"), "-CRLfile", pem("delta.crl"))
	h.fetchTo(t, h.h.cfg.Plain.URL+"/pki/crl-bundle.pem", "bundle.pem")
	verify("revoked, with the bundle", "certificate revoked", "-crl_check_all", "-CRLfile", h.path("bundle.pem"))
}
