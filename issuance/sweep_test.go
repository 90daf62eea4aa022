package issuance_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func TestALockedOrderLapsesWithItsLink(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id := h.invited()
	token, _ := h.delivered()
	for h.order(id).State == issuance.InvitedState {
		if _, err := h.Verify(ctx, token, "00000000"); err == nil {
			t.Fatal("a wrong code was taken")
		}
		h.advance(h.cfg.Policy.CodeCooldown)
		if h.order(id).State == issuance.InvitedState {
			_ = h.SendCode(ctx, token)
			h.post(issuance.SMS)
		}
	}
	h.wantState(id, issuance.LockedState)
	h.advance(h.cfg.Policy.LinkLifetime)
	h.ok(h.Sweep(ctx))
	h.wantState(id, issuance.LapsedState)
	if h.has(issuance.LinkSecret, id) || h.has(issuance.SeedSecret, id) {
		t.Error("the link or the seed of a lapsed order is kept")
	}
}

func TestWhatWaitsOnPurposeIsNotHastened(t *testing.T) {
	h := newHouse(t)
	ctx, ok := t.Context(), false
	id := h.queueLater()
	h.ok(h.Hasten(ctx, issuance.SMS))
	h.ok(h.Read(ctx, func(tx issuance.Reader) error {
		n, err := tx.Notice(id)
		ok = n.NextAt.After(h.now())
		return err
	}))
	if !ok {
		t.Error("a message that waits for the cooling-off time is due at once")
	}
}

func TestAMessageThatJustFellDueIsNotOverdue(t *testing.T) {
	h := newHouse(t)
	id := h.queueLater()
	overdue := func() (n int) {
		h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
			late, err := issuance.Overdue(tx, issuance.SMS, h.now())
			n = len(late)
			return err
		}))
		return n
	}
	h.advance(30 * time.Minute)
	if n := overdue(); n != 0 {
		t.Errorf("%d messages are late that are due since this moment", n)
	}
	d := h.take(issuance.SMS)[0]
	if d.Notice.ID != id {
		t.Fatalf("took %s", d.Notice.ID)
	}
	h.ok(h.Settle(t.Context(), id, issuance.Outcome{Err: errors.New("503")}))
	h.advance(11 * time.Minute)
	if n := overdue(); n != 1 {
		t.Errorf("%d messages are late, want the one that failed", n)
	}
}

// queueLater queues an SMS that nobody has tried, for half an hour from now.
func (h *house) queueLater() issuance.NoticeID {
	h.t.Helper()
	n := issuance.Notice{
		ID: "msg-later", Kind: issuance.AlertSMSNotice, Channel: issuance.SMS, State: issuance.Pending, To: "+41790000001", Language: "en", Text: "later",
		CreatedAt: h.now(), NextAt: h.now().Add(30 * time.Minute), GiveUpAt: h.now().Add(72*time.Hour + 30*time.Minute),
	}
	h.ok(h.store.Update(h.t.Context(), func(tx issuance.Tx) error { return tx.PutNotice(n) }))
	return n.ID
}
