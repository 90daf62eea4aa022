package issuance_test

import (
	"slices"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// Every change of a certificate's status has a kind of message of its own, so that
// a list of messages tells a release from a revocation.
func TestEachChangeOfStatusHasItsKindOfMessage(t *testing.T) {
	h := newHouse(t)
	id, _, _, _ := h.completed()
	serial, ctx := h.order(id).Serial, t.Context()
	changes := []struct {
		kind   issuance.NoticeKind
		change func() (issuance.Certificate, error)
	}{
		{issuance.HeldNotice, func() (issuance.Certificate, error) { return h.Hold(ctx, h.staff, serial, "") }},
		{issuance.ReleasedNotice, func() (issuance.Certificate, error) { return h.Release(ctx, h.staff, serial, "") }},
		{issuance.RevokedNotice, func() (issuance.Certificate, error) {
			return h.Revoke(ctx, h.staff, serial, issuance.Superseded, "")
		}},
	}
	for _, c := range changes {
		_, err := c.change()
		h.ok(err)
		sent := h.post(issuance.Mail)
		if len(sent) != 1 || sent[0].Notice.Kind != c.kind || !sent[0].Notice.Kind.TellsStatus() {
			t.Errorf("got %+v, want one of kind %s", sent, c.kind)
		}
		kept := h.notices(issuance.NoticeQuery{Order: id})
		if !slices.ContainsFunc(kept, func(n issuance.Notice) bool { return n.Kind == c.kind }) {
			t.Errorf("the list has no message of kind %s", c.kind)
		}
	}
}
