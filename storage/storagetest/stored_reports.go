package storagetest

import (
	"slices"
	"testing"

	"github.com/postern-ca/postern/issuance/report"
)

// testStoredReports: the last of a kind is found, and never forgotten.
func testStoredReports(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	last := func(kind report.Kind) string {
		r := report.Stored{}
		view(t, s, func(tx Reader) (err error) {
			if r, err = tx.LastStoredReport(kind); isNotFound(err) {
				return nil
			}
			return err
		})
		return string(r.ID)
	}
	same(t, "the last of none", "", last(report.Daily))
	var all []string
	for _, id := range []report.ID{
		"monthly-2026-10", "daily-2026-11-02", "daily-2026-11-01", "daily-2026-11-03",
		"monthly-2026-09", "dail-9", "dailyx-9",
	} {
		r := report.Stored{ID: id, Kind: report.Daily, To: after(1), Report: report.Report{Period: string(id), At: after(2)}}
		update(t, s, func(tx Tx) error { return tx.PutStoredReport(r) })
		same(t, "StoredReport", r, read(t, s, func(tx Reader) (report.Stored, error) { return tx.StoredReport(id) }))
		all = append(all, string(id))
	}
	s = open()
	same(t, "the last daily one", "daily-2026-11-03", last(report.Daily))
	same(t, "the last monthly one", "monthly-2026-10", last(report.Monthly))
	same(t, "the last of another kind", "", last("yearly"))
	forget := func(before report.ID, limit int) (n int) {
		update(t, s, func(tx Tx) (err error) {
			n, err = tx.ForgetStoredReports(before, limit)
			return err
		})
		return n
	}
	same(t, "forgetting what is not before", 0, forget("daily-2026-11-01", 10))
	same(t, "forgetting one", 1, forget("daily-2027-01-01", 1))
	same(t, "forgetting all but the last", 1, forget("daily-2027-01-01", 10))
	same(t, "forgetting the last", 0, forget("daily-2027-01-01", 10))
	same(t, "forgetting a kind that is none", 0, forget("yearly-2027", 10))
	view(t, s, func(tx Reader) error {
		for _, id := range all {
			_, err := tx.StoredReport(report.ID(id))
			if gone := slices.Contains([]string{"daily-2026-11-01", "daily-2026-11-02"}, id); gone != isNotFound(err) {
				t.Errorf("%s: %v, want it gone: %v", id, err, gone)
			}
		}
		return nil
	})
}
