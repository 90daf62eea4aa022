package issuance_test

import (
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// changes are what an approval is bound to, each changed.
func changes() map[string]func(h *house) {
	contact := func(change func(*issuance.Contact)) func(*house) {
		return func(h *house) { h.changeContact(true, change) }
	}
	return map[string]func(*house){
		"the organisation's name": func(h *house) { h.renameOrganization("Mallory Ltd") },
		"e-mail":                  contact(func(c *issuance.Contact) { c.Email = "mallory@acme.example" }),
		"mobile":                  contact(func(c *issuance.Contact) { c.Mobile = "+41790000666" }),
		"both":                    contact(func(c *issuance.Contact) { c.Email, c.Mobile = "mallory@acme.example", "+41790000666" }),
		"the e-mail's case": contact(func(c *issuance.Contact) {
			c.Email = "Anna@acme.example" // some hosts tell them apart
		}),
	}
}

// TestAChangeVoidsTheApproval: whatever was approved is approved again, and nothing
// that was under way opens anything, also once the change was taken back.
func TestAChangeVoidsTheApproval(t *testing.T) {
	for state, set := range scenes() {
		for what, change := range changes() {
			if what != "both" && what != "the organisation's name" && state != "verified" {
				continue
			}
			t.Run(state+"/"+what, func(t *testing.T) {
				t.Parallel()
				s := set(newHouse(t))
				was := s.order(s.id).State
				issued := s.certificates(issuance.CertificateQuery{Status: issuance.Active})
				change(s.house)
				s.nothingOpens()
				s.wantState(s.id, voided(was))
				for _, c := range issued {
					if got := s.certificates(issuance.CertificateQuery{Order: c.Order})[0].Status; was != issuance.CompletedState && got != issuance.Revoked {
						t.Errorf("the certificate is %s", got)
					}
				}
				s.changeContact(true, func(c *issuance.Contact) { c.Email, c.Mobile = "anna@acme.example", "+41791234542" })
				s.renameOrganization("Acme AG")
				s.nothingOpens()
				if voided(was) == issuance.RequestedState {
					_, err := s.Approve(t.Context(), s.staff, s.id, "")
					s.ok(err)
					s.advance(s.cfg.Policy.CodeCooldown)
					s.delivered()
				}
			})
		}
	}
}

func (h *house) renameOrganization(name string) {
	h.t.Helper()
	_, err := h.ChangeOrganization(h.t.Context(), h.staff, "acme", func(o *issuance.Organization) { o.Name = name })
	h.ok(err)
}

// voided returns where an order stands whose approval was voided.
func voided(was issuance.OrderState) issuance.OrderState {
	switch was {
	case issuance.InvitedState, issuance.LockedState, issuance.VerifiedState, issuance.IssuedState:
		return issuance.RequestedState
	case issuance.DownloadedState:
		return issuance.CancelledState
	}
	return was
}

// nothingOpens wants every door of the contact to be shut, and nothing to be sent
// that opens anything; staff may approve again.
func (s scene) nothingOpens() {
	s.t.Helper()
	for _, door := range []string{"link", "status", "code", "verify", "claim", "csr", "download", "password", "resend", "unlock", "resend-password", "retry"} {
		if err := s.doors()[door](); err == nil {
			s.t.Errorf("%s: it is open", door)
		}
	}
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		for _, d := range s.post(channel) {
			if d.Notice.Kind.Opens() {
				s.t.Errorf("the %s was sent to %s", d.Notice.Kind, d.Notice.To)
			}
		}
	}
}

// TestAnApprovalIsOfWhatWasApproved, also where the change did not come by a verb.
func TestAnApprovalIsOfWhatWasApproved(t *testing.T) {
	for state, set := range scenes() {
		if state == "requested" {
			continue
		}
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			s := set(newHouse(t))
			s.changeContact(false, func(c *issuance.Contact) { c.Mobile = "+41790000666" })
			s.nothingOpens()
		})
	}
}

// TestAnApprovalEnds: no link lives longer, and none is sent after it.
func TestAnApprovalEnds(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id := h.invited()
	approved := h.now()
	h.advance(h.cfg.Policy.ApprovalLifetime - h.cfg.Policy.LinkLifetime/2)
	h.ok(h.Sweep(ctx))
	_, err := h.Resend(ctx, h.staff, id, "")
	h.ok(err)
	if got, want := h.order(id).Link.ExpiresAt, approved.Add(h.cfg.Policy.ApprovalLifetime); !got.Equal(want) {
		t.Errorf("the link ends %v, want %v, with the approval", got, want)
	}
	h.advance(h.cfg.Policy.LinkLifetime)
	h.ok(h.Sweep(ctx))
	h.wantState(id, issuance.LapsedState)
	_, err = h.Resend(ctx, h.staff, id, "")
	h.wantCode(err, issuance.CodeUnapproved)
	_, err = h.Approve(ctx, h.staff, id, "")
	h.ok(err)
	h.wantState(id, issuance.InvitedState)
}
