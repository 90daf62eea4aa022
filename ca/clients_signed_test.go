package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestWhoSignedIsRememberedOfWhatVerifiedAlone asks about one certificate with
// two authorities that have the same names, in both orders, and again.
func TestWhoSignedIsRememberedOfWhatVerifiedAlone(t *testing.T) {
	ours, mallory := authorityNew(t), authorityNew(t)
	cert := authoritySign(t, ours, authorityProfile(authorityKey(t, issuance.P256).Public()))
	sum := sha256.Sum256(cert.Raw)
	right, wrong := ours.Issuers()[0].Certificate, mallory.Issuers()[0].Certificate
	var s signedBy
	for range 2 {
		if s.signed(wrong, cert, sum) {
			t.Error("another authority of the same name signed it, it says")
		}
		if !s.signed(right, cert, sum) {
			t.Error("our authority did not sign it, it says")
		}
	}
	if len(s.known) != 1 {
		t.Errorf("%d certificates are remembered, want 1", len(s.known))
	}
	// What is remembered is the bytes: the same certificate with another
	// signature has another sum, and is verified.
	forged, err := x509.ParseCertificate(authorityFlipped(cert.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if s.signed(right, forged, sha256.Sum256(forged.Raw)) {
		t.Error("an altered signature verifies")
	}
}

// authorityFlipped is der with a bit of its signature changed.
func authorityFlipped(der []byte) []byte {
	out := append([]byte(nil), der...)
	out[len(out)-1] ^= 1
	return out
}

func TestWhoSignedIsForgottenWhenTooMany(t *testing.T) {
	a := authorityNew(t)
	cert := authoritySign(t, a, authorityProfile(authorityKey(t, issuance.P256).Public()))
	s := signedBy{known: make(map[[sha256.Size]byte]*x509.Certificate)}
	for i := range signedMost {
		s.known[[sha256.Size]byte{byte(i), byte(i >> 8), 1}] = a.Root()
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if !s.signed(a.Issuers()[0].Certificate, cert, sha256.Sum256(cert.Raw)) {
				t.Error("it is not signed")
			}
		})
	}
	all.Wait()
	if len(s.known) > 2 {
		t.Errorf("%d certificates are remembered, want it to have begun anew", len(s.known))
	}
}
