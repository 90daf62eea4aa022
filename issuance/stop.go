package issuance

import (
	"context"
	"errors"
)

// tellOf tells whoever has c's address and number, as they are before it, of p:
// each message has a link of its own that stops it. Where the phone or the mailbox
// was reported lost there is none: others would read it.
func (w *work) tellOf(p *Proposal, c Contact) error {
	for _, to := range []struct {
		kind   NoticeKind
		digest *Digest
	}{{ChangeMailNotice, &p.StopMail}, {ChangeSMSNotice, &p.StopSMS}} {
		n := Notice{
			ID: NoticeID(NewID("msg-", w.now)), Kind: to.kind, Contact: c.ID, To: c.reached(to.kind.Channel()),
			Language: c.Language, Text: string(p.ID),
		}
		if p.stoppable(w.policy.CoolingOff, w.now) && !c.lost() {
			token := NewToken()
			if err := w.PutSecret(stopSecret(n.ID), token); err != nil {
				return err
			}
			*to.digest = DigestOf(token)
		}
		if err := w.Enqueue(n); err != nil {
			return err
		}
	}
	return nil
}

// stopSecret names the token in the message with id.
func stopSecret(id NoticeID) SecretRef { return SecretRef{StopSecret, string(id)} }

// tellsOf fills d in for a message that tells of a proposal. A link that does not
// stop it any more is left out.
func (w *work) tellsOf(d *Dispatch) (err error) {
	if d.Proposal, err = w.Proposal(ProposalID(d.Notice.Text)); err != nil {
		return err
	}
	if d.Contact, err = w.Contact(d.Notice.Contact); err != nil {
		return err
	}
	if d.Organization, err = w.Organization(d.Contact.Organization); err != nil {
		return err
	}
	switch d.Proposal.StateAt(w.now) {
	case WaitingState, MadeState:
	default:
		return overtakenError("the change was not made")
	}
	token, err := w.Secret(stopSecret(d.Notice.ID))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil && d.Proposal.stops(token) && d.Proposal.stoppable(w.policy.CoolingOff, w.now) {
		d.Secret = token
	}
	return err
}

// stops reports whether token is one that stops p.
func (p Proposal) stops(token Secret) bool {
	d := DigestOf(token)
	return d != "" && (d == p.StopMail || d == p.StopSMS)
}

// StopView is what the page shows to who was told of a change.
type StopView struct {
	Proposal     Proposal
	Contact      Contact
	Organization Organization
	Stopped      bool // already
}

// LookStop returns what the link with token stops. It changes nothing. A link that
// no longer stops anything is treated like one that never existed.
func (r *Registrar) LookStop(ctx context.Context, token Secret) (v StopView, err error) {
	err = r.view(ctx, func(l reading) error {
		v, err = l.stopView(token)
		return err
	})
	return v, err
}

func (l reading) stopView(token Secret) (v StopView, err error) {
	if token.Empty() {
		return v, linkError()
	}
	v.Proposal, err = l.ProposalByStop(DigestOf(token))
	if errors.Is(err, ErrNotFound) {
		return StopView{}, linkError()
	} else if err != nil {
		return v, err
	}
	v.Stopped = v.Proposal.State == StoppedState
	if !v.Stopped && !v.Proposal.stoppable(l.policy.CoolingOff, l.now) {
		return StopView{}, linkError()
	}
	if v.Contact, err = l.contact(v.Proposal.Contact); err != nil {
		return v, err
	}
	v.Organization, err = l.Organization(v.Contact.Organization)
	return v, err
}

// Stop stops the change that token is for. One that waits will not be made. One
// that was made is not taken back, because whoever stops it may be who stole the
// phone: the contact is disabled, with all that is under way. Staff are told
// either way. Again does nothing.
func (r *Registrar) Stop(ctx context.Context, token Secret) (v StopView, err error) {
	err = r.update(ctx, func(w *work) error {
		if v, err = w.stopView(token); err != nil || v.Stopped {
			return err
		}
		p, c, by := &v.Proposal, v.Contact, v.Contact.actor()
		made := p.State == MadeState
		p.State, p.DecidedBy, p.DecidedAt = StoppedState, by, w.now
		if err := w.PutProposal(*p); err != nil {
			return err
		}
		if err := w.auditProposal(by, StopVerb, *p, c); err != nil {
			return err
		}
		text := "A change of contact " + c.Name + " (" + string(c.ID) + ") was stopped from the old address or number. "
		if !made {
			v.Stopped = true
			return w.Alert("", text+"It was not made. Ask the contact, by another way than e-mail or this phone, what happened.")
		}
		next := c
		next.Disabled = true
		if v.Contact, err = w.change(by, c, next); err != nil {
			return err
		}
		v.Stopped = true
		return w.Alert("", text+"It had been made, so the contact is disabled. Speak to the contact before you enable it.")
	})
	return v, err
}
