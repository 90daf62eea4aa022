package admin

import (
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

type token struct {
	ID        staff.TokenID `json:"id"`
	Name      string        `json:"name"`
	Owner     string        `json:"owner"`
	Role      issuance.Role `json:"role"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"`
	RevokedAt time.Time     `json:"revoked_at,omitzero"`
	// Waits is set if another person must confirm it before it can be used.
	Waits       bool           `json:"waits,omitempty"`
	AddedBy     issuance.Actor `json:"added_by,omitzero"`
	ConfirmedBy issuance.Actor `json:"confirmed_by,omitzero"`
	// Token is only in the answers to its creation and its confirmation. If it must be
	// confirmed, the first has one half and the second the other.
	Token string `json:"token,omitempty"`
}

func viewToken(t staff.Token) token {
	return token{
		ID: t.ID, Name: t.Name, Owner: t.Person(), Role: t.Role, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt,
		Waits: t.Waits(), AddedBy: t.AddedBy, ConfirmedBy: t.ConfirmedBy,
	}
}

func (a *API) listTokens(c *call) (any, error) {
	q := c.listing()
	find := q.page()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Staff.Read, c, func(tx staff.Reader) ([]staff.Token, string, error) { return tx.Tokens(find) }, viewToken)
}

func (a *API) showToken(c *call) (any, error) {
	id := staff.TokenID(c.part("id"))
	return shown(a.opts.Staff.Read, c, issuance.TokenNoun,
		func(tx staff.Reader) (staff.Token, error) { return tx.Token(id) }, viewToken)
}

// addToken ignores an Idempotency-Key: a token is shown only once, so a repeated request
// could not be answered with the same one.
func (a *API) addToken(c *call) (any, error) {
	var q staff.TokenRequest
	var lifetime string
	if _, err := c.read(fields{
		"name": text(&q.Name), "owner": text(&q.Owner), "role": text(&q.Role),
		"lifetime": text(&lifetime),
	}); err != nil {
		return nil, err
	}
	if lifetime != "" {
		var err error
		if q.Lifetime, err = time.ParseDuration(lifetime); err != nil {
			return nil, issuance.Invalidf("lifetime", "is not a duration",
				"write it like 2160h or 45m, or omit it for a token that never expires")
		}
	}
	t, secret, err := a.opts.Staff.AddToken(c.r.Context(), c.by, q)
	view := viewToken(t)
	view.Token = string(secret.Reveal())
	return created{"/tokens/" + string(t.ID), view}, err
}

func (a *API) confirmToken(c *call) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	t, second, err := a.opts.Staff.ConfirmToken(c.r.Context(), c.by, staff.TokenID(c.part("id")))
	view := viewToken(t)
	view.Token = string(second.Reveal())
	return view, err
}

func (a *API) revokeToken(c *call) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	t, err := a.opts.Staff.RevokeToken(c.r.Context(), c.by, staff.TokenID(c.part("id")))
	return viewed(t, err, viewToken)
}
