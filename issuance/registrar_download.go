package issuance

import (
	"context"
	"errors"
)

// file returns what an earlier claim made, for as long as the claim window is open.
func (r *Registrar) file(ctx context.Context, token, session Secret) (File, error) {
	var (
		cert   Certificate
		target Target
		pkcs12 Secret
	)
	err := r.view(ctx, func(l reading) error {
		o, _, err := l.claimed(token, session)
		if err != nil {
			return err
		}
		switch {
		case o.State == VerifiedState:
			return o.busy()
		case o.State == CancelledState:
			return o.usable(l.now)
		case o.Serial == "":
			return linkError()
		case !l.now.Before(o.windowEnds(l.policy)):
			return windowError()
		}
		if cert, err = l.Certificate(o.Serial); err != nil {
			return err
		}
		if target = o.Target; o.FromCSR {
			return nil
		}
		pkcs12, err = l.Secret(secretOf(o.ID, PKCS12Secret))
		if errors.Is(err, ErrNotFound) {
			return windowError()
		}
		return err
	})
	if err != nil {
		return File{}, err
	}
	return r.filed(cert, target, pkcs12.Reveal())
}

// filed puts together what the contact gets.
func (r *Registrar) filed(c Certificate, t Target, pkcs12 []byte) (File, error) {
	chain, err := r.cfg.Signer.Chain(c.Issuer)
	if err != nil {
		return File{}, err
	}
	return File{Certificate: c, PKCS12: pkcs12, Chain: append([][]byte{c.DER}, chain...), Target: t}, nil
}

func windowError() *Error {
	return &Error{Kind: Conflict, Code: CodeWindow, Message: "the download period has ended; the file has " +
		"been deleted", Hint: "open the link again; if it is no longer valid, ask the people who sent it to you for " +
		"a new one"}
}

// Download records that the last byte of the file has arrived, and queues the
// password SMS. Repeating it does nothing.
func (r *Registrar) Download(ctx context.Context, token, session Secret) error {
	return r.update(ctx, func(w *work) error {
		o, c, err := w.claimed(token, session)
		if err != nil {
			return err
		}
		if again, err := o.Download(w.now); again || err != nil {
			return err
		}
		if err := w.Enqueue(Notice{
			Kind: PasswordNotice, Order: o.ID, Serial: o.Serial, Contact: c.ID, To: c.Mobile, Language: c.Language,
			NextAt: c.MobileChangedAt.Add(w.policy.CoolingOff), // a number that changed since the code waits, too
		}); err != nil {
			return err
		}
		if err := w.put(&o); err != nil {
			return err
		}
		w.audit(c.actor(), DownloadVerb, &o, nil)
		return nil
	})
}
