package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// signedMost is how many certificates signedBy remembers at most, of some 80
// octets each; then it begins anew.
const signedMost = 1 << 16

// signedBy remembers which issuing CA signed a certificate, by the SHA-256 of its
// DER: that never changes, and costs more to find out than all else in a check.
// Only what verified is remembered. The zero value is ready.
type signedBy struct {
	mu    sync.RWMutex
	known map[[sha256.Size]byte]*x509.Certificate
}

// signed reports whether issuer signed cert, whose DER has the SHA-256 sum.
func (s *signedBy) signed(issuer, cert *x509.Certificate, sum [sha256.Size]byte) bool {
	s.mu.RLock()
	known := s.known[sum]
	s.mu.RUnlock()
	if known == issuer {
		return true
	}
	if cert.CheckSignatureFrom(issuer) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= signedMost {
		s.known = make(map[[sha256.Size]byte]*x509.Certificate)
	}
	s.known[sum] = issuer
	return true
}
