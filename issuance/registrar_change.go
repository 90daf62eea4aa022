package issuance

import (
	"context"
	"time"
)

// ChangedContact is a contact after a change, and the proposal that a part of the
// change became, "" if all of it was made.
type ChangedContact struct {
	Contact
	Proposal ProposalID
}

// ChangeContact replaces what is known of a contact; its id and organisation stay.
// A new address or number voids what was approved for the old one, and begins the
// cooling-off time. With Policy.FourEyes a new address or number, and a right that
// is given, wait for another person; what is taken away is gone at once. Who has
// the old address and the old number is told of what is given.
func (r *Registrar) ChangeContact(
	ctx context.Context, by Actor, id ContactID, change func(*Contact),
) (changed ChangedContact, err error) {
	if err := by.May(ChangeVerb, ContactNoun); err != nil {
		return changed, err
	}
	err = r.update(ctx, func(w *work) error {
		changed = ChangedContact{}
		old, err := w.named(id)
		if err != nil {
			return err
		}
		c := old
		change(&c)
		c.ID, c.Organization, c.CreatedAt = old.ID, old.Organization, old.CreatedAt
		c.MobileChangedAt, c.EmailChangedAt, c.LostAt = old.MobileChangedAt, old.EmailChangedAt, old.LostAt
		if err := r.checkChanged(&c, old); err != nil {
			return err
		}
		if c.Email != old.Email {
			if err := w.onlyContact(c); err != nil {
				return err
			}
		}
		p, err := w.propose(by, old, &c)
		if err != nil {
			return err
		}
		changed.Contact = c
		if p.State == WaitingState {
			changed.Proposal = p.ID
			if c == old {
				return nil
			}
		}
		changed.Contact, err = w.change(by, old, c)
		return err
	})
	return changed, err
}

// named returns the contact that id, an address or a number means.
func (w *work) named(id ContactID) (c Contact, err error) {
	if id, err = w.r.Resolver(w).Contact(string(id), ""); err != nil {
		return c, err
	}
	return w.contact(id)
}

// propose records what c gives that old has not, tells old of it and, if another
// person must confirm it, takes it out of c. The zero Proposal: there is nothing.
func (w *work) propose(by Actor, old Contact, c *Contact) (p Proposal, err error) {
	was, wanted := old.particulars(), c.particulars()
	if !was.gives(wanted) {
		return p, nil
	}
	p = Proposal{
		ID: ProposalID(NewID("chg-", w.now)), State: MadeState, Organization: c.Organization, Contact: c.ID,
		Was: was, Wanted: wanted, ProposedBy: by, ProposedAt: w.now, MadeAt: w.now,
	}
	if w.policy.FourEyes {
		if err := w.onlyProposal(c.ID); err != nil {
			return p, err
		}
		p.State, p.MadeAt, p.Was = WaitingState, time.Time{}, was.less(wanted)
		c.become(p.Was)
		if err := w.auditProposal(by, ProposeVerb, p, old); err != nil {
			return p, err
		}
	}
	if err := w.tellOf(&p, old); err != nil {
		return p, err
	}
	return p, w.PutProposal(p)
}

// onlyProposal refuses a proposal beside one that waits.
func (w *work) onlyProposal(id ContactID) error {
	waiting, _, err := w.Proposals(ProposalQuery{Contact: id, State: WaitingState, Page: Page{Limit: MaxPage}})
	if err != nil {
		return err
	}
	for _, p := range waiting {
		if p.StateAt(w.now) == WaitingState {
			return &Error{
				Kind: Conflict, Code: CodeDuplicate, Message: "a change of this contact already waits for another person",
				Hint: "have it confirmed or rejected first", Next: Next{ShowVerb, ProposalNoun, string(p.ID)},
			}
		}
		p.State = ExpiredState
		if err := w.PutProposal(p); err != nil {
			return err
		}
	}
	return nil
}

// change stores c in place of old, with all that follows.
func (w *work) change(by Actor, old, c Contact) (Contact, error) {
	if c.Mobile != old.Mobile {
		c.MobileChangedAt = w.now
	}
	if c.Email != old.Email {
		c.EmailChangedAt = w.now
	}
	if !c.Disabled {
		c.LostAt = time.Time{}
	}
	if err := w.PutContact(c); err != nil {
		return c, err
	}
	detail := old.changes(c)
	if c.Disabled && !old.Disabled || !c.MayReceive && old.MayReceive {
		if err := w.disabled(by, OrderQuery{Contact: c.ID}, "the contact is no longer authorised", detail); err != nil {
			return c, err
		}
	}
	if c.Email != old.Email || c.Mobile != old.Mobile {
		if err := w.voidAll(by, OrderQuery{Contact: c.ID}, "the contact's e-mail or mobile has changed"); err != nil {
			return c, err
		}
	}
	return c, w.auditSealed(by, switched(old.Disabled, c.Disabled), AuditRecord{
		Organization: c.Organization, Subject: string(c.ID), Detail: detail,
	}, old.addresses(c))
}

// auditProposal records verb on p, of c.
func (w *work) auditProposal(by Actor, verb Verb, p Proposal, c Contact) error {
	next := c
	next.become(p.Wanted)
	detail := c.changes(next)
	detail["proposal"] = string(p.ID)
	return w.auditSealed(by, verb, AuditRecord{Organization: p.Organization, Subject: string(p.Contact), Detail: detail},
		c.addresses(next))
}
