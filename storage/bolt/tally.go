package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// auditByVerb is Audit for queries with a verb.
func (t *tx) auditByVerb(q issuance.AuditQuery) ([]issuance.AuditRecord, string, error) {
	find := query{order: " by verb", prefixes: [][]byte{prefix(byVerb, q.Verb)}, Page: q.Page}
	if !q.From.IsZero() {
		find.first = instant(q.From)
	}
	if !q.Before.IsZero() {
		find.before = instant(q.Before)
	}
	return t.s.tables.audit.listIf(t, find, func(r issuance.AuditRecord) bool {
		return (q.Order == "" || r.Order == q.Order) && (q.Serial == "" || r.Serial == q.Serial) && q.Matches(r)
	})
}

// Tally implements [issuance.Tx]. It reads the index alone, and of each verb's
// list no more than what lies between the two times.
func (t *tx) Tally(from, to time.Time) ([]issuance.Tally, error) {
	b, err := t.bucket(t.s.tables.audit.name + indexSuffix)
	if err != nil {
		return nil, err
	}
	var out []issuance.Tally
	c, first, end := b.Cursor(), instant(from), instant(to)
	for k, _ := c.Seek([]byte{byte(byVerb)}); k != nil && k[0] == byte(byVerb); {
		verb := k[:len(k)-len(valueBehind(k))]
		verb = bytes.Clone(verb)
		counts := make(map[issuance.OrgID]int)
		for k, _ = c.Seek(slices.Concat(verb, first)); k != nil && bytes.HasPrefix(k, verb); k, _ = c.Next() {
			place := k[len(verb):]
			if bytes.Compare(place, end) >= 0 {
				break
			}
			counts[issuance.OrgID(place[placeLength:])]++
		}
		for org, n := range counts {
			out = append(out, issuance.Tally{Verb: valueOf[issuance.Verb](verb), Organization: org, Count: n})
		}
		k, _ = c.Seek(append(verb, bytes.Repeat([]byte{0xff}, placeLength)...)) // the next verb
	}
	slices.SortFunc(out, func(a, b issuance.Tally) int {
		return cmp.Or(cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Organization, b.Organization))
	})
	return out, nil
}

// valueBehind returns what comes behind the one value of an index entry.
func valueBehind(entry []byte) []byte {
	length, n := binary.Uvarint(entry[1:])
	return entry[1+n+int(length):]
}

// cutValue returns the first of values as prefix writes them, and what follows.
func cutValue(b []byte) (value string, rest []byte, ok bool) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return "", nil, false
	}
	return string(b[n : n+int(length)]), b[n+int(length):], true
}

// valueOf returns the value of a prefix that has one.
func valueOf[S ~string](prefix []byte) S {
	_, n := binary.Uvarint(prefix[1:])
	return S(prefix[1+n:])
}
