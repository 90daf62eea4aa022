package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func proposals(n *connection) *cobra.Command {
	return group("proposal", "Changes of contacts that another person must confirm",
		listCommand(n, listing[proposalRecord]{
			columns: []string{
				"id", "state", "organization", "contact",
				"was.email", "was.mobile", "was.may_order", "was.may_receive", "was.disabled",
				"wanted.email", "wanted.mobile", "wanted.may_order", "wanted.may_receive", "wanted.disabled",
				"proposed_by.name", "proposed_by.owner", "proposed_at", "decided_by.name", "decided_at", "made_at",
			},
			short: "List changes of contacts, the newest first", plural: "proposals", path: "api/v1/proposals",
			filters: []filter{
				{name: "state", parameter: "state", usage: "in this state", words: words(issuance.ProposalStates()...)},
				{name: "contact", parameter: "contact", usage: "of this contact"},
			},
			head: []string{"STATE", "CONTACT", "CHANGE", "PROPOSED", "BY", "PROPOSAL"},
			row: func(contact namer, p proposalRecord) []string {
				return []string{p.State, contact(p.Contact), strings.Join(p.change(), ", "), when(p.ProposedAt), who(p.ProposedBy), p.ID}
			},
		}),
		showCommand(n, showing[proposalRecord]{arg: "proposal", short: "Show a proposal", path: at("proposals"), lines: aboutProposal}),
		verbCommand(n, verb[proposalRecord]{
			name: "confirm", short: "Make a change that another person proposed", arg: "proposal", path: at("proposals"),
			ask: "Make this change? What was approved for the old e-mail or mobile must be approved again.", about: aboutProposal,
			told: func(p proposalRecord) string {
				return "changed contact " + p.Contact + ": " + strings.Join(p.change(), ", ")
			},
		}),
		verbCommand(n, verb[proposalRecord]{
			name: "reject", short: "Reject a proposed change", arg: "proposal", path: at("proposals"),
			told: func(p proposalRecord) string { return "rejected proposal " + p.ID },
		}))
}

// change says what p changes.
func (p proposalRecord) change() (parts []string) {
	add := func(what, was, wanted string) {
		if was != wanted {
			parts = append(parts, what+" "+was+" -> "+wanted)
		}
	}
	add("email", p.Was.Email, p.Wanted.Email)
	add("mobile", p.Was.Mobile, p.Wanted.Mobile)
	add("may", may(p.Was), may(p.Wanted))
	return parts
}

func may(p issuance.Particulars) string {
	return first(contactRecord{MayOrder: p.MayOrder, MayReceive: p.MayReceive, Disabled: p.Disabled}.may(), "nothing")
}

func aboutProposal(contact namer, p proposalRecord, s *sheet) {
	s.add("proposal", p.ID)
	s.add("state", p.State)
	s.add("contact", contact(p.Contact))
	for _, part := range p.change() {
		s.add("change", part)
	}
	s.add("proposed", when(p.ProposedAt)+" by "+who(p.ProposedBy))
	if !p.DecidedAt.IsZero() {
		s.add("decided", when(p.DecidedAt)+" by "+who(p.DecidedBy))
	}
	s.add("made", when(p.MadeAt))
}
