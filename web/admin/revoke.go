package admin

import "github.com/postern-ca/postern/issuance"

// compromise lists what a revocation for keyCompromise would also revoke.
type compromise struct {
	Count int           `json:"count"`
	Items []certificate `json:"items"`
}

func (a *API) showCompromise(c *call) (any, error) {
	serial, err := c.serial()
	if err == nil {
		err = c.noQuery()
	}
	if err != nil {
		return nil, err
	}
	found, err := a.opts.Registrar.CompromiseOf(c.r.Context(), serial)
	return viewed(found, err, func(found []issuance.Certificate) compromise {
		return compromise{len(found), a.viewCertificates(found)}
	})
}

func (a *API) viewCertificates(all []issuance.Certificate) []certificate {
	out := make([]certificate, 0, len(all))
	for _, c := range all {
		out = append(out, a.viewCertificate(c))
	}
	return out
}

func (a *API) revokeCertificate(c *call) (any, error) {
	var q issuance.RevokeRequest
	body := fields{"reason": text(&q.Reason), "comment": text(&q.Comment), "count": count(&q.Count)}
	if _, err := c.read(body); err != nil {
		return nil, err
	}
	var err error
	if q.Serial, err = c.serial(); err != nil {
		return nil, err
	}
	revoked, also, err := a.opts.Registrar.RevokeAll(c.r.Context(), c.by, q)
	return viewed(revoked, err, func(revoked issuance.Certificate) certificate {
		view := a.viewCertificate(revoked)
		view.AlsoRevoked = a.viewCertificates(also)
		return view
	})
}
