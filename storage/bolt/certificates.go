package bolt

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// certificateIndex has the lists by IssuedAt, and by NotAfter all and those that
// need something, and what people find a certificate by. Abandoned serial numbers
// are in the list of their status alone.
func certificateIndex(r issuance.Certificate) [][]byte {
	at := newest(r.IssuedAt, r.Serial)
	status := entry(byState, at, r.Status)
	needs := issuance.Needs()
	if r.Status == issuance.Abandoned {
		return append([][]byte{nil, status}, make([][]byte, 4+len(needs)+len(certificateFinders(r)))...)
	}
	end := ending(r)
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
	return append(out, certificateFinders(r)...)
}

// ending is the place of r in the lists by NotAfter. That has whole seconds only:
// those that were issued in one second stand in the order of their issuance, so that
// what a commit adds to a list is on one page.
func ending(r issuance.Certificate) []byte {
	return append(instant(r.NotAfter), oldest(r.IssuedAt, r.Serial)...)
}

func (t *tx) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	return t.s.tables.certificates.get(t, []byte(s))
}

func (t *tx) PutCertificate(r issuance.Certificate) error {
	was, err := t.s.tables.certificates.exchange(t, r)
	if err != nil {
		return err
	}
	return first(t.recount(was, r), t.addClue(was, r))
}

// Certificates implements [issuance.Tx]. A query that asks when certificates were
// issued, of a list by when they expire, reads those that were issued at other
// times too; every other list is walked from the first record to the last.
func (t *tx) Certificates(q issuance.CertificateQuery) ([]issuance.Certificate, string, error) {
	find := query{Page: q.Page}
	switch {
	case q.Need != "" || !q.ExpiresFrom.IsZero() || !q.ExpiresBefore.IsZero():
		find.order, find.prefixes = " by expiry", [][]byte{prefix[string](byExpiry)}
		if q.Need != "" {
			find.prefixes = [][]byte{prefix(byNeed, q.Need)}
		}
		find.first, find.before = bound(q.ExpiresFrom, instant), bound(q.ExpiresBefore, instant)
	case q.Status == issuance.Abandoned:
		find.prefixes = [][]byte{prefix(byState, q.Status)}
	default:
		var m matching
		match(&m, byState, q.Status)
		match(&m, byOrganization, q.Organization)
		match(&m, byService, q.Service)
		match(&m, byHolder, q.Contact)
		matchOrder(&m, certificateBeside, q.Order)
		find.prefixes = m.orAll()
		find.first, find.before = bound(q.IssuedBefore, earlier), bound(q.IssuedFrom, earlier)
		return t.s.tables.certificates.list(t, find)
	}
	return t.s.tables.certificates.listIf(t, find, func(r issuance.Certificate) bool { return fits(q, r) })
}

// bound returns where a list that q's time cuts begins or ends; nil for no time.
func bound(t time.Time, place func(time.Time) []byte) []byte {
	if t.IsZero() {
		return nil
	}
	return place(t)
}

// fits reports whether r has what q asks for beside what it lists by.
func fits(q issuance.CertificateQuery, r issuance.Certificate) bool {
	return (q.Status == "" || r.Status == q.Status) && (q.Organization == "" || r.Organization == q.Organization) &&
		(q.Service == "" || r.Service == q.Service) && (q.Contact == "" || r.Contact == q.Contact) &&
		(q.Order == "" || r.Order == q.Order) &&
		!r.IssuedAt.Before(q.IssuedFrom) && (q.IssuedBefore.IsZero() || r.IssuedAt.Before(q.IssuedBefore))
}
