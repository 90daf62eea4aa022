package issuance

import (
	"context"
	"errors"
	"time"
)

// Confirm makes the change that another person proposed.
func (r *Registrar) Confirm(ctx context.Context, by Actor, id ProposalID) (Proposal, error) {
	return r.onProposal(ctx, by, ConfirmVerb, id, func(w *work, p *Proposal, c Contact) error {
		if by.Same(p.ProposedBy) {
			return &Error{
				Kind: Denied, Code: CodeFourEyes, Message: "you proposed this change yourself",
				Hint: "someone else must confirm it (policy.four_eyes is on)",
			}
		}
		if err := p.decide(MadeState, by, w.now); err != nil {
			return err
		}
		if c.particulars() != p.Was {
			return &Error{
				Kind: Conflict, Code: CodeState, Message: "the contact has changed since this was proposed",
				Hint: "reject it, and propose it again",
				Next: Next{RejectVerb, ProposalNoun, string(p.ID)},
			}
		}
		p.MadeAt = w.now
		next := c
		next.become(p.Wanted)
		if next.Email != c.Email {
			if err := w.onlyContact(next); err != nil {
				return err
			}
		}
		_, err := w.change(by, c, next)
		return err
	})
}

// RejectProposal ends a proposal that waits; who proposed it may do so, too.
func (r *Registrar) RejectProposal(ctx context.Context, by Actor, id ProposalID) (Proposal, error) {
	return r.onProposal(ctx, by, RejectVerb, id, func(w *work, p *Proposal, _ Contact) error {
		return p.decide(RejectedChange, by, w.now)
	})
}

// onProposal does verb to the proposal with id, of a contact.
func (r *Registrar) onProposal(
	ctx context.Context, by Actor, verb Verb, id ProposalID, do func(*work, *Proposal, Contact) error,
) (p Proposal, err error) {
	if err := by.May(verb, ProposalNoun); err != nil {
		return p, err
	}
	err = r.update(ctx, func(w *work) error {
		if p, err = w.Proposal(id); errors.Is(err, ErrNotFound) {
			return NoSuch(ProposalNoun, string(id))
		} else if err != nil {
			return err
		}
		c, err := w.contact(p.Contact)
		if err != nil {
			return err
		}
		if err := do(w, &p, c); err != nil {
			return err
		}
		if err := w.auditProposal(by, verb, p, c); err != nil {
			return err
		}
		return w.PutProposal(p)
	})
	return p, err
}

// ReportLoss shuts out who has a contact's phone or mailbox now: nothing that was
// sent there works any more, the links that stop a change included, and nothing
// more goes there. The contact is disabled until somebody enables it, which is
// time to give it another number or address.
func (r *Registrar) ReportLoss(ctx context.Context, by Actor, id ContactID, note string) (c Contact, err error) {
	note, err = cleanComment("comment", note)
	if err := errors.Join(by.May(ReportLossVerb, ContactNoun), err); err != nil {
		return c, err
	}
	err = r.update(ctx, func(w *work) error {
		if c, err = w.named(id); err != nil {
			return err
		}
		c.Disabled, c.LostAt = true, w.now
		if err := w.PutContact(c); err != nil {
			return err
		}
		if err := w.voidStops(c.ID); err != nil {
			return err
		}
		detail := make(map[string]string)
		if note != "" {
			detail["comment"] = note
		}
		if err := w.disabled(by, OrderQuery{Contact: c.ID}, "the contact's phone or mailbox was reported lost", detail); err != nil {
			return err
		}
		w.Audit(by, ReportLossVerb, AuditRecord{Organization: c.Organization, Subject: string(c.ID), Detail: detail})
		return nil
	})
	return c, err
}

// voidStops takes their effect from the links that stop a change of the contact with id.
func (w *work) voidStops(id ContactID) error {
	for q := (ProposalQuery{Contact: id, Page: Page{Limit: MaxPage}}); ; {
		some, next, err := w.Proposals(q)
		if err != nil {
			return err
		}
		for _, p := range some {
			if p.StopMail == "" && p.StopSMS == "" {
				continue
			}
			p.StopMail, p.StopSMS = "", ""
			if err := w.PutProposal(p); err != nil {
				return err
			}
		}
		if q.After = next; next == "" {
			return nil
		}
	}
}

// lost reports whether nothing may be sent to c: others may read it.
func (c Contact) lost() bool { return !c.LostAt.Equal(time.Time{}) }
