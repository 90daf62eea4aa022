package bolt

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// auditKey sorts the newest first.
func auditKey(r issuance.AuditRecord) []byte {
	return binary.BigEndian.AppendUint64(nil, ^r.Seq)
}

// auditIndex has the list of a verb by At. Its places end with the organisation,
// so that a tally reads no record.
func auditIndex(r issuance.AuditRecord) [][]byte {
	place := binary.BigEndian.AppendUint64(instant(r.At), r.Seq)
	return [][]byte{
		besideOrder(auditBeside, r.Order, auditKey(r)),
		entry(byVerb, append(place, r.Organization...), r.Verb),
	}
}

// placeLength is how long a place is in front of its organisation.
const placeLength = 12 + 8

func (t *tx) AppendAudit(r issuance.AuditRecord) (err error) {
	if r.Seq, err = t.sequence(t.s.tables.audit.name); err != nil {
		return err
	}
	head := t.auditHead()
	r.Prev = head.Link
	if err := t.s.tables.audit.put(t, r); err != nil {
		return err
	}
	return t.chain(head.Link, r)
}

// Audit implements [issuance.Tx]. What was done to a certificate is found with
// what was done to its order.
func (t *tx) Audit(q issuance.AuditQuery) ([]issuance.AuditRecord, string, error) {
	if q.Verb != "" {
		return t.auditByVerb(q)
	}
	var m matching
	matchOrder(&m, auditBeside, q.Order)
	if q.Serial != "" {
		c, err := t.Certificate(q.Serial)
		if err != nil {
			return nil, "", ignoreNotFound(err)
		}
		matchOrder(&m, auditBeside, c.Order)
	}
	return t.s.tables.audit.listIf(t, query{prefixes: m.prefixes, most: mostAudited, Page: q.Page},
		func(r issuance.AuditRecord) bool {
			return (q.Serial == "" || r.Serial == q.Serial) && q.Matches(r)
		})
}

// mostAudited is how many records one part of a list looks at, some 0.1 s.
const mostAudited = 20_000

// AuditRecord implements [issuance.LedgerReader].
func (t *tx) AuditRecord(seq uint64) (issuance.AuditRecord, error) {
	return t.s.tables.audit.get(t, auditKey(issuance.AuditRecord{Seq: seq}))
}

func (t *tx) Receipt(key string) (issuance.Receipt, error) {
	return t.s.tables.receipts.get(t, []byte(key))
}

func (t *tx) PutReceipt(r issuance.Receipt) error { return t.s.tables.receipts.put(t, r) }

func (t *tx) ForgetReceipts(before time.Time, limit int) (int, error) {
	q := query{prefixes: [][]byte{prefix[string](byTime)}, before: instant(before)}
	old, err := t.s.tables.receipts.take(t, q, limit)
	if err != nil {
		return 0, err
	}
	for _, r := range old {
		if err := t.s.tables.receipts.remove(t, r); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, issuance.ErrNotFound) {
		return nil
	}
	return err
}
