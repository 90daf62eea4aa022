// Package limit limits how many requests one network address may send, and how many
// connections it may have.
//
// It reduces noise and decides nothing else: wrong codes are counted for each order, in
// the store.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how many requests one address may send.
type Limit struct {
	PerSecond float64 // 0 for one every two seconds; negative for no limit
	Burst     int     // 0 for 20
}

// maxBuckets is how many addresses are remembered at a time.
const maxBuckets = 16384

// Limiter has one token bucket for each address. Those that were not seen since
// the younger half filled up are forgotten: by then their buckets are full again.
type Limiter struct {
	limit Limit
	now   func() time.Time

	mu           sync.Mutex
	young, older map[netip.Prefix]*rate.Limiter
}

// New returns a limiter whose buckets are all full.
func New(l Limit, now func() time.Time) *Limiter {
	if l.PerSecond == 0 {
		l.PerSecond = 0.5
	}
	if l.Burst == 0 {
		l.Burst = 20
	}
	return &Limiter{limit: l, now: now, young: make(map[netip.Prefix]*rate.Limiter)}
}

// Take takes a token of address, or returns how long to wait for one.
func (l *Limiter) Take(address netip.Addr) (wait time.Duration) {
	if l.limit.PerSecond < 0 {
		return 0
	}
	now := l.now()
	reservation := l.bucket(address).ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// bucket returns the bucket of the network that address is in.
func (l *Limiter) bucket(address netip.Addr) *rate.Limiter {
	network := Network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.young[network]; ok {
		return b
	}
	b, ok := l.older[network]
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.limit.PerSecond), l.limit.Burst)
	}
	if len(l.young) >= maxBuckets/2 {
		l.young, l.older = make(map[netip.Prefix]*rate.Limiter), l.young
	}
	l.young[network] = b
	return b
}
