package storagetest

import (
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func testProposals(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	proposal := func(i int, state issuance.ProposalState, contact issuance.ContactID) issuance.Proposal {
		return issuance.Proposal{
			ID: issuance.ProposalID(name("p", i)), State: state, Contact: contact,
			ProposedAt: after(time.Duration(i) * time.Hour),
		}
	}
	all := []issuance.Proposal{
		proposal(1, issuance.WaitingState, "anna"), proposal(2, issuance.MadeState, "anna"), proposal(3, issuance.WaitingState, "bob"),
	}
	all[0].StopMail, all[0].StopSMS = "mail", "sms"
	update(t, s, func(tx Tx) error {
		return firstError(tx.PutProposal(all[0]), tx.PutProposal(all[1]), tx.PutProposal(all[2]))
	})
	list := func(q issuance.ProposalQuery) []string {
		return ids(collect(t, s, 1, func(tx Reader, p issuance.Page) ([]issuance.Proposal, string, error) {
			q.Page = p
			return tx.Proposals(q)
		}), func(p issuance.Proposal) string { return string(p.ID)[5:] })
	}
	same(t, "all proposals", []string{"3", "2", "1"}, list(issuance.ProposalQuery{}))
	same(t, "those that wait", []string{"3", "1"}, list(issuance.ProposalQuery{State: issuance.WaitingState}))
	same(t, "of anna", []string{"2", "1"}, list(issuance.ProposalQuery{Contact: "anna"}))
	same(t, "of anna, those that wait", []string{"1"}, list(issuance.ProposalQuery{Contact: "anna", State: issuance.WaitingState}))
	same(t, "of nobody", []string{}, list(issuance.ProposalQuery{Contact: "ann"}))
	for _, d := range []issuance.Digest{"mail", "sms"} {
		same(t, "by "+string(d), all[0], read(t, s, func(tx Reader) (issuance.Proposal, error) { return tx.ProposalByStop(d) }))
	}
	all[0].StopMail, all[0].State = "", issuance.StoppedState
	update(t, s, func(tx Tx) error { return tx.PutProposal(all[0]) })
	view(t, s, func(tx Reader) error {
		if _, err := tx.ProposalByStop("mail"); !isNotFound(err) {
			t.Errorf("by a link that is void: got %v, want ErrNotFound", err)
		}
		return nil
	})
	same(t, "those that still wait", []string{"3"}, list(issuance.ProposalQuery{State: issuance.WaitingState}))
}
