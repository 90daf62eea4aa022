package issuance_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestACertificateRenewsItself(t *testing.T) {
	h := newInkHouse(t)
	old := h.old(newECKey(t))
	h.post(issuance.Mail)
	f, err := h.Reenroll(t.Context(), old.Serial, h.csr(newECKey(t)))
	h.ok(err)
	made := f.Certificate
	if made.Serial == old.Serial || made.Renews != old.Serial || made.Status != issuance.Active || !made.FromCSR || made.Service != old.Service || len(f.Chain) != 3 {
		t.Errorf("got %+v", made)
	}
	if got, err := h.Certificate(t.Context(), old.Serial); err != nil || got.RenewedBy != made.Serial || got.Status != issuance.Active {
		t.Errorf("the old certificate is %s, renewed by %q, %v", got.Status, got.RenewedBy, err)
	}
	by := issuance.Actor{Role: issuance.RoleService, ID: string(old.Serial), Name: "acme.payments"}
	o := h.order(made.Order)
	if o.State != issuance.CompletedState || o.Renews != old.Serial || o.RequestedBy != by || o.DecidedBy != issuance.System("policy.reenroll") {
		t.Errorf("the order is %+v", o)
	}
	var verbs []issuance.Verb
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Order: o.ID})
		for _, r := range records {
			if verbs = append(verbs, r.Verb); r.Actor != by {
				t.Errorf("%s was done by %+v", r.Verb, r.Actor)
			}
		}
		return err
	}))
	if diff := cmp.Diff([]issuance.Verb{issuance.CompleteVerb, issuance.IssueVerb, issuance.ReserveVerb, issuance.ReenrollVerb}, verbs); diff != "" {
		t.Errorf("audit records, the newest first (-want +got):\n%s", diff)
	}
	mails := h.post(issuance.Mail)
	if len(mails) != 1 || mails[0].Notice.Kind != issuance.RenewedNotice || mails[0].Notice.To != "anna@acme.example" || mails[0].Certificate.Serial != made.Serial {
		t.Errorf("the contact gets %+v", mails)
	}
}

func TestWhenACertificateMayRenewItself(t *testing.T) {
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		before time.Duration // its end
		policy func(*issuance.Policy)
		want   issuance.Code
	}{
		"too early":          {90*day + time.Second, nil, issuance.CodeRenewalEarly},
		"from 90 days on":    {90 * day, nil, ""},
		"to the last moment": {0, nil, ""},
		"too late":           {-time.Second, nil, issuance.CodeRenewalLate},
		"never":              {day, func(p *issuance.Policy) { p.Reenroll = 0 }, issuance.CodeRenewalOff},
		"always":             {700 * day, func(p *issuance.Policy) { p.Reenroll = 3 * 365 * day }, ""},
		"four eyes":          {day, func(p *issuance.Policy) { p.FourEyes = true }, issuance.CodeFourEyes},
	} {
		t.Run(name, func(t *testing.T) {
			h := newInkHouse(t, func(c *issuance.Config) {
				if tc.policy != nil {
					tc.policy(&c.Policy)
				}
			})
			by := h.staff
			if h.cfg.Policy.FourEyes { // the first one is approved by somebody else
				h.staff.ID, h.staff.Name = "tok-2", "Otto"
				o, err := h.Request(t.Context(), by, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true})
				h.ok(err)
				_, err = h.Approve(t.Context(), h.staff, o.ID, "")
				h.ok(err)
			} else {
				h.invited()
			}
			token, code := h.delivered()
			f, err := h.enroll(token, code, h.csr(newECKey(t)))
			h.ok(err)
			h.set(f.Certificate.NotAfter.Add(-tc.before))
			_, err = h.renew(f.Certificate, newECKey(t))
			h.wantCode(err, tc.want)
			if tc.want != "" {
				h.untouched(name, f.Certificate)
			}
		})
	}
}

func TestWhoMayNotRenew(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(inkHouse, issuance.Certificate) error
		want   issuance.Code
	}{
		"held": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.Hold(h.t.Context(), h.staff, c.Serial, "")
			return err
		}, issuance.CodeState},
		"revoked": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.Revoke(h.t.Context(), h.staff, c.Serial, issuance.Superseded, "")
			return err
		}, issuance.CodeState},
		"service disabled": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.ChangeService(h.t.Context(), h.staff, c.Service, func(s *issuance.ServiceRequest) { s.Disabled = true })
			return err
		}, issuance.CodeCancelled},
		"organisation disabled": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.ChangeOrganization(h.t.Context(), h.staff, c.Organization, func(o *issuance.Organization) { o.Disabled = true })
			return err
		}, issuance.CodeCancelled},
		"contact disabled": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.ChangeContact(h.t.Context(), h.staff, c.Contact, func(c *issuance.Contact) { c.Disabled = true })
			return err
		}, issuance.CodeCancelled},
		"contact not authorised": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.ChangeContact(h.t.Context(), h.staff, c.Contact, func(c *issuance.Contact) { c.MayReceive = false })
			return err
		}, issuance.CodeCancelled},
		"clock set back": {func(h inkHouse, c issuance.Certificate) error {
			_, err := h.Hold(h.t.Context(), h.staff, c.Serial, "")
			if err == nil {
				_, err = h.Release(h.t.Context(), h.staff, c.Serial, "")
			}
			h.advance(-time.Minute)
			return err
		}, issuance.CodeClock},
	} {
		t.Run(name, func(t *testing.T) {
			before, during := newInkHouse(t), newInkHouse(t)
			c := before.old(newECKey(t))
			before.ok(tc.change(before, c))
			_, err := before.renew(c, newECKey(t))
			before.wantCode(err, tc.want)
			before.untouched("before", c)
			if n := before.ink.signed(); n != 1 {
				t.Errorf("%d certificates were signed, want the first alone", n)
			}
			if tc.want == issuance.CodeClock {
				return
			}
			// The same while the successor is being signed.
			c = during.old(newECKey(t))
			during.ink.before = func() { during.ok(tc.change(during, c)) }
			_, err = during.renew(c, newECKey(t))
			during.wantCode(err, tc.want)
			during.untouched("during", c)
		})
	}
}

func TestOneSuccessorStands(t *testing.T) {
	h := newInkHouse(t)
	old, key, other := h.old(newECKey(t)), newECKey(t), newECKey(t)
	made, err := h.renew(old, key)
	h.ok(err)
	again, err := h.renew(old, key)
	h.ok(err)
	if again.Serial != made.Serial {
		t.Errorf("the same key got %s, then %s", made.Serial, again.Serial)
	}
	_, err = h.renew(old, other)
	h.wantCode(err, issuance.CodeRenewed)
	_, err = h.Hold(t.Context(), h.staff, made.Serial, "")
	h.ok(err)
	_, err = h.renew(old, other)
	h.wantCode(err, issuance.CodeRenewed)
	_, err = h.Revoke(t.Context(), h.staff, made.Serial, issuance.Superseded, "the key was lost")
	h.ok(err)
	third, err := h.renew(old, other)
	h.ok(err)
	if got := h.certificates(issuance.CertificateQuery{Status: issuance.Active}); len(got) != 2 || third.Serial == made.Serial {
		t.Errorf("%d certificates are active, want the old one and its successor", len(got))
	}
}

// TestManyAtOnceGetOneSuccessor: parallel requests with one key all get the same
// certificate; with different keys one gets it, and the others are told.
func TestManyAtOnceGetOneSuccessor(t *testing.T) {
	for name, keys := range map[string]int{"one key": 1, "eight keys": 8} {
		h := newInkHouse(t)
		old := h.old(newECKey(t))
		csrs := make([][]byte, keys)
		for i := range csrs {
			csrs[i] = h.csr(newECKey(t))
		}
		serials, refused := map[issuance.Serial]int{}, map[issuance.Code]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				f, err := h.Reenroll(t.Context(), old.Serial, csrs[i%keys])
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					refused[issuance.CodeOf(err)]++
					return
				}
				serials[f.Certificate.Serial]++
			})
		}
		all.Wait()
		if len(serials) != 1 || h.ink.signed() != 2 || len(refused) > 0 && refused[issuance.CodeRenewed] != 7 {
			t.Errorf("%s: got %v, refused %v, signed %d times", name, serials, refused, h.ink.signed())
		}
	}
}

// TestAnOrdinaryRenewalIsASuccessorToo: what the contact has fetched stands in
// the way of a second successor.
func TestAnOrdinaryRenewalIsASuccessorToo(t *testing.T) {
	h := newInkHouse(t)
	old := h.old(newECKey(t))
	o, err := h.Renew(t.Context(), h.staff, old.Serial, "", issuance.Once{})
	h.ok(err)
	_, err = h.Approve(t.Context(), h.staff, o.ID, "")
	h.ok(err)
	token, code := h.delivered()
	f, err := h.enroll(token, code, h.csr(newECKey(t)))
	h.ok(err)
	_, err = h.renew(old, newECKey(t))
	h.wantCode(err, issuance.CodeRenewed)
	if got, err := h.Certificate(t.Context(), old.Serial); err != nil || got.RenewedBy != f.Certificate.Serial {
		t.Errorf("renewed by %q, %v", got.RenewedBy, err)
	}
}

func TestAKeyServesTwoCertificates(t *testing.T) {
	h := newInkHouse(t)
	key := newECKey(t)
	second, err := h.renew(h.old(key), key)
	h.ok(err)
	h.set(second.NotAfter.Add(-time.Hour))
	_, err = h.renew(second, key)
	h.wantCode(err, issuance.CodeCSR)
	_, err = h.renew(second, newECKey(t))
	h.ok(err)
}

func TestACompromisedKeyIsNotRenewedOrEnrolled(t *testing.T) {
	h := newInkHouse(t)
	lost := newECKey(t)
	c := h.enrolled(lost)
	_, err := h.Revoke(t.Context(), h.staff, c.Serial, issuance.KeyCompromise, "")
	h.ok(err)
	id := h.invited()
	token, code := h.delivered()
	_, err = h.enroll(token, code, h.csr(lost))
	h.wantCode(err, issuance.CodeCSR)
	h.wantState(id, issuance.InvitedState) // the code is as good as before
	f, err := h.enroll(token, code, h.csr(newECKey(t)))
	h.ok(err)
	h.set(f.Certificate.NotAfter.Add(-time.Hour))
	_, err = h.renew(f.Certificate, lost)
	h.wantCode(err, issuance.CodeCSR)
}

// TestWhatNothingCameOfIsCancelled: a signer that fails, and a process that dies
// while it signs, leave a certificate that can be renewed, and no order that
// anybody would have to look after.
func TestWhatNothingCameOfIsCancelled(t *testing.T) {
	h := newInkHouse(t)
	old := h.old(newECKey(t))
	h.ink.broken = errors.New("the HSM is gone")
	if _, err := h.renew(old, newECKey(t)); err == nil || issuance.KindOf(err) != issuance.Internal {
		t.Errorf("got %v, want an internal error", err)
	}
	h.untouched("a signer that fails", old)

	h.ink.broken = nil
	var during issuance.Order
	h.ink.before = func() { // a signer that takes longer than the claim window is as dead
		h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
			open, _, err := tx.Orders(issuance.OrderQuery{State: issuance.VerifiedState})
			if len(open) == 1 {
				during = open[0]
			}
			return err
		}))
		h.advance(h.cfg.Policy.ClaimWindow)
		h.ok(h.Sweep(t.Context()))
	}
	_, err := h.renew(old, newECKey(t))
	h.wantCode(err, issuance.CodeState)
	if during.Reserved == "" || during.Renews != old.Serial {
		t.Fatalf("nothing was recorded before it was signed: %+v", during)
	}
	h.wantState(during.ID, issuance.CancelledState)
	h.untouched("a signer that is dead", old)
	if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 2 {
		t.Errorf("%d serial numbers are abandoned, want 2", len(got))
	}
	h.ink.before = nil
	_, err = h.renew(old, newECKey(t))
	h.ok(err)
}

// TestEnrollTellsStrangersNothing: links that were withdrawn, are over or never
// were all look the same.
func TestEnrollTellsStrangersNothing(t *testing.T) {
	h := newInkHouse(t)
	id := h.invited()
	token, code := h.delivered()
	csr := h.csr(newECKey(t))
	_, err := h.enroll(issuance.NewSecret([]byte("unknown")), code, csr)
	want := err.Error()
	h.wantCode(err, issuance.CodeLink)
	h.advance(h.cfg.Policy.LinkLifetime)
	_, err = h.enroll(token, code, csr)
	if err == nil || err.Error() != want {
		t.Errorf("a link that is over: %v", err)
	}
	h.ok(h.Sweep(t.Context()))
	_, err = h.Cancel(t.Context(), h.staff, id, "")
	h.ok(err)
	if _, err = h.enroll(token, code, csr); err == nil || err.Error() != want {
		t.Errorf("a link that was withdrawn: %v", err)
	}
}
