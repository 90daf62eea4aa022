package bolt

import (
	"bytes"
	"strings"

	"github.com/postern-ca/postern/issuance/report"
)

func (t *tx) StoredReport(id report.ID) (report.Stored, error) {
	return t.s.tables.reports.get(t, []byte(id))
}

func (t *tx) PutStoredReport(r report.Stored) error { return t.s.tables.reports.put(t, r) }

// reportsOf returns how the ids of a kind's reports begin.
func reportsOf(kind report.Kind) []byte { return []byte(string(kind) + "-") }

// lastReport returns the highest id of kind, nil if there is none.
func (t *tx) lastReport(kind report.Kind) ([]byte, error) {
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

func (t *tx) LastStoredReport(kind report.Kind) (report.Stored, error) {
	last, err := t.lastReport(kind)
	if err != nil {
		return report.Stored{}, err
	}
	return t.s.tables.reports.get(t, last)
}

func (t *tx) ForgetStoredReports(before report.ID, limit int) (int, error) {
	kind, _, _ := strings.Cut(string(before), "-")
	head := reportsOf(report.Kind(kind))
	last, err := t.lastReport(report.Kind(kind))
	if err != nil || last == nil {
		return 0, err
	}
	b, err := t.bucket(t.s.tables.reports.name)
	if err != nil {
		return 0, err
	}
	var old [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(head); bytes.HasPrefix(k, head) && string(k) < string(before) &&
		!bytes.Equal(k, last) && len(old) < limit; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := t.delete(t.s.tables.reports.name, k); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
