package issuance

import (
	"context"
	"errors"
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
		t.RevokedAt = w.now
		if err := w.PutToken(t); err != nil {
			return err
		}
		return w.AppendAudit(AuditRecord{At: w.now, Actor: by, Verb: RevokeVerb, Subject: string(t.ID)})
	})
	return t, err
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
