package bolt

import (
	"bytes"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

func (t *tx) StoredReport(id issuance.ReportID) (issuance.StoredReport, error) {
	return t.s.tables.reports.get(t, []byte(id))
}

func (t *tx) PutStoredReport(r issuance.StoredReport) error { return t.s.tables.reports.put(t, r) }

// reportsOf returns how the ids of a kind's reports begin.
func reportsOf(kind issuance.ReportKind) []byte { return []byte(string(kind) + "-") }

// lastReport returns the highest id of kind, nil if there is none.
func (t *tx) lastReport(kind issuance.ReportKind) ([]byte, error) {
	b, err := t.bucket(t.s.tables.reports.name)
	if err != nil {
		return nil, err
	}
	head, c := reportsOf(kind), b.Cursor()
	beyond := append([]byte(kind), '-'+1)
	k, _ := c.Seek(beyond)
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, head) {
		return nil, nil
	}
	return bytes.Clone(k), nil
}

func (t *tx) LastStoredReport(kind issuance.ReportKind) (issuance.StoredReport, error) {
	last, err := t.lastReport(kind)
	if err != nil {
		return issuance.StoredReport{}, err
	}
	return t.s.tables.reports.get(t, last)
}

func (t *tx) ForgetStoredReports(before issuance.ReportID, limit int) (int, error) {
	kind, _, _ := strings.Cut(string(before), "-")
	head := reportsOf(issuance.ReportKind(kind))
	last, err := t.lastReport(issuance.ReportKind(kind))
	if err != nil || last == nil {
		return 0, err
	}
	b, err := t.bucket(t.s.tables.reports.name)
	if err != nil {
		return 0, err
	}
	var old [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(head); bytes.HasPrefix(k, head) && string(k) < string(before) && !bytes.Equal(k, last) && len(old) < limit; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := t.delete(t.s.tables.reports.name, k); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
