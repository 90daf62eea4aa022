package main

import (
	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/web/est"
	"github.com/postern-ca/postern/web/limit"
)

// est returns the handler of certificate enrolment on the listener with two-way TLS.
func (h *house) est(clients *ca.Clients) (*est.EST, error) {
	return est.New(est.Options{
		Check: clients.Check, Authorities: h.authorities, Enroll: h.registrar.Enroll, Reenroll: h.registrar.Reenroll,
		Refused: h.refuseCertificate, Limit: h.postLimit(), Now: h.now, Log: h.log,
	})
}

// authorities returns the root and the issuing CAs in DER.
func (h *house) authorities() [][]byte {
	out := [][]byte{h.authority.Root().Raw}
	for _, i := range h.authority.Issuers() {
		out = append(out, i.Certificate.Raw)
	}
	return out
}

// postLimit is what one address may POST, on each listener that strangers reach.
func (h *house) postLimit() limit.Limit {
	return limit.Limit{PerSecond: float64(h.cfg.Public.PostsPerMinute) / 60, Burst: h.cfg.Public.PostsBurst}
}
