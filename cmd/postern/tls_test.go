package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// tlsHouse has every listener speak TLS; the one with two-way TLS has an RSA
// certificate of its own, so that both kinds of suites can be asked for.
func tlsHouse(t *testing.T) (s *story, addresses map[string]string) {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "rsa.pem"), filepath.Join(dir, "rsa.key")
	strangers(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert)
	s = newHouseStory(t, withProxies, func(c *config.Config) { c.MTLS.TLS.Cert, c.MTLS.TLS.Key = cert, key })
	return s, map[string]string{
		"public": s.h.listeners.public.Addr().String(), "admin": s.h.listeners.admin.Addr().String(),
		"mtls": s.h.listeners.mtls.Addr().String(), "auth": s.h.listeners.auth.Addr().String(),
	}
}

// strangers runs a program that is not ours and returns what it printed.
func strangers(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := try(t, program, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return out
}

func try(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// TestEveryListenerEncryptsWithAEADAlone asks each for a suite of every other kind
// that openssl knows, and for the old versions.
func TestEveryListenerEncryptsWithAEADAlone(t *testing.T) {
	t.Parallel()
	_, addresses := tlsHouse(t)
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			connect := func(more ...string) (string, error) {
				return try(t, "openssl", append([]string{"s_client", "-connect", address, "-servername", "localhost"}, more...)...)
			}
			for _, refused := range [][]string{
				{"-tls1_2", "-cipher", "ALL:!AESGCM:!CHACHA20:!AESCCM:@SECLEVEL=0"},
				{"-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"}, // AEAD too, but without forward secrecy
				{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"},
			} {
				if out, err := connect(refused...); err == nil || !strings.Contains(out, "alert") {
					t.Errorf("%v: %v\n%s", refused, err, out)
				}
			}
			for suites, want := range map[string]string{"ECDHE+AESGCM": "GCM", "ECDHE+CHACHA20": "CHACHA20"} {
				if out, err := connect("-tls1_2", "-cipher", suites); err != nil || !strings.Contains(out, "Cipher is ECDHE-") || !strings.Contains(out, want) {
					t.Errorf("%s: %v\n%s", suites, err, out)
				}
			}
		})
	}
}

// TestEveryListenerAnswersHTTP10, which curl and some checks of load balancers ask
// for in the handshake too.
func TestEveryListenerAnswersHTTP10(t *testing.T) {
	t.Parallel()
	_, addresses := tlsHouse(t)
	for name, address := range addresses {
		newest := map[string]string{"public": "1.1"}[name]
		if newest == "" {
			newest = "2"
		}
		for flag, want := range map[string]string{"--http1.0": "1", "--http1.1": "1.1", "--http2": newest, "--no-alpn": "1.1"} {
			out, err := try(t, "curl", "-sS", "-k", flag, "--max-time", "20", "-o", filepath.Join(t.TempDir(), "body"), "-w", "%{http_version}", "https://"+address+"/healthz")
			if out = strings.TrimSuffix(out, ".0"); err != nil || out != want { // curl 7 says 1, later ones 1.0
				t.Errorf("%s, curl %s: got HTTP/%s, %v; want HTTP/%s", name, flag, out, err, want)
			}
		}
	}
}
