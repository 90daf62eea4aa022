package issuance

import (
	"context"
	"errors"
	"time"
)

// TakeNotices leases up to limit due notices of channel to the caller, which sends
// each of them and reports the outcome to Settle. A notice that is not settled
// within lease is handed out again: after a crash in between, the same message is
// sent twice. Notices that are no longer needed are dropped.
func (r *Registrar) TakeNotices(ctx context.Context, channel Channel, limit int, lease time.Duration) ([]Dispatch, error) {
	var idle bool
	err := r.view(ctx, func(l reading) error {
		due, err := l.DueNotices(channel, l.now, 1)
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
			d, err := w.lease(n, lease)
			if err != nil {
				return err
			}
			if d.Notice.Leased {
				out = append(out, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.documented(ctx, out)
}

// lease gathers what n needs and leases it, or settles it otherwise.
func (w *work) lease(n Notice, lease time.Duration) (Dispatch, error) {
	n, err := w.renewed(n)
	if err != nil {
		return Dispatch{}, err
	}
	d, err := w.dispatch(n)
	overtaken, isOvertaken := errors.AsType[overtakenError](err)
	switch {
	case isOvertaken:
		return Dispatch{}, w.drop(n.ID, string(overtaken))
	case errors.Is(err, ErrNotFound):
		// This notice cannot be written; the others must not wait for it.
		n.LastError = "its order, contact or certificate is not in the register"
		return Dispatch{}, w.failed(n)
	case err != nil:
		// So may one whose secret does not open: it is tried again, and staff see it.
		return Dispatch{}, w.unreadable(n, err)
	}
	d.Notice.Attempts++
	d.Notice.Leased, d.Notice.NextAt = true, w.now.Add(lease)
	return d, w.PutNotice(d.Notice)
}

// renewed gives a code message that has waited for a paused channel a new code, if no
// provider was given the old one.
func (w *work) renewed(n Notice) (Notice, error) {
	if n.Kind != CodeNotice || n.Attempts > 0 {
		return n, nil
	}
	o, err := w.Order(n.Order)
	if errors.Is(err, ErrNotFound) {
		return n, nil
	}
	if err != nil || o.Code.Counter != n.Counter || !o.Code.Live || !o.Code.late(w.now) {
		return n, err
	}
	o.Code.renew(w.now)
	n.WaitsSince = n.dueSince()
	n.Counter, n.GiveUpAt = o.Code.Counter, w.now.Add(codeRetry)
	return n, errors.Join(w.put(&o), w.PutNotice(n))
}

// unreadable puts n off, as long as its time is not over: what it carries does not
// open. One whose document is no more has failed.
func (w *work) unreadable(n Notice, err error) error {
	w.r.cfg.Desk.Log.Error("preparing a message", "order", n.Order, "message", n.ID, "error", err)
	if gone := errors.Is(err, ErrNotFound); gone || w.now.After(n.GiveUpAt) {
		n.LastError = map[bool]string{
			true:  "what it should carry is not kept any more",
			false: "its contents cannot be read; see the log",
		}[gone]
		return w.failed(n)
	}
	n.LastError, n.NextAt, n.Leased = "its contents cannot be read; see the log", w.now.Add(unreadableWait), false
	return w.PutNotice(n)
}

// unreadableWait is how long a notice waits that cannot be prepared.
const unreadableWait = 5 * time.Minute

// documented gives each dispatch the document that it carries, which other rooms
// write. One whose document cannot be read is put off, and not handed out.
func (r *Registrar) documented(ctx context.Context, all []Dispatch) (out []Dispatch, err error) {
	for _, d := range all {
		document := r.cfg.Documents[d.Notice.Kind]
		if document == nil {
			out = append(out, d)
			continue
		}
		if d.Document, err = document(ctx, d.Notice.Text); err == nil {
			out = append(out, d)
			continue
		}
		if err := r.update(ctx, func(w *work) error { return w.unreadable(d.Notice, err) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// overtakenError says why a notice need not be sent any more.
type overtakenError string

func (e overtakenError) Error() string { return string(e) }

// dispatch gathers what the text of n needs, or says why n is overtaken.
func (w *work) dispatch(n Notice) (d Dispatch, err error) {
	d = Dispatch{Notice: n, CodeLifetime: w.policy.CodeLifetime}
	if n.Kind.TellsChange() {
		return d, w.tellsOf(&d)
	}
	if n.Kind == AlertNotice || n.Order == "" {
		return d, nil
	}
	if d.Order, err = w.Order(n.Order); err != nil {
		return d, err
	}
	if d.Contact, err = w.Contact(n.Contact); err != nil {
		return d, err
	}
	if n.Kind.Opens() || n.Kind.Tells() { // where the contact is to be reached now
		if d.Contact.lost() {
			return d, overtakenError("the contact's phone or mailbox was reported lost")
		}
		d.Notice.To = d.Contact.reached(n.Channel)
	}
	if d.Service, err = w.Service(d.Order.Service); err != nil {
		return d, err
	}
	if d.Organization, err = w.Organization(d.Order.Organization); err != nil {
		return d, err
	}
	d.LinkExpires = d.Order.Link.ExpiresAt
	if n.Kind.Opens() {
		if _, err := w.entitled(&d.Order); err != nil {
			return d, overtakenError("the contact or the service is no longer authorised")
		}
	}
	if n.Serial != "" {
		if d.Certificate, err = w.Certificate(n.Serial); err != nil {
			return d, err
		}
	}
	if d.Also, d.More, err = w.listed(n.Also); err != nil {
		return d, err
	}
	if n.Kind.TellsStatus() && n.Text != "" && n.Text != string(d.Certificate.Status) {
		return d, overtakenError("the certificate's status has changed since")
	}
	d.Secret, err = w.noticeSecret(d.Order, n)
	return d, err
}

// listed returns the certificates that a mail lists, and how many it only counts.
func (w *work) listed(serials []Serial) (out []Certificate, more int, err error) {
	some := serials[:min(len(serials), mostListed)]
	for _, s := range some {
		c, err := w.Certificate(s)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, c)
	}
	return out, len(serials) - len(some), nil
}

// noticeSecret returns the secret in n's text, or an overtakenError if n has none any more.
func (w *work) noticeSecret(o Order, n Notice) (Secret, error) {
	var kind SecretKind
	switch n.Kind {
	case InvitationNotice:
		if o.Link.Number != n.Counter || o.usable(w.now) != nil && o.State != LockedState {
			return Secret{}, overtakenError("the link has been used, replaced or cancelled, or has expired")
		}
		kind = LinkSecret
	case CodeNotice:
		if !o.Code.Live || o.Code.Counter != n.Counter || o.usable(w.now) != nil {
			return Secret{}, overtakenError("the code has been used or replaced, or is no longer needed")
		}
		if o.Code.late(w.now) {
			return Secret{}, overtakenError("the code would have expired too soon")
		}
		kind = SeedSecret
	case PasswordNotice:
		if o.State != DownloadedState && o.State != CompletedState || o.Serial != n.Serial {
			return Secret{}, overtakenError("the certificate has been revoked or replaced")
		}
		kind = PasswordSecret
	default:
		return Secret{}, nil
	}
	s, err := w.Secret(secretOf(o.ID, kind))
	if errors.Is(err, ErrNotFound) {
		return s, overtakenError("its contents have been deleted")
	}
	if err == nil && kind == SeedSecret {
		return w.r.cfg.Code(s, n.Counter)
	}
	return s, err
}
