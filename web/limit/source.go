package limit

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// Source says which address a request comes from. Its zero value trusts no proxy and
// logs nothing.
type Source struct {
	// Trusted are the proxies whose X-Forwarded-For is trusted.
	Trusted []netip.Prefix
	// Log gets one record if a trusted proxy names no address; nil: none.
	Log  *slog.Logger
	once sync.Once
}

// Of returns the address that r comes from: that of the connection, or behind
// trusted proxies the last one in X-Forwarded-For that is not a proxy's. It is
// the zero address if the connection has none.
func (s *Source) Of(r *http.Request) netip.Addr {
	address, _ := parseHop(r.RemoteAddr)
	if !s.trusts(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			s.unreadable(address, hops[i])
			break
		}
		if address = hop; !s.trusts(hop) {
			break
		}
	}
	return address
}

// Proxied reports whether the connection of r is one of a trusted proxy.
func (s *Source) Proxied(r *http.Request) bool {
	address, _ := parseHop(r.RemoteAddr)
	return s.trusts(address)
}

func (s *Source) trusts(address netip.Addr) bool {
	for _, p := range s.Trusted {
		if p.Contains(address.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// parseHop reads an address as proxies write it: alone, in brackets or quotes, and with
// a port after it, as some load balancers do. Without brackets, the colons of an IPv6
// address leave no room for a port.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.Trim(strings.TrimSpace(hop), `"`)
	if address, err := netip.ParseAddr(hop); err == nil {
		return address, true
	}
	if host, _, err := net.SplitHostPort(hop); err == nil {
		hop = host
	}
	if strings.HasPrefix(hop, "[") && strings.HasSuffix(hop, "]") {
		hop = hop[1 : len(hop)-1]
	}
	address, err := netip.ParseAddr(hop)
	return address, err == nil
}

// longestHop is the maximum number of bytes of a proxy's header that are logged.
const longestHop = 100

// unreadable logs that all clients of a proxy share its limit.
func (s *Source) unreadable(proxy netip.Addr, hop string) {
	if s.Log == nil {
		return
	}
	s.once.Do(func() {
		s.Log.Warn("a trusted proxy does not send a readable client address, so all its clients share one limit. "+
			"Configure it to set X-Forwarded-For to the client's IP address. This is logged once",
			"proxy", proxy.String(), "x_forwarded_for", hop[:min(len(hop), longestHop)])
	})
}
