package bolt

import "github.com/postern-ca/postern/issuance"

// certificateIndex has the lists by IssuedAt, and all by NotAfter. Abandoned
// serial numbers are in the list of their status alone.
func certificateIndex(r issuance.Certificate) [][]byte {
	at := newest(r.IssuedAt, r.Serial)
	status := entry(byState, at, r.Status)
	if r.Status == issuance.Abandoned {
		return [][]byte{nil, status, nil, nil, nil, nil}
	}
	return [][]byte{
		entry[string](byAll, at),
		status,
		entry(byOrganization, at, r.Organization),
		entry(byService, at, r.Service),
		besideOrder(certificateBeside, r.Order, at),
		entry[string](byExpiry, oldest(r.NotAfter, r.Serial)),
	}
}

func (t *tx) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	return t.s.tables.certificates.get(t, []byte(s))
}

func (t *tx) PutCertificate(r issuance.Certificate) error { return t.s.tables.certificates.put(t, r) }

func (t *tx) Usage(s issuance.Serial) (issuance.Usage, error) {
	return t.s.tables.usages.get(t, []byte(s))
}

func (t *tx) PutUsage(r issuance.Usage) error { return t.s.tables.usages.put(t, r) }

func (t *tx) Certificates(q issuance.CertificateQuery) ([]issuance.Certificate, string, error) {
	find := query{Page: q.Page}
	switch {
	case !q.ExpiresBefore.IsZero():
		find.order, find.before = " by expiry", instant(q.ExpiresBefore)
		find.prefixes = [][]byte{prefix[string](byExpiry)}
	case q.Status == issuance.Abandoned:
		find.prefixes = [][]byte{prefix(byState, q.Status)}
	default:
		var m matching
		match(&m, byState, q.Status)
		match(&m, byOrganization, q.Organization)
		match(&m, byService, q.Service)
		matchOrder(&m, certificateBeside, q.Order)
		find.prefixes = m.orAll()
		return t.s.tables.certificates.list(t, find)
	}
	return t.s.tables.certificates.listIf(t, find, func(r issuance.Certificate) bool {
		return (q.Status == "" || r.Status == q.Status) && (q.Organization == "" || r.Organization == q.Organization) &&
			(q.Service == "" || r.Service == q.Service) && (q.Order == "" || r.Order == q.Order)
	})
}
