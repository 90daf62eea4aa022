package bolt

import (
	"errors"

	"github.com/postern-ca/postern/issuance"
)

// unissued reports whether s is that of a serial number that is no certificate.
// Those have a table of their own: there are few at a time, and each certificate
// begins as one, so what is written twice in a claim stays small.
func unissued(s issuance.Status) bool { return s == issuance.Reserved || s == issuance.Abandoned }

// certificateIndex has the lists by IssuedAt, and all by NotAfter.
func certificateIndex(r issuance.Certificate) [][]byte {
	at := newest(r.IssuedAt, r.Serial)
	return [][]byte{
		entry[string](byAll, at),
		entry(byState, at, r.Status),
		entry(byOrganization, at, r.Organization),
		entry(byService, at, r.Service),
		besideOrder(certificateBeside, r.Order, at),
		entry[string](byExpiry, oldest(r.NotAfter, r.Serial)),
	}
}

func unissuedIndex(r issuance.Certificate) [][]byte {
	return [][]byte{
		entry(byState, newest(r.IssuedAt, r.Serial), r.Status),
		entry[string](byExpiry, oldest(r.NotAfter, r.Serial)),
	}
}

func (t *tx) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	r, err := t.s.tables.certificates.get(t, []byte(s))
	if errors.Is(err, issuance.ErrNotFound) {
		return t.s.tables.unissued.get(t, []byte(s))
	}
	return r, err
}

func (t *tx) PutCertificate(r issuance.Certificate) error {
	here, there := t.s.tables.certificates, t.s.tables.unissued
	if unissued(r.Status) {
		here, there = there, here
	}
	was, err := there.get(t, []byte(r.Serial))
	if err == nil {
		err = there.remove(t, was)
	}
	if err := ignoreNotFound(err); err != nil {
		return err
	}
	return here.put(t, r)
}

func (t *tx) Certificates(q issuance.CertificateQuery) ([]issuance.Certificate, string, error) {
	of := t.s.tables.certificates
	find := query{Page: q.Page}
	switch {
	case !q.ExpiresBefore.IsZero():
		find.order, find.before = " by expiry", instant(q.ExpiresBefore)
		find.prefixes = [][]byte{prefix[string](byExpiry)}
	case unissued(q.Status):
		find.prefixes = [][]byte{prefix(byState, q.Status)}
	default:
		var m matching
		match(&m, byState, q.Status)
		match(&m, byOrganization, q.Organization)
		match(&m, byService, q.Service)
		matchOrder(&m, certificateBeside, q.Order)
		find.prefixes = m.orAll()
		return of.list(t, find)
	}
	if unissued(q.Status) {
		of = t.s.tables.unissued
	}
	return of.listIf(t, find, func(r issuance.Certificate) bool {
		return (q.Status == "" || r.Status == q.Status) && (q.Organization == "" || r.Organization == q.Organization) &&
			(q.Service == "" || r.Service == q.Service) && (q.Order == "" || r.Order == q.Order)
	})
}
