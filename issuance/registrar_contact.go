package issuance

import (
	"context"
	"errors"
	"time"
)

// linkError is what a stranger hears of every link that does not work, whether
// it never was, is over, was used or was replaced.
func linkError() *Error {
	return &Error{
		Kind: NotFound, Code: CodeLink, Message: "this link is not valid",
		Hint: "links expire, can be used once, and are replaced by newer ones: ask the people who sent you the link for a new one",
	}
}

// Alive reports whether token is the token of a valid link at this moment. It
// changes nothing.
func (r *Registrar) Alive(ctx context.Context, token Secret) (bool, error) {
	var o Order
	err := r.view(ctx, func(l reading) (err error) {
		if o, err = linked(l, token); err == nil {
			_, err = l.entitled(&o)
		}
		return err
	})
	switch CodeOf(err) {
	case CodeLink, CodeCancelled:
		return false, nil
	}
	switch o.State {
	case InvitedState, VerifiedState, LockedState:
		return err == nil && r.now().Before(o.Link.ExpiresAt), err
	}
	return false, err
}

// byLink finds the order whose present link has token.
func (r *Registrar) byLink(ctx context.Context, token Secret) (o Order, err error) {
	err = r.cfg.Store.View(ctx, func(tx Snapshot) error {
		o, err = linked(tx, token)
		return err
	})
	return o, err
}

func linked(tx OrderReader, token Secret) (Order, error) {
	if token.Empty() {
		return Order{}, linkError()
	}
	o, err := tx.OrderByLink(DigestOf(token))
	if errors.Is(err, ErrNotFound) {
		return o, linkError()
	}
	return o, err
}

// usable returns why o's link opens nothing for a browser that came while it
// was alive, nil if it does.
func (o *Order) usable(now time.Time) error {
	switch o.State {
	case CancelledState, RejectedState:
		if !o.DownloadedAt.IsZero() {
			return &Error{
				Kind: Conflict, Code: CodeRevoked, Message: "the certificate of this order was revoked",
				Hint: "delete the file and its password; ask the people who sent you the link for a new certificate if you need one",
			}
		}
		return &Error{Kind: Conflict, Code: CodeCancelled, Message: "this order was cancelled by the people who " +
			"sent you the link", Hint: "if you did not expect this, ask them"}
	case LapsedState:
		return expiredError()
	case IssuedState, DownloadedState, CompletedState:
		return &Error{
			Kind: Conflict, Code: CodeClaimed,
			Message: "this certificate was claimed already, in another browser",
			Hint:    "continue there; if it was not you, tell the people who sent you the link at once",
		}
	case LockedState:
		return lockedError()
	}
	if !now.Before(o.Link.ExpiresAt) {
		return expiredError()
	}
	return nil
}

func expiredError() *Error {
	return &Error{
		Kind: Conflict, Code: CodeLinkExpired, Message: "this link has expired",
		Hint: "ask the people who sent you the link for a new one",
	}
}

// SendCode invalidates the old code and sends a new one. Cool-down and daily limit
// are checked before the old code is changed; as long as the last code is still on
// its way to the provider, it is kept, unless it is too late to send it.
func (r *Registrar) SendCode(ctx context.Context, token Secret) error {
	var refused error
	err := r.update(ctx, func(w *work) error {
		refused = nil
		o, err := linked(w, token)
		if err != nil {
			return err
		}
		if err := o.usable(w.now); err != nil {
			return err
		}
		c, err := w.entitled(&o)
		if err != nil {
			return err
		}
		if o.spent(w.policy) {
			refused = lockedError()
			return w.lock(&o, c)
		}
		if err := w.codeDelayed(&o); err != nil {
			return err
		}
		if err := w.code(&o, c, w.policy); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		w.audit(c.actor(), CodeVerb, &o, nil)
		return nil
	})
	return errors.Join(err, refused)
}

// lock locks an order whose tries are used up, and tells staff. One that is
// verified stays so until it is invited again.
func (w *work) lock(o *Order, c Contact) error {
	if o.State != InvitedState {
		return nil
	}
	if err := o.Lock(w.now); err != nil {
		return err
	}
	if err := w.put(o); err != nil {
		return err
	}
	if err := w.Alert(o.ID, "Too many wrong codes were entered: "+w.about(o)+" is locked. Unlock it once you have "+
		"spoken to the contact."); err != nil {
		return err
	}
	w.audit(c.actor(), LockVerb, o, nil)
	return nil
}

// codeDelayed says so if the live code waits for its provider, and will be sent.
func (l reading) codeDelayed(o *Order) error {
	if !o.Code.Live || o.Code.Notice == "" {
		return nil
	}
	n, err := l.Notice(o.Code.Notice)
	if err != nil {
		return err
	}
	if n.delayed(l.now) && !n.stranded(o.Code, l.now) {
		return &Error{Kind: Unavailable, Code: CodeDelayed, Message: "the text message service does not respond; " +
			"your code is waiting to be sent", Hint: "it is sent as soon as the service responds, and is valid only " +
			"from then on", Retry: time.Minute}
	}
	return nil
}

func (c Contact) actor() Actor { return Actor{Role: RoleContact, ID: string(c.ID), Name: c.Name} }

// Verify checks a one-time code. The attempt is counted durably before anything is
// compared; input that is not eight digits does not count as an attempt. Success
// opens a claim session for a single browser and returns its secret.
func (r *Registrar) Verify(ctx context.Context, token Secret, code string) (Secret, error) {
	digits, err := cleanCode(code)
	if err != nil {
		return Secret{}, err
	}
	// 1. Count, durably. A crash after this costs the contact one try.
	t, err := r.attempt(ctx, token)
	if err != nil {
		return Secret{}, err
	}
	// The contact may go away meanwhile; what was counted is settled.
	ctx = context.WithoutCancel(ctx)
	// 2. Compare.
	right, err := r.cfg.CheckCode(t.seed, t.order.Code.Counter, digits)
	if err != nil {
		return Secret{}, err
	}
	// 3. Settle. A crash before this leaves the code as it was, to be entered again.
	if !right {
		return Secret{}, r.wrong(ctx, t)
	}
	return r.right(ctx, t)
}

// right settles a counted try that was right, and reserves the serial number of
// the certificate that will be claimed now. One that was right but late is
// refused and does not count.
func (r *Registrar) right(ctx context.Context, t try) (Secret, error) {
	session := NewToken()
	var refused error
	var reserved Serial
	err := r.update(ctx, func(w *work) error {
		o, err := w.order(t.order.ID)
		if err != nil {
			return err
		}
		if _, err := w.entitled(&o); err != nil { // meanwhile
			return err
		}
		if refused = o.Verify(t.order.Code.Counter, DigestOf(session), w.policy, w.now); refused != nil {
			o.giveBack(t.order.Code.Counter)
			return w.put(&o)
		}
		w.audit(t.contact.actor(), VerifyVerb, &o, nil)
		err = w.reserve(&o, t.contact.actor())
		reserved = o.Reserved
		return err
	})
	if err := errors.Join(err, refused); err != nil {
		return Secret{}, err
	}
	r.reserved.keep(t.order.ID, reserved)
	return session, nil
}

// try is one counted attempt.
type try struct {
	order   Order
	contact Contact
	seed    Secret
}

// attempt counts a try at the order of token.
func (r *Registrar) attempt(ctx context.Context, token Secret) (t try, err error) {
	var refused error
	err = r.update(ctx, func(w *work) error {
		t, refused = try{}, nil
		o, err := linked(w, token)
		if err != nil {
			return err
		}
		if err := o.usable(w.now); err != nil {
			return err
		}
		if t.contact, err = w.entitled(&o); err != nil {
			return err
		}
		if o.spent(w.policy) { // and was not locked: a crash came before, or it was verified
			refused = lockedError()
			return w.lock(&o, t.contact)
		}
		if err := o.Attempt(w.policy, w.now); err != nil {
			return err
		}
		if t.seed, err = w.Secret(secretOf(o.ID, SeedSecret)); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		t.order = o
		w.audit(t.contact.actor(), AttemptVerb, &o, map[string]string{"try": itoa(o.Code.Attempts)})
		return nil
	})
	return t, errors.Join(err, refused)
}

// wrong settles a counted try that was wrong, and locks the order after the last.
func (r *Registrar) wrong(ctx context.Context, t try) error {
	refused := t.order.wrong(t.order.Code.Counter, r.cfg.Policy)
	if !t.order.spent(r.cfg.Policy) {
		return refused
	}
	err := r.update(ctx, func(w *work) error {
		o, err := w.order(t.order.ID)
		if err != nil || !o.spent(w.policy) {
			return err
		}
		return w.lock(&o, t.contact)
	})
	return errors.Join(err, refused)
}
