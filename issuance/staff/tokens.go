package staff

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TokenRequest asks for a token.
type TokenRequest struct {
	Name     string
	Owner    string // "": whoever adds it
	Role     issuance.Role
	Lifetime time.Duration // 0: for ever
}

// owner returns whose the token will be: at the first start, when nobody is there
// yet, it has its own name.
func (q TokenRequest) owner(by issuance.Actor) string {
	if by.Role == issuance.RoleSystem {
		return cmp.Or(q.Owner, q.Name)
	}
	return cmp.Or(q.Owner, by.Person(), q.Name)
}

// AddToken creates a bearer token for the admin API. The secret is returned once
// and cannot be shown again. If another person has to confirm the token, it is only
// the first half of the secret: [Office.ConfirmToken] returns the other.
func (o *Office) AddToken(ctx context.Context, by issuance.Actor, q TokenRequest) (Token, issuance.Secret, error) {
	secret := NewSecret()
	t, err := q.token(by)
	if err != nil {
		return Token{}, issuance.Secret{}, err
	}
	err = issuance.Do(ctx, o.Desk, o.Store, func(tx Tx, e *issuance.Entry) error {
		t.Digest, t.Half = digestOf(secret), ""
		if waits, err := o.forAnother(tx, by, t.Owner); err != nil {
			return err
		} else if waits {
			t.Digest, t.Half = "", t.Digest
		}
		return t.put(tx, e, by, q.Lifetime)
	})
	return t, secret, err
}

// NewSecret makes the secret of a token.
func NewSecret() issuance.Secret {
	return issuance.NewSecret([]byte("pst_" + string(issuance.NewToken().Reveal())))
}

// token returns the token that by asks for, checked, without what the store gives it.
func (q TokenRequest) token(by issuance.Actor) (Token, error) {
	t := Token{Name: q.Name, Owner: q.owner(by), Role: q.Role, AddedBy: by}
	if err := errors.Join(by.May(issuance.AddVerb, issuance.TokenNoun), t.check()); err != nil {
		return Token{}, err
	}
	if q.Lifetime < 0 {
		return Token{}, issuance.Invalidf("lifetime", "is negative",
			"use a duration such as 2160h, or 0 for a token that never expires")
	}
	return t, nil
}

// put stores a new token.
func (t *Token) put(tx Tx, e *issuance.Entry, by issuance.Actor, lifetime time.Duration) error {
	t.ID, t.CreatedAt = TokenID(issuance.NewID("tok-", e.Now)), e.Now
	if lifetime > 0 {
		t.ExpiresAt = e.Now.Add(lifetime)
	}
	if err := tx.PutToken(*t); err != nil {
		return err
	}
	e.Audit(by, issuance.AddVerb, t.record())
	return nil
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
		e.Audit(by, issuance.RevokeVerb, t.record())
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

// Authenticate returns who holds secret, or records that somebody was refused. Of a
// token that opens nothing any more it returns the holder, too, with the error.
// Without any secret nobody has tried to sign in.
func (o *Office) Authenticate(ctx context.Context, secret issuance.Secret) (issuance.Actor, error) {
	if secret.Empty() {
		return issuance.Actor{}, refused()
	}
	var t Token
	err := o.Store.View(ctx, func(tx Reader) (err error) {
		t, err = tx.TokenByDigest(digestOf(secret))
		return err
	})
	if err != nil && !errors.Is(err, issuance.ErrNotFound) {
		return issuance.Actor{}, err
	}
	switch why := t.closed(o.Desk.Now()); {
	case err != nil:
		o.Refuse(ctx, issuance.Actor{}, UnknownToken, "")
	case why == "":
		return t.holder(), nil
	default:
		o.Refuse(ctx, t.holder(), why, "")
	}
	if t.expired(o.Desk.Now()) {
		return t.holder(), tooLate(t)
	}
	return t.holder(), refused()
}

func refused() error {
	return &issuance.Error{
		Kind: issuance.Denied, Code: issuance.CodeUnauthenticated, Message: "the token is not valid",
		Hint: "ask an administrator for a new one", Next: issuance.Next{Verb: issuance.AddVerb, Noun: issuance.TokenNoun},
	}
}

// tooLate tells who has the secret of an expired token what to do.
func tooLate(t Token) error {
	return &issuance.Error{
		Kind: issuance.Denied, Code: issuance.CodeUnauthenticated,
		Message: "the token expired at " + t.ExpiresAt.UTC().Format(time.RFC3339),
		Hint:    "ask an administrator for a new one; if there is none, create one on the server's machine",
		Next:    issuance.Next{Verb: issuance.CreateLocalVerb, Noun: issuance.TokenNoun},
	}
}
