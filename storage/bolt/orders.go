package bolt

import (
	"fmt"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func orderIndex(r issuance.Order) [][]byte {
	at := newest(r.RequestedAt, r.ID)
	var due []byte
	if !r.DueAt.IsZero() {
		due = entry[string](byDue, oldest(r.DueAt, r.ID))
	}
	return [][]byte{
		entry[string](byAll, at),
		entry(byState, at, r.State),
		entry(byOrganization, at, r.Organization),
		entry(byService, at, r.Service),
		entry(byContact, at, r.Contact),
		entry(byDigest, nil, r.Link.Digest),
		due,
		entry(byRenewal, at, r.Renews),
	}
}

func (t *tx) Order(id issuance.OrderID) (issuance.Order, error) {
	if !isOrderID(id) {
		return issuance.Order{}, issuance.ErrNotFound
	}
	return t.s.tables.orders.get(t, []byte(id))
}

func (t *tx) OrderByLink(d issuance.Digest) (issuance.Order, error) {
	return t.s.tables.orders.find(t, entry(byDigest, nil, d))
}

func (t *tx) PutOrder(r issuance.Order) error {
	if !isOrderID(r.ID) {
		return fmt.Errorf("keeping an order: its id %q has a zero byte", r.ID)
	}
	return t.s.tables.orders.put(t, r)
}

func (t *tx) Orders(q issuance.OrderQuery) ([]issuance.Order, string, error) {
	var m matching
	match(&m, byState, q.State)
	match(&m, byOrganization, q.Organization)
	match(&m, byService, q.Service)
	match(&m, byContact, q.Contact)
	match(&m, byRenewal, q.Renews)
	return t.s.tables.orders.list(t, query{prefixes: m.orAll(), Page: q.Page})
}

func (t *tx) DueOrders(now time.Time, limit int) ([]issuance.Order, error) {
	return t.s.tables.orders.take(t, query{prefixes: [][]byte{prefix[string](byDue)}, before: behind(now)}, limit)
}

// DoneTo implements [issuance.Tx]. It reads what was done to this order alone.
func (t *tx) DoneTo(id issuance.OrderID, verb issuance.Verb) (out []issuance.AuditRecord, err error) {
	q := query{prefixes: [][]byte{besideOrderPrefix(auditBeside, id)}}
	err = t.s.tables.audit.walk(t, q, nil, func(_ []byte, r issuance.AuditRecord) bool {
		if r.Verb == verb {
			out = append(out, r)
		}
		return true
	})
	return out, err
}

// orAll returns the prefixes, or that of the list of all records if none is set.
func (m matching) orAll() [][]byte {
	if len(m.prefixes) == 0 {
		return [][]byte{prefix[string](byAll)}
	}
	return m.prefixes
}

// behind returns the first place after all that have time t.
func behind(t time.Time) []byte { return instant(t.Add(1)) }
