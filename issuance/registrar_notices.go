package issuance

import (
	"context"
	"errors"
	"time"
)

// noticeLifetime is how long a notice is tried again before it is given up: a
// provider's bad day is survived, and a contact does not get Monday's code on Friday.
func noticeLifetime(k NoticeKind) time.Duration {
	if k == CodeNotice {
		return 12 * time.Hour
	}
	return 72 * time.Hour
}

// enqueue keeps n to be sent as soon as its transaction has committed.
func (w *work) enqueue(n Notice) error {
	if n.ID == "" {
		n.ID = NoticeID(newID("msg-", w.now))
	}
	if n.NextAt.Before(w.now) {
		n.NextAt = w.now
	}
	if n.CreatedAt.IsZero() { // what is sent again keeps its date, and so its every byte
		n.CreatedAt = w.now
	}
	n.Channel, n.State, n.Leased = n.Kind.Channel(), Pending, false
	n.GiveUpAt = n.NextAt.Add(noticeLifetime(n.Kind))
	if err := w.PutNotice(n); err != nil {
		return err
	}
	if w.wake == nil {
		w.wake = make(map[Channel]bool)
	}
	w.wake[n.Channel] = true
	return nil
}

// alert tells staff that order o, or something without an order, needs a person.
func (w *work) alert(o *Order, text string) error {
	for _, to := range w.alerts {
		n := Notice{ID: NoticeID(newID("msg-", w.now)), Kind: AlertNotice, To: to, Language: Languages()[0], Text: text}
		if o != nil {
			n.Order = o.ID
		}
		if err := w.enqueue(n); err != nil {
			return err
		}
	}
	return nil
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
	n.State, n.SettledAt, n.LastError, n.NextAt = Dropped, w.now, why, time.Time{}
	return w.PutNotice(n)
}

// TakeNotices leases up to limit due notices of channel to the caller, which
// sends each and tells the outcome to Settle. One that is not settled within
// lease is handed out again: a crash in between sends it twice, the same both
// times. Notices that events have overtaken are dropped.
func (r *Registrar) TakeNotices(ctx context.Context, channel Channel, limit int, lease time.Duration) ([]Dispatch, error) {
	var idle bool
	err := r.Store.View(ctx, func(tx Tx) error {
		due, err := tx.DueNotices(channel, r.Now(), 1)
		idle = len(due) == 0
		return err
	})
	if err != nil || idle {
		return nil, err
	}
	var out []Dispatch
	err = r.update(ctx, func(w *work) error {
		out = nil
		due, err := w.DueNotices(channel, w.now, limit)
		if err != nil {
			return err
		}
		for _, n := range due {
			d, err := r.dispatch(w, n)
			if overtaken, ok := errors.AsType[overtakenError](err); ok {
				if err := w.drop(n.ID, string(overtaken)); err != nil {
					return err
				}
				continue
			} else if errors.Is(err, ErrNotFound) {
				// This notice cannot be written; the others must not wait for it.
				n.LastError = "its order, contact or certificate is not in the register"
				if err := w.failed(n); err != nil {
					return err
				}
				continue
			} else if err != nil {
				// So may one whose secret does not open: it is tried again, and staff see it.
				r.Log.Error("preparing a message", "order", n.Order, "message", n.ID, "error", err)
				n.LastError, n.NextAt = "what it carries cannot be read; the log has the reason", w.now.Add(5*time.Minute)
				if err := w.PutNotice(n); err != nil {
					return err
				}
				continue
			}
			d.Notice.Attempts++
			d.Notice.Leased, d.Notice.NextAt = true, w.now.Add(lease)
			if err := w.PutNotice(d.Notice); err != nil {
				return err
			}
			out = append(out, d)
		}
		return nil
	})
	return out, err
}

// overtakenError says why a notice need not be sent any more.
type overtakenError string

func (e overtakenError) Error() string { return string(e) }

// dispatch gathers what the text of n needs, or says why n is overtaken.
func (r *Registrar) dispatch(w *work, n Notice) (d Dispatch, err error) {
	d = Dispatch{Notice: n, CodeLifetime: r.Policy.CodeLifetime}
	if n.Kind == AlertNotice {
		return d, nil
	}
	if n.Kind == ReportNotice {
		stored, err := w.StoredReport(ReportID(n.Text))
		d.Report = stored.Report
		return d, err
	}
	if d.Order, err = w.Order(n.Order); err != nil {
		return d, err
	}
	if d.Contact, err = w.Contact(n.Contact); err != nil {
		return d, err
	}
	if d.Service, err = w.Service(d.Order.Service); err != nil {
		return d, err
	}
	if d.Organization, err = w.Organization(d.Order.Organization); err != nil {
		return d, err
	}
	d.LinkExpires = d.Order.Link.ExpiresAt
	if n.Kind == InvitationNotice || n.Kind == CodeNotice {
		if _, err := w.entitled(&d.Order); err != nil {
			return d, overtakenError("the contact or the service is not authorised any more")
		}
	}
	if n.Serial != "" {
		if d.Certificate, err = w.Certificate(n.Serial); err != nil {
			return d, err
		}
	}
	if n.Kind == RevokedNotice && n.Text != "" && n.Text != string(d.Certificate.Status) {
		return d, overtakenError("the certificate's status has changed again")
	}
	d.Secret, err = r.noticeSecret(w, d.Order, n)
	return d, err
}

// noticeSecret returns the secret in n's text, or an overtakenError if n has none any more.
func (r *Registrar) noticeSecret(w *work, o Order, n Notice) (Secret, error) {
	var kind SecretKind
	switch n.Kind {
	case InvitationNotice:
		if o.Link.Number != n.Counter || o.usable(w.now) != nil && o.State != LockedState {
			return Secret{}, overtakenError("the link was used, replaced, cancelled or is over")
		}
		kind = LinkSecret
	case CodeNotice:
		if !o.Code.Live || o.Code.Counter != n.Counter || o.usable(w.now) != nil {
			return Secret{}, overtakenError("the code was used, replaced, or is not needed any more")
		}
		kind = SeedSecret
	case PasswordNotice:
		if o.State != DownloadedState && o.State != CompletedState || o.Serial != n.Serial {
			return Secret{}, overtakenError("the certificate was revoked or replaced")
		}
		kind = PasswordSecret
	default:
		return Secret{}, nil
	}
	s, err := w.Secret(SecretRef{kind, o.ID})
	if errors.Is(err, ErrNotFound) {
		return s, overtakenError("what it would carry was wiped")
	}
	if err == nil && kind == SeedSecret {
		return r.Code(s, n.Counter)
	}
	return s, err
}

// Settle records what became of one try to send a notice. On acceptance the
// notice is done and the order moves, in one transaction. A notice that was
// settled before stays as it is.
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
			return r.accepted(w, n, out)
		}
		n.LastError = clip(out.Err.Error(), 300)
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

// accepted moves the order that n was sent for.
func (r *Registrar) accepted(w *work, n Notice, out Outcome) error {
	n.State, n.SettledAt, n.NextAt, n.LastError, n.ProviderID = Accepted, w.now, time.Time{}, "", out.ProviderID
	if err := w.PutNotice(n); err != nil {
		return err
	}
	if n.Order == "" || n.Kind == AlertNotice {
		return nil
	}
	o, err := w.order(n.Order)
	if err != nil {
		return err
	}
	switch n.Kind {
	case InvitationNotice:
		if o.Link.Number == n.Counter {
			err = w.forget(o.ID, LinkSecret)
		}
	case CodeNotice:
		o.CodeTaken(n.Counter, w.now)
	case PasswordNotice:
		if o.State == CompletedState && o.Wiped { // it was sent again, and the window has ended since
			err = w.forget(o.ID, PasswordSecret)
		}
		if o.State != DownloadedState { // sent again, or revoked while the message was on its way
			break
		}
		if err = o.Complete(w.now); err == nil {
			err = w.completed(&o, System("courier"))
		}
	}
	if err != nil {
		return err
	}
	if err := w.put(&o); err != nil {
		return err
	}
	return w.audit(System("courier"), SendVerb, &o, map[string]string{"notice": string(n.Kind), "message": string(n.ID)})
}

// completed wipes what a completed order does not need: the password stays for
// the rest of the claim window alone.
func (w *work) completed(o *Order, by Actor) error {
	if err := w.audit(by, CompleteVerb, o, nil); err != nil {
		return err
	}
	if o.Wiped {
		return w.forget(o.ID, SeedSecret, PasswordSecret)
	}
	return w.forget(o.ID, SeedSecret)
}

// failed gives n up and tells staff; what n would have carried stays sealed, so
// that staff can mend the reason and send it again.
func (w *work) failed(n Notice) error {
	n.State, n.SettledAt, n.NextAt = Failed, w.now, time.Time{}
	if err := w.PutNotice(n); err != nil {
		return err
	}
	if n.Kind == AlertNotice || n.Order == "" {
		return nil
	}
	o, err := w.Order(n.Order)
	if errors.Is(err, ErrNotFound) {
		return w.alert(nil, "The "+string(n.Kind)+" message "+string(n.ID)+" cannot be written: "+n.LastError+".")
	} else if err != nil {
		return err
	}
	if err := w.audit(System("courier"), FailVerb, &o, map[string]string{"notice": string(n.Kind), "message": string(n.ID), "reason": n.LastError}); err != nil {
		return err
	}
	if n.Kind == CodeNotice && o.Code.Counter == n.Counter {
		o.Code.Live = false // nobody knows whether it arrived
		if err := w.put(&o); err != nil {
			return err
		}
	}
	return w.alert(&o, "The "+string(n.Kind)+" "+string(n.Channel)+" for order "+string(o.ID)+" could not be delivered: "+n.LastError+
		". Mend the reason, then send it again with `postern message retry "+string(n.ID)+"`.")
}

// RetryNotice sends a notice again that failed, or at once one that waits. It
// goes to the address or number that the contact has now.
func (r *Registrar) RetryNotice(ctx context.Context, by Actor, id NoticeID) (Notice, error) {
	if err := by.mayWrite("retry a message"); err != nil {
		return Notice{}, err
	}
	var n Notice
	err := r.update(ctx, func(w *work) (err error) {
		if n, err = w.Notice(id); errors.Is(err, ErrNotFound) {
			return notFound("message", string(id))
		} else if err != nil {
			return err
		}
		if n.State != Failed && n.State != Pending {
			return &Error{Kind: Conflict, Code: CodeState, Message: "the message is " + string(n.State) + "; it is not sent again", Hint: "`postern order resend` sends a new link and code"}
		}
		if n.Contact != "" {
			c, err := w.contact(n.Contact)
			if err != nil {
				return err
			}
			if n.To = c.Email; n.Channel == SMS {
				n.To = c.Mobile
				if since := w.now.Sub(c.MobileChangedAt); !c.MobileChangedAt.IsZero() && since < r.Policy.CoolingOff {
					return &Error{Kind: Limited, Code: CodeCoolingOff, Message: "the mobile number was changed a short time ago", Hint: "wait for the rest of policy.cooling_off", Retry: r.Policy.CoolingOff - since}
				}
			}
		}
		if err := w.revive(n); err != nil {
			return err
		}
		n.NextAt = w.now
		if err := w.enqueue(n); err != nil {
			return err
		}
		if n, err = w.Notice(id); err != nil {
			return err
		}
		return w.AppendAudit(AuditRecord{At: w.now, Actor: by, Verb: RetryVerb, Order: n.Order, Serial: n.Serial, Subject: string(n.ID)})
	})
	return n, err
}

// revive makes the code of a notice that failed one that can be entered, if it
// still is the order's newest.
func (w *work) revive(n Notice) error {
	if n.Kind != CodeNotice || n.State != Failed {
		return nil
	}
	o, err := w.order(n.Order)
	if err != nil || o.Code.Counter != n.Counter || o.Code.Attempts >= w.policy.CodeAttempts {
		return err
	}
	o.Code.Live, o.Code.MadeAt = true, append(o.Code.MadeAt, w.now)
	return w.put(&o)
}
