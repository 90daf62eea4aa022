package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// queued runs the timer once and returns the reports that it queued: when, and
// which time they are about.
func (h *house) queued() (out []string) {
	h.t.Helper()
	before := len(h.reports())
	h.ok(h.clerk.Queue(h.t.Context()))
	for _, r := range h.reports()[before:] {
		out = append(out, fmt.Sprintf("%s: %s %s..%s %s to %s", h.now().Format("01-02 15:04"), r.Kind, r.First, r.Period, r.From.Format("01-02 15:04"), r.To.Format("01-02 15:04")))
	}
	return out
}

// reports returns those that were queued, in the order of their notices.
func (h *house) reports() (out []report.Report) {
	h.t.Helper()
	list := h.notices(issuance.NoticeQuery{})
	slices.Reverse(list)
	for _, n := range list {
		if n.Kind == issuance.ReportNotice {
			h.ok(h.clerk.Store.View(h.t.Context(), func(tx report.Reader) error {
				stored, err := tx.StoredReport(report.ID(n.Text))
				out = append(out, stored.Report)
				if errors.Is(err, issuance.ErrNotFound) {
					return nil // forgotten since
				}
				return err
			}))
		}
	}
	return out
}

// daysOf returns the reports of a time that passes in steps.
func (h *house) daysOf(from, to string, step time.Duration) (out []string) {
	h.t.Helper()
	for h.set(utc(from)); !h.now().After(utc(to)); h.advance(step) {
		out = append(out, h.queued()...)
	}
	return out
}

// TestReportsThroughChangesOfTheClock: days begin and end when people say they
// do, each report comes once, and the time that they cover has no holes.
func TestReportsThroughChangesOfTheClock(t *testing.T) {
	for _, test := range []struct {
		name, zone, from, to string
		daily                report.Time
		want                 []string
	}{
		{"Berlin goes to summer time", "Europe/Berlin", "2026-03-27 12:00", "2026-03-30 20:00", report.Time{Hour: 7}, []string{
			"03-28 06:00: daily 2026-03-27..2026-03-27 03-26 23:00 to 03-27 23:00", "03-29 05:00: daily 2026-03-28..2026-03-28 03-27 23:00 to 03-28 23:00",
			"03-30 05:00: daily 2026-03-29..2026-03-29 03-28 23:00 to 03-29 22:00", // 23 hours
		}},
		{"Berlin goes back", "Europe/Berlin", "2026-10-23 12:00", "2026-10-26 20:00", report.Time{Hour: 7}, []string{
			"10-24 05:00: daily 2026-10-23..2026-10-23 10-22 22:00 to 10-23 22:00", "10-25 06:00: daily 2026-10-24..2026-10-24 10-23 22:00 to 10-24 22:00",
			"10-26 06:00: daily 2026-10-25..2026-10-25 10-24 22:00 to 10-25 23:00", // 25 hours
		}},
		{"at a time that is left out", "Europe/Berlin", "2026-03-28 12:00", "2026-03-30 12:00", report.Time{Hour: 2, Minute: 30}, []string{
			"03-29 01:00: daily 2026-03-28..2026-03-28 03-27 23:00 to 03-28 23:00", "03-30 00:30: daily 2026-03-29..2026-03-29 03-28 23:00 to 03-29 22:00",
		}},
		{"at a time that comes twice", "Europe/Berlin", "2026-10-24 12:00", "2026-10-26 12:00", report.Time{Hour: 2, Minute: 30}, []string{
			"10-25 00:30: daily 2026-10-24..2026-10-24 10-23 22:00 to 10-24 22:00", "10-26 01:30: daily 2026-10-25..2026-10-25 10-24 22:00 to 10-25 23:00",
		}},
		{"half an hour off", "Asia/Kolkata", "2026-11-24 12:00", "2026-11-26 02:00", report.Time{Hour: 7}, []string{
			"11-25 01:30: daily 2026-11-24..2026-11-24 11-23 18:30 to 11-24 18:30", "11-26 01:30: daily 2026-11-25..2026-11-25 11-24 18:30 to 11-25 18:30",
		}},
		{"a day without midnight", "America/Sao_Paulo", "2018-11-03 12:00", "2018-11-05 12:00", report.Time{Hour: 7}, []string{
			"11-04 09:00: daily 2018-11-03..2018-11-03 11-03 03:00 to 11-04 03:00", "11-05 09:00: daily 2018-11-04..2018-11-04 11-04 03:00 to 11-05 02:00",
		}},
		{"a day with two midnights", "America/Havana", "2026-10-31 13:00", "2026-11-02 13:00", report.Time{Hour: 0}, []string{
			"11-01 04:00: daily 2026-10-31..2026-10-31 10-31 04:00 to 11-01 04:00", "11-02 05:00: daily 2026-11-01..2026-11-01 11-01 04:00 to 11-02 05:00",
		}},
		{"a day that never was", "Pacific/Apia", "2011-12-29 12:00", "2011-12-31 23:00", report.Time{Hour: 7}, []string{
			"12-29 17:00: daily 2011-12-28..2011-12-28 12-28 10:00 to 12-29 10:00", "12-30 10:00: daily 2011-12-29..2011-12-29 12-29 10:00 to 12-30 10:00",
			"12-31 17:00: daily 2011-12-31..2011-12-31 12-30 10:00 to 12-31 10:00",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := reportHouse(t, test.zone, func(s *report.Schedule) { s.Daily, s.Monthly.Off = test.daily, true })
			if diff := cmp.Diff(test.want, h.daysOf(test.from, test.to, 10*time.Minute)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMonthlyReports(t *testing.T) {
	h := reportHouse(t, "Europe/Berlin", func(s *report.Schedule) {
		s.Monthly, s.Daily.Off = report.Time{Day: 28, Hour: 6, Minute: 15}, true
	})
	want := []string{
		"02-28 05:20: monthly 2026-01..2026-01 12-31 23:00 to 01-31 23:00", "03-28 05:20: monthly 2026-02..2026-02 01-31 23:00 to 02-28 23:00",
		"04-28 04:40: monthly 2026-03..2026-03 02-28 23:00 to 03-31 22:00",
	}
	if diff := cmp.Diff(want, h.daysOf("2026-02-01 00:00", "2026-05-01 00:00", 40*time.Minute)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	h.set(utc("2026-09-10 00:00")) // four months without the house
	want = []string{"09-10 00:00: monthly 2026-04..2026-07 03-31 22:00 to 07-31 22:00"}
	if diff := cmp.Diff(want, append(h.queued(), h.queued()...)); diff != "" {
		t.Errorf("after months (-want +got):\n%s", diff)
	}
	if got := h.reports()[3].Title(); got != "Monthly report, April 2026 to July 2026" {
		t.Errorf("title %q", got)
	}
}

// TestDaysWithoutTheHouse: what was missed comes in one report, which says so.
func TestDaysWithoutTheHouse(t *testing.T) {
	h := reportHouse(t, "UTC", func(s *report.Schedule) { s.Monthly.Off = true })
	h.daysOf("2026-11-18 12:00", "2026-11-20 12:00", time.Hour)
	h.set(utc("2026-11-22 10:00"))
	o := h.invited()
	h.set(utc("2026-11-25 11:00")) // five reports were due meanwhile
	if diff := cmp.Diff([]string{"11-25 11:00: daily 2026-11-20..2026-11-24 11-20 00:00 to 11-25 00:00"}, append(h.queued(), h.queued()...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r := h.reports()[len(h.reports())-1]
	text := r.Text()
	for _, want := range []string{"Daily report, Friday 20 November 2026 to Tuesday 24 November 2026\n", "No report was sent for some time; this one covers all of it.\n", string(o)} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	h.set(utc("2026-11-26 07:00"))
	if diff := cmp.Diff([]string{"11-26 07:00: daily 2026-11-25..2026-11-25 11-25 00:00 to 11-26 00:00"}, h.queued()); diff != "" {
		t.Errorf("the next day (-want +got):\n%s", diff)
	}
	h.set(utc("2027-11-26 07:00"))
	if diff := cmp.Diff([]string{"11-26 07:00: daily 2027-10-26..2027-11-25 10-26 00:00 to 11-26 00:00"}, h.queued()); diff != "" {
		t.Errorf("after a year (-want +got):\n%s", diff)
	}
}

func TestAClockThatIsSetBackSendsNothingTwice(t *testing.T) {
	h := reportHouse(t, "Europe/Berlin", func(s *report.Schedule) { s.Monthly.Off = true })
	h.daysOf("2026-11-23 12:00", "2026-11-25 12:00", time.Hour)
	h.set(utc("2026-11-24 04:00"))
	if got := h.daysOf("2026-11-24 04:00", "2026-11-26 05:00", time.Hour); len(got) > 0 {
		t.Errorf("queued again: %q", got)
	}
	if got := h.daysOf("2026-11-26 06:00", "2026-11-26 09:00", time.Hour); len(got) != 1 {
		t.Errorf("the next day: queued %q, want one", got)
	}
}

// TestAnotherZoneHasNoHolesAndTellsNothingTwice: the house moves around the world.
func TestAnotherZoneHasNoHolesAndTellsNothingTwice(t *testing.T) {
	h := reportHouse(t, "UTC", func(s *report.Schedule) { s.Monthly.Off = true })
	h.set(utc("2026-11-01 12:00"))
	h.queued()
	for _, zone := range []string{"Pacific/Kiritimati", "Pacific/Niue", "Pacific/Kiritimati", "Europe/Berlin", "UTC"} {
		location, err := time.LoadLocation(zone)
		h.ok(err)
		h.clerk.Schedule.Zone = location
		for range 60 {
			h.queued()
			h.advance(time.Hour)
		}
	}
	all := h.reports()
	if len(all) < 10 {
		t.Fatalf("%d reports in twelve days", len(all))
	}
	for i, r := range all[1:] {
		if !r.From.Equal(all[i].To) || !r.To.After(r.From) {
			t.Errorf("a report to %v is followed by one from %v to %v", all[i].To, r.From, r.To)
		}
	}
}

func TestWhoGetsReports(t *testing.T) {
	h := reportHouse(t, "UTC", func(s *report.Schedule) { s.To = nil })
	if got := h.daysOf("2026-10-31 12:00", "2026-11-03 12:00", time.Hour); len(got) > 0 {
		t.Errorf("with nobody to get them: queued %q", got)
	}
	h.clerk.Schedule.To = []string{"a@postern.example", "b@postern.example"}
	if got := h.daysOf("2026-11-03 13:00", "2026-11-04 06:00", time.Hour); len(got) > 0 {
		t.Errorf("about the time before anybody asked: queued %q", got)
	}
	h.set(utc("2026-11-04 07:00"))
	if got := h.queued(); len(got) != 2 {
		t.Errorf("queued %q, want the daily one for two", got)
	}
	sent := h.post(issuance.Mail)
	if len(sent) != 2 || sent[0].Notice.To == sent[1].Notice.To || sent[0].Document.Title != "Daily report, Tuesday 3 November 2026" || sent[1].Document.Title != sent[0].Document.Title || !sent[0].Secret.Empty() {
		t.Errorf("sent %+v", sent)
	}
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Verb: issuance.ReportVerb})
		if len(records) != 1 || records[0].Subject != "daily-2026-11-03" || records[0].Detail["recipients"] != "2" {
			t.Errorf("audit records %+v", records)
		}
		return err
	}))
	// The mail server was down: the same report goes out again when staff say so.
	h.set(utc("2026-11-05 07:00"))
	h.queued()
	d := h.take(issuance.Mail)[0]
	h.ok(h.Settle(t.Context(), d.Notice.ID, issuance.Outcome{Permanent: true, Err: errors.New("the mailbox is full")}))
	h.advance(time.Hour)
	_, err := h.RetryNotice(t.Context(), h.staff, d.Notice.ID)
	h.ok(err)
	for _, again := range h.take(issuance.Mail) {
		if again.Notice.ID == d.Notice.ID {
			if diff := cmp.Diff(d.Document, again.Document); diff != "" {
				t.Errorf("sent again, it says something else (-first +again):\n%s", diff)
			}
			return
		}
	}
	t.Error("the report is not sent again")
}

// crashStore fails in the transaction with that number: before it commits, or after.
type crashStore struct {
	issuance.Store[report.Reader, report.Tx]
	mu     sync.Mutex
	n      int
	before int
	after  int
}

var errCrash = errors.New("crash")

func (s *crashStore) Update(ctx context.Context, f func(report.Tx) error) error {
	s.mu.Lock()
	s.n++
	n := s.n
	s.mu.Unlock()
	err := s.Store.Update(ctx, func(tx report.Tx) error {
		if err := f(tx); err != nil || n != s.before {
			return err
		}
		return errCrash
	})
	if err == nil && n == s.after {
		return errCrash
	}
	return err
}

// TestACrashSendsNoReportTwiceAndLosesNone crashes before and after each commit
// of a few days, and begins anew with another process each time.
func TestACrashSendsNoReportTwiceAndLosesNone(t *testing.T) {
	for n := range 5 {
		for _, late := range []bool{false, true} {
			crash := &crashStore{before: n + 1}
			if late {
				crash = &crashStore{after: n + 1}
			}
			h := reportHouse(t, "UTC")
			crash.Store = h.clerk.Store
			h.set(utc("2026-11-29 12:00"))
			crashed := false
			for ; h.now().Before(utc("2026-12-02 12:00")); h.advance(time.Hour) {
				anew := *h.clerk
				anew.Store = crash
				if err := anew.Queue(t.Context()); errors.Is(err, errCrash) {
					crashed = true
				} else {
					h.ok(err)
				}
			}
			var got []string
			for _, r := range h.reports() {
				got = append(got, string(r.Kind)+" "+r.First+" "+r.Period)
			}
			slices.Sort(got)
			want := []string{"daily 2026-11-29 2026-11-29", "daily 2026-11-30 2026-11-30", "daily 2026-12-01 2026-12-01", "monthly 2026-11 2026-11"}
			if diff := cmp.Diff(want, got); diff != "" || !crashed {
				t.Errorf("commit %d, crash after it: %v; crashed: %v (-want +got):\n%s", n, late, crashed, diff)
			}
		}
	}
}

// TestTwoTimersQueueOnce: several processes look at the same moment.
func TestTwoTimersQueueOnce(t *testing.T) {
	h := reportHouse(t, "UTC")
	h.set(utc("2026-11-25 12:00"))
	h.queued()
	h.set(utc("2026-12-01 12:00"))
	var all sync.WaitGroup
	for range 8 {
		another := *h.clerk
		all.Go(func() {
			if err := another.Queue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := h.reports(); len(got) != 2 {
		t.Errorf("%d reports were queued, want the daily and the monthly one", len(got))
	}
}

// TestOldReportsAreForgotten: they are kept for months, not for ever.
func TestOldReportsAreForgotten(t *testing.T) {
	h := reportHouse(t, "UTC", func(s *report.Schedule) { s.Monthly.Off = true })
	h.set(utc("2026-01-01 12:00"))
	for range 200 {
		h.ok(h.clerk.Queue(t.Context()))
		h.advance(24 * time.Hour)
	}
	kept := 0
	h.ok(h.clerk.Store.View(t.Context(), func(tx report.Reader) error {
		for day := utc("2025-12-01 00:00"); day.Before(h.now()); day = day.AddDate(0, 0, 1) {
			if _, err := tx.StoredReport(report.ID("daily-" + day.Format(time.DateOnly))); err == nil {
				kept++
			} else if !errors.Is(err, issuance.ErrNotFound) {
				return err
			}
		}
		return nil
	}))
	if kept != 91 {
		t.Errorf("%d reports are kept, want 91", kept)
	}
}

func TestWhichReportsThereAre(t *testing.T) {
	h := reportHouse(t, "Europe/Berlin")
	h.set(utc("2026-11-25 23:30")) // it is the 26th in Berlin
	for _, test := range []struct {
		kind             report.Kind
		period, from, to string
	}{
		{report.Daily, "", "2026-11-24 23:00", "2026-11-25 23:00"},
		{report.Daily, "2026-11-26", "2026-11-25 23:00", "2026-11-26 23:00"},
		{report.Daily, "2026-03-29", "2026-03-28 23:00", "2026-03-29 22:00"},
		{report.Daily, "2024-02-29", "2024-02-28 23:00", "2024-02-29 23:00"},
		{report.Monthly, "", "2026-09-30 22:00", "2026-10-31 23:00"},
		{report.Monthly, "2026-11", "2026-10-31 23:00", "2026-11-30 23:00"},
		{report.Monthly, "2024-02", "2024-01-31 23:00", "2024-02-29 23:00"},
	} {
		r := h.report(test.kind, test.period)
		if !r.From.Equal(utc(test.from)) || !r.To.Equal(utc(test.to)) {
			t.Errorf("%s %q is from %v to %v, want %s to %s", test.kind, test.period, r.From, r.To, test.from, test.to)
		}
	}
	for _, test := range []struct {
		kind   report.Kind
		period string
		field  string
	}{
		{report.Daily, "2026-11-27", "date"},
		{report.Daily, "2026-02-30", "date"},
		{report.Daily, "2026-11", "date"},
		{report.Daily, "yesterday", "date"},
		{report.Daily, "0000-01-01", "date"},
		{report.Monthly, "2026-12", "month"},
		{report.Monthly, "2026-13", "month"},
		{report.Monthly, "2026-11-25", "month"},
		{report.Monthly, "\x1b", "month"},
	} {
		_, err := h.clerk.Report(t.Context(), report.Query{Kind: test.kind, Period: test.period})
		e, ok := errors.AsType[*issuance.Error](err)
		if !ok || e.Kind != issuance.Invalid || e.Field != test.field || e.Hint == "" {
			t.Errorf("%s %q: got %v, want an Invalid error on %s", test.kind, test.period, err, test.field)
		}
	}
}

func TestReportTimes(t *testing.T) {
	for s, want := range map[string]report.Time{
		"1 07:00": {Day: 1, Hour: 7}, "28 23:59": {Day: 28, Hour: 23, Minute: 59}, "10  00:00": {Day: 10}, "off": {Off: true},
	} {
		if got, err := report.ParseMonthlyAt(s); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", s, got, err, want)
		}
	}
	if _, err := issuance.New(issuance.Config{}); err == nil {
		t.Error("a registrar of nothing is made")
	}
	o := *newHouse(t).clerk
	o.Schedule = report.Schedule{To: []string{"a@postern.example"}}
	if o.Check() == nil {
		t.Error("a monthly report on no day is accepted")
	}
}
