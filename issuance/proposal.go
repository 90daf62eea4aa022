package issuance

import "time"

// ProposalID names a proposal.
type ProposalID string

// Particulars are what decides who gets what is sent to a contact, and what the
// contact may do with it.
type Particulars struct {
	Email      string `json:"email"`
	Mobile     string `json:"mobile"`
	MayOrder   bool   `json:"may_order"`
	MayReceive bool   `json:"may_receive"`
	Disabled   bool   `json:"disabled"`
}

// Proposal is a change of a contact's particulars. With Policy.FourEyes it waits
// for another person; without, it is made at once. Whoever has the old address or
// the old number is told either way, and can stop it.
type Proposal struct {
	ID           ProposalID    `json:"id"`
	State        ProposalState `json:"state"`
	Organization OrgID         `json:"organization"`
	Contact      ContactID     `json:"contact"`
	Was          Particulars   `json:"was"`
	Wanted       Particulars   `json:"wanted"`
	ProposedBy   Actor         `json:"proposed_by"`
	ProposedAt   time.Time     `json:"proposed_at"`
	DecidedBy    Actor         `json:"decided_by,omitzero"` // who confirmed, rejected or stopped it
	DecidedAt    time.Time     `json:"decided_at,omitzero"`
	MadeAt       time.Time     `json:"made_at,omitzero"` // when the contact was changed
	// StopMail and StopSMS are the digests of the tokens in the links that stop it,
	// "" if there is none.
	StopMail Digest `json:"stop_mail,omitempty"`
	StopSMS  Digest `json:"stop_sms,omitempty"`
}

// ProposalState is where a proposal stands.
type ProposalState string

// The states of a proposal.
const (
	WaitingState   ProposalState = "waiting" // for another person
	MadeState      ProposalState = "made"    // the contact is changed
	RejectedChange ProposalState = "rejected"
	StoppedState   ProposalState = "stopped" // by who had the old address or number
	ExpiredState   ProposalState = "expired" // nobody confirmed it in time
)

// proposalLifetime is how long a proposal may be confirmed.
const proposalLifetime = 7 * 24 * time.Hour

// ProposalStates returns all of them.
func ProposalStates() []ProposalState {
	return []ProposalState{WaitingState, MadeState, RejectedChange, StoppedState, ExpiredState}
}

// StateAt returns where p stands at now: one that waits, waits for a week.
func (p Proposal) StateAt(now time.Time) ProposalState {
	if p.State == WaitingState && !now.Before(p.ProposedAt.Add(proposalLifetime)) {
		return ExpiredState
	}
	return p.State
}

// stoppable reports whether the links in the messages that tell of p stop it at now:
// while it waits, and until the cooling-off time is over once it was made.
func (p Proposal) stoppable(coolingOff time.Duration, now time.Time) bool {
	switch p.StateAt(now) {
	case WaitingState:
		return true
	case MadeState:
		return now.Before(p.MadeAt.Add(coolingOff))
	}
	return false
}

// decide ends p, which must wait at now.
func (p *Proposal) decide(state ProposalState, by Actor, now time.Time) error {
	if s := p.StateAt(now); s != WaitingState {
		return &Error{
			Kind: Conflict, Code: CodeState, Message: "the proposal " + string(p.ID) + " is " + string(s) + ", it waits for nobody",
			Hint: "see the contact as it is, and change it again if need be", Next: Next{ShowVerb, ContactNoun, string(p.Contact)},
		}
	}
	p.State, p.DecidedBy, p.DecidedAt = state, by, now
	return nil
}

// particulars are those of c.
func (c Contact) particulars() Particulars {
	return Particulars{Email: c.Email, Mobile: c.Mobile, MayOrder: c.MayOrder, MayReceive: c.MayReceive, Disabled: c.Disabled}
}

// become gives c the particulars p.
func (c *Contact) become(p Particulars) {
	c.Email, c.Mobile, c.MayOrder, c.MayReceive, c.Disabled = p.Email, p.Mobile, p.MayOrder, p.MayReceive, p.Disabled
}

// gives reports whether now sends messages elsewhere than p, or allows what p does not.
func (p Particulars) gives(now Particulars) bool {
	return p.Email != now.Email || p.Mobile != now.Mobile ||
		!p.MayOrder && now.MayOrder || !p.MayReceive && now.MayReceive || p.Disabled && !now.Disabled
}

// less returns p without what now takes away: that needs nobody else.
func (p Particulars) less(now Particulars) Particulars {
	out := p
	out.Disabled = p.Disabled || now.Disabled
	out.MayOrder, out.MayReceive = p.MayOrder && now.MayOrder, p.MayReceive && now.MayReceive
	if !out.MayOrder && !out.MayReceive { // one right for another: all or nothing
		out.MayOrder, out.MayReceive = p.MayOrder, p.MayReceive
	}
	return out
}
