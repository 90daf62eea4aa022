package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

func proposalIndex(r issuance.Proposal) [][]byte {
	at := newest(r.ProposedAt, r.ID)
	return [][]byte{
		entry[string](byAll, at),
		entry(byState, at, r.State),
		entry(byContact, at, r.Contact),
		entry(byDigest, nil, r.StopMail),
		entry(byDigest, nil, r.StopSMS),
	}
}

// makeProposals is the step to the schema that has proposals.
func makeProposals(b *bbolt.Tx) error {
	_, err := b.CreateBucketIfNotExists([]byte("proposals"))
	_, err2 := b.CreateBucketIfNotExists([]byte("proposals.index"))
	return first(err, err2)
}

func (t *tx) Proposal(id issuance.ProposalID) (issuance.Proposal, error) {
	return t.s.tables.proposals.get(t, []byte(id))
}

func (t *tx) ProposalByStop(d issuance.Digest) (issuance.Proposal, error) {
	return t.s.tables.proposals.find(t, entry(byDigest, nil, d))
}

func (t *tx) PutProposal(r issuance.Proposal) error { return t.s.tables.proposals.put(t, r) }

func (t *tx) Proposals(q issuance.ProposalQuery) ([]issuance.Proposal, string, error) {
	var m matching
	match(&m, byState, q.State)
	match(&m, byContact, q.Contact)
	return t.s.tables.proposals.list(t, query{prefixes: m.orAll(), Page: q.Page})
}
