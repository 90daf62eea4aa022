package issuance

import "context"

// Enrollment is a claim in one step, for a program.
type Enrollment struct {
	Token   Secret // of the link
	Session Secret // of an earlier enrollment, if there is one: then no code is needed
	Code    string
	Claim   ClaimRequest
}

// Enroll is a claim in one step, for a program that has the link's token, the
// one-time code and, over EST, a CSR (RFC 7030, section 4.2.1): the code is checked
// as in Verify, then the certificate is created as in Claim. Invalid choices are
// refused before the code is used. The session that the code opens is returned even
// with an error: with it, the caller may try again.
//
// Whoever asks again in the claim window with the token and a CSR of the same
// key, because the answer was lost, gets the same certificate; the code is not
// looked at then. Links that do not work look all the same, as to any stranger.
func (r *Registrar) Enroll(ctx context.Context, q Enrollment) (session Secret, f File, err error) {
	o, err := r.byLink(ctx, q.Token)
	if err != nil {
		return Secret{}, File{}, err
	}
	if o.mine(q.Session) {
		f, err = r.Claim(ctx, q.Token, q.Session, q.Claim)
		return q.Session, f, err
	}
	unusable := o.usable(r.now())
	if unusable != nil && CodeOf(unusable) != CodeClaimed {
		return Secret{}, File{}, asStranger(unusable)
	}
	c, err := r.choose(ctx, o, q.Claim)
	if err != nil {
		return Secret{}, File{}, err
	}
	if unusable != nil {
		f, err = r.enrolled(ctx, o, c)
		return Secret{}, f, asStranger(err)
	}
	if session, err = r.Verify(ctx, q.Token, q.Code); err != nil {
		return Secret{}, File{}, asStranger(err)
	}
	f, err = r.Claim(ctx, q.Token, session, q.Claim)
	return session, f, err
}

// enrolled returns the certificate that was made for o, to whoever has its key.
func (r *Registrar) enrolled(ctx context.Context, o Order, c choice) (File, error) {
	if !o.FromCSR || c.public == nil || !r.now().Before(o.windowEnds(r.cfg.Policy)) {
		return File{}, linkError()
	}
	cert, err := r.Certificate(ctx, o.Serial)
	if err == nil {
		err = r.view(ctx, func(l reading) error { _, err := l.entitled(&o); return err })
	}
	if err != nil {
		return File{}, err
	}
	if cert.Status != Active || !cert.has(c.public) {
		return File{}, linkError()
	}
	return r.filed(cert, o.Target, nil)
}

// asStranger makes what became of a link the same for whoever opened no session:
// a cancelled or expired link is as one that never was.
func asStranger(err error) error {
	switch CodeOf(err) {
	case CodeCancelled, CodeRevoked, CodeLinkExpired:
		return linkError()
	}
	return err
}
