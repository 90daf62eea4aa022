package issuance

import (
	"slices"
	"time"
)

// OrderState is where an order stands.
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
	{RejectVerb, RequestedState, RejectedState},

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

// Order is a contact's way to one certificate for one service.
type Order struct {
	ID           OrderID      `json:"id"`
	State        OrderState   `json:"state"`
	Organization OrgID        `json:"organization"`
	Service      ServiceID    `json:"service"`
	Contact      ContactID    `json:"contact"`
	Key          KeyAlgorithm `json:"key"`    // preferred; the contact chooses at the claim
	Target       Target       `json:"target"` // preferred; the contact chooses at the claim
	Renews       Serial       `json:"renews,omitempty"`
	RequestedBy  Actor        `json:"requested_by"`
	RequestedAt  time.Time    `json:"requested_at"`
	DecidedBy    Actor        `json:"decided_by,omitzero"` // who approved, rejected or cancelled
	DecidedAt    time.Time    `json:"decided_at,omitzero"`
	Comment      string       `json:"comment,omitempty"`

	Link     Link        `json:"link,omitzero"`
	Code     OneTimeCode `json:"code,omitzero"`
	Attempts int         `json:"attempts,omitempty"` // wrong tries since the last unlock
	Session  Session     `json:"session,omitzero"`
	// Reserved is the serial number that is set aside for the certificate, from the
	// right code on until there is one.
	Reserved Serial `json:"reserved,omitempty"`

	Serial       Serial    `json:"serial,omitempty"` // of the certificate, from issue on
	FromCSR      bool      `json:"from_csr,omitempty"`
	IssuedAt     time.Time `json:"issued_at,omitzero"`
	DownloadedAt time.Time `json:"downloaded_at,omitzero"`
	CompletedAt  time.Time `json:"completed_at,omitzero"`
	// Wiped says that neither file nor password are in the store (any more).
	Wiped bool `json:"wiped,omitempty"`
	// DueAt is when the sweep must look at the order next, zero for never; the
	// registrar sets it from due each time it puts the order.
	DueAt     time.Time `json:"due_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Link is the e-mailed URL; of its token only the digest is kept.
type Link struct {
	Digest    Digest    `json:"digest"`
	Number    uint64    `json:"number"` // 1 for the first; a resend makes the next
	ExpiresAt time.Time `json:"expires_at"`
}

// OneTimeCode is where an order's one-time password stands; the code itself is
// computed from the order's seed and Counter (HOTP, RFC 4226) when it is needed.
type OneTimeCode struct {
	Counter    uint64      `json:"counter"`              // 0: none was made yet
	Live       bool        `json:"live"`                 // made, and not used, spent or void
	Notice     NoticeID    `json:"notice,omitempty"`     // that carries it
	AcceptedAt time.Time   `json:"accepted_at,omitzero"` // when the provider took it; its time runs from here
	Attempts   int         `json:"attempts"`             // counted tries at this code
	MadeAt     []time.Time `json:"made_at,omitempty"`    // of the codes of the last 24 hours, oldest first
}

// Session is the claim session: the browser that entered the right code.
type Session struct {
	Digest   Digest    `json:"digest"`
	OpenedAt time.Time `json:"opened_at"`
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
		Message: "order " + string(o.ID) + " is " + string(o.State) + "; " + string(verb) + " is not possible now",
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
		return "nothing more can be done to it; place a new order"
	}
	return "possible now: " + list(verbs)
}

// Reenroll begins an order that a certificate makes for its successor: its key is
// the proof, so nobody is invited and no browser has a session.
func (o *Order) Reenroll(now time.Time) error {
	if err := o.move(ReenrollVerb, VerifiedState, now); err != nil {
		return err
	}
	o.Session = Session{OpenedAt: now}
	return nil
}

// uninvited reports whether nobody was ever sent a link for o.
func (o *Order) uninvited() bool { return o.Link.Number == 0 }

// Approve invites the contact with link.
func (o *Order) Approve(by Actor, link Digest, p Policy, now time.Time) error {
	if p.FourEyes && by.ID == o.RequestedBy.ID {
		return &Error{Kind: Denied, Code: CodeFourEyes, Message: "you requested this order yourself", Hint: "somebody else must approve it (policy.four_eyes is on)"}
	}
	if err := o.move(ApproveVerb, InvitedState, now); err != nil {
		return err
	}
	o.DecidedBy, o.DecidedAt = by, now
	o.invite(link, p, now)
	return nil
}

// Reject turns a request down.
func (o *Order) Reject(by Actor, comment string, now time.Time) error {
	if err := o.move(RejectVerb, RejectedState, now); err != nil {
		return err
	}
	o.DecidedBy, o.DecidedAt, o.Comment = by, now, comment
	return nil
}

// Resend invites again: link replaces the old one, which is void, as are the code and the session.
func (o *Order) Resend(link Digest, p Policy, now time.Time) error {
	if err := o.move(ResendVerb, InvitedState, now); err != nil {
		return err
	}
	o.invite(link, p, now)
	return nil
}

func (o *Order) invite(link Digest, p Policy, now time.Time) {
	o.Link = Link{Digest: link, Number: o.Link.Number + 1, ExpiresAt: now.Add(p.LinkLifetime)}
	o.Code.Live, o.Session = false, Session{}
}

// NewCode voids the old code and makes the next one. Cool-down and daily limit
// are checked first, so that a refusal leaves the old code as it was.
func (o *Order) NewCode(p Policy, now time.Time) error {
	day := now.Add(-24 * time.Hour)
	recent := slices.DeleteFunc(slices.Clone(o.Code.MadeAt), func(t time.Time) bool { return !t.After(day) })
	if n := len(recent); n > 0 {
		if wait := recent[n-1].Add(p.CodeCooldown).Sub(now); wait > 0 {
			return &Error{Kind: Limited, Code: CodeCooldown, Message: "a code was sent just now", Hint: "wait before you ask for another one", Retry: wait}
		}
		if n >= p.CodesPerDay {
			return &Error{Kind: Limited, Code: CodeDailyLimit, Message: itoa(n) + " codes were sent in the last 24 hours", Hint: "try again later, or call the people who sent you the link", Retry: recent[n-p.CodesPerDay].Add(24 * time.Hour).Sub(now)}
		}
	}
	if err := o.move(CodeVerb, o.State, now); err != nil {
		return err
	}
	o.Code = OneTimeCode{Counter: o.Code.Counter + 1, Live: true, MadeAt: append(recent, now)}
	return nil
}

// CodeTaken starts the code's time: the provider has taken the SMS with counter.
func (o *Order) CodeTaken(counter uint64, now time.Time) {
	if o.Code.Live && o.Code.Counter == counter && o.Code.AcceptedAt.IsZero() {
		o.Code.AcceptedAt, o.UpdatedAt = now, now
	}
}

// Attempt counts a try before anything is compared. It returns an error, and
// counts nothing, when there is no code to compare with; the caller stores o
// durably before it compares.
func (o *Order) Attempt(p Policy, now time.Time) error {
	switch {
	case o.State == LockedState, o.Attempts >= p.OrderAttempts:
		return lockedError()
	case o.State == VerifiedState && !o.Code.Live, o.State == IssuedState, o.State == DownloadedState, o.State == CompletedState:
		return &Error{Kind: Conflict, Code: CodeClaimed, Message: "the code was entered already, in another browser", Hint: "go on there, or ask for a new code"}
	case o.Code.Counter == 0:
		return &Error{Kind: Conflict, Code: CodeNone, Message: "no code was sent yet", Hint: "ask for a code first"}
	case !o.Code.Live, o.Code.Attempts >= p.CodeAttempts:
		return &Error{Kind: Limited, Code: CodeSpent, Message: "too many wrong tries at this code", Hint: "ask for a new code"}
	}
	if err := o.move(AttemptVerb, o.State, now); err != nil {
		return err
	}
	o.Attempts++
	o.Code.Attempts++
	return nil
}

// WrongCode settles a counted try that was wrong: an invited order is locked once
// all its tries are used. Who entered the right code before is not thrown out by
// what others try; a verified order is locked when it is invited again. It
// returns the error for the contact. Another try, or a newer code, may have come
// between; then o is left as it is.
func (o *Order) WrongCode(counter uint64, p Policy, now time.Time) (*Error, error) {
	if o.Attempts >= p.OrderAttempts {
		if o.State == InvitedState {
			o.Code.Live = false
			return lockedError(), o.move(LockVerb, LockedState, now)
		}
		return lockedError(), nil
	}
	if o.Code.Counter == counter && o.Code.Attempts >= p.CodeAttempts {
		return &Error{Kind: Limited, Code: CodeSpent, Message: "too many wrong tries at this code", Hint: "ask for a new code"}, nil
	}
	left := max(0, min(p.CodeAttempts-o.Code.Attempts, p.OrderAttempts-o.Attempts))
	return &Error{Kind: Denied, Code: CodeWrongCode, Message: "this is not the code", Hint: "look at the newest SMS again", Left: left}, nil
}

func lockedError() *Error {
	return &Error{Kind: Denied, Code: CodeLocked, Message: "too many wrong codes were entered", Hint: "ask the people who sent you the link to unlock the order"}
}

// Verify opens session: the code with counter was right. A code that is right
// but too old is refused as expired; its time ends CodeLifetime after the
// provider took it, and has not begun before.
func (o *Order) Verify(counter uint64, session Digest, p Policy, now time.Time) error {
	if !o.Code.Live || o.Code.Counter != counter {
		return &Error{Kind: Denied, Code: CodeExpired, Message: "this code was right, but was used or replaced meanwhile", Hint: "ask for a new code"}
	}
	if end := o.CodeEnds(p); !end.IsZero() && !now.Before(end) || o.forgotten(p, now) {
		return &Error{Kind: Denied, Code: CodeExpired, Message: "this code was right, but its time is over", Hint: "ask for a new code"}
	}
	if err := o.move(VerifyVerb, VerifiedState, now); err != nil {
		return err
	}
	o.Code.Live = false
	o.Attempts = max(0, o.Attempts-1) // the right try is not a wrong one
	o.Session = Session{Digest: session, OpenedAt: now}
	return nil
}

// forgotten reports whether the code was made so long ago that no provider can
// still be about to take it: then none ever said that it did.
func (o *Order) forgotten(p Policy, now time.Time) bool {
	n := len(o.Code.MadeAt)
	return o.Code.AcceptedAt.IsZero() && n > 0 && now.After(o.Code.MadeAt[n-1].Add(noticeLifetime(CodeNotice)+p.CodeLifetime))
}

// giveBack takes a counted try back: the code was right, and refused for another reason.
func (o *Order) giveBack(counter uint64) {
	o.Attempts = max(0, o.Attempts-1)
	if o.Code.Counter == counter {
		o.Code.Attempts = max(0, o.Code.Attempts-1)
	}
}

// CodeEnds returns when the live code's time is over; zero while the provider has not taken it.
func (o *Order) CodeEnds(p Policy) time.Time {
	if o.Code.AcceptedAt.IsZero() {
		return time.Time{}
	}
	return o.Code.AcceptedAt.Add(p.CodeLifetime)
}

// Reserve sets serial aside for this order's certificate: the intent to sign,
// recorded before anything is signed. The caller gives up one that was set aside before.
func (o *Order) Reserve(serial Serial, now time.Time) error {
	if err := o.move(ReserveVerb, VerifiedState, now); err != nil {
		return err
	}
	o.Reserved = serial
	return nil
}

// Issue records the certificate that was signed under serial: one winner, because
// it must be the number that is reserved at this moment.
func (o *Order) Issue(serial Serial, fromCSR bool, now time.Time) error {
	if o.State == VerifiedState && o.Reserved != serial {
		return o.busy()
	}
	if err := o.move(IssueVerb, IssuedState, now); err != nil {
		return err
	}
	o.Reserved, o.Serial, o.IssuedAt = "", serial, now
	o.FromCSR, o.Wiped = fromCSR, fromCSR // nothing of a foreign key is ever here
	return nil
}

// Download records that the file arrived. Again is true if it had before.
func (o *Order) Download(now time.Time) (again bool, err error) {
	if o.State == DownloadedState || o.State == CompletedState {
		return true, nil
	}
	if err := o.move(DownloadVerb, DownloadedState, now); err != nil {
		return false, err
	}
	o.DownloadedAt = now
	return false, nil
}

// Complete ends the order: the password SMS was accepted, or none is needed,
// because the key was brought.
func (o *Order) Complete(now time.Time) error {
	if o.State == IssuedState && !o.FromCSR {
		return o.refuse(CompleteVerb)
	}
	if err := o.move(CompleteVerb, CompletedState, now); err != nil {
		return err
	}
	o.CompletedAt = now
	return nil
}

// Wipe records that file and password are gone.
func (o *Order) Wipe(now time.Time) error {
	if err := o.move(WipeVerb, o.State, now); err != nil {
		return err
	}
	o.Wiped = true
	return nil
}

// Reopen takes o back to invited: its session or claim window ran out. The
// caller revokes what was issued.
func (o *Order) Reopen(now time.Time) error {
	if err := o.move(ReopenVerb, InvitedState, now); err != nil {
		return err
	}
	o.Session, o.Serial, o.IssuedAt, o.FromCSR, o.Wiped = Session{}, "", time.Time{}, false, false
	return nil
}

// Lapse ends an order whose link's time is over.
func (o *Order) Lapse(now time.Time) error {
	if err := o.move(LapseVerb, LapsedState, now); err != nil {
		return err
	}
	o.Code.Live = false
	return nil
}

// Unlock gives a locked order its tries back; the contact asks for a new code.
func (o *Order) Unlock(now time.Time) error {
	if err := o.move(UnlockVerb, InvitedState, now); err != nil {
		return err
	}
	o.Attempts, o.Code.Live, o.Code.MadeAt = 0, false, nil
	return nil
}

// Cancel withdraws o before the download; the caller revokes what was issued.
func (o *Order) Cancel(by Actor, comment string, now time.Time) error {
	if err := o.move(CancelVerb, CancelledState, now); err != nil {
		return err
	}
	o.DecidedBy, o.DecidedAt, o.Comment = by, now, comment
	o.Code.Live, o.Session, o.Wiped = false, Session{}, true
	return nil
}

// Revoked ends an order whose certificate was revoked while its delivery was
// under way, and leaves one that is completed as it is.
func (o *Order) Revoked(now time.Time) error {
	if o.State == CompletedState {
		o.Wiped, o.UpdatedAt = true, now
		return nil
	}
	if err := o.move(RevokeVerb, CancelledState, now); err != nil {
		return err
	}
	o.Session, o.Wiped = Session{}, true
	return nil
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

// windowEnds returns the end of the claim window.
func (o *Order) windowEnds(p Policy) time.Time { return o.IssuedAt.Add(p.ClaimWindow) }

// busy is what a claim hears that another one has overtaken.
func (o *Order) busy() error {
	return &Error{
		Kind: Unavailable, Code: CodeBusy, Message: "the certificate of order " + string(o.ID) + " is being made at this moment",
		Hint: "try again in a moment", Retry: time.Second,
	}
}
