package bolt

import (
	"github.com/postern-ca/postern/issuance"
)

// listed is the class of the certificates that are listed unless something else
// is asked for; that of a reserved or abandoned serial number is its status.
const listed = "listed"

func class(s issuance.Status) string {
	if s == issuance.Reserved || s == issuance.Abandoned {
		return string(s)
	}
	return listed
}

// certificateIndex has each list twice: by IssuedAt, and by NotAfter. A serial
// number that is no certificate is in that of its status alone: there are few,
// and each certificate begins as one.
func certificateIndex(r issuance.Certificate) [][]byte {
	c := class(r.Status)
	out := make([][]byte, 0, 10)
	for _, by := range []struct {
		tag   tag
		place []byte
	}{{0, newest(r.IssuedAt, r.Serial)}, {expiring, oldest(r.NotAfter, r.Serial)}} {
		out = append(out,
			entry(by.tag+byAll, by.place, c),
			entry(by.tag+byState, by.place, c, string(r.Status)),
			entry(by.tag+byOrganization, by.place, c, string(r.Organization)),
			entry(by.tag+byService, by.place, c, string(r.Service)),
			entry(by.tag+byOrder, by.place, c, string(r.Order)))
	}
	if c != listed {
		unused := make([][]byte, len(out))
		unused[1], unused[6] = out[1], out[6]
		return unused
	}
	return out
}

func (t *tx) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	return t.s.tables.certificates.get(t, []byte(s))
}

func (t *tx) PutCertificate(r issuance.Certificate) error {
	return t.s.tables.certificates.put(t, r)
}

func (t *tx) Certificates(q issuance.CertificateQuery) ([]issuance.Certificate, string, error) {
	by := tag(0)
	find := query{Page: q.Page}
	if !q.ExpiresBefore.IsZero() {
		by, find.order, find.before = expiring, " by expiry", instant(q.ExpiresBefore)
	}
	if c := class(q.Status); c != listed {
		find.prefixes = [][]byte{prefix(by+byState, c, c)}
		return t.s.tables.certificates.listIf(t, find, func(r issuance.Certificate) bool {
			return (q.Organization == "" || r.Organization == q.Organization) &&
				(q.Service == "" || r.Service == q.Service) && (q.Order == "" || r.Order == q.Order)
		})
	}
	for _, filter := range []struct {
		tag   tag
		value string
	}{
		{byState, string(q.Status)},
		{byOrganization, string(q.Organization)},
		{byService, string(q.Service)},
		{byOrder, string(q.Order)},
	} {
		if filter.value != "" {
			find.prefixes = append(find.prefixes, prefix(by+filter.tag, listed, filter.value))
		}
	}
	if len(find.prefixes) == 0 {
		find.prefixes = [][]byte{prefix(by+byAll, listed)}
	}
	return t.s.tables.certificates.list(t, find)
}
