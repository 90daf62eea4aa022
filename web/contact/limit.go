package contact

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// Limit is how many POSTs one address may send. It keeps noise away; the tries
// that matter are counted for each order, in the store.
type Limit struct {
	PerSecond float64 // 0 for one every two seconds; negative for no limit
	Burst     int     // 0 for 20
}

// maxBuckets bounds how many addresses are remembered at a time.
const maxBuckets = 16384

// limiter has one token bucket for each address. Those that were not seen since
// the younger half filled up are forgotten: by then their buckets are full again.
type limiter struct {
	limit Limit
	now   func() time.Time

	mu           sync.Mutex
	young, older map[netip.Prefix]*rate.Limiter
}

func newLimiter(l Limit, now func() time.Time) *limiter {
	if l.PerSecond == 0 {
		l.PerSecond = 0.5
	}
	if l.Burst == 0 {
		l.Burst = 20
	}
	return &limiter{limit: l, now: now, young: make(map[netip.Prefix]*rate.Limiter)}
}

// take takes a token of address, or says how long to wait for one.
func (l *limiter) take(address netip.Addr) (wait time.Duration) {
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

// bucket returns the bucket of the network that address is in: an IPv6 host
// has a /64 of addresses to send from.
func (l *limiter) bucket(address netip.Addr) *rate.Limiter {
	bits := 32
	if address = address.Unmap(); address.Is6() {
		bits = 64
	}
	network, _ := address.WithZone("").Prefix(bits)
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

// maxBody bounds what is read of a POST: room for the largest CSR anybody has.
const maxBody = 64 << 10

// limited lets a POST through if its address has not sent too many.
func (s *site) limited(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		wait := s.limiter.take(s.client(r))
		if wait == 0 {
			next(w, r)
			return
		}
		err := &issuance.Error{
			Kind: issuance.Limited, Code: page.CodeRate, Message: "too many requests from your network address",
			Hint: "wait, then try again; no try at a code was counted", Retry: wait,
		}
		if strings.HasPrefix(r.URL.Path, "/c/") {
			s.refuse(w, r, err)
			return
		}
		s.fail(w, r, err, s.path("/claim"))
	})
}

// client returns the address that r comes from: that of the connection, or
// behind trusted proxies the last one in X-Forwarded-For that is not a proxy's.
func (s *site) client(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	address, _ := netip.ParseAddr(host)
	if !s.trusted(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop
		if !s.trusted(hop) {
			break
		}
	}
	return address
}

func (s *site) trusted(address netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
