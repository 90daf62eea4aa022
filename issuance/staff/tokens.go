package staff

import (
	"context"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TokenRequest asks for a token.
type TokenRequest struct {
	Name     string
	Role     issuance.Role
	Lifetime time.Duration // 0: for ever
}

// AddToken creates a bearer token for the admin API. The secret is returned once
// and cannot be shown again.
func (o *Office) AddToken(ctx context.Context, by issuance.Actor, q TokenRequest) (Token, issuance.Secret, error) {
	secret := issuance.NewSecret([]byte("pst_" + string(issuance.NewToken().Reveal())))
	t := Token{Name: q.Name, Role: q.Role, Digest: issuance.DigestOf(secret)}
	if err := errors.Join(by.May(issuance.AddVerb, issuance.TokenNoun), t.check()); err != nil {
		return Token{}, issuance.Secret{}, err
	}
	if q.Lifetime < 0 {
		return Token{}, issuance.Secret{}, issuance.Invalidf("lifetime", "is negative", "use a duration such as 2160h, or 0 for a token that never expires")
	}
	err := issuance.Do(ctx, o.Desk, o.Store, func(tx Tx, e *issuance.Entry) error {
		t.ID, t.CreatedAt = TokenID(issuance.NewID("tok-", e.Now)), e.Now
		if q.Lifetime > 0 {
			t.ExpiresAt = e.Now.Add(q.Lifetime)
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		e.Audit(by, issuance.AddVerb, issuance.AuditRecord{
			Subject: string(t.ID), Detail: map[string]string{"name": t.Name, "role": string(t.Role)},
		})
		return nil
	})
	return t, secret, err
}

// RevokeToken revokes a token at once. Revoking it again does nothing.
func (o *Office) RevokeToken(ctx context.Context, by issuance.Actor, id TokenID) (t Token, err error) {
	if err := by.May(issuance.RevokeVerb, issuance.TokenNoun); err != nil {
		return Token{}, err
	}
	err = issuance.Do(ctx, o.Desk, o.Store, func(tx Tx, e *issuance.Entry) (err error) {
		if t, err = tx.Token(id); errors.Is(err, issuance.ErrNotFound) {
			return issuance.NoSuch(issuance.TokenNoun, string(id))
		} else if err != nil || !t.RevokedAt.IsZero() {
			return err
		}
		if err := notLast(tx, t, e.Now); err != nil {
			return err
		}
		t.RevokedAt = e.Now
		if err := tx.PutToken(t); err != nil {
			return err
		}
		e.Audit(by, issuance.RevokeVerb, issuance.AuditRecord{Subject: string(t.ID)})
		return nil
	})
	return t, err
}

// notLast refuses to end the last administrator's token: nobody could make another.
func notLast(tx Reader, t Token, now time.Time) error {
	if t.Role != issuance.RoleAdministrator || !t.live(now) {
		return nil
	}
	others, err := liveAdministrators(tx, now)
	if err == nil && others < 2 {
		err = &issuance.Error{
			Kind: issuance.Conflict, Code: issuance.CodeState, Message: "this is the last administrator's token",
			Hint: "create another one first", Next: issuance.Next{Verb: issuance.AddVerb, Noun: issuance.TokenNoun},
		}
	}
	return err
}

// liveAdministrators counts the tokens that open everything at now.
func liveAdministrators(tx Reader, now time.Time) (n int, err error) {
	for cursor := ""; ; {
		var tokens []Token
		if tokens, cursor, err = tx.Tokens(issuance.Page{After: cursor, Limit: issuance.MaxPage}); err != nil {
			return 0, err
		}
		for _, t := range tokens {
			if t.Role == issuance.RoleAdministrator && t.live(now) {
				n++
			}
		}
		if cursor == "" {
			return n, nil
		}
	}
}

// HasAdministrator reports whether there is a valid administrator's token.
func (o *Office) HasAdministrator(ctx context.Context) (bool, error) {
	var n int
	err := o.Store.View(ctx, func(tx Reader) (err error) {
		n, err = liveAdministrators(tx, o.Desk.Now())
		return err
	})
	return n > 0, err
}

// Authenticate returns who holds secret.
func (o *Office) Authenticate(ctx context.Context, secret issuance.Secret) (issuance.Actor, error) {
	if secret.Empty() {
		return issuance.Actor{}, refused()
	}
	var t Token
	err := o.Store.View(ctx, func(tx Reader) (err error) {
		t, err = tx.TokenByDigest(issuance.DigestOf(secret))
		return err
	})
	switch {
	case errors.Is(err, issuance.ErrNotFound):
		return issuance.Actor{}, refused()
	case err != nil:
		return issuance.Actor{}, err
	case !t.live(o.Desk.Now()):
		return issuance.Actor{}, refused()
	}
	return issuance.Actor{Role: t.Role, ID: string(t.ID), Name: t.Name}, nil
}

func refused() error {
	return &issuance.Error{
		Kind: issuance.Denied, Code: issuance.CodeUnauthenticated, Message: "the token is not valid",
		Hint: "ask an administrator for a new one", Next: issuance.Next{Verb: issuance.AddVerb, Noun: issuance.TokenNoun},
	}
}
