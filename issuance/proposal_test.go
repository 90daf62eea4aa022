package issuance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// strictly is a house as strict mode has it, with two officers.
func strictly(t *testing.T, change ...func(*issuance.Config)) (h *house, a, b issuance.Actor) {
	t.Helper()
	h = newHouse(t, append([]func(*issuance.Config){func(c *issuance.Config) {
		c.Policy.FourEyes, c.Policy.CoolingOff = true, 24*time.Hour
	}}, change...)...)
	a = issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-a", Name: "a", Owner: "ada"}
	b = issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-b", Name: "b", Owner: "bob"}
	return h, a, b
}

// propose has by change where the house's contact is reached.
func (h *house) propose(by issuance.Actor) issuance.ProposalID {
	h.t.Helper()
	changed, err := h.ChangeContact(h.t.Context(), by, h.contact.ID, func(c *issuance.Contact) {
		c.Email, c.Mobile = "mallory@acme.example", "+41790000666"
	})
	h.ok(err)
	return changed.Proposal
}

func (h *house) person() (c issuance.Contact) {
	h.t.Helper()
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		c, err = tx.Contact(h.contact.ID)
		return err
	}))
	return c
}

// told sends what is due, and returns the links that stop a change by the address
// or number that they went to.
func (h *house) told() map[string]issuance.Secret {
	h.t.Helper()
	links := make(map[string]issuance.Secret)
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		for _, d := range h.post(channel) {
			if d.Notice.Kind.TellsChange() {
				links[d.Notice.To] = d.Secret
			}
		}
	}
	return links
}

// TestAnOfficerAloneRedirectsNothing: A requests, B approves, and A changes where
// the contact is reached, sends again, and changes it back.
func TestAnOfficerAloneRedirectsNothing(t *testing.T) {
	h, a, b := strictly(t)
	ctx := t.Context()
	o, err := h.Request(ctx, a, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID})
	h.ok(err)
	_, err = h.Approve(ctx, b, o.ID, "")
	h.ok(err)
	id := h.propose(a)
	if id == "" || h.person().Email != "anna@acme.example" || h.person().Mobile != "+41791234542" {
		t.Fatalf("one officer alone changed the contact: %+v", h.person())
	}
	_, err = h.Confirm(ctx, a, id)
	h.wantCode(err, issuance.CodeFourEyes)
	second := a
	second.ID, second.Name = "tok-a2", "another"
	_, err = h.Confirm(ctx, second, id)
	h.wantCode(err, issuance.CodeFourEyes)
	_, err = h.Resend(ctx, a, o.ID, "")
	h.ok(err)
	sent := append(h.post(issuance.Mail), h.post(issuance.SMS)...)
	told := map[issuance.NoticeKind]int{}
	for _, d := range sent {
		told[d.Notice.Kind]++
		if d.Notice.To != "anna@acme.example" && d.Notice.To != "+41791234542" {
			t.Errorf("a %s went to %s", d.Notice.Kind, d.Notice.To)
		}
	}
	if told[issuance.ChangeMailNotice] != 1 || told[issuance.ChangeSMSNotice] != 1 {
		t.Errorf("the old address and number were told %v", told)
	}
	// B lets it pass: it is another approval that it needs, and the cooling-off time.
	_, err = h.Confirm(ctx, b, id)
	h.ok(err)
	if h.person().Email != "mallory@acme.example" {
		t.Errorf("it was not made: %+v", h.person())
	}
	h.wantState(o.ID, issuance.RequestedState)
	_, err = h.Approve(ctx, b, o.ID, "")
	h.ok(err)
	if n := len(h.post(issuance.Mail)); n != 0 {
		t.Errorf("%d mails went to an address that changed just now", n)
	}
	h.advance(24 * time.Hour)
	mail := h.post(issuance.Mail)
	if len(mail) != 1 || mail[0].Notice.To != "mallory@acme.example" || mail[0].LinkExpires.Sub(h.now()) != h.cfg.Policy.LinkLifetime {
		t.Errorf("after the cooling-off time: %+v", mail)
	}
}

// TestTheOldAddressStopsAChange while it waits, and in the cooling-off time.
func TestTheOldAddressStopsAChange(t *testing.T) {
	for _, from := range []string{"anna@acme.example", "+41791234542"} {
		t.Run("waiting/"+from, func(t *testing.T) {
			h, a, b := strictly(t)
			id := h.propose(a)
			link := h.told()[from]
			v, err := h.LookStop(t.Context(), link)
			h.ok(err)
			if v.Stopped || v.Proposal.ID != id {
				t.Errorf("before: %+v", v)
			}
			_, err = h.Stop(t.Context(), link)
			h.ok(err)
			_, err = h.Confirm(t.Context(), b, id)
			h.wantCode(err, issuance.CodeState)
			if c := h.person(); c.Email != "anna@acme.example" || c.Disabled {
				t.Errorf("after: %+v", c)
			}
			h.alerted("was stopped")
			v, err = h.Stop(t.Context(), link) // again does nothing
			h.ok(err)
			if !v.Stopped || len(h.post(issuance.Mail)) != 0 {
				t.Errorf("again: %+v", v)
			}
		})
		t.Run("made/"+from, func(t *testing.T) {
			h, a, b := strictly(t)
			id := h.propose(a)
			link := h.told()[from]
			_, err := h.Confirm(t.Context(), b, id)
			h.ok(err)
			h.advance(24*time.Hour - time.Second)
			_, err = h.Stop(t.Context(), link)
			h.ok(err)
			// Who stole the phone gets nothing back by it, either.
			if c := h.person(); !c.Disabled || c.Email != "mallory@acme.example" {
				t.Errorf("after: %+v", c)
			}
			h.alerted("is disabled")
		})
		t.Run("too late/"+from, func(t *testing.T) {
			h, a, b := strictly(t)
			id := h.propose(a)
			link := h.told()[from]
			_, err := h.Confirm(t.Context(), b, id)
			h.ok(err)
			h.advance(24 * time.Hour)
			_, err = h.Stop(t.Context(), link)
			h.wantCode(err, issuance.CodeLink)
			if h.person().Disabled {
				t.Error("it was stopped after its time")
			}
		})
	}
}

func (h *house) alerted(about string) {
	h.t.Helper()
	for _, d := range h.post(issuance.Mail) {
		if d.Notice.Kind == issuance.AlertNotice && strings.Contains(d.Notice.Text, about) {
			return
		}
	}
	h.t.Errorf("staff were not told that it %s", about)
}

// TestTheOldAddressIsToldWithoutFourEyes, too: the change is made at once.
func TestTheOldAddressIsToldWithoutFourEyes(t *testing.T) {
	for _, coolingOff := range []time.Duration{0, 24 * time.Hour} {
		h, a, _ := strictly(t, func(c *issuance.Config) { c.Policy.FourEyes, c.Policy.CoolingOff = false, coolingOff })
		if id := h.propose(a); id != "" {
			t.Errorf("it waits: %s", id)
		}
		links := h.told()
		for _, to := range []string{"anna@acme.example", "+41791234542"} {
			if link, told := links[to]; !told || link.Empty() != (coolingOff == 0) {
				t.Errorf("cooling-off %v: %s was told %v, with a link %v", coolingOff, to, told, !link.Empty())
			}
		}
	}
}

// TestWhatIsGivenWaitsAndWhatIsTakenDoesNot with four eyes.
func TestWhatIsGivenWaitsAndWhatIsTakenDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		before, change func(*issuance.Contact)
		waits          bool
	}{
		"e-mail":                {nil, func(c *issuance.Contact) { c.Email = "b@acme.example" }, true},
		"mobile":                {nil, func(c *issuance.Contact) { c.Mobile = "+41790000666" }, true},
		"may order":             {func(c *issuance.Contact) { c.MayOrder = false }, func(c *issuance.Contact) { c.MayOrder = true }, true},
		"may receive":           {func(c *issuance.Contact) { c.MayReceive = false }, func(c *issuance.Contact) { c.MayReceive = true }, true},
		"enable":                {func(c *issuance.Contact) { c.Disabled = true }, func(c *issuance.Contact) { c.Disabled = false }, true},
		"name":                  {nil, func(c *issuance.Contact) { c.Name = "Anna Muster" }, false},
		"language":              {nil, func(c *issuance.Contact) { c.Language = "de" }, false},
		"may no longer order":   {nil, func(c *issuance.Contact) { c.MayOrder = false }, false},
		"may no longer receive": {nil, func(c *issuance.Contact) { c.MayReceive = false }, false},
		"disable":               {nil, func(c *issuance.Contact) { c.Disabled = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h, a, b := strictly(t)
			if c.before != nil {
				h.changeContact(false, c.before)
			}
			before := h.person()
			want := before
			c.change(&want)
			changed, err := h.ChangeContact(t.Context(), a, h.contact.ID, c.change)
			h.ok(err)
			if (changed.Proposal != "") != c.waits || (h.person() == before) != c.waits {
				t.Fatalf("proposal %q, contact %+v", changed.Proposal, h.person())
			}
			if !c.waits {
				return
			}
			_, err = h.ChangeContact(t.Context(), a, h.contact.ID, c.change) // one at a time
			h.wantCode(err, issuance.CodeDuplicate)
			_, err = h.Confirm(t.Context(), b, changed.Proposal)
			h.ok(err)
			got := h.person()
			got.EmailChangedAt, got.MobileChangedAt = want.EmailChangedAt, want.MobileChangedAt
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			_, err = h.Confirm(t.Context(), b, changed.Proposal)
			h.wantCode(err, issuance.CodeState)
		})
	}
}

// TestWhatIsTakenIsTakenAtOnce, also beside what waits; and what a proposal was made
// for must be so still when it is confirmed.
func TestWhatIsTakenIsTakenAtOnce(t *testing.T) {
	h, a, b := strictly(t)
	ctx := t.Context()
	changed, err := h.ChangeContact(ctx, a, h.contact.ID, func(c *issuance.Contact) { c.Email, c.MayOrder = "b@acme.example", false })
	h.ok(err)
	if c := h.person(); c.MayOrder || c.Email != "anna@acme.example" {
		t.Errorf("got %+v", c)
	}
	_, err = h.ChangeContact(ctx, a, h.contact.ID, func(c *issuance.Contact) { c.Disabled = true })
	h.ok(err)
	_, err = h.Confirm(ctx, b, changed.Proposal)
	h.wantCode(err, issuance.CodeState)
	_, err = h.RejectProposal(ctx, a, changed.Proposal)
	h.ok(err)
	changed, err = h.ChangeContact(ctx, a, h.contact.ID, func(c *issuance.Contact) { c.Disabled = false })
	h.ok(err)
	h.advance(7 * 24 * time.Hour)
	_, err = h.Confirm(ctx, b, changed.Proposal)
	h.wantCode(err, issuance.CodeState)
	_, err = h.ChangeContact(ctx, a, h.contact.ID, func(c *issuance.Contact) { c.Disabled = false }) // the old one expired
	h.ok(err)
}

// TestAfterALossNothingThatWasSentWorks: links, codes, sessions, and the links that
// stop a change; what waits goes nowhere.
func TestAfterALossNothingThatWasSentWorks(t *testing.T) {
	for state, set := range scenes() {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			s := set(newHouse(t))
			issued := s.certificates(issuance.CertificateQuery{Status: issuance.Active})
			for _, c := range issued {
				_, err := s.Hold(t.Context(), s.staff, c.Serial, "") // a message waits that opens nothing
				s.ok(err)
			}
			_, err := s.ReportLoss(t.Context(), s.staff, issuance.ContactID(s.contact.Mobile), "stolen on the train")
			s.ok(err)
			for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
				for _, d := range s.post(channel) {
					if d.Notice.Contact != "" {
						t.Errorf("a %s went to %s", d.Notice.Kind, d.Notice.To)
					}
				}
			}
			s.shut()
			s.enable()
			for _, door := range []string{"link", "status", "code", "verify", "claim", "csr", "download", "password", "resend-password", "retry"} {
				if err := s.doors()[door](); err == nil {
					t.Errorf("%s: it is open again", door)
				}
			}
		})
	}
}

// TestTheThiefOfAPhoneStopsNothing: neither by a link from before the loss was
// reported, nor by one that tells of the new number.
func TestTheThiefOfAPhoneStopsNothing(t *testing.T) {
	h, a, b := strictly(t)
	ctx := t.Context()
	h.propose(a)
	before := h.told()
	_, err := h.ReportLoss(ctx, a, h.contact.ID, "")
	h.ok(err)
	for from, link := range before {
		if _, err := h.Stop(ctx, link); issuance.CodeOf(err) != issuance.CodeLink {
			t.Errorf("from %s: %v", from, err)
		}
	}
	list := func(q issuance.ProposalQuery) (all []issuance.Proposal) {
		h.ok(h.Read(ctx, func(tx issuance.Reader) (err error) {
			all, _, err = tx.Proposals(q)
			return err
		}))
		return all
	}
	waiting := list(issuance.ProposalQuery{State: issuance.WaitingState})
	_, err = h.RejectProposal(ctx, b, waiting[0].ID)
	h.ok(err)
	changed, err := h.ChangeContact(ctx, a, h.contact.ID, func(c *issuance.Contact) { c.Mobile = "+41791112233" })
	h.ok(err)
	for to, link := range h.told() {
		if !link.Empty() {
			t.Errorf("%s was sent a link that stops the new number", to)
		}
	}
	_, err = h.Confirm(ctx, b, changed.Proposal)
	h.ok(err)
	changed, err = h.ChangeContact(ctx, a, h.contact.ID, func(c *issuance.Contact) { c.Disabled = false })
	h.ok(err)
	_, err = h.Confirm(ctx, b, changed.Proposal)
	h.ok(err)
	if c := h.person(); c.Disabled || !c.LostAt.IsZero() || c.Mobile != "+41791112233" {
		t.Errorf("in the end: %+v", c)
	}
}

// TestADeadOldNumberIsNoFailure: nobody has to look after a message that told it.
func TestADeadOldNumberIsNoFailure(t *testing.T) {
	h, a, _ := strictly(t)
	h.propose(a)
	out, err := h.TakeNotices(t.Context(), issuance.SMS, 9, time.Minute)
	h.ok(err)
	h.ok(h.Settle(t.Context(), out[0].Notice.ID, issuance.Outcome{Err: errors.New("no such number"), Permanent: true}))
	if failed := h.notices(issuance.NoticeQuery{State: issuance.Failed}); len(failed) != 0 {
		t.Errorf("failed: %+v", failed)
	}
	dropped := h.notices(issuance.NoticeQuery{State: issuance.Dropped})
	if len(dropped) != 1 || dropped[0].LastError != "no such number" || dropped[0].Leased {
		t.Errorf("dropped: %+v", dropped)
	}
	// Its link is not kept any longer; the one in the mail works.
	_, err = h.Stop(t.Context(), h.told()["anna@acme.example"])
	h.ok(err)
}

// TestTheDailyReportListsProposals for as long as they wait.
func TestTheDailyReportListsProposals(t *testing.T) {
	h, a, _ := strictly(t)
	id := h.propose(a)
	r := h.report(report.Daily, "")
	if p := r.ToDo.Proposals; p.Count() != 1 || p.Items[0].Proposal != id || p.Items[0].By.Name != a.Name {
		t.Errorf("the report lists %+v", p)
	}
	if text := r.Text(); !strings.Contains(text, "postern proposal") && !strings.Contains(text, string(id)) || !strings.Contains(r.Summary(), "hange waits for another person") {
		t.Errorf("the report says %q\n%s", r.Summary(), text)
	}
	h.advance(7 * 24 * time.Hour)
	if p := h.report(report.Daily, "").ToDo.Proposals; p.Count() != 0 {
		t.Errorf("a proposal that expired is listed: %+v", p)
	}
}
