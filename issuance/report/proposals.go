package report

import (
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// ProposalRow is a change of a contact that waits for another person.
type ProposalRow struct {
	Proposal     issuance.ProposalID `json:"proposal"`
	Organization issuance.OrgID      `json:"organization"`
	Contact      issuance.ContactID  `json:"contact"`
	ContactName  string              `json:"contact_name"`
	By           issuance.Actor      `json:"by"`
	Since        time.Time           `json:"since"`
}

// clock tells that the clock is in doubt: nothing is issued meanwhile.
func (c *clerk) clock() error {
	if c.sure != nil {
		c.out.ToDo.Clock = c.sure.Error()
	}
	return nil
}

// proposals lists the changes that wait for another person.
func (c *clerk) proposals() error {
	f, err := find(func(p issuance.Page) ([]issuance.Proposal, string, error) {
		return c.Proposals(issuance.ProposalQuery{State: issuance.WaitingState, Page: p})
	}, func(p issuance.Proposal) (bool, error) { return p.StateAt(c.now) == issuance.WaitingState, nil })
	if err != nil {
		return err
	}
	slices.SortStableFunc(f.records, func(a, b issuance.Proposal) int { return a.ProposedAt.Compare(b.ProposedAt) })
	c.out.ToDo.Proposals, err = listed(c, f, func(p issuance.Proposal) (ProposalRow, error) {
		name, err := c.name(p.Contact)
		return ProposalRow{
			Proposal: p.ID, Organization: p.Organization, Contact: p.Contact, ContactName: name, By: p.ProposedBy, Since: p.ProposedAt,
		}, err
	})
	return err
}

// undecided are the sections about what waits for a person of staff; there are none
// where nothing does.
func (r Report) undecided() (out []issuance.DocumentSection) {
	if r.ToDo.Clock != "" {
		out = append(out, issuance.DocumentSection{Line: printable(upper(r.ToDo.Clock), 300) + ". See `postern clock show`."})
	}
	if r.ToDo.Proposals.Count() > 0 {
		out = append(out, section(r.ToDo.Proposals, issuance.DocumentSection{
			Title: "Changes of contacts that another person must confirm or reject",
			Head:  []string{"SINCE", "CONTACT", "BY", "PROPOSAL"},
		}, "", "postern proposal list --state waiting", func(p ProposalRow) []string {
			return []string{r.when(p.Since), p.ContactName, p.By.Name, string(p.Proposal)}
		}))
	}
	return out
}
