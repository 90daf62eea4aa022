package issuance

import (
	"slices"
	"strings"
	"time"
)

// OrderState is the state of an order.
type OrderState string

// The states of an order, in the order of its life, then the side states.
const (
	RequestedState  OrderState = "requested"
	InvitedState    OrderState = "invited"
	VerifiedState   OrderState = "verified"
	IssuedState     OrderState = "issued"
	DownloadedState OrderState = "downloaded"
	CompletedState  OrderState = "completed"

	RejectedState  OrderState = "rejected"
	LapsedState    OrderState = "lapsed"
	LockedState    OrderState = "locked"
	CancelledState OrderState = "cancelled"
)

// OrderStates returns all of them.
func OrderStates() []OrderState {
	return []OrderState{
		RequestedState, InvitedState, VerifiedState, IssuedState, DownloadedState, CompletedState,
		RejectedState, LapsedState, LockedState, CancelledState,
	}
}

// Move is one allowed transition of an order.
type Move struct {
	Verb Verb
	From OrderState // "" for a new order
	To   OrderState
}

// moves is the whole table of allowed transitions. The diagram in the
// documentation is made from it, and every transition goes through it.
var moves = []Move{
	{RequestVerb, "", RequestedState},
	{ReenrollVerb, "", VerifiedState}, // the certificate that is renewed stands for the code
	{ApproveVerb, RequestedState, InvitedState},
	{ApproveVerb, LapsedState, InvitedState},
	{RejectVerb, RequestedState, RejectedState},
	{VoidVerb, InvitedState, RequestedState}, // what was approved has changed
	{VoidVerb, LockedState, RequestedState},
	{VoidVerb, VerifiedState, RequestedState},
	{VoidVerb, IssuedState, RequestedState},

	{ResendVerb, InvitedState, InvitedState},
	{ResendVerb, VerifiedState, InvitedState},
	{ResendVerb, LapsedState, InvitedState},
	{CodeVerb, InvitedState, InvitedState},
	{CodeVerb, VerifiedState, VerifiedState},
	{AttemptVerb, InvitedState, InvitedState},
	{AttemptVerb, VerifiedState, VerifiedState},
	{LockVerb, InvitedState, LockedState},
	{UnlockVerb, LockedState, InvitedState},
	{VerifyVerb, InvitedState, VerifiedState},
	{VerifyVerb, VerifiedState, VerifiedState},

	{ReserveVerb, VerifiedState, VerifiedState},
	{IssueVerb, VerifiedState, IssuedState},
	{DownloadVerb, IssuedState, DownloadedState},
	{CompleteVerb, IssuedState, CompletedState}, // of a key that was brought
	{CompleteVerb, DownloadedState, CompletedState},
	{ResendPasswordVerb, DownloadedState, DownloadedState},
	{ResendPasswordVerb, CompletedState, CompletedState},
	{WipeVerb, DownloadedState, DownloadedState},
	{WipeVerb, CompletedState, CompletedState},

	{ReopenVerb, VerifiedState, InvitedState},
	{ReopenVerb, IssuedState, InvitedState},
	{LapseVerb, InvitedState, LapsedState},
	{LapseVerb, LockedState, LapsedState},

	{CancelVerb, RequestedState, CancelledState},
	{CancelVerb, InvitedState, CancelledState},
	{CancelVerb, VerifiedState, CancelledState},
	{CancelVerb, IssuedState, CancelledState},
	{CancelVerb, LapsedState, CancelledState},
	{CancelVerb, LockedState, CancelledState},
	{RevokeVerb, IssuedState, CancelledState},
	{RevokeVerb, DownloadedState, CancelledState},
}

// move takes o through verb, or returns a Conflict that says where it stands.
func (o *Order) move(verb Verb, to OrderState, now time.Time) error {
	if !slices.Contains(moves, Move{verb, o.State, to}) {
		return o.refuse(verb)
	}
	o.State, o.UpdatedAt = to, now
	return nil
}

func (o *Order) refuse(verb Verb) error {
	return &Error{
		Kind: Conflict, Code: CodeState,
		Message: "order " + string(o.ID) + " is " + string(o.State) + ", so it cannot be " + verb.done(),
		Hint:    o.hint(),
	}
}

// hint says what can be done in o's state.
func (o *Order) hint() string {
	var verbs []string
	for _, m := range moves {
		if m.From == o.State && slices.Contains([]Verb{ApproveVerb, RejectVerb, ResendVerb, UnlockVerb, CancelVerb}, m.Verb) {
			verbs = append(verbs, string(m.Verb))
		}
	}
	if len(verbs) == 0 {
		return "it is final; place a new order"
	}
	return "you can " + strings.Join(verbs, " or ") + " it"
}
