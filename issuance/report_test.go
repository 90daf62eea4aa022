package issuance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// busyHouse is a house in which by 26 November 2026, seven in Berlin, most things
// have happened that a report tells of.
func busyHouse(t *testing.T) *house {
	h := reportHouse(t, "Europe/Berlin")
	ctx := t.Context()
	h.set(utc("2026-10-02 08:00"))
	idle := h.issuedNow("") // payments, never used
	h.put(idle, func(c *issuance.Certificate) { c.NotAfter = utc("2028-10-02 08:00") })
	h.newService("ledger")
	old := h.issuedNow("")
	h.put(old, func(c *issuance.Certificate) { c.NotAfter = utc("2026-12-20 08:00") })
	h.see(old, "")
	h.newService("cards")
	ending := h.issuedNow("")
	h.put(ending, func(c *issuance.Certificate) { c.NotAfter = utc("2026-11-30 08:00") })
	h.newService("fx-rates")
	later := h.issuedNow("")
	h.put(later, func(c *issuance.Certificate) { c.NotAfter = utc("2027-01-10 08:00") })
	h.newService("archive")
	expired := h.issuedNow("")
	h.put(expired, func(c *issuance.Certificate) { c.NotAfter = utc("2026-11-20 08:00") })
	h.newService("treasury")
	held := h.issuedNow("")
	h.newService("onboarding")
	stolen := h.issuedNow("")
	h.set(utc("2026-11-23 09:12"))
	h.see(ending, "")
	_, err := h.Request(ctx, h.staff, issuance.OrderRequest{Service: "acme.onboarding", Contact: h.contact.ID})
	h.ok(err)

	h.set(utc("2026-11-25 08:15"))
	h.service.ID = "acme.ledger"
	next := h.issuedNow(old)
	h.see(next, "")
	h.set(utc("2026-11-25 10:40"))
	_, err = h.Hold(ctx, h.staff, held, "asked for by the customer, ticket 4711")
	h.ok(err)
	h.set(utc("2026-11-25 13:05"))
	_, err = h.Revoke(ctx, h.staff, stolen, issuance.KeyCompromise, "laptop stolen")
	h.ok(err)
	h.see(stolen, "certificate-revoked")
	h.set(utc("2026-11-25 14:00"))
	h.see(stolen, "certificate-revoked")
	h.set(utc("2026-11-25 14:10"))
	h.see(expired, "certificate-expired")
	h.set(utc("2026-11-25 14:20"))
	h.service.ID = "acme.fx-rates"
	o := h.invited()
	_, err = h.Cancel(ctx, h.staff, o, "ordered twice")
	h.ok(err)
	h.service.ID = "acme.archive"
	locked := h.invited()
	token, code := h.delivered()
	wrong := "0" + code[1:]
	if wrong == code {
		wrong = "1" + code[1:]
	}
	for range 12 {
		if _, err := h.Verify(ctx, token, wrong); issuance.CodeOf(err) == issuance.CodeSpent {
			h.advance(time.Minute)
			h.ok(h.SendCode(ctx, token))
			h.post(issuance.SMS)
		}
	}
	h.wantState(locked, issuance.LockedState)
	h.set(utc("2026-11-25 15:00"))
	failing := h.invited()
	for _, d := range h.take(issuance.SMS) {
		h.ok(h.Settle(ctx, d.Notice.ID, issuance.Outcome{Permanent: true, Err: fmt.Errorf("the number cannot be reached by SMS (21614)")}))
	}
	h.post(issuance.Mail)
	h.wantState(failing, issuance.InvitedState)
	h.set(utc("2026-11-26 06:00"))
	return h
}

// take leases what is due on channel.
func (h *house) take(channel issuance.Channel) []issuance.Dispatch {
	h.t.Helper()
	out, err := h.TakeNotices(h.t.Context(), channel, 100, time.Minute)
	h.ok(err)
	return out
}

func TestAReportTellsWhatThereIsToDoAndWhatHappened(t *testing.T) {
	h := busyHouse(t)
	daily := h.report(report.Daily, "")
	reportGolden(t, "daily.txt", daily.Text())
	written, err := json.MarshalIndent(daily, "", "  ")
	h.ok(err)
	reportGolden(t, "daily.json", string(written)+"\n")
	reportGolden(t, "monthly.txt", h.report(report.Monthly, "2026-11").Text())

	// What is read back from JSON says the same.
	var back report.Report
	h.ok(json.Unmarshal(written, &back))
	if diff := cmp.Diff(daily.Text(), back.Text()); diff != "" {
		t.Errorf("after JSON (-want +got):\n%s", diff)
	}
}

func TestTheReportOfAnEmptyHouse(t *testing.T) {
	h := reportHouse(t, "UTC")
	h.set(utc("2026-11-26 07:00"))
	reportGolden(t, "empty.txt", h.report(report.Daily, "").Text()+"\n\n"+h.report(report.Monthly, "").Text())
}

// TestUpkeep goes through what a certificate needs in its life.
func TestUpkeep(t *testing.T) {
	h := reportHouse(t, "UTC")
	ctx := t.Context()
	old := h.issuedNow("")
	h.set(h.now().AddDate(1, 11, 20)) // some five weeks before it ends
	want := func(what, needs string) {
		t.Helper()
		r := h.report(report.Daily, "")
		lists := map[string]report.Listed[report.CertificateRow]{"successor": r.ToDo.Ending, "revocation": r.ToDo.Superseded, "use": r.Use.Unused, "decision": r.ToDo.Held}
		var got []string
		for _, need := range issuance.Needs() {
			for _, c := range lists[string(need)].Items {
				if c.Serial == old {
					got = append(got, string(need))
				}
			}
		}
		if strings.Join(got, " ") != needs {
			t.Errorf("%s: the reports list it for %q, want %q", what, strings.Join(got, " "), needs)
		}
	}
	want("at first", "successor use")
	h.see(old, "certificate-held")
	want("after a refusal, which is no use", "successor use")
	h.see(old, "")
	want("in use", "successor")
	o, err := h.Renew(ctx, h.staff, old, "", issuance.Once{})
	h.ok(err)
	want("a successor is ordered", "")
	_, err = h.Reject(ctx, h.staff, o.ID, "")
	h.ok(err)
	want("that order was rejected", "successor")
	next := h.issuedNow(old)
	want("there is a successor", "")
	_, err = h.Revoke(ctx, h.staff, next, issuance.Superseded, "")
	h.ok(err)
	want("the successor was revoked", "successor")
	h.see(next, "")
	want("a revoked successor was seen in use", "successor")
	next = h.issuedNow(old)
	h.see(next, "")
	want("the successor is in use", "revocation")
	h.see(next, "")
	_, err = h.Hold(ctx, h.staff, old, "")
	h.ok(err)
	want("on hold", "revocation decision")
	_, err = h.Revoke(ctx, h.staff, old, issuance.Superseded, "")
	h.ok(err)
	want("revoked", "")
}

// TestAWindowThatRanOutLeavesNoSuccessor: a successor that nobody downloaded is
// revoked by the sweep.
func TestAWindowThatRanOutLeavesNoSuccessor(t *testing.T) {
	h := reportHouse(t, "UTC")
	ctx := t.Context()
	old := h.issuedNow("")
	h.put(old, func(c *issuance.Certificate) { c.NotAfter = h.now().AddDate(0, 0, 20) })
	o, err := h.Renew(ctx, h.staff, old, "", issuance.Once{})
	h.ok(err)
	_, err = h.Approve(ctx, h.staff, o.ID, "")
	h.ok(err)
	token, code := h.delivered()
	session, err := h.Verify(ctx, token, code)
	h.ok(err)
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	h.advance(time.Hour)
	h.ok(h.Sweep(ctx))
	h.wantState(o.ID, issuance.InvitedState)
	_, err = h.Cancel(ctx, h.staff, o.ID, "")
	h.ok(err)
	if got := h.report(report.Daily, "").ToDo.Ending.Count(); got != 1 {
		t.Errorf("%d certificates end without a successor, want 1", got)
	}
}

func TestLongListsAreCut(t *testing.T) {
	h := reportHouse(t, "UTC")
	h.ok(h.store.Update(t.Context(), func(tx issuance.Tx) error {
		for i := range 1200 {
			state := issuance.RequestedState
			if i >= 1075 {
				state = issuance.LockedState
			}
			at := h.now().Add(time.Duration(i) * time.Minute)
			o := issuance.Order{ID: issuance.OrderID(fmt.Sprintf("ord-%04d", i)), State: state, Service: "acme.payments", Organization: "acme", Contact: h.contact.ID, RequestedAt: at, UpdatedAt: at}
			if err := tx.PutOrder(o); err != nil {
				return err
			}
		}
		return nil
	}))
	h.advance(24 * time.Hour)
	r := h.report(report.Daily, "")
	got := []any{len(r.ToDo.Waiting.Items), r.ToDo.Waiting.More, r.ToDo.Waiting.AtLeast, len(r.ToDo.Locked.Items), r.ToDo.Locked.More, r.ToDo.Locked.AtLeast, r.ToDo.Locked.Items[0].Order}
	if diff := cmp.Diff([]any{50, 950, true, 50, 75, false, issuance.OrderID("ord-1075")}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	text := r.Text()
	for _, want := range []string{
		"Orders that wait for approval: 1,000 or more\n", "  And 950 or more: postern order list --state requested\n",
		"Locked orders, after too many wrong codes: 125\n", "  And 75 more: postern order list --state locked\n", "1,000 or more orders wait for approval, 125 orders are locked.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
	}
	all, err := h.clerk.Report(t.Context(), report.Query{Kind: report.Daily, Limit: 5000})
	h.ok(err)
	if len(all.ToDo.Waiting.Items) != issuance.MaxPage || all.ToDo.Waiting.Count() != 1000 {
		t.Errorf("with a limit above all: %d and %d more", len(all.ToDo.Waiting.Items), all.ToDo.Waiting.More)
	}
}

// TestNamesCannotBreakAReport: what somebody would like to have as a name does
// nothing to a terminal, and no line gets out of hand.
func TestNamesCannotBreakAReport(t *testing.T) {
	h := reportHouse(t, "UTC")
	for i, name := range []string{
		"<script>alert(1)</script>", "line\r\nBcc: all@evil.example\r\n\r\nbody", "\x1b[31mred\x1b]0;title\x07", "\u202egnp.exe\u202c", "\u2066x\u2069\u200b\ufeff", "a\u2028b\u2029c\vd\u0085e",
		strings.Repeat("W", 10_000), strings.Repeat("Ж", 10_000), "\xff\xfe broken", "{{.Code}} %s %n $(id)", "\x00", "  ", "\ue000private",
	} {
		h.ok(h.store.Update(t.Context(), func(tx issuance.Tx) error {
			c := issuance.Contact{ID: issuance.ContactID(fmt.Sprintf("con-%d", i)), Organization: "acme", Name: name}
			if err := tx.PutContact(c); err != nil {
				return err
			}
			if err := tx.PutOrganization(issuance.Organization{ID: issuance.OrgID(fmt.Sprintf("org-%d", i)), Name: name}); err != nil {
				return err
			}
			if err := tx.AppendAudit(issuance.AuditRecord{At: h.now(), Verb: issuance.RevokeVerb, Actor: issuance.Actor{Name: name}, Organization: issuance.OrgID(fmt.Sprintf("org-%d", i)), Detail: map[string]string{"reason": name, "comment": name}}); err != nil {
				return err
			}
			if err := tx.PutNotice(issuance.Notice{ID: issuance.NoticeID(fmt.Sprintf("msg-%d", i)), State: issuance.Failed, LastError: name, SettledAt: h.now()}); err != nil {
				return err
			}
			return tx.PutOrder(issuance.Order{ID: issuance.OrderID(fmt.Sprintf("ord-%d", i)), State: issuance.RequestedState, Service: "acme.payments", Contact: c.ID})
		}))
	}
	h.advance(time.Minute)
	today := h.now().Format(time.DateOnly)
	for _, r := range []report.Report{h.report(report.Daily, today), h.report(report.Monthly, today[:7])} {
		text := r.Text()
		if !strings.Contains(text, "<script>alert(1)</script>") {
			t.Error("the names are not in the text: does the test look at the right place?")
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if bad := strings.IndexFunc(line, func(r rune) bool {
				return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
			}); bad >= 0 {
				t.Errorf("%q has %q", line, line[bad:])
			}
			if n := len([]rune(line)); n > 320 {
				t.Errorf("a line has %d characters: %.80s…", n, line)
			}
			if strings.HasPrefix(line, "Bcc:") {
				t.Errorf("a name begins a line: %q", line)
			}
		}
	}
}
