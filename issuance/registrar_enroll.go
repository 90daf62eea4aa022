package issuance

import "context"

// Enroll is a claim in one step, for a program that has the link's token, the
// one-time code and a CSR (RFC 7030, section 4.2.1): the code is checked as by
// Verify, then the certificate made as by Claim. A CSR that cannot stand is
// refused before the code is used up for it.
//
// Whoever asks again in the claim window with the token and a CSR of the same
// key, because the answer was lost, gets the same certificate; the code is not
// looked at then. Links that do not work look all the same, as to any stranger.
func (r *Registrar) Enroll(ctx context.Context, token Secret, code string, csr []byte) (File, error) {
	o, err := r.byLink(ctx, token)
	if err != nil {
		return File{}, err
	}
	unusable := o.usable(r.Now())
	if unusable != nil && CodeOf(unusable) != CodeClaimed {
		return File{}, asStranger(unusable)
	}
	c, err := r.choose(ctx, o, ClaimRequest{CSR: csr})
	if err != nil {
		return File{}, err
	}
	if unusable != nil {
		return r.enrolled(ctx, o, c)
	}
	session, err := r.Verify(ctx, token, code)
	if err != nil {
		return File{}, asStranger(err)
	}
	return r.Claim(ctx, token, session, ClaimRequest{CSR: csr})
}

// enrolled returns the certificate that was made for o, to whoever has its key.
func (r *Registrar) enrolled(ctx context.Context, o Order, c choice) (File, error) {
	if !o.FromCSR || !r.Now().Before(o.windowEnds(r.Policy)) {
		return File{}, linkError()
	}
	cert, err := r.Certificate(ctx, o.Serial)
	if err != nil {
		return File{}, err
	}
	if cert.Status != Active || !cert.has(c.public) {
		return File{}, linkError()
	}
	return r.filed(cert, o.Target, nil)
}

// asStranger makes what became of a link the same for whoever opened no session:
// a withdrawn or expired link is as one that never was.
func asStranger(err error) error {
	switch CodeOf(err) {
	case CodeCancelled, CodeRevoked, CodeLinkExpired:
		return linkError()
	}
	return err
}
