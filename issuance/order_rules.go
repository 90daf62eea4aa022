package issuance

import "time"

// What follows says how an order stands; its transitions are in order.go and order_end.go.

// spent reports whether all of o's tries are used.
func (o *Order) spent(p Policy) bool { return o.Attempts >= p.OrderAttempts }

// wrong is what the contact hears of a counted try at the code with counter that
// was wrong. It changes nothing; once all tries are used, the caller locks o.
func (o *Order) wrong(counter uint64, p Policy) *Error {
	switch {
	case o.spent(p):
		return lockedError()
	case o.Code.Counter == counter && o.Code.spent(p): // another try, or a newer code, may have come between
		return spentError()
	}
	return wrongCodeError(o.left(p))
}

// left returns how many tries are left, at the code and at the order.
func (o *Order) left(p Policy) int {
	return max(0, min(p.CodeAttempts-o.Code.Attempts, p.OrderAttempts-o.Attempts))
}

func lockedError() *Error {
	return &Error{
		Kind: Denied, Code: CodeLocked, Message: "too many wrong codes have been entered",
		Hint: "ask the people who sent you the link to unlock the order",
	}
}

// giveBack takes a counted try back: the code was right, and refused for another reason.
func (o *Order) giveBack(counter uint64) {
	o.Attempts = max(0, o.Attempts-1)
	o.Code.giveBack(counter)
}

// due returns when the sweep must look at o next; zero for never.
func (o *Order) due(p Policy) time.Time {
	switch o.State {
	case InvitedState, LockedState:
		return o.Link.ExpiresAt
	case VerifiedState:
		return o.Session.OpenedAt.Add(p.ClaimWindow)
	case IssuedState:
		return o.windowEnds(p)
	case DownloadedState, CompletedState:
		if !o.Wiped {
			return o.windowEnds(p)
		}
	}
	return time.Time{}
}

// ended reports whether o came to nothing: its contact is told so before anything else.
func (o *Order) ended() bool {
	return o.State == CancelledState || o.State == RejectedState || o.State == LapsedState
}

// approvedUntil returns when o's approval ends.
func (o *Order) approvedUntil(p Policy) time.Time { return o.DecidedAt.Add(p.ApprovalLifetime) }

// unapproved says, with the reason, that o must be approved again.
func (o *Order) unapproved(why string) *Error {
	return &Error{
		Kind: Conflict, Code: CodeUnapproved, Message: why, Hint: "approve it again",
		Next: Next{ApproveVerb, OrderNoun, string(o.ID)},
	}
}

// windowEnds returns the end of the claim window.
func (o *Order) windowEnds(p Policy) time.Time { return o.IssuedAt.Add(p.ClaimWindow) }

// busy is what a claim hears that another one has overtaken.
func (o *Order) busy() error {
	return &Error{
		Kind: Unavailable, Code: CodeBusy, Message: "the certificate of order " + string(o.ID) + " is being created right now",
		Hint: "try again in a moment", Retry: time.Second,
	}
}
