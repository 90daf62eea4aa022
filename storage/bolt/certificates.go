package bolt

import "github.com/postern-ca/postern/issuance"

// certificateIndex has the lists by IssuedAt, and by NotAfter all and those that
// need something. Abandoned serial numbers are in the list of their status alone.
func certificateIndex(r issuance.Certificate) [][]byte {
	at := newest(r.IssuedAt, r.Serial)
	status := entry(byState, at, r.Status)
	needs := issuance.Needs()
	if r.Status == issuance.Abandoned {
		return append([][]byte{nil, status, nil, nil, nil, nil}, make([][]byte, len(needs))...)
	}
	end := oldest(r.NotAfter, r.Serial)
	out := [][]byte{
		entry[string](byAll, at),
		status,
		entry(byOrganization, at, r.Organization),
		entry(byService, at, r.Service),
		besideOrder(certificateBeside, r.Order, at),
		entry[string](byExpiry, end),
	}
	for _, n := range needs {
		if r.Needs(n) {
			out = append(out, entry(byNeed, end, n))
		} else {
			out = append(out, nil)
		}
	}
	return out
}

func (t *tx) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	return t.s.tables.certificates.get(t, []byte(s))
}

func (t *tx) PutCertificate(r issuance.Certificate) error {
	was, err := t.s.tables.certificates.exchange(t, r)
	if err != nil {
		return err
	}
	return t.recount(was, r)
}

func (t *tx) Certificates(q issuance.CertificateQuery) ([]issuance.Certificate, string, error) {
	find := query{Page: q.Page}
	switch {
	case q.Need != "" || !q.ExpiresFrom.IsZero() || !q.ExpiresBefore.IsZero():
		find.order, find.prefixes = " by expiry", [][]byte{prefix[string](byExpiry)}
		if q.Need != "" {
			find.prefixes = [][]byte{prefix(byNeed, q.Need)}
		}
		if !q.ExpiresFrom.IsZero() {
			find.first = instant(q.ExpiresFrom)
		}
		if !q.ExpiresBefore.IsZero() {
			find.before = instant(q.ExpiresBefore)
		}
	case q.Status == issuance.Abandoned:
		find.prefixes = [][]byte{prefix(byState, q.Status)}
	default:
		var m matching
		match(&m, byState, q.Status)
		match(&m, byOrganization, q.Organization)
		match(&m, byService, q.Service)
		matchOrder(&m, certificateBeside, q.Order)
		find.prefixes = m.orAll()
		if q.IssuedBefore.IsZero() {
			return t.s.tables.certificates.list(t, find)
		}
	}
	return t.s.tables.certificates.listIf(t, find, func(r issuance.Certificate) bool {
		return (q.IssuedBefore.IsZero() || r.IssuedAt.Before(q.IssuedBefore)) && (q.Status == "" || r.Status == q.Status) && (q.Organization == "" || r.Organization == q.Organization) &&
			(q.Service == "" || r.Service == q.Service) && (q.Order == "" || r.Order == q.Order)
	})
}
