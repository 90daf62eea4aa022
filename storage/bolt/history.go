package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

// CRLNumbers implements [issuance.HistoryReader].
func (t *tx) CRLNumbers() (map[string]uint64, error) {
	b, err := t.bucket(numbersBucket)
	if err != nil {
		return nil, err
	}
	numbers := make(map[string]uint64)
	head := len(prefix[string](byAll))
	err = b.ForEach(func(k, v []byte) error {
		n, used := binary.Uvarint(k[min(head, len(k)):])
		if used <= 0 || uint64(len(k)-head-used) != n {
			return fmt.Errorf("reading the CRL numbers: %x is not the name of an issuer", k)
		}
		numbers[string(k[head+used:])] = number(v)
		return nil
	})
	return numbers, err
}

// LastAudit implements [issuance.HistoryReader].
func (t *tx) LastAudit() (uint64, error) {
	b, err := t.bucket(t.s.tables.audit.name)
	if err != nil {
		return 0, err
	}
	return b.Sequence(), nil
}

// AuditAfter implements [issuance.HistoryReader]. The records lie in their bucket
// with the newest first. Those that are skipped are not decoded: in their JSON no
// text of a person can look like a field.
func (t *tx) AuditAfter(after uint64, limit int, skip ...issuance.Verb) (out []issuance.AuditRecord, last uint64, err error) {
	b, err := t.bucket(t.s.tables.audit.name)
	if err != nil {
		return nil, after, err
	}
	var passed [][]byte
	for _, verb := range skip {
		passed = append(passed, fmt.Appendf(nil, `"verb":%q`, verb))
	}
	c := b.Cursor()
	var k, v []byte
	if at, _ := c.Seek(auditKey(issuance.AuditRecord{Seq: after})); at == nil {
		k, v = c.Last() // none is as old
	} else {
		k, v = c.Prev()
	}
	for last = after; k != nil && limit > 0; k, v = c.Prev() {
		limit--
		last = ^number(k)
		if slices.ContainsFunc(passed, func(p []byte) bool { return bytes.Contains(v, p) }) {
			continue
		}
		r, err := t.s.tables.audit.decode(v)
		if err != nil {
			return nil, after, err
		}
		out = append(out, r)
	}
	return out, last, nil
}

// RaiseHistory implements [issuance.LossTx].
func (t *tx) RaiseHistory(to issuance.HighWater) error {
	for name, n := range map[string]uint64{changesBucket: to.Change, t.s.tables.audit.name: to.Audit} {
		b, err := t.writable(name)
		if err != nil {
			return err
		}
		if n > b.Sequence() {
			if err := b.SetSequence(n); err != nil {
				return fmt.Errorf("raising the numbers of %s: %w", name, err)
			}
		}
	}
	had, err := t.CRLNumbers()
	if err != nil {
		return err
	}
	for issuer, n := range to.CRLs {
		if n <= had[issuer] {
			continue
		}
		if err := t.put(numbersBucket, prefix(byAll, issuer), binary.BigEndian.AppendUint64(nil, n)); err != nil {
			return err
		}
	}
	return nil
}
