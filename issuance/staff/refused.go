package staff

import (
	"context"

	"github.com/postern-ca/postern/issuance"
)

// Why a sign-in was refused, in the detail of its audit record.
const (
	UnknownToken     = "unknown token" // made up, mistyped, or of another server
	ExpiredToken     = "expired token"
	RevokedToken     = "revoked token"
	UnconfirmedToken = "unconfirmed token"  // another person has not confirmed it
	WrongRole        = "role"               // the token is valid, and may not do what was asked for
	WrongCertificate = "client certificate" // it does not stand
	WrongProxy       = "proxy"              // it has not proven who it is
)

// Refuse records that somebody was not let in: by is who it was, the zero Actor if
// nobody knows. The secret that was shown is never recorded. An error is logged:
// whoever is refused must not learn of it.
func (o *Office) Refuse(ctx context.Context, by issuance.Actor, why, asked string) {
	// The client may go away, and it must be on record all the same.
	ctx = context.WithoutCancel(ctx)
	o.tell(ctx, o.refused.ended(o.Desk.Now()))
	if !o.refused.count(issuance.OriginOf(ctx).Address, by, o.Desk.Now()) {
		return
	}
	if by.ID == "" {
		by = issuance.Actor{Role: issuance.RoleStranger}
	}
	detail := map[string]string{"reason": why}
	if asked != "" {
		detail["asked"] = asked
	}
	o.record(ctx, by, detail)
}

// TellRefused records how many sign-ins of the hour that is over were refused
// without a record of their own; with all, those of the hour that is not over, too.
func (o *Office) TellRefused(ctx context.Context, all bool) {
	at := o.Desk.Now()
	if all {
		at = at.Add(refusedWindow)
	}
	o.tell(ctx, o.refused.ended(at))
}

func (o *Office) tell(ctx context.Context, detail map[string]string) {
	if detail != nil {
		o.record(issuance.WithOrigin(ctx, issuance.Origin{}), issuance.System("sign-in"), detail)
	}
}

func (o *Office) record(ctx context.Context, by issuance.Actor, detail map[string]string) {
	err := issuance.Do(ctx, o.Desk, o.Store, func(_ Tx, e *issuance.Entry) error {
		e.Audit(by, issuance.RefuseVerb, issuance.AuditRecord{Detail: detail})
		return nil
	})
	if err != nil {
		o.Desk.Log.Error("a refused sign-in could not be recorded", "error", err)
	}
}
