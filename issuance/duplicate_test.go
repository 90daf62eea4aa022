package issuance_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func TestNoSecondOrderThatNobodyMeant(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	q := issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID}
	first, err := h.Request(ctx, h.staff, q)
	h.ok(err)
	_, err = h.Request(ctx, h.staff, q)
	h.wantCode(err, issuance.CodeDuplicate)
	q.Another = true
	second, err := h.Request(ctx, h.staff, q)
	h.ok(err)
	h.wantUnusual(second, issuance.SecondOrder, issuance.NewContact)
	for _, id := range []issuance.OrderID{first.ID, second.ID} {
		_, err = h.Cancel(ctx, h.staff, id, "")
		h.ok(err)
	}
	q.Another = false
	_, err = h.Request(ctx, h.staff, q)
	h.ok(err)
}

func TestACertificateHasOneSuccessorAtATime(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	old := h.issuedNow("")
	renew := func(serial issuance.Serial) (issuance.Order, error) {
		return h.Renew(ctx, h.staff, serial, "", issuance.Once{})
	}
	o, err := renew(old)
	h.ok(err)
	_, err = renew(old)
	h.wantCode(err, issuance.CodeDuplicate)
	_, err = h.Reject(ctx, h.staff, o.ID, "")
	h.ok(err)
	next := h.issuedNow(old)
	_, err = renew(old)
	h.wantCode(err, issuance.CodeDuplicate) // it has one that stands
	_, err = h.Revoke(ctx, h.staff, next, issuance.Superseded, "")
	h.ok(err)
	lapsed, err := renew(old)
	h.ok(err)
	_, err = h.Approve(ctx, h.staff, lapsed.ID, "")
	h.ok(err)
	h.advance(h.cfg.Policy.LinkLifetime)
	h.ok(h.Sweep(ctx))
	h.wantState(lapsed.ID, issuance.LapsedState)
	_, err = renew(old)
	h.ok(err)
	_, err = h.Resend(ctx, h.staff, lapsed.ID, "") // another renews it by now
	h.wantCode(err, issuance.CodeDuplicate)
}

func TestWhatIsUnusualAboutAnOrder(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	old := h.issuedNow("")
	h.advance(8 * 24 * time.Hour)
	o, err := h.Renew(ctx, h.staff, old, "", issuance.Once{})
	h.ok(err)
	h.wantUnusual(o, issuance.RenewsEarly)
	_, err = h.ChangeContact(ctx, h.staff, h.contact.ID, func(c *issuance.Contact) { c.Mobile = "+41791234543" })
	h.ok(err)
	_, err = h.Revoke(ctx, h.staff, old, issuance.KeyCompromise, "")
	h.ok(err)
	h.wantUnusual(o, issuance.RenewsCompromised, issuance.NewMobile)
	h.advance(8 * 24 * time.Hour)
	h.wantUnusual(o, issuance.RenewsCompromised)
	h.issuedNow("")
	h.wantUnusual(h.order(h.invited()), issuance.SecondOrder, issuance.SecondCertificate)
}

func (h *house) wantUnusual(o issuance.Order, want ...issuance.UnusualCode) {
	h.t.Helper()
	var got []issuance.UnusualCode
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) error {
		found, err := issuance.UnusualOf(tx, o, h.now())
		for _, u := range found {
			got = append(got, u.Code)
			if strings.Contains(u.Text, "recently") && !regexp.MustCompile(` 20\d\d-\d\d-\d\d \d\d:\d\dZ$`).MatchString(u.Text) {
				h.t.Errorf("%q has a time that is written unlike all others", u.Text)
			}
		}
		return err
	}))
	if !slices.Equal(got, want) {
		h.t.Errorf("unusual: %q, want %q", got, want)
	}
}
