package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// recentCertificates is how many certificates are remembered at the least, and
// half of what they are at the most: some 5 kB each.
const recentCertificates = 4096

// recent remembers parsed certificates by the SHA-256 of their DER. What it
// remembers never changes; whether a certificate stands is not in it. It keeps
// two generations: when the younger one is full it becomes the older, and what
// was not asked for since is forgotten.
type recent struct {
	size       int
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]*x509.Certificate
}

func newRecent(size int) *recent {
	return &recent{size: size, young: make(map[[sha256.Size]byte]*x509.Certificate)}
}

// get returns the certificate, nil if it is not remembered.
func (r *recent) get(sum [sha256.Size]byte) *x509.Certificate {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c := r.young[sum]; c != nil {
		return c
	}
	return r.old[sum]
}

// keep remembers c, which nobody may change any more.
func (r *recent) keep(sum [sha256.Size]byte, c *x509.Certificate) {
	r.mu.RLock()
	known := r.young[sum] != nil
	r.mu.RUnlock()
	if known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.size {
		r.young, r.old = make(map[[sha256.Size]byte]*x509.Certificate), r.young
	}
	r.young[sum] = c
}
