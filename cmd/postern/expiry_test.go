package main

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestCertificatesAreReadAgainWhenAsked, whatever the times of their files say.
func TestCertificatesAreReadAgainWhenAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &certificateFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), log: slog.New(slog.DiscardHandler), now: time.Now}
	made := func() (serial string) {
		c, keys := openssl(t, dir)
		must(t, os.WriteFile(f.cert, c, 0o600))
		must(t, os.WriteFile(f.key, keys, 0o600))
		long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		must(t, errors.Join(os.Chtimes(f.cert, long, long), os.Chtimes(f.key, long, long)))
		pair, err := tls.X509KeyPair(c, keys)
		must(t, err)
		return pair.Leaf.SerialNumber.String()
	}
	shows := func(want string) {
		t.Helper()
		c, err := f.get(nil)
		must(t, err)
		if got := c.Leaf.SerialNumber.String(); got != want {
			t.Errorf("it shows %s, want %s", got, want)
		}
	}
	first := made()
	shows(first)
	second := made()
	shows(first)
	all := listenerCertificates{files: []*certificateFiles{f}}
	all.reread()
	shows(second)
	must(t, os.WriteFile(f.cert, []byte("half a"), 0o600))
	all.reread()
	shows(second)
}

// openssl makes a certificate and its key.
func openssl(t *testing.T, dir string) (certificate, key []byte) {
	t.Helper()
	run := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout", "new.key", "-out", "new.pem")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("openssl (apt-get install openssl): %v\n%s", err, out)
	}
	certificate, err := os.ReadFile(filepath.Join(dir, "new.pem"))
	must(t, err)
	key, err = os.ReadFile(filepath.Join(dir, "new.key"))
	must(t, err)
	return certificate, key
}

// TestExpiryIsMeasured of a client's certificate, twenty days before its end, and
// of the CA's certificates.
func TestExpiryIsMeasured(t *testing.T) {
	t.Parallel()
	s := claimed(t)
	end := s.identity.Leaf.NotAfter
	root, issuing := s.h.authority.Root().NotAfter, s.h.authority.Issuers()[0].Certificate.NotAfter
	later := *s.h
	later.now = func() time.Time { return end.Add(-20 * 24 * time.Hour) }
	registry := prometheus.NewRegistry()
	must(t, registry.Register(newExpiry(&later)))
	families, err := registry.Gather()
	must(t, err)
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			labels := []string{}
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			got[strings.Join(labels, " ")] = m.Gauge.GetValue()
		}
	}
	for what, want := range map[string]float64{
		"client 1d": 0, "client 7d": 0, "client 30d": 1, "client 90d": 1, "client": float64(end.Unix()),
		"issuing 90d": 0, "issuing": float64(issuing.Unix()), "root": float64(root.Unix()),
	} {
		if got[what] != want {
			t.Errorf("%s: got %v, want %v", what, got[what], want)
		}
	}
}
