package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// maxSeen is how many certificates are remembered; 48 bytes each.
const maxSeen = 16 << 10

// seen remembers which certificates were found to be signed and made as ours are:
// neither changes, so the signature is checked once and not at each request. It
// remembers only accepted ones: who has no certificate of ours cannot fill it.
type seen struct {
	mu  sync.RWMutex
	ids map[[sha256.Size]byte]*issuer
}

func newSeen() *seen { return &seen{ids: map[[sha256.Size]byte]*issuer{}} }

// issuer returns who issued cert, nil if cert was not seen before.
func (s *seen) issuer(cert *x509.Certificate) *issuer {
	id := sha256.Sum256(cert.Raw)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids[id]
}

func (s *seen) add(cert *x509.Certificate, i *issuer) {
	id := sha256.Sum256(cert.Raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) >= maxSeen {
		clear(s.ids) // each is checked once more
	}
	s.ids[id] = i
}
