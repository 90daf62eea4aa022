package issuance

import (
	"time"
)

// Order leads a contact to one certificate for one service.
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
	// Approval is what was approved. It is empty before, and of an order that was
	// approved by a version that did not record it.
	Approval Digest `json:"approval,omitempty"`

	Link     Link        `json:"link,omitzero"`
	Code     OneTimeCode `json:"code,omitzero"`
	Attempts int         `json:"attempts,omitempty"` // wrong tries since the last unlock
	Session  Session     `json:"session,omitzero"`
	// Reserved is the serial number that is set aside for the certificate, from the
	// correct code until the certificate exists.
	Reserved Serial `json:"reserved,omitempty"`

	Serial       Serial    `json:"serial,omitempty"` // of the certificate, from issue on
	FromCSR      bool      `json:"from_csr,omitempty"`
	IssuedAt     time.Time `json:"issued_at,omitzero"`
	DownloadedAt time.Time `json:"downloaded_at,omitzero"`
	CompletedAt  time.Time `json:"completed_at,omitzero"`
	// Wiped says that the store no longer has the file and the password.
	Wiped bool `json:"wiped,omitempty"`
	// DueAt is when the sweep must look at the order next, zero for never; the
	// registrar sets it from due each time it puts the order.
	DueAt     time.Time `json:"due_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Link is the e-mailed URL. Only the digest of its token is kept.
type Link struct {
	Digest    Digest    `json:"digest"`
	Number    uint64    `json:"number"` // 1 for the first; a resend makes the next
	ExpiresAt time.Time `json:"expires_at"`
}

// Session is the claim session: the browser that entered the right code.
type Session struct {
	Digest   Digest    `json:"digest"`
	OpenedAt time.Time `json:"opened_at"`
}

// Reenroll begins an order that a certificate places for its successor. The
// certificate's key is the proof, so nobody is invited and no browser has a
// session.
func (o *Order) Reenroll(now time.Time) error {
	if err := o.move(ReenrollVerb, VerifiedState, now); err != nil {
		return err
	}
	o.Session = Session{OpenedAt: now}
	return nil
}

// uninvited reports whether nobody was ever sent a link for o.
func (o *Order) uninvited() bool { return o.Link.Number == 0 }

// Approve invites the contact with link. The approval is for what of says, and for
// nothing else; it ends after Policy.ApprovalLifetime.
func (o *Order) Approve(by Actor, of, link Digest, p Policy, now time.Time) error {
	if p.FourEyes && by.Same(o.RequestedBy) {
		return &Error{
			Kind: Denied, Code: CodeFourEyes, Message: "you requested this order yourself",
			Hint: "someone else must approve it (policy.four_eyes is on)",
		}
	}
	if err := o.move(ApproveVerb, InvitedState, now); err != nil {
		return err
	}
	o.DecidedBy, o.DecidedAt, o.Approval = by, now, of
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

// Resend invites again: link replaces the old link and invalidates it, together
// with the code and the session.
func (o *Order) Resend(link Digest, p Policy, now time.Time) error {
	if !o.DecidedAt.IsZero() && !now.Before(o.approvedUntil(p)) {
		return o.unapproved("the approval of order " + string(o.ID) + " has ended")
	}
	if err := o.move(ResendVerb, InvitedState, now); err != nil {
		return err
	}
	o.invite(link, p, now)
	return nil
}

func (o *Order) invite(link Digest, p Policy, now time.Time) {
	ends := now.Add(p.LinkLifetime)
	if last := o.approvedUntil(p); last.Before(ends) {
		ends = last
	}
	o.Link = Link{Digest: link, Number: o.Link.Number + 1, ExpiresAt: ends}
	o.Code.Live, o.Session = false, Session{}
}

// delayLink gives the link that was just made the time that its mail waits for.
func (o *Order) delayLink(wait time.Duration, p Policy) {
	ends := o.Link.ExpiresAt.Add(wait)
	if last := o.approvedUntil(p); last.Before(ends) {
		ends = last
	}
	o.Link.ExpiresAt = ends
}

// NewCode invalidates the old code and makes the next one. Cool-down and daily
// limit are checked first, so a refusal leaves the old code unchanged.
func (o *Order) NewCode(p Policy, now time.Time) error {
	next, err := o.Code.next(p, now)
	if err != nil {
		return err
	}
	if err := o.move(CodeVerb, o.State, now); err != nil {
		return err
	}
	o.Code = next
	return nil
}

// CodeTaken starts the code's lifetime: the provider has accepted the SMS with
// counter.
func (o *Order) CodeTaken(counter uint64, now time.Time) {
	if o.Code.taken(counter, now) {
		o.UpdatedAt = now
	}
}

// Attempt counts a try before anything is compared. It returns an error, and
// counts nothing, when there is no code to compare with; the caller stores o
// durably before it compares.
func (o *Order) Attempt(p Policy, now time.Time) error {
	switch {
	case o.State == LockedState, o.spent(p):
		return lockedError()
	case o.State == VerifiedState && !o.Code.Live, o.State == IssuedState, o.State == DownloadedState, o.State == CompletedState:
		return &Error{
			Kind: Conflict, Code: CodeClaimed, Message: "the code has already been entered in another browser",
			Hint: "continue there, or ask for a new code",
		}
	}
	if err := o.Code.attemptable(p); err != nil {
		return err
	}
	if err := o.move(AttemptVerb, o.State, now); err != nil {
		return err
	}
	o.Attempts++
	o.Code.Attempts++
	return nil
}

// Lock locks an invited order whose tries are all used. Somebody who has already
// entered the correct code is not thrown out by the tries of others: a verified
// order is locked only when it is invited again.
func (o *Order) Lock(now time.Time) error {
	if err := o.move(LockVerb, LockedState, now); err != nil {
		return err
	}
	o.Code.Live = false
	return nil
}

// Verify opens session: the code with counter was correct. A correct code that is
// too old is refused as expired: its lifetime begins when the provider accepts it,
// and lasts CodeLifetime.
func (o *Order) Verify(counter uint64, session Digest, p Policy, now time.Time) error {
	if err := o.Code.stands(counter, p, now); err != nil {
		return err
	}
	if err := o.move(VerifyVerb, VerifiedState, now); err != nil {
		return err
	}
	o.Code.Live = false
	o.Attempts = max(0, o.Attempts-1) // the right try is not a wrong one
	o.Session = Session{Digest: session, OpenedAt: now}
	return nil
}

// Reserve sets serial aside for this order's certificate: the intent to sign,
// recorded before anything is signed. The caller must give up a number that was set
// aside before.
func (o *Order) Reserve(serial Serial, now time.Time) error {
	if err := o.move(ReserveVerb, VerifiedState, now); err != nil {
		return err
	}
	o.Reserved = serial
	return nil
}

// Issue records the certificate that was signed under serial. There is one winner,
// because serial must be the number that is reserved at this moment.
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

// Complete ends the order: the password SMS was accepted, or none is needed because
// the client has its own key.
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

// Unlock restores the tries of a locked order; the contact must then ask for a new
// code.
func (o *Order) Unlock(now time.Time) error {
	if err := o.move(UnlockVerb, InvitedState, now); err != nil {
		return err
	}
	o.Attempts, o.Code.Live, o.Code.MadeAt = 0, false, nil
	return nil
}
