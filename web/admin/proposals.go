package admin

import (
	"context"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// proposal is what staff see of a change that another person must confirm, or that was
// made. It does not contain the links that stop it.
type proposal struct {
	ID           issuance.ProposalID    `json:"id"`
	State        issuance.ProposalState `json:"state"`
	Organization issuance.OrgID         `json:"organization"`
	Contact      issuance.ContactID     `json:"contact"`
	Was          issuance.Particulars   `json:"was"`
	Wanted       issuance.Particulars   `json:"wanted"`
	ProposedBy   issuance.Actor         `json:"proposed_by"`
	ProposedAt   time.Time              `json:"proposed_at"`
	DecidedBy    issuance.Actor         `json:"decided_by,omitzero"`
	DecidedAt    time.Time              `json:"decided_at,omitzero"`
	MadeAt       time.Time              `json:"made_at,omitzero"`
}

func (a *API) viewProposal(p issuance.Proposal) proposal {
	return proposal{
		ID: p.ID, State: p.StateAt(a.opts.Now()), Organization: p.Organization, Contact: p.Contact, Was: p.Was, Wanted: p.Wanted,
		ProposedBy: p.ProposedBy, ProposedAt: p.ProposedAt, DecidedBy: p.DecidedBy, DecidedAt: p.DecidedAt, MadeAt: p.MadeAt,
	}
}

func (a *API) listProposals(c *call) (any, error) {
	q := c.listing("state", "contact")
	find := issuance.ProposalQuery{State: oneOf(q, "state", issuance.ProposalStates()...), Page: q.page()}
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.Proposal, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Contact = who.Contact
		return tx.Proposals(find)
	}, a.viewProposal)
}

func (a *API) showProposal(c *call) (any, error) {
	id := issuance.ProposalID(c.part("id"))
	return shown(a.opts.Registrar.Read, c, issuance.ProposalNoun, func(tx issuance.Reader) (issuance.Proposal, error) {
		return tx.Proposal(id)
	}, a.viewProposal)
}

// onProposal is the endpoint of a verb of the registrar on one proposal.
func (a *API) onProposal(
	verb func(context.Context, issuance.Actor, issuance.ProposalID) (issuance.Proposal, error),
) func(*call) (any, error) {
	return func(c *call) (any, error) {
		if err := c.readNothing(); err != nil {
			return nil, err
		}
		p, err := verb(c.r.Context(), c.by, issuance.ProposalID(c.part("id")))
		return viewed(p, err, a.viewProposal)
	}
}
