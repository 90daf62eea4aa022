// Package storagetest is the suite that every store must pass. It tests only what
// the ports promise, and knows no particular store.
package storagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
)

// Reader and Tx are the ports of all rooms together: a store's only transaction
// type satisfies each of them.
type (
	Reader interface {
		issuance.Snapshot
		issuance.FeedReader
		staff.Reader
		report.Reader
		issuance.HistoryReader
		Receipt(key string) (issuance.Receipt, error)
	}
	Tx interface {
		Reader
		issuance.Tx
		staff.Tx
		report.Tx
		issuance.LossTx
	}
)

// Store is a store as the suite sees it.
type Store = issuance.Store[Reader, Tx]

// Fresh makes an empty place for a store and returns a function that opens a store
// there. Each call of open closes the store that was opened before, and returns one
// with the same data. Fresh's cleanup closes the last one at the end of the test.
type Fresh func(t testing.TB) (open func() Store)

// Run runs the whole suite, its tests beside each other.
func Run(t *testing.T, fresh Fresh) {
	for _, test := range []struct {
		name string
		f    func(*testing.T, Fresh)
	}{
		{"Register", testRegister},
		{"RoundTrip", testRoundTrip},
		{"NotFound", testNotFound},
		{"Orders", testOrders},
		{"Proposals", testProposals},
		{"OrderByLink", testOrderByLink},
		{"DueOrders", testDueOrders},
		{"Certificates", testCertificates},
		{"CertificatesByExpiry", testCertificatesByExpiry},
		{"CertificatesByIssue", testCertificatesByIssue},
		{"CertificatesWith", testCertificatesWith},
		{"Needs", testNeeds},
		{"Totals", testTotals},
		{"Usages", testUsages},
		{"Refusals", testRefusals},
		{"Revocations", testRevocations},
		{"RevocationsAreTheCertificates", testRevocationsAreTheCertificates},
		{"Changes", testChanges},
		{"CRLNumbers", testCRLNumbers},
		{"History", testHistory},
		{"Chain", testChain},
		{"Notices", testNotices},
		{"DueNotices", testDueNotices},
		{"Secrets", testSecrets},
		{"Compromised", testCompromised},
		{"Audit", testAudit},
		{"AuditByVerb", testAuditByVerb},
		{"StoredReports", testStoredReports},
		{"Receipts", testReceipts},
		{"Clock", testClock},
		{"Times", testTimes},
		{"Own", testOwn},
		{"Pages", testPages},
		{"PagesWhileThingsChange", testPagesWhileThingsChange},
		{"Cursors", testCursors},
		{"Atomicity", testAtomicity},
		{"Panic", testPanic},
		{"Isolation", testIsolation},
		{"TxAfterItsEnd", testTxAfterItsEnd},
		{"ViewCannotWrite", testViewCannotWrite},
		{"CompareAndSet", testCompareAndSet},
		{"ParallelUpdates", testParallelUpdates},
		{"FailuresAmongOthers", testFailuresAmongOthers},
		{"Cancellation", testCancellation},
		{"Reopen", testReopen},
		{"Model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each has a place of its own, and waits for its disk most of the time
			test.f(t, fresh)
		})
	}
}

// start is when the tests' world begins; its nanoseconds must survive.
func start() time.Time { return time.Date(2026, 11, 3, 9, 30, 15, 123456789, time.UTC) }

func after(d time.Duration) time.Time { return start().Add(d) }

// update and view fail the test on an error.
func update(t failer, s Store, f func(Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), f); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t failer, s Store, f func(Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), f); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// read returns what f reads in a View.
func read[R any](t failer, s Store, f func(Reader) (R, error)) (r R) {
	t.Helper()
	view(t, s, func(tx Reader) (err error) {
		r, err = f(tx)
		return err
	})
	return r
}

// lister is a listing with its query but for the page.
type lister[R any] func(Reader, issuance.Page) ([]R, string, error)

// collect returns all records of a listing, in parts of limit.
func collect[R any](t failer, s Store, limit int, list lister[R]) (all []R) {
	t.Helper()
	page := issuance.Page{Limit: limit}
	for range 100_000 {
		var part []R
		var next string
		view(t, s, func(tx Reader) (err error) {
			part, next, err = list(tx, page)
			return err
		})
		if len(part) > page.Size() {
			t.Fatalf("a part has %d records, the page asks for %d", len(part), page.Size())
		}
		if next != "" && len(part) == 0 {
			t.Fatal("an empty part has a cursor")
		}
		all = append(all, part...)
		if next == "" {
			return all
		}
		page.After = next
	}
	t.Fatal("the listing has no end")
	return nil
}

// ids returns what id says of each record.
func ids[R any](records []R, id func(R) string) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, id(r))
	}
	return out
}

func orderID(o issuance.Order) string      { return string(o.ID) }
func noticeID(n issuance.Notice) string    { return string(n.ID) }
func revoked(r issuance.Revocation) string { return string(r.Serial) + " " + string(r.Status) }
func name(prefix string, i int) string     { return fmt.Sprintf("%s%05d", prefix, i) }
func isNotFound(err error) bool            { return errors.Is(err, issuance.ErrNotFound) }
func same(t failer, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// failer is what the suite needs of a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}
