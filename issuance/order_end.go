package issuance

import "time"

// Wipe records that file and password are gone.
func (o *Order) Wipe(now time.Time) error {
	if err := o.move(WipeVerb, o.State, now); err != nil {
		return err
	}
	o.Wiped = true
	return nil
}

// Close ends the delivery of a completed order before its claim window closes: its
// browser has no more access, and file and password are gone.
func (o *Order) Close(now time.Time) error {
	if err := o.Wipe(now); err != nil {
		return err
	}
	o.Session = Session{}
	return nil
}

// Reopen returns o to invited after its session or claim window has expired. The
// caller must revoke what was issued.
func (o *Order) Reopen(now time.Time) error {
	if err := o.move(ReopenVerb, InvitedState, now); err != nil {
		return err
	}
	o.Session, o.Serial, o.IssuedAt, o.FromCSR, o.Wiped = Session{}, "", time.Time{}, false, false
	return nil
}

// Lapse ends an order whose link has expired.
func (o *Order) Lapse(now time.Time) error {
	if err := o.move(LapseVerb, LapsedState, now); err != nil {
		return err
	}
	o.Code.Live = false
	return nil
}

// Void cancels the approval and everything that followed from it, because what was
// approved has changed. The caller must revoke what was issued.
func (o *Order) Void(now time.Time) error {
	if err := o.move(VoidVerb, RequestedState, now); err != nil {
		return err
	}
	o.DecidedBy, o.DecidedAt, o.Approval = Actor{}, time.Time{}, ""
	o.Link.Digest, o.Link.ExpiresAt = "", time.Time{}
	o.Code.Live, o.Session = false, Session{}
	o.Serial, o.IssuedAt, o.FromCSR, o.Wiped = "", time.Time{}, false, false
	return nil
}

// Cancel cancels o before the download. The caller must revoke what was issued.
func (o *Order) Cancel(by Actor, comment string, now time.Time) error {
	if err := o.move(CancelVerb, CancelledState, now); err != nil {
		return err
	}
	o.DecidedBy, o.DecidedAt, o.Comment = by, now, comment
	o.Code.Live, o.Session, o.Wiped = false, Session{}, true
	return nil
}

// Revoked ends an order whose certificate was revoked during its delivery. It does
// not change a completed order.
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
