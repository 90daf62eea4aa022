package contact

import (
	"net/http"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

// Limit is how many POSTs one address may send.
type Limit = limit.Limit

// maxBody is the maximum size of a POST in bytes: enough for the largest CSR.
const maxBody = 64 << 10

// limited lets a POST through if its address has not sent too many.
func (s *site) limited(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		wait := s.limiter.Take(s.source.Of(r))
		if wait == 0 {
			next(w, server.From(w, r, s.source))
			return
		}
		err := &issuance.Error{
			Kind: issuance.Limited, Code: page.CodeRate, Message: "too many requests from your network address",
			Hint: "wait, then try again; this did not count as an attempt", Retry: wait,
		}
		if strings.HasPrefix(r.URL.Path, "/c/") {
			s.refuse(w, r, err)
			return
		}
		s.fail(w, r, err, s.path("/claim"))
	})
}
