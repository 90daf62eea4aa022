package issuance_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// completed brings an order to its end and returns the password that was sent.
func (h *house) completed() (id issuance.OrderID, token, session, password issuance.Secret) {
	h.t.Helper()
	id, token, session = h.downloaded()
	password = h.post(issuance.SMS)[0].Secret
	h.wantState(id, issuance.CompletedState)
	return id, token, session, password
}

// audited returns how many audit records of verb an order has.
func (h *house) audited(id issuance.OrderID, verb issuance.Verb) (n int) {
	h.t.Helper()
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Order: id, Verb: verb})
		n = len(records)
		return err
	}))
	return n
}

func TestTheSamePasswordIsSentAgain(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session, password := h.completed()
	if err := h.AskPassword(ctx, token, session); issuance.CodeOf(err) != issuance.CodePasswordSoon {
		t.Errorf("at once: %v, want %s", err, issuance.CodePasswordSoon)
	}
	h.advance(h.cfg.Policy.CodeCooldown)
	h.ok(h.AskPassword(ctx, token, session))
	if err := h.AskPassword(ctx, token, session); issuance.CodeOf(err) != issuance.CodePasswordWaits {
		t.Errorf("while it is on its way: %v, want %s", err, issuance.CodePasswordWaits)
	}
	again := h.post(issuance.SMS)
	if len(again) != 1 || !again[0].Secret.Equal(password) {
		t.Fatalf("sent again: %+v", again)
	}
	h.wantState(id, issuance.CompletedState)
	h.advance(h.cfg.Policy.CodeCooldown)
	_, err := h.ResendPassword(ctx, h.staff, id, "called back")
	h.ok(err)
	if again = h.post(issuance.SMS); len(again) != 1 || again[0].Notice.To != h.contact.Mobile {
		t.Errorf("staff sent it again: %+v", again)
	}
	if n := h.audited(id, issuance.ResendPasswordVerb); n != 2 {
		t.Errorf("%d audit records, want 2", n)
	}
	h.advance(h.cfg.Policy.CodeCooldown)
	h.ok(h.AskPassword(ctx, token, session))
	h.post(issuance.SMS)
	h.advance(h.cfg.Policy.CodeCooldown)
	if _, err := h.ResendPassword(ctx, h.staff, id, ""); issuance.CodeOf(err) != issuance.CodePasswordLimit {
		t.Errorf("a fifth message: %v, want %s", err, issuance.CodePasswordLimit)
	}
}

func TestWhoMayNotHaveThePasswordSentAgain(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session, _ := h.completed()
	h.advance(h.cfg.Policy.CodeCooldown)
	auditor := issuance.Actor{Role: issuance.RoleAuditor, ID: "tok-9"}
	if _, err := h.ResendPassword(ctx, auditor, id, ""); issuance.KindOf(err) != issuance.Denied {
		t.Errorf("an auditor: %v", err)
	}
	if err := h.AskPassword(ctx, token, issuance.NewSecret([]byte("another"))); err == nil {
		t.Error("another browser had the password sent")
	}
	_, err := h.ChangeContact(ctx, h.staff, h.contact.ID, func(c *issuance.Contact) { c.Disabled = true })
	h.ok(err)
	if err := h.AskPassword(ctx, token, session); issuance.CodeOf(err) != issuance.CodeCancelled {
		t.Errorf("a disabled contact: %v", err)
	}
	if got := h.post(issuance.SMS); len(got) != 0 {
		t.Errorf("sent: %+v", got)
	}
}

func TestAPasswordIsNotSentAgainAfterItsTime(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session, _ := h.completed()
	h.advance(h.cfg.Policy.ClaimWindow)
	gone := func(when string) {
		t.Helper()
		if _, err := h.ResendPassword(ctx, h.staff, id, ""); issuance.CodeOf(err) != issuance.CodePasswordGone {
			t.Errorf("%s: %v, want %s", when, err, issuance.CodePasswordGone)
		}
	}
	gone("after the window, before the sweep")
	h.ok(h.Sweep(ctx))
	gone("after the sweep")
	if err := h.AskPassword(ctx, token, session); issuance.CodeOf(err) != issuance.CodePasswordGone {
		t.Errorf("the contact: %v", err)
	}
}

func TestARevokedCertificateHasNoPassword(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, _, _, _ := h.completed()
	h.advance(h.cfg.Policy.CodeCooldown)
	_, err := h.ResendPassword(ctx, h.staff, id, "")
	h.ok(err)
	h.advance(h.cfg.Policy.ClaimWindow) // the message waits, and keeps the password
	h.ok(h.Sweep(ctx))
	_, err = h.Revoke(ctx, h.staff, h.order(id).Serial, issuance.KeyCompromise, "")
	h.ok(err)
	if h.has(issuance.PasswordSecret, id) {
		t.Error("the password of a revoked certificate is kept")
	}
	if got := h.post(issuance.SMS); len(got) != 0 {
		t.Errorf("the password of a revoked certificate was sent: %+v", got)
	}
	if _, err := h.ResendPassword(ctx, h.staff, id, ""); issuance.CodeOf(err) != issuance.CodePasswordGone {
		t.Errorf("after the revocation: %v, want %s", err, issuance.CodePasswordGone)
	}
}

// TestAPasswordOnItsWayOutlivesTheWindow: a provider that does not answer until
// the window has ended does not turn a promised message into silence.
func TestAPasswordOnItsWayOutlivesTheWindow(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session, password := h.completed()
	h.advance(h.cfg.Policy.CodeCooldown)
	h.ok(h.AskPassword(ctx, token, session))
	out, err := h.TakeNotices(ctx, issuance.SMS, 10, time.Minute)
	h.ok(err)
	h.ok(h.Settle(ctx, out[0].Notice.ID, issuance.Outcome{Err: errors.New("no answer"), RetryAfter: time.Hour}))
	h.advance(h.cfg.Policy.ClaimWindow)
	h.ok(h.Sweep(ctx))
	if !h.has(issuance.PasswordSecret, id) || h.has(issuance.PKCS12Secret, id) {
		t.Error("the password was wiped while a message with it waited, or the file was not")
	}
	h.advance(time.Hour)
	if _, err := h.ResendPassword(ctx, h.staff, id, ""); issuance.CodeOf(err) != issuance.CodePasswordGone {
		t.Errorf("after the window: %v, want %s", err, issuance.CodePasswordGone)
	}
	if got := h.post(issuance.SMS); len(got) != 1 || !got[0].Secret.Equal(password) {
		t.Errorf("sent: %+v", got)
	}
	if h.has(issuance.PasswordSecret, id) {
		t.Error("the password is still in the store after it was delivered")
	}
}
