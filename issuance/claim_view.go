package issuance

import (
	"context"
	"time"
)

// Stage is how far a contact has come: in each stage there is one thing to do.
type Stage string

// The stages of a claim.
const (
	EnterStage    Stage = "enter"    // enter the code
	ChooseStage   Stage = "choose"   // say where it will be installed, and download
	DownloadStage Stage = "download" // made, and not yet arrived: download (again)
	PasswordStage Stage = "password" // arrived; the password SMS is on its way
	DoneStage     Stage = "done"     // the password SMS was accepted, or none was needed
)

// ClaimView is what a contact's page shows. Making it changes nothing.
type ClaimView struct {
	Stage        Stage
	Order        Order
	Organization Organization
	Service      Service
	Contact      Contact // pages show only MaskedMobile and MaskedEmail
	Code         CodeView
	Certificate  Certificate // from DownloadStage on
	Chain        [][]byte    // DER of the certificate and its issuers, from DownloadStage on
	// WindowEnds is until when the file can be downloaded (again), from DownloadStage on.
	WindowEnds time.Time
	// PasswordState is that of the password SMS, from PasswordStage on; "" for a CSR.
	PasswordState NoticeState
	// PasswordDelayed reports whether that SMS waits for the provider.
	PasswordDelayed bool
	// PasswordSent is how many messages with the password were sent; PasswordMore
	// reports whether another may be sent, now or, if it is not zero, from
	// PasswordNextAt on.
	PasswordSent   int
	PasswordMore   bool
	PasswordNextAt time.Time
	// SessionEnds is until when the contact can claim, in ChooseStage.
	SessionEnds time.Time
}

// CodeView is the state of the one-time code.
type CodeView struct {
	Made    bool      // one was made since the link was sent
	Live    bool      // it can be entered
	Spent   bool      // too many wrong tries
	Waiting bool      // the provider has not accepted it yet, and will be asked to
	Delayed bool      // and that takes long: the provider refused it, or the channel is paused
	Failed  bool      // it could not be delivered; staff know
	EndsAt  time.Time // zero while Waiting
	Expired bool
	Left    int       // tries
	NextAt  time.Time // when another can be asked for; zero for now
}

// Look returns what the page shows to the browser that holds token and session
// (which may be empty). The code of its error says why there is nothing to do. With
// an error, the view has only names, for a page that says what has ended; they must
// not be shown to strangers, and there are none for an unknown link.
func (r *Registrar) Look(ctx context.Context, token, session Secret) (v ClaimView, err error) {
	err = r.view(ctx, func(l reading) (err error) {
		v, err = l.claimView(token, session)
		return err
	})
	if err != nil {
		return ClaimView{Organization: v.Organization, Service: v.Service, Contact: v.Contact}, err
	}
	if v.Certificate.Serial != "" {
		chain, err := r.cfg.Signer.Chain(v.Certificate.Issuer)
		if err != nil {
			return ClaimView{}, err
		}
		v.Chain = append([][]byte{v.Certificate.DER}, chain...)
	}
	return v, nil
}

func (l reading) claimView(token, session Secret) (v ClaimView, err error) {
	if v.Order, err = linked(l, token); err != nil {
		return v, err
	}
	if err := l.names(&v); err != nil {
		return v, err
	}
	o := &v.Order
	if err := (parties{v.Contact, v.Service, v.Organization}).entitled(o); err != nil && !o.ended() {
		return v, err
	}
	mine := o.mine(session)
	if !mine {
		if err := o.usable(l.now); err != nil {
			return v, err
		}
	}
	if v.Stage, err = o.stage(mine); err != nil {
		return v, err
	}
	return v, l.look(&v)
}

// stage returns where a contact stands whose browser opened the session, or did not.
func (o *Order) stage(mine bool) (Stage, error) {
	switch o.State {
	case InvitedState:
		return EnterStage, nil
	case VerifiedState:
		if mine {
			return ChooseStage, nil
		}
		return EnterStage, nil
	case IssuedState:
		return DownloadStage, nil
	case DownloadedState:
		return PasswordStage, nil
	case CompletedState:
		return DoneStage, nil
	}
	return "", o.usable(o.UpdatedAt)
}

// names fills in whom and what v's order is for.
func (l reading) names(v *ClaimView) (err error) {
	if v.Organization, err = l.Organization(v.Order.Organization); err != nil {
		return err
	}
	if v.Service, err = l.Service(v.Order.Service); err != nil {
		return err
	}
	v.Contact, err = l.Contact(v.Order.Contact)
	return err
}

// look fills in what the stage of v shows.
func (l reading) look(v *ClaimView) (err error) {
	o := &v.Order
	switch v.Stage {
	case EnterStage:
		v.Code, err = l.lookCode(o)
		return err
	case ChooseStage:
		v.SessionEnds = o.Session.OpenedAt.Add(l.policy.ClaimWindow)
		return nil
	}
	v.WindowEnds = o.windowEnds(l.policy)
	if v.Certificate, err = l.Certificate(o.Serial); err != nil || o.FromCSR || v.Stage == DownloadStage {
		return err
	}
	return l.lookPassword(v)
}

func (l reading) lookCode(o *Order) (c CodeView, err error) {
	c.Made = o.Code.Counter > 0 && o.Code.Notice != ""
	c.Spent = c.Made && o.Code.spent(l.policy)
	c.Live = o.Code.Live && !c.Spent
	c.Left = o.left(l.policy)
	if !o.Code.AcceptedAt.IsZero() {
		c.EndsAt = o.Code.ends(l.policy)
	}
	c.Expired = o.Code.expired(l.policy, l.now)
	if at, _ := o.Code.nextAt(l.policy, l.now); at.After(l.now) {
		c.NextAt = at
	}
	if !c.Made {
		return c, nil
	}
	n, err := l.Notice(o.Code.Notice)
	if err != nil {
		return c, err
	}
	stranded := n.stranded(o.Code, l.now)
	c.Waiting, c.Delayed = n.State == Pending && !stranded, n.delayed(l.now) && !stranded
	c.Failed = n.State == Failed || stranded
	c.Expired = c.Expired && !c.Delayed // one that nobody could hand over is made anew when it is sent
	return c, nil
}
