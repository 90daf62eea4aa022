package issuance

import (
	"context"
	"errors"
	"strings"
	"time"
)

// noticeLifetime is how long a notice is tried again before it is given up: a
// provider's bad day is survived. A code is not worth a day: its time runs.
func noticeLifetime(k NoticeKind) time.Duration {
	if k == CodeNotice {
		return codeRetry
	}
	return 72 * time.Hour
}

// drop takes a notice that is still pending back, with the reason.
func (w *work) drop(id NoticeID, why string) error {
	if id == "" {
		return nil
	}
	n, err := w.Notice(id)
	if err != nil || n.State != Pending {
		return err
	}
	return w.withdraw(n, why)
}

// withdraw takes back n, which was not accepted.
func (w *work) withdraw(n Notice, why string) error {
	n.State, n.SettledAt, n.LastError, n.NextAt = Dropped, w.now, why, time.Time{}
	if n.Kind.TellsChange() {
		if err := w.DeleteSecret(stopSecret(n.ID)); err != nil {
			return err
		}
	}
	return w.PutNotice(n)
}

// Settle records the outcome of one try to send a notice. On acceptance, the notice
// is done and the order moves, in one transaction. A notice that was settled before
// does not change.
func (r *Registrar) Settle(ctx context.Context, id NoticeID, out Outcome) error {
	return r.update(ctx, func(w *work) error {
		n, err := w.Notice(id)
		if err != nil {
			return err
		}
		if n.State != Pending {
			// Overtaken while it was on its way. If the provider took it, say so.
			if n.State == Dropped && out.Err == nil {
				n.ProviderID = out.ProviderID
				return w.PutNotice(n)
			}
			return nil
		}
		n.Leased = false
		if out.Err == nil {
			return w.accepted(n, out)
		}
		n.LastError = clip(n.masked(out.Err.Error()), 300)
		if out.Uncharged {
			n.Attempts = max(0, n.Attempts-1)
		}
		next := w.now.Add(max(out.RetryAfter, time.Second))
		if out.Permanent || !out.Uncharged && next.After(n.GiveUpAt) {
			return w.failed(n)
		}
		n.NextAt = next
		return w.PutNotice(n)
	})
}

// masked returns what a provider said without where n went: it stays in records that
// more people read.
func (n Notice) masked(said string) string {
	if n.To == "" {
		return said
	}
	shown := Contact{Email: n.To}.MaskedEmail()
	if n.Channel == SMS {
		shown = Contact{Mobile: n.To}.MaskedMobile()
	}
	said = strings.ReplaceAll(said, n.To, shown)
	if number := strings.TrimPrefix(n.To, "+"); number != n.To { // some leave it out
		said = strings.ReplaceAll(said, number, shown)
	}
	return said
}

// accepted moves the order that n was sent for.
func (w *work) accepted(n Notice, out Outcome) error {
	n.State, n.SettledAt, n.NextAt, n.LastError, n.ProviderID = Accepted, w.now, time.Time{}, "", out.ProviderID
	if err := w.PutNotice(n); err != nil {
		return err
	}
	if n.Kind.TellsChange() {
		return w.DeleteSecret(stopSecret(n.ID))
	}
	if n.Order == "" || n.Kind == AlertNotice {
		return nil
	}
	o, err := w.order(n.Order)
	if err != nil {
		return err
	}
	if err := w.delivered(&o, n); err != nil {
		return err
	}
	w.audit(System("courier"), SendVerb, &o, map[string]string{"notice": string(n.Kind), "message": string(n.ID)})
	return nil
}

// delivered moves o on, for which n was taken by its provider.
func (w *work) delivered(o *Order, n Notice) error {
	switch n.Kind {
	case InvitationNotice:
		if o.Link.Number == n.Counter {
			if err := w.forget(o.ID, LinkSecret); err != nil {
				return err
			}
		}
	case CodeNotice:
		o.CodeTaken(n.Counter, w.now)
	case PasswordNotice:
		if o.State == DownloadedState { // not sent again, nor revoked while the message was on its way
			return w.complete(o, System("courier"))
		}
		if o.Wiped { // it was sent again, and the window has ended since
			if err := w.forget(o.ID, PasswordSecret); err != nil {
				return err
			}
		}
	}
	return w.put(o)
}

// complete ends o and wipes what a completed order does not need: the password
// stays for the rest of the claim window alone.
func (w *work) complete(o *Order, by Actor) error {
	if err := o.Complete(w.now); err != nil {
		return err
	}
	kinds := []SecretKind{SeedSecret}
	if o.Wiped {
		kinds = append(kinds, PasswordSecret)
	}
	if err := w.forget(o.ID, kinds...); err != nil {
		return err
	}
	if err := w.put(o); err != nil {
		return err
	}
	w.audit(by, CompleteVerb, o, nil)
	return nil
}

// failed gives n up and tells staff; what n would have carried stays sealed, so
// that staff can fix the cause and send it again.
func (w *work) failed(n Notice) error {
	if n.Kind.TellsChange() { // the old address or number is often changed because it is dead
		return w.withdraw(n, n.LastError)
	}
	n.State, n.SettledAt, n.NextAt, n.Leased = Failed, w.now, time.Time{}, false
	if err := w.PutNotice(n); err != nil {
		return err
	}
	if n.Kind == AlertNotice || n.Order == "" {
		return nil
	}
	o, err := w.Order(n.Order)
	if errors.Is(err, ErrNotFound) {
		return w.Alert("", "The "+string(n.Kind)+" message "+string(n.ID)+" cannot be written: "+n.LastError+".")
	} else if err != nil {
		return err
	}
	if n.Kind == CodeNotice && o.Code.Counter == n.Counter {
		o.Code.Live = false // nobody knows whether it arrived
		if err := w.put(&o); err != nil {
			return err
		}
	}
	if err := w.Alert(o.ID, "The "+string(n.Kind)+" "+string(n.Channel)+" for "+w.about(&o)+" could not be delivered: "+
		n.LastError+". Fix the cause, then retry message "+string(n.ID)+"."); err != nil {
		return err
	}
	if err := w.forgetFailed(n, &o); err != nil {
		return err
	}
	w.audit(System("courier"), FailVerb, &o,
		map[string]string{"notice": string(n.Kind), "message": string(n.ID), "reason": n.LastError})
	return nil
}

// forgetFailed wipes the password that n would have carried if the claim window of o
// is over and no other message waits for it: nobody may send it again then.
func (w *work) forgetFailed(n Notice, o *Order) error {
	if n.Kind != PasswordNotice || o.State != CompletedState || !o.Wiped {
		return nil
	}
	if waits, err := w.passwordWaits(o); err != nil || waits {
		return err
	}
	return w.forget(o.ID, PasswordSecret)
}

// RetryNotice sends a failed notice again, or a waiting one at once. It goes to the
// contact's current address or number.
func (r *Registrar) RetryNotice(ctx context.Context, by Actor, id NoticeID) (Notice, error) {
	if err := by.May(RetryVerb, MessageNoun); err != nil {
		return Notice{}, err
	}
	var n Notice
	err := r.update(ctx, func(w *work) (err error) {
		if n, err = w.Notice(id); errors.Is(err, ErrNotFound) {
			return NoSuch(MessageNoun, string(id))
		} else if err != nil {
			return err
		}
		if n.State != Failed && n.State != Pending {
			return notAgain(n)
		}
		if n.State == Pending && n.Leased && n.NextAt.After(w.now) {
			return nil // it is on its way at this moment: it must not go twice
		}
		if n.Kind.Opens() {
			if err := w.mayReceive(n); err != nil {
				return err
			}
		}
		if n.Contact != "" && !n.Kind.TellsChange() {
			c, err := w.contact(n.Contact)
			if err != nil {
				return err
			}
			n.To = c.reached(n.Channel)
			if wait := w.cooling(c, n.Channel); wait > 0 && n.Kind.Opens() {
				return &Error{
					Kind: Limited, Code: CodeCoolingOff, Message: "where this message goes has changed recently",
					Hint: "wait until the cooling-off period is over (policy.cooling_off)", Retry: wait,
				}
			}
		}
		if n, err = w.revive(n); err != nil {
			return err
		}
		n.NextAt = w.now
		if err := w.Enqueue(n); err != nil {
			return err
		}
		if n, err = w.Notice(id); err != nil {
			return err
		}
		w.Audit(by, RetryVerb, AuditRecord{Order: n.Order, Serial: n.Serial, Subject: string(n.ID)})
		return nil
	})
	return n, err
}

// mayReceive returns why what n carries is not for its contact any more.
func (w *work) mayReceive(n Notice) error {
	o, err := w.order(n.Order)
	if err == nil {
		_, err = w.receiver(&o)
	}
	return err
}

// notAgain says that n, which was accepted or dropped, is not sent again, and
// which verb sends what it carried.
func notAgain(n Notice) error {
	e := &Error{Kind: Conflict, Code: CodeState, Message: "the message is " + string(n.State) +
		"; it is not sent again", Hint: "there is nothing more to do"}
	switch n.Kind {
	case InvitationNotice, CodeNotice:
		e.Hint, e.Next = "resend the order, for a new link and code", Next{ResendVerb, OrderNoun, string(n.Order)}
	case PasswordNotice:
		e.Hint = "while the claim window is open, send the same password again; after that, revoke the certificate and order another"
		e.Next = Next{ResendPasswordVerb, OrderNoun, string(n.Order)}
	}
	return e
}

// revive gives a code message that failed, or has waited too long, a new code if its
// own still is the order's newest: the old one may have arrived, and its time runs.
func (w *work) revive(n Notice) (Notice, error) {
	if n.Kind != CodeNotice {
		return n, nil
	}
	o, err := w.order(n.Order)
	if err != nil || o.Code.Counter != n.Counter || o.Code.spent(w.policy) || n.State != Failed && !o.Code.late(w.now) {
		return n, err
	}
	o.Code.revive(w.now)
	n.Counter = o.Code.Counter
	return n, w.put(&o)
}
