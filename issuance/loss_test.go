package issuance_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// TestAnAcceptedContradictionIsOnRecord takes over a database that lacks nothing, and
// whose records are not those that were noted.
func TestAnAcceptedContradictionIsOnRecord(t *testing.T) {
	h := newHouse(t)
	base := issuance.HighWater{}
	link := issuance.Digest("")
	noted := issuance.HighWater{Audit: 2, Head: issuance.Digest(strings.Repeat("f", 64))}
	h.ok(h.store.History().View(t.Context(), func(r issuance.HistoryReader) (err error) {
		if base, err = issuance.ReadHighWater(r, h.now()); err != nil {
			return err
		}
		link, err = r.AuditLink(noted.Audit)
		return err
	}))
	accept := func() (issuance.Loss, map[string]string) {
		t.Helper()
		desk := &issuance.Desk{Now: h.now}
		loss, err := issuance.AcceptLoss(t.Context(), desk, h.store.History(), issuance.DefaultPolicy(), issuance.Witness{
			Base: base, Journal: &issuance.Journal{Last: issuance.Progress{HighWater: noted}},
		})
		h.ok(err)
		return loss, h.audit()[0].Detail
	}
	for range 2 { // again after a crash
		loss, detail := accept()
		if loss.Noted != (issuance.AuditHead{Seq: 2, Link: noted.Head}) || loss.Found != link || link == "" {
			t.Errorf("the loss says that %v was noted, and %q found", loss.Noted, loss.Found)
		}
		got := []string{detail["noted_record"], detail["noted_link"], detail["found_link"], detail["missing"]}
		if diff := cmp.Diff([]string{"2", string(noted.Head), string(link), ""}, got); diff != "" {
			t.Errorf("on record is %v:\n%s", detail, diff)
		}
	}
	noted.Head = link
	if loss, detail := accept(); loss.Noted.Link != "" || detail["noted_link"] != "" {
		t.Errorf("without a contradiction there is %v: %v", loss.Noted, detail)
	}
}
