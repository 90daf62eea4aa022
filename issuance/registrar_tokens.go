package issuance

import (
	"context"
	"errors"
	"time"
)

// AddToken makes a bearer token for the admin API. The secret is returned once
// and cannot be shown again.
func (r *Registrar) AddToken(ctx context.Context, by Actor, q TokenRequest) (Token, Secret, error) {
	secret := NewSecret([]byte("pst_" + string(newToken().Reveal())))
	t := Token{Name: q.Name, Role: q.Role, Digest: DigestOf(secret)}
	if err := errors.Join(by.may("add a token", RoleAdministrator, RoleSystem), t.check()); err != nil {
		return Token{}, Secret{}, err
	}
	if q.Lifetime < 0 {
		return Token{}, Secret{}, Invalidf("lifetime", "is negative", "give a time like 2160h, or 0 for a token without end")
	}
	err := r.update(ctx, func(w *work) error {
		t.ID, t.CreatedAt = TokenID(newID("tok-", w.now)), w.now
		if q.Lifetime > 0 {
			t.ExpiresAt = w.now.Add(q.Lifetime)
		}
		if err := w.PutToken(t); err != nil {
			return err
		}
		return w.AppendAudit(AuditRecord{At: w.now, Actor: by, Verb: AddVerb, Subject: string(t.ID), Detail: map[string]string{"name": t.Name, "role": string(t.Role)}})
	})
	return t, secret, err
}

// RevokeToken ends a token at once. Ending it again does nothing.
func (r *Registrar) RevokeToken(ctx context.Context, by Actor, id TokenID) (Token, error) {
	if err := by.may("revoke a token", RoleAdministrator); err != nil {
		return Token{}, err
	}
	var t Token
	err := r.update(ctx, func(w *work) (err error) {
		if t, err = w.Token(id); errors.Is(err, ErrNotFound) {
			return notFound("token", string(id))
		} else if err != nil || !t.RevokedAt.IsZero() {
			return err
		}
		if err := w.notLast(t); err != nil {
			return err
		}
		t.RevokedAt = w.now
		if err := w.PutToken(t); err != nil {
			return err
		}
		return w.AppendAudit(AuditRecord{At: w.now, Actor: by, Verb: RevokeVerb, Subject: string(t.ID)})
	})
	return t, err
}

// notLast refuses to end the last administrator's token: nobody could make another.
func (w *work) notLast(t Token) error {
	if t.Role != RoleAdministrator || !t.live(w.now) {
		return nil
	}
	others, err := liveAdministrators(w, w.now)
	if err == nil && others < 2 {
		err = &Error{Kind: Conflict, Code: CodeState, Message: "this is the last administrator's token", Hint: "make another one first: `postern token add`"}
	}
	return err
}

// liveAdministrators counts the tokens that open everything at now.
func liveAdministrators(tx Tx, now time.Time) (n int, err error) {
	for cursor := ""; ; {
		var tokens []Token
		if tokens, cursor, err = tx.Tokens(Page{After: cursor, Limit: MaxPage}); err != nil {
			return 0, err
		}
		for _, t := range tokens {
			if t.Role == RoleAdministrator && t.live(now) {
				n++
			}
		}
		if cursor == "" {
			return n, nil
		}
	}
}

// HasAdministrator reports whether anybody holds an administrator's token that is live.
func (r *Registrar) HasAdministrator(ctx context.Context) (bool, error) {
	var n int
	err := r.Store.View(ctx, func(tx Tx) (err error) {
		n, err = liveAdministrators(tx, r.Now())
		return err
	})
	return n > 0, err
}

// Authenticate returns who holds secret.
func (r *Registrar) Authenticate(ctx context.Context, secret Secret) (Actor, error) {
	refused := &Error{Kind: Denied, Code: CodeUnauthenticated, Message: "the token is not valid", Hint: "an administrator makes one with `postern token add`"}
	if secret.Empty() {
		return Actor{}, refused
	}
	var t Token
	err := r.Store.View(ctx, func(tx Tx) (err error) {
		t, err = tx.TokenByDigest(DigestOf(secret))
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Actor{}, refused
	case err != nil:
		return Actor{}, err
	case !t.live(r.Now()):
		return Actor{}, refused
	}
	return Actor{Role: t.Role, ID: string(t.ID), Name: t.Name}, nil
}
