package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"sync"
)

// recentCertificates is how many certificates are remembered at the least, and
// half of what they are at the most: some 7 kB each.
const recentCertificates = 4096

// certificate is one that was parsed, with the SHA-256 of its DER and its SPIFFE ID.
type certificate struct {
	*x509.Certificate
	sum      [sha256.Size]byte
	spiffeID string
}

// recent remembers what never changes, by what it was made from; whether a
// certificate stands is not in it. It keeps two generations: when the younger one is
// full it becomes the older, and what was not asked for since is forgotten.
type recent[K comparable] struct {
	size       int
	mu         sync.RWMutex
	young, old map[K]certificate
}

func newRecent[K comparable](size int) *recent[K] {
	return &recent[K]{size: size, young: make(map[K]certificate)}
}

// get returns the certificate, without one if it is not remembered.
func (r *recent[K]) get(key K) certificate {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c, ok := r.young[key]; ok {
		return c
	}
	return r.old[key]
}

// keep remembers c, which nobody may change any more.
func (r *recent[K]) keep(key K, c certificate) {
	r.mu.RLock()
	_, known := r.young[key]
	r.mu.RUnlock()
	if known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.size {
		r.young, r.old = make(map[K]certificate), r.young
	}
	r.young[key] = c
}

// shown is what a header with one certificate alone says; without a value it is none.
type shown struct {
	format Format
	value  string
}

// text returns what the caller's header says, none if it says more than its value.
func (c *Caller) text(h http.Header) shown {
	if values := h[c.Header]; len(values) == 1 && len(values[0]) <= maxHeader && c.Format != RFC9440 {
		return shown{c.Format, values[0]}
	}
	return shown{}
}
