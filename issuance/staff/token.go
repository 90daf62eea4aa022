package staff

import (
	"cmp"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TokenID names a token.
type TokenID string

// Token is a bearer token of the admin API. The token itself is shown only once,
// when it is added; the store has its digest.
type Token struct {
	ID   TokenID `json:"id"`
	Name string  `json:"name"`
	// Owner is the person whom it belongs to, by name or mail address; "" of a token
	// from before there were owners, whose name is its owner's.
	Owner  string          `json:"owner,omitempty"`
	Role   issuance.Role   `json:"role"`
	Digest issuance.Digest `json:"digest"`
	// Half is the digest of the first half of the secret, while another person has
	// to confirm the token: then it has no Digest, and opens nothing.
	Half        issuance.Digest `json:"half,omitempty"`
	AddedBy     issuance.Actor  `json:"added_by,omitzero"`
	ConfirmedBy issuance.Actor  `json:"confirmed_by,omitzero"`
	CreatedAt   time.Time       `json:"created_at"`
	ExpiresAt   time.Time       `json:"expires_at,omitzero"` // zero: never
	RevokedAt   time.Time       `json:"revoked_at,omitzero"`
}

// check cleans t's fields, or says which one cannot stand.
func (t *Token) check() (err error) {
	if t.Name, err = issuance.CleanName("name", t.Name, 100); err != nil {
		return err
	}
	if t.Owner, err = issuance.CleanName("owner", t.Owner, 100); err != nil {
		return err
	}
	switch t.Role {
	case issuance.RoleAdministrator, issuance.RoleOfficer, issuance.RoleAuditor:
		return nil
	}
	return issuance.Invalidf("role", "is not a role", "choose administrator, officer or auditor")
}

// Person returns who answers for t.
func (t Token) Person() string { return cmp.Or(t.Owner, t.Name) }

// record is the audit record of a verb on t.
func (t Token) record() issuance.AuditRecord {
	return issuance.AuditRecord{
		Subject: string(t.ID), Detail: map[string]string{"name": t.Name, "role": string(t.Role), "owner": t.Person()},
	}
}

// holder is who shows t's secret; the zero Actor for the zero Token.
func (t Token) holder() issuance.Actor {
	return issuance.Actor{Role: t.Role, ID: string(t.ID), Name: t.Name, Owner: t.Person()}
}

// live reports whether t opens anything at now.
func (t Token) live(now time.Time) bool { return t.closed(now) == "" }

// closed returns why t opens nothing at now, "" if it does.
func (t Token) closed(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return RevokedToken
	case t.Waits():
		return UnconfirmedToken
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return ExpiredToken
	}
	return ""
}

// expired reports whether t opened something until its time was over.
func (t Token) expired(now time.Time) bool {
	return !t.Waits() && t.RevokedAt.IsZero() && !t.live(now)
}
