package issuance_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func TestAnOutageOfTheProviderDoesNotEatTheCodesTime(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	mails := h.post(issuance.Mail)
	token := mails[0].Secret
	var texts []string
	for range 4 { // the provider is down for minutes
		out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
		h.ok(err)
		if len(out) != 1 {
			t.Fatalf("took %d notices, want 1", len(out))
		}
		texts = append(texts, string(out[0].Secret.Reveal()))
		h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("503"), RetryAfter: time.Minute}))
		h.advance(time.Minute)
		h.wantCode(h.SendCode(ctx, token), issuance.CodeDelayed)
	}
	if got := slices.Compact(texts); len(got) != 1 {
		t.Errorf("the code changed from try to try: %d different ones", len(got))
	}
	sent := h.post(issuance.SMS)
	code := string(sent[0].Secret.Reveal())
	h.advance(30 * time.Minute)
	_, err := h.Verify(ctx, token, code)
	h.wantCode(err, issuance.CodeExpired)
	h.advance(-time.Second)
	_, err = h.Verify(ctx, token, code)
	h.ok(err)
}

// TestAContactIsToldOfAPausedChannel has a channel that pauses before it tries a code:
// no provider has refused this message, and it gets no further all the same. Asking
// for more codes would use up the day's.
func TestAContactIsToldOfAPausedChannel(t *testing.T) {
	h := newHouse(t)
	id := h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	seen := func() issuance.CodeView {
		t.Helper()
		v, err := h.Look(ctx, token, issuance.Secret{})
		h.ok(err)
		return v.Code
	}
	if c := seen(); !c.Waiting || c.Delayed {
		t.Errorf("just made: %+v", c)
	}
	for _, wait := range []time.Duration{h.cfg.Policy.CodeCooldown, 30 * time.Minute, 3 * time.Hour} {
		h.advance(wait)
		if c := seen(); !c.Waiting || !c.Delayed || c.Expired {
			t.Errorf("after another %s: %+v, want it waiting and delayed, and not expired", wait, c)
		}
		h.wantCode(h.SendCode(ctx, token), issuance.CodeDelayed)
	}
	// The probe of a paused channel makes the code anew, and is refused.
	out, err := h.TakeNotices(ctx, issuance.SMS, 1, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("401"), Uncharged: true}))
	h.ok(h.Read(ctx, func(tx issuance.Reader) error {
		late, err := issuance.Overdue(tx, issuance.SMS, h.now())
		if len(late) != 1 || late[0].Order != id {
			t.Errorf("after hours %d messages are overdue, want the code", len(late))
		}
		return err
	}))
	code := string(h.postLater(issuance.SMS)[0].Secret.Reveal())
	if c := seen(); c.Waiting || c.Delayed || !c.Live {
		t.Errorf("sent: %+v", c)
	}
	_, err = h.Verify(ctx, token, code)
	h.ok(err)
}

// postLater is post after what was refused a second ago is due again.
func (h *house) postLater(channel issuance.Channel) []issuance.Dispatch {
	h.advance(time.Second)
	return h.post(channel)
}

// TestAContactIsToldOfAPasswordThatWaits is the same of the password of a file.
func TestAContactIsToldOfAPasswordThatWaits(t *testing.T) {
	h := newHouse(t)
	_, token, session := h.downloaded()
	for minutes, want := range []bool{false, true} {
		h.advance(time.Duration(minutes) * time.Minute)
		v, err := h.Look(t.Context(), token, session)
		h.ok(err)
		if v.PasswordState != issuance.Pending || v.PasswordDelayed != want {
			t.Errorf("after %d minutes: %q, delayed %t; want it pending, delayed %t", minutes, v.PasswordState, v.PasswordDelayed, want)
		}
	}
}

// TestACodeIsMadeAnewWhenItsMessageWaited has a channel paused for hours: the code
// that goes out at last is one that lives as long as it says, and only that one opens.
func TestACodeIsMadeAnewWhenItsMessageWaited(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	old := string(out[0].Secret.Reveal())
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("401"), Uncharged: true, RetryAfter: time.Minute}))
	h.advance(3 * time.Hour)
	code := string(h.post(issuance.SMS)[0].Secret.Reveal())
	if code == old {
		t.Fatal("the code of three hours ago was sent")
	}
	_, err = h.Verify(ctx, token, old)
	h.wantCode(err, issuance.CodeWrongCode)
	h.advance(30*time.Minute - time.Second)
	_, err = h.Verify(ctx, token, code)
	h.ok(err)
}

// TestACodeIsGivenUpWithItsTime: a provider that is down for longer than a code is worth
// is not asked for three days; staff are told, and the code opens nothing.
func TestACodeIsGivenUpWithItsTime(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	var last issuance.Dispatch
	for range 6 {
		for _, d := range h.take(issuance.SMS) {
			last = d
			h.ok(h.Settle(ctx, d.Notice.ID, issuance.Outcome{Err: errors.New("503"), RetryAfter: time.Minute}))
		}
		h.advance(time.Minute)
	}
	if failed := h.notices(issuance.NoticeQuery{State: issuance.Failed}); len(failed) != 1 || failed[0].ID != last.Notice.ID {
		t.Errorf("after six minutes of tries %d messages have failed, want the code", len(failed))
	}
	if _, err := h.Verify(ctx, token, string(last.Secret.Reveal())); err == nil {
		t.Error("a code that was given up opens the order")
	}
}

// TestARetriedCodeIsANewOne has staff send a code again that failed: the old one may
// have arrived all the same, and its time runs.
func TestARetriedCodeIsANewOne(t *testing.T) {
	h := newHouse(t)
	h.invited()
	ctx := t.Context()
	token := h.post(issuance.Mail)[0].Secret
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("no such number"), Permanent: true}))
	h.advance(12 * time.Hour)
	_, err = h.RetryNotice(ctx, h.staff, out[0].Notice.ID)
	h.ok(err)
	sent := h.post(issuance.SMS)
	if sent[0].Secret.Equal(out[0].Secret) {
		t.Error("the code of twelve hours ago was sent again")
	}
	_, err = h.Verify(ctx, token, string(sent[0].Secret.Reveal()))
	h.ok(err)
}

// namesTheOrder reports whether an alert names the order as people know it.
func namesTheOrder(text string) bool {
	for _, part := range []string{"ord-", "payments", "Acme AG", "anna@"} {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func TestAHopelessNoticeIsShownAndNothingIsLost(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, _, _ := h.downloaded()
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("the number does not exist"), Permanent: true}))
	failed := h.notices(issuance.NoticeQuery{State: issuance.Failed})
	if len(failed) != 1 || failed[0].LastError != "the number does not exist" {
		t.Fatalf("failed notices: %+v", failed)
	}
	if alerts := h.post(issuance.Mail); len(alerts) != 1 || alerts[0].Notice.Kind != issuance.AlertNotice || alerts[0].Notice.To != "duty@postern.example" || !namesTheOrder(alerts[0].Notice.Text) {
		t.Errorf("staff were not told: %+v", alerts)
	}
	// The claim window ends: the file goes, the password stays until it is delivered.
	h.advance(h.cfg.Policy.ClaimWindow)
	h.ok(h.Sweep(ctx))
	if h.has(issuance.PKCS12Secret, id) || !h.has(issuance.PasswordSecret, id) {
		t.Errorf("after the window: file kept %v, password kept %v; want false, true", h.has(issuance.PKCS12Secret, id), h.has(issuance.PasswordSecret, id))
	}
	_, err = h.RetryNotice(ctx, h.staff, failed[0].ID)
	h.ok(err)
	again := h.post(issuance.SMS)
	if !again[0].Notice.CreatedAt.Equal(out[0].Notice.CreatedAt) {
		t.Error("what is sent again has another date")
	}
	if len(again) != 1 || again[0].Notice.To != h.contact.Mobile || !again[0].Secret.Equal(out[0].Secret) {
		t.Errorf("sent again: %+v", again)
	}
	h.wantState(id, issuance.CompletedState)
	if h.has(issuance.PasswordSecret, id) {
		t.Error("the password is still in the store after it was delivered and the window ended")
	}
}

func TestANoticeThatCannotBeWrittenDoesNotHoldUpTheOthers(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.ok(h.store.Update(ctx, func(tx issuance.Tx) error {
		return tx.PutNotice(issuance.Notice{ID: "msg-0", Kind: issuance.CodeNotice, Channel: issuance.SMS, State: issuance.Pending, Order: "ord-gone", NextAt: h.now(), GiveUpAt: h.now().Add(time.Hour)})
	}))
	h.invited()
	h.delivered()
	if failed := h.notices(issuance.NoticeQuery{State: issuance.Failed}); len(failed) != 1 || failed[0].ID != "msg-0" || failed[0].LastError == "" {
		t.Errorf("failed notices: %+v", failed)
	}
}

func TestAMessageOfAKilledProcessIsSentAgainAtOnce(t *testing.T) {
	h := newHouse(t)
	h.invited()
	first, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Hour)
	h.ok(err)
	if again, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Hour); err != nil || len(again) != 0 {
		t.Errorf("a message was handed out twice within its lease: %v, %v", again, err)
	}
	h.ok(h.Recover(t.Context()))
	again, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Hour)
	h.ok(err)
	if len(again) != 1 || !again[0].Secret.Equal(first[0].Secret) || again[0].Notice.ID != first[0].Notice.ID {
		t.Errorf("after the recovery: %+v", again)
	}
}

func TestAPausedChannelGivesNothingUp(t *testing.T) {
	h := newHouse(t)
	h.invited()
	out, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.advance(30 * 24 * time.Hour)
	h.ok(h.Settle(t.Context(), out[0].Notice.ID, issuance.Outcome{Err: errors.New("401"), Uncharged: true, RetryAfter: time.Minute}))
	if pending := h.notices(issuance.NoticeQuery{State: issuance.Pending}); len(pending) == 0 || pending[0].Attempts != 0 {
		t.Errorf("pending notices: %+v", pending)
	}
}

func TestANoticeIsGivenUpAfterItsTime(t *testing.T) {
	h := newHouse(t)
	h.invited()
	for range 100 {
		out, err := h.TakeNotices(t.Context(), issuance.SMS, 10, time.Minute)
		h.ok(err)
		for _, d := range out {
			h.ok(h.Settle(t.Context(), d.Notice.ID, issuance.Outcome{Err: errors.New("503"), RetryAfter: time.Minute}))
		}
		h.advance(time.Minute)
	}
	if failed := h.notices(issuance.NoticeQuery{State: issuance.Failed}); len(failed) != 1 || failed[0].Attempts != 6 {
		t.Errorf("failed notices: %+v", failed)
	}
}

func TestAResendVoidsTheOldLinkAndSession(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	h.advance(h.cfg.Policy.CodeCooldown)
	_, err := h.Resend(ctx, h.staff, id, "")
	h.ok(err)
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.wantCode(err, issuance.CodeLink)
	h.wantCode(h.SendCode(ctx, token), issuance.CodeLink)
	newToken, code := h.delivered()
	_, err = h.Verify(ctx, newToken, code)
	h.ok(err)
}

func TestALinkLapsesAndStaffCanSendANewOne(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id := h.invited()
	token, code := h.delivered()
	h.advance(h.cfg.Policy.LinkLifetime)
	// Its time is over even before the sweep comes round.
	_, err := h.Verify(ctx, token, code)
	h.wantCode(err, issuance.CodeLinkExpired)
	if alive, err := h.Alive(ctx, token); alive || err != nil {
		t.Errorf("the link is alive: %v, %v", alive, err)
	}
	h.ok(h.Sweep(ctx))
	h.wantState(id, issuance.LapsedState)
	_, err = h.Resend(ctx, h.staff, id, "")
	h.ok(err)
	h.delivered()
	h.wantState(id, issuance.InvitedState)
}

func TestTwoContactsOfAnOrganisationHaveTwoAddresses(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	other := h.contact
	_, err := h.AddContact(ctx, h.staff, issuance.ContactRequest{Contact: other})
	h.wantCode(err, issuance.CodeState)
	other.Email = "ben@acme.example"
	other, err = h.AddContact(ctx, h.staff, issuance.ContactRequest{Contact: other})
	h.ok(err)
	_, err = h.ChangeContact(ctx, h.staff, other.ID, func(c *issuance.Contact) { c.Email = "Anna@Acme.example" })
	h.wantCode(err, issuance.CodeState)
	_, err = h.ChangeContact(ctx, h.staff, other.ID, func(c *issuance.Contact) { c.Name = "Ben" })
	h.ok(err)
}

func TestCoolingOffAfterAChangedNumber(t *testing.T) {
	h := newHouse(t, func(c *issuance.Config) { c.Policy.CoolingOff = 24 * time.Hour })
	ctx := t.Context()
	_, err := h.ChangeContact(ctx, h.staff, h.contact.ID, func(c *issuance.Contact) { c.Mobile = "+41791234500" })
	h.ok(err)
	h.told()
	h.invited()
	token := h.post(issuance.Mail)[0].Secret
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d codes went to a number that had just changed", n)
	}
	h.wantCode(h.SendCode(ctx, token), issuance.CodeCoolingOff)
	h.advance(24 * time.Hour)
	h.ok(h.SendCode(ctx, token))
	if sent := h.post(issuance.SMS); len(sent) != 1 || sent[0].Notice.To != "+41791234500" {
		t.Errorf("sent %+v", sent)
	}
}

func TestCodeOnRequestAlone(t *testing.T) {
	h := newHouse(t, func(c *issuance.Config) { c.Policy.CodeOnRequest = true })
	h.invited()
	token := h.post(issuance.Mail)[0].Secret
	if n := len(h.post(issuance.SMS)); n != 0 {
		t.Errorf("%d codes went out unasked", n)
	}
	_, err := h.Verify(t.Context(), token, "12345678")
	h.wantCode(err, issuance.CodeNone)
	h.ok(h.SendCode(t.Context(), token))
	if n := len(h.post(issuance.SMS)); n != 1 {
		t.Errorf("%d codes went out, want 1", n)
	}
}
