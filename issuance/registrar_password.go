package issuance

import (
	"context"
	"errors"
	"time"
)

// The codes of a password that is not sent again.
const (
	CodePasswordWaits Code = "password-waiting"  // the last one is still on its way to the provider
	CodePasswordSoon  Code = "password-cooldown" // it was sent just now
	CodePasswordLimit Code = "password-limit"    // it was sent as often as allowed
	CodePasswordGone  Code = "password-gone"     // the claim window has closed, or there never was one

	CodeRevoked Code = "revoked" // the certificate was revoked before its delivery was complete
)

// passwordTexts is how many messages may carry the password of one file: the
// first, and three more.
const passwordTexts = 4

// ResendPassword sends the same password of an order's file again, for a contact
// who did not get it or has lost it. It is possible until the claim window closes,
// and after that for as long as no message with the password was accepted. It goes
// to the contact's current number.
func (r *Registrar) ResendPassword(ctx context.Context, by Actor, id OrderID, note string) (Order, error) {
	return r.onOrder(ctx, by, id, ResendPasswordVerb, note, func(w *work, o *Order, _ string) error {
		c, err := w.receiver(o)
		if err != nil {
			return err
		}
		return w.resendPassword(o, c)
	})
}

// AskPassword is ResendPassword for the contact, in the browser that downloaded the file.
func (r *Registrar) AskPassword(ctx context.Context, token, session Secret) error {
	return r.update(ctx, func(w *work) error {
		o, c, err := w.claimed(token, session)
		if err != nil {
			return err
		}
		if err := w.resendPassword(&o, c); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		w.audit(c.actor(), ResendPasswordVerb, &o, nil)
		return nil
	})
}

// ResendPassword does not change the state of o: the same password is sent again.
func (o *Order) ResendPassword(now time.Time) error { return o.move(ResendPasswordVerb, o.State, now) }

// resendPassword queues the password of o's file again. A refusal changes nothing.
func (w *work) resendPassword(o *Order, c Contact) error {
	if err := o.ResendPassword(w.now); err != nil {
		return err
	}
	_, err := w.Secret(secretOf(o.ID, PasswordSecret))
	over := o.State == CompletedState && !w.now.Before(o.windowEnds(w.policy))
	if errors.Is(err, ErrNotFound) || err == nil && over {
		return passwordGoneError()
	} else if err != nil {
		return err
	}
	sent, err := w.passwordNotices(o)
	if err != nil {
		return err
	}
	if err := passwordLimit(sent, w.policy, w.now); err != nil {
		return err
	}
	return w.Enqueue(Notice{
		Kind: PasswordNotice, Order: o.ID, Serial: o.Serial, Contact: c.ID, To: c.Mobile, Language: c.Language,
		NextAt: c.MobileChangedAt.Add(w.policy.CoolingOff),
	})
}

// passwordNotices returns the messages that carried, or shall carry, the password of o's file.
func (l reading) passwordNotices(o *Order) (out []Notice, err error) {
	for after := ""; ; {
		var page []Notice
		page, after, err = l.Notices(NoticeQuery{Order: o.ID, Page: Page{After: after, Limit: MaxPage}})
		if err != nil {
			return nil, err
		}
		for _, n := range page {
			if n.Kind == PasswordNotice && n.Serial == o.Serial {
				out = append(out, n)
			}
		}
		if after == "" {
			return out, nil
		}
	}
}

// passwordWaits reports whether a message with the password of o's file is on its way.
func (w *work) passwordWaits(o *Order) (bool, error) {
	sent, err := w.passwordNotices(o)
	for _, n := range sent {
		if n.State == Pending {
			return true, err
		}
	}
	return false, err
}

// lookPassword fills in how the password of v's file stands.
func (l reading) lookPassword(v *ClaimView) error {
	sent, err := l.passwordNotices(&v.Order)
	if err != nil || len(sent) == 0 {
		return err
	}
	last := newest(sent)
	v.PasswordSent, v.PasswordState, v.PasswordDelayed = len(sent), last.State, last.delayed(l.now)
	err = passwordLimit(sent, l.policy, l.now)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodePasswordSoon {
		v.PasswordNextAt, err = l.now.Add(e.Retry), nil
	}
	v.PasswordMore = err == nil && (v.Stage == PasswordStage || l.now.Before(v.WindowEnds)) && v.Certificate.Status != Revoked
	return nil
}

// newest returns the notice that was made last.
func newest(sent []Notice) (last Notice) {
	for _, n := range sent {
		if n.CreatedAt.After(last.CreatedAt) || last.ID == "" {
			last = n
		}
	}
	return last
}

// passwordLimit returns why the password that was sent so often may not be sent again now.
func passwordLimit(sent []Notice, p Policy, now time.Time) error {
	var last time.Time
	for _, n := range sent {
		if n.State == Pending {
			return &Error{
				Kind: Unavailable, Code: CodePasswordWaits, Message: "the text message with the password is still being sent",
				Hint: "wait for it; it is sent again until the text message service accepts it", Retry: time.Minute,
			}
		}
		if n.State == Accepted && n.SettledAt.After(last) {
			last = n.SettledAt
		}
	}
	if len(sent) >= passwordTexts {
		return &Error{
			Kind: Conflict, Code: CodePasswordLimit, Message: "the password was sent " + itoa(len(sent)) + " times; it is not sent again",
			Hint: "check the mobile number; if the password does not arrive, revoke the certificate and place a new order",
		}
	}
	if wait := last.Add(p.CodeCooldown).Sub(now); !last.IsZero() && wait > 0 {
		return &Error{
			Kind: Limited, Code: CodePasswordSoon, Message: "the password was sent just now",
			Hint: "wait for the text message before you ask for it again", Retry: wait,
		}
	}
	return nil
}

func passwordGoneError() *Error {
	return &Error{
		Kind: Conflict, Code: CodePasswordGone, Message: "the password is no longer kept",
		Hint: "revoke the certificate if its password is lost, and place a new order",
	}
}
