package issuance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// scene is an order somewhere on its way, with all that was sent for it.
type scene struct {
	*house
	id             issuance.OrderID
	token, session issuance.Secret
	code           string
}

// scenes takes an order to each state in which something may still come of it.
func scenes() map[string]func(h *house) scene {
	return map[string]func(h *house) scene{
		"requested": func(h *house) scene {
			o, err := h.Request(h.t.Context(), h.staff, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID})
			h.ok(err)
			return scene{house: h, id: o.ID}
		},
		"invited, nothing sent": func(h *house) scene { return scene{house: h, id: h.invited()} },
		"invited, one try failed": func(h *house) scene {
			s := scene{house: h, id: h.invited()}
			s.tryInVain()
			return s
		},
		"invited": func(h *house) scene {
			s := scene{house: h, id: h.invited()}
			s.token, s.code = h.delivered()
			return s
		},
		"locked": func(h *house) scene {
			s := scene{house: h, id: h.invited()}
			s.token, s.code = h.delivered()
			for h.order(s.id).State == issuance.InvitedState {
				_, err := h.Verify(h.t.Context(), s.token, "00000000")
				if issuance.CodeOf(err) == issuance.CodeSpent {
					h.advance(h.cfg.Policy.CodeCooldown)
					h.ok(h.SendCode(h.t.Context(), s.token))
				}
			}
			h.post(issuance.SMS)
			return s
		},
		"lapsed": func(h *house) scene {
			s := scene{house: h, id: h.invited()}
			s.token, s.code = h.delivered()
			h.advance(h.cfg.Policy.LinkLifetime)
			h.ok(h.Sweep(h.t.Context()))
			return s
		},
		"verified": func(h *house) scene { return h.scene(h.verified()) },
		"verified, another code on its way": func(h *house) scene {
			s := h.scene(h.verified())
			h.advance(h.cfg.Policy.CodeCooldown)
			h.ok(h.SendCode(h.t.Context(), s.token))
			s.tryInVain()
			return s
		},
		"issued": func(h *house) scene {
			s := h.scene(h.verified())
			_, err := h.Claim(h.t.Context(), s.token, s.session, issuance.ClaimRequest{})
			h.ok(err)
			return s
		},
		"downloaded": func(h *house) scene { return h.scene(h.downloaded()) },
		"downloaded, one try failed": func(h *house) scene {
			s := h.scene(h.downloaded())
			s.tryInVain()
			return s
		},
		"downloaded, the password failed": func(h *house) scene {
			s := h.scene(h.downloaded())
			out, err := h.TakeNotices(h.t.Context(), issuance.SMS, 9, time.Minute)
			h.ok(err)
			h.ok(h.Settle(h.t.Context(), out[0].Notice.ID, issuance.Outcome{Err: errors.New("no such number"), Permanent: true}))
			return s
		},
		"completed": func(h *house) scene {
			s := h.scene(h.downloaded())
			h.post(issuance.SMS)
			h.advance(h.cfg.Policy.CodeCooldown)
			return s
		},
		"completed, the password again on its way": func(h *house) scene {
			s := h.scene(h.downloaded())
			h.post(issuance.SMS)
			h.advance(h.cfg.Policy.CodeCooldown)
			h.ok(h.AskPassword(h.t.Context(), s.token, s.session))
			return s
		},
		"completed, from a CSR": func(h *house) scene {
			s := h.scene(h.verified())
			_, err := h.Claim(h.t.Context(), s.token, s.session, issuance.ClaimRequest{CSR: []byte("csr 1")})
			h.ok(err)
			return s
		},
	}
}

func (h *house) scene(id issuance.OrderID, token, session issuance.Secret) scene {
	return scene{house: h, id: id, token: token, session: session, code: "12345678"}
}

// tryInVain has the provider of each channel refuse what is due for now.
func (s scene) tryInVain() {
	s.t.Helper()
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		out, err := s.TakeNotices(s.t.Context(), channel, 9, time.Minute)
		s.ok(err)
		for _, d := range out {
			s.ok(s.Settle(s.t.Context(), d.Notice.ID, issuance.Outcome{Err: errors.New("451 later"), RetryAfter: time.Second}))
		}
	}
	s.advance(time.Minute)
}

// doors returns every way in for a contact, and every verb of staff that would let one in.
func (s scene) doors() map[string]func() error {
	ctx := s.t.Context()
	return map[string]func() error{
		"link": func() error {
			alive, err := s.Alive(ctx, s.token)
			if err == nil && !alive {
				err = errors.New("the link opens nothing")
			}
			return err
		},
		"status":   func() error { _, err := s.Look(ctx, s.token, s.session); return err },
		"code":     func() error { return s.SendCode(ctx, s.token) },
		"verify":   func() error { _, err := s.Verify(ctx, s.token, s.code); return err },
		"claim":    func() error { _, err := s.Claim(ctx, s.token, s.session, issuance.ClaimRequest{}); return err },
		"csr":      func() error { _, err := s.enroll(s.token, s.code, []byte("csr 1")); return err },
		"download": func() error { return s.Download(ctx, s.token, s.session) },
		"password": func() error { return s.AskPassword(ctx, s.token, s.session) },

		"approve":         func() error { _, err := s.Approve(ctx, s.staff, s.id, ""); return err },
		"resend":          func() error { _, err := s.Resend(ctx, s.staff, s.id, ""); return err },
		"unlock":          func() error { _, err := s.Unlock(ctx, s.staff, s.id, ""); return err },
		"resend-password": func() error { _, err := s.ResendPassword(ctx, s.staff, s.id, ""); return err },
		"order": func() error {
			_, err := s.Request(ctx, s.staff, issuance.OrderRequest{Service: s.service.ID, Contact: s.contact.ID, Another: true})
			return err
		},
		"renew": func() error {
			serial := s.order(s.id).Serial
			if serial == "" {
				return errors.New("there is nothing to renew")
			}
			_, err := s.Renew(ctx, s.staff, serial, "", issuance.Once{})
			return err
		},
		"retry": func() error {
			for _, n := range s.notices(issuance.NoticeQuery{Order: s.id}) {
				if n.Kind.Opens() && n.State != issuance.Accepted {
					if _, err := s.RetryNotice(ctx, s.staff, n.ID); err == nil {
						return nil
					}
				}
			}
			return errors.New("no message is sent again")
		},
	}
}

// shut wants every door to be shut, nothing that opens anything to be sent, and
// nothing to be signed.
func (s scene) shut() {
	s.t.Helper()
	signed := s.signer.signed()
	for door, try := range s.doors() {
		if err := try(); err == nil {
			s.t.Errorf("%s: it is open", door)
		}
	}
	for range 3 {
		for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
			for _, d := range s.post(channel) {
				if d.Notice.Kind.Opens() {
					s.t.Errorf("the %s was sent to %s", d.Notice.Kind, d.Notice.To)
				}
			}
		}
		s.advance(time.Hour)
		s.ok(s.Sweep(s.t.Context()))
	}
	if n := s.signer.signed() - signed; n != 0 {
		s.t.Errorf("%d certificates were signed", n)
	}
}

// disabled are the three records whose end shuts every door, by the verb of staff
// and as the store has them where the verb did not come by.
func disabled() map[string]func(h *house, verb bool) {
	return map[string]func(*house, bool){
		"organisation": func(h *house, verb bool) {
			if verb {
				_, err := h.ChangeOrganization(h.t.Context(), h.staff, "acme", func(o *issuance.Organization) { o.Disabled = true })
				h.ok(err)
				return
			}
			h.underneath(func(tx issuance.Tx) error {
				o, err := tx.Organization("acme")
				o.Disabled = true
				return errors.Join(err, tx.PutOrganization(o))
			})
		},
		"contact": func(h *house, verb bool) {
			h.changeContact(verb, func(c *issuance.Contact) { c.Disabled = true })
		},
		"authority": func(h *house, verb bool) {
			h.changeContact(verb, func(c *issuance.Contact) { c.MayReceive = false })
		},
		"service": func(h *house, verb bool) {
			if verb {
				_, err := h.ChangeService(h.t.Context(), h.staff, h.service.ID, func(s *issuance.ServiceRequest) { s.Disabled = true })
				h.ok(err)
				return
			}
			h.underneath(func(tx issuance.Tx) error {
				s, err := tx.Service(h.service.ID)
				s.Disabled = true
				return errors.Join(err, tx.PutService(s))
			})
		},
	}
}

// underneath changes the store without any verb.
func (h *house) underneath(f func(issuance.Tx) error) {
	h.t.Helper()
	h.ok(h.store.Update(h.t.Context(), f))
}

func (h *house) changeContact(verb bool, change func(*issuance.Contact)) {
	h.t.Helper()
	if verb {
		_, err := h.ChangeContact(h.t.Context(), h.staff, h.contact.ID, change)
		h.ok(err)
		return
	}
	h.underneath(func(tx issuance.Tx) error {
		c, err := tx.Contact(h.contact.ID)
		change(&c)
		return errors.Join(err, tx.PutContact(c))
	})
}

// TestDisabledMeansDisabled: every state, every door, every record that is disabled.
func TestDisabledMeansDisabled(t *testing.T) {
	for state, set := range scenes() {
		for what, disable := range disabled() {
			t.Run(state+"/"+what, func(t *testing.T) {
				t.Parallel()
				s := set(newHouse(t))
				disable(s.house, false)
				s.shut()
			})
		}
	}
}

// TestDisablingEndsWhatIsUnderWay: the order is over, and stays so when what was
// disabled is enabled again; what was not delivered is revoked.
func TestDisablingEndsWhatIsUnderWay(t *testing.T) {
	for state, set := range scenes() {
		for what, disable := range disabled() {
			if what == "authority" && state != "issued" {
				continue // of which the contact's end is the same
			}
			t.Run(state+"/"+what, func(t *testing.T) {
				t.Parallel()
				s := set(newHouse(t))
				issued := s.certificates(issuance.CertificateQuery{Status: issuance.Active})
				disable(s.house, true)
				s.over(strings.HasPrefix(state, "completed"), issued)
				s.shut()
				s.enable()
				for _, door := range []string{"link", "status", "code", "verify", "claim", "csr", "download", "password", "approve", "unlock", "resend-password", "retry"} {
					if err := s.doors()[door](); err == nil {
						t.Errorf("%s: it is open again", door)
					}
				}
			})
		}
	}
}

// over wants the order to have ended, with what it had.
func (s scene) over(delivered bool, issued []issuance.Certificate) {
	s.t.Helper()
	o := s.order(s.id)
	if o.State != issuance.CancelledState && o.State != issuance.LapsedState && !delivered {
		s.t.Errorf("the order is %s", o.State)
	}
	if o.Code.Live || o.Session.Digest != "" {
		s.t.Errorf("a code is live (%v), or a session open (%q)", o.Code.Live, o.Session.Digest)
	}
	for _, n := range s.notices(issuance.NoticeQuery{Order: s.id}) {
		if n.State == issuance.Pending && n.Kind.Opens() {
			s.t.Errorf("the %s waits to be sent", n.Kind)
		}
	}
	for _, kind := range []issuance.SecretKind{issuance.LinkSecret, issuance.SeedSecret, issuance.PKCS12Secret, issuance.PasswordSecret} {
		if s.has(kind, s.id) {
			s.t.Errorf("the %s is kept", kind)
		}
	}
	want := issuance.Revoked
	if delivered {
		want = issuance.Active
	}
	for _, c := range issued {
		if got := s.certificates(issuance.CertificateQuery{Order: c.Order}); got[0].Status != want {
			s.t.Errorf("the certificate is %s, want %s", got[0].Status, want)
		}
	}
}

// enable enables all that can be disabled.
func (s scene) enable() {
	s.t.Helper()
	ctx := s.t.Context()
	_, err1 := s.ChangeOrganization(ctx, s.staff, "acme", func(o *issuance.Organization) { o.Disabled = false })
	_, err2 := s.ChangeService(ctx, s.staff, s.service.ID, func(q *issuance.ServiceRequest) { q.Disabled = false })
	_, err3 := s.ChangeContact(ctx, s.staff, s.contact.ID, func(c *issuance.Contact) { c.Disabled, c.MayReceive = false, true })
	s.ok(errors.Join(err1, err2, err3))
}
