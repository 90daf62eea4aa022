package trust

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// maxWait is how long a request may wait for a change: less than the minute after
// which nginx and most load balancers answer 504 themselves. retryAfter is when, in
// seconds, one that could not wait may come again.
const (
	maxWait    = 50 * time.Second
	retryAfter = 5
)

// waitPreferred returns how long to wait if Prefer headers ask for it (RFC 7240,
// section 4.3): a tenth less than they say, since a proxy may give up at just that
// time, in whole seconds and at most maxWait; 0 if they ask for none.
func waitPreferred(headers []string) time.Duration {
	for _, header := range headers {
		for preference := range strings.SplitSeq(header, ",") {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 32)
			if err != nil {
				return 0
			}
			return min(time.Duration(n-n/10)*time.Second, maxWait)
		}
	}
	return 0
}

// waiters bounds how many requests wait, in all and of one IPv4 address or IPv6 /64:
// each holds a connection, and a stranger must not take them all.
type waiters struct {
	mu       sync.Mutex
	max      int
	all      int
	of       map[netip.Prefix]int
	maxOfOne int
}

func newWaiters(limit int) *waiters {
	return &waiters{max: limit, maxOfOne: max(1, limit/8), of: make(map[netip.Prefix]int)}
}

// enter takes a place; the caller gives it back with leave.
func (w *waiters) enter(address netip.Addr) (leave func(), ok bool) {
	network := issuance.NetworkOf(address)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= w.max || w.of[network] >= w.maxOfOne {
		return nil, false
	}
	w.all++
	w.of[network]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.of[network]--; w.of[network] == 0 {
			delete(w.of, network)
		}
	}, true
}
