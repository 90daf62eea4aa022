package staff

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TokenID names a token.
type TokenID string

// Token is a bearer token of the admin API. The token itself is shown only once,
// when it is added; the store has its digest.
type Token struct {
	ID        TokenID         `json:"id"`
	Name      string          `json:"name"`
	Role      issuance.Role   `json:"role"`
	Digest    issuance.Digest `json:"digest"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"` // zero: never
	RevokedAt time.Time       `json:"revoked_at,omitzero"`
}

// check cleans t's fields, or says which one cannot stand.
func (t *Token) check() (err error) {
	if t.Name, err = issuance.CleanName("name", t.Name, 100); err != nil {
		return err
	}
	switch t.Role {
	case issuance.RoleAdministrator, issuance.RoleOfficer, issuance.RoleAuditor:
		return nil
	}
	return issuance.Invalidf("role", "is not a role", "choose administrator, officer or auditor")
}

// live reports whether t opens anything at now.
func (t Token) live(now time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}
