package issuance

import (
	"context"
	"time"
)

// Stage is where a contact stands: each has one thing to do.
type Stage string

// The stages of a claim.
const (
	EnterStage    Stage = "enter"    // enter the code
	ChooseStage   Stage = "choose"   // say where it will be installed, and download
	DownloadStage Stage = "download" // made, and not yet arrived: download (again)
	PasswordStage Stage = "password" // arrived; the password SMS is on its way
	DoneStage     Stage = "done"     // the password SMS was accepted, or none was needed
)

// ClaimView is what a contact's page shows. It is made without changing anything.
type ClaimView struct {
	Stage        Stage
	Order        Order
	Organization Organization
	Service      Service
	Contact      Contact // pages show MaskedMobile and MaskedEmail alone
	Code         CodeView
	Certificate  Certificate // from DownloadStage on
	Chain        [][]byte    // DER of the certificate and its issuers, from DownloadStage on
	// WindowEnds is until when the file can be downloaded (again), from DownloadStage on.
	WindowEnds time.Time
	// PasswordState is that of the password SMS, from PasswordStage on; "" for a CSR.
	PasswordState NoticeState
	// PasswordSent is how many messages carried the password; PasswordMore reports
	// whether another may, now or, if PasswordNextAt is not zero, from then on.
	PasswordSent   int
	PasswordMore   bool
	PasswordNextAt time.Time
	// SessionEnds is until when the contact can claim, in ChooseStage.
	SessionEnds time.Time
}

// CodeView is where the one-time password stands.
type CodeView struct {
	Made    bool      // one was made since the link was sent
	Live    bool      // it can be entered
	Spent   bool      // too many wrong tries
	Waiting bool      // the provider has not taken it yet
	Delayed bool      // and has refused it at least once
	Failed  bool      // it could not be delivered; staff know
	EndsAt  time.Time // zero while Waiting
	Expired bool
	Left    int       // tries
	NextAt  time.Time // when another can be asked for; zero for now
}

// Look returns what the page shows to the browser that holds token and session
// (which may be empty). Its error says, by its code, why there is nothing to do;
// with it come the names alone, for a page that says what has ended: they are not
// for strangers, and there are none of a link that is not known.
func (r *Registrar) Look(ctx context.Context, token, session Secret) (v ClaimView, err error) {
	now := r.Now().UTC()
	err = r.Store.View(ctx, func(tx Tx) (err error) {
		v = ClaimView{}
		if v.Order, err = linked(tx, token); err != nil {
			return err
		}
		o := &v.Order
		if err := v.names(tx); err != nil {
			return err
		}
		mine := o.mine(session)
		if !mine {
			if err := o.usable(now); err != nil {
				return err
			}
		}
		if v.Stage, err = o.stage(mine); err != nil {
			return err
		}
		return r.look(tx, &v, now)
	})
	if err != nil {
		return ClaimView{Organization: v.Organization, Service: v.Service, Contact: v.Contact}, err
	}
	if v.Certificate.Serial != "" {
		chain, err := r.Signer.Chain(v.Certificate.Issuer)
		if err != nil {
			return ClaimView{}, err
		}
		v.Chain = append([][]byte{v.Certificate.DER}, chain...)
	}
	return v, nil
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
func (v *ClaimView) names(tx Tx) (err error) {
	if v.Organization, err = tx.Organization(v.Order.Organization); err != nil {
		return err
	}
	if v.Service, err = tx.Service(v.Order.Service); err != nil {
		return err
	}
	v.Contact, err = tx.Contact(v.Order.Contact)
	return err
}

// look fills in what the stage of v shows.
func (r *Registrar) look(tx Tx, v *ClaimView, now time.Time) (err error) {
	o := &v.Order
	switch v.Stage {
	case EnterStage:
		v.Code, err = r.lookCode(tx, o, now)
		return err
	case ChooseStage:
		v.SessionEnds = o.Session.OpenedAt.Add(r.Policy.ClaimWindow)
		return nil
	}
	v.WindowEnds = o.windowEnds(r.Policy)
	if v.Certificate, err = tx.Certificate(o.Serial); err != nil || o.FromCSR || v.Stage == DownloadStage {
		return err
	}
	return r.lookPassword(tx, v, now)
}

func (r *Registrar) lookCode(tx Tx, o *Order, now time.Time) (c CodeView, err error) {
	c.Made = o.Code.Counter > 0 && o.Code.Notice != ""
	c.Spent = c.Made && o.Code.Attempts >= r.Policy.CodeAttempts
	c.Live = o.Code.Live && !c.Spent
	c.Left = max(0, min(r.Policy.CodeAttempts-o.Code.Attempts, r.Policy.OrderAttempts-o.Attempts))
	c.EndsAt = o.CodeEnds(r.Policy)
	c.Expired = !c.EndsAt.IsZero() && !now.Before(c.EndsAt)
	if n := len(o.Code.MadeAt); n > 0 {
		c.NextAt = o.Code.MadeAt[n-1].Add(r.Policy.CodeCooldown)
		if n >= r.Policy.CodesPerDay {
			if day := o.Code.MadeAt[n-r.Policy.CodesPerDay].Add(24 * time.Hour); day.After(c.NextAt) {
				c.NextAt = day
			}
		}
		if !c.NextAt.After(now) {
			c.NextAt = time.Time{}
		}
	}
	if !c.Made {
		return c, nil
	}
	n, err := tx.Notice(o.Code.Notice)
	if err != nil {
		return c, err
	}
	c.Waiting = n.State == Pending
	c.Delayed = c.Waiting && n.LastError != ""
	c.Failed = n.State == Failed
	return c, nil
}
