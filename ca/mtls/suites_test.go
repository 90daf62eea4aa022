package mtls

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

// TestCipherSuitesAreAllThatAreSound: each suite of crypto/tls that it calls secure
// and that is AEAD with forward secrecy is in the list, and no other.
func TestCipherSuitesAreAllThatAreSound(t *testing.T) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		sound := !suite.Insecure && strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "_POLY1305_"))
		if got := slices.Contains(CipherSuites(), suite.ID); got != sound {
			t.Errorf("%s: in the list %v, want %v", suite.Name, got, sound)
		}
	}
}

// TestAWebServiceOffersAEADAlone unless it chooses itself.
func TestAWebServiceOffersAEADAlone(t *testing.T) {
	f := newForger(t)
	v := &Verifier{CAs: f.cas, Revocation: stands{}, Now: testStart}
	if got := v.TLSConfig(nil).CipherSuites; !slices.Equal(got, CipherSuites()) {
		t.Errorf("got the suites %v", got)
	}
	own := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}
	if got := v.TLSConfig(&tls.Config{CipherSuites: own}).CipherSuites; !slices.Equal(got, own) {
		t.Errorf("got the suites %v, want the service's own", got)
	}
}
