package bolt

import "github.com/postern-ca/postern/issuance"

// usageIndex has the list of those with a refused use.
func usageIndex(r issuance.Usage) [][]byte {
	if r.Refused == 0 {
		return [][]byte{nil}
	}
	return [][]byte{entry[string](byRefusal, newest(r.RefusedLast, r.Serial))}
}

func (t *tx) Usage(s issuance.Serial) (issuance.Usage, error) {
	return t.s.tables.usages.get(t, []byte(s))
}

func (t *tx) PutUsage(r issuance.Usage) error { return t.s.tables.usages.put(t, r) }

func (t *tx) Usages(q issuance.UsageQuery) ([]issuance.Usage, string, error) {
	find := query{order: " by refusal", prefixes: [][]byte{prefix[string](byRefusal)}, Page: q.Page}
	if !q.RefusedFrom.IsZero() {
		find.before = newest(q.RefusedFrom.Add(-1), issuance.Serial(""))[:12]
	}
	return t.s.tables.usages.list(t, find)
}
