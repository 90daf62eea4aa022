package contact

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/page"
)

// Limit is how many POSTs one address may send.
type Limit = limit.Limit

// maxBody bounds what is read of a POST: room for the largest CSR anybody has.
const maxBody = 64 << 10

// limited lets a POST through if its address has not sent too many.
func (s *site) limited(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		wait := s.limiter.Take(s.client(r))
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
