package staff

import (
	"context"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The first administrator's token is made when there has never been a token, and
// never again: later ones are added by an administrator, or on the server's machine.

const (
	// firstPart is the part of the system that adds the first administrator's token.
	firstPart = "setup"
	// FirstLifetime is how long the first administrator's token is valid.
	FirstLifetime = 24 * time.Hour
)

// first reports whether t is the first administrator's.
func (t Token) first() bool {
	return t.AddedBy.Role == issuance.RoleSystem && t.AddedBy.ID == firstPart
}

// AddFirst makes secret the first administrator's token, for a day, if there has
// never been a token. It reports whether it did. The caller keeps secret where its
// owner finds it before: after a crash it would be lost otherwise.
func (o *Office) AddFirst(ctx context.Context, secret issuance.Secret) (t Token, added bool, err error) {
	by := issuance.System(firstPart)
	q := TokenRequest{Name: "first administrator", Role: issuance.RoleAdministrator, Lifetime: FirstLifetime}
	if t, err = q.token(by); err != nil {
		return t, false, err
	}
	err = issuance.Do(ctx, o.Desk, o.Store, func(tx Tx, e *issuance.Entry) error {
		added = false
		if some, err := anyToken(tx); err != nil || some {
			return err
		}
		t.Digest, added = digestOf(secret), true
		return t.put(tx, e, by, q.Lifetime)
	})
	return t, added && err == nil, err
}

// HasTokens reports whether there has ever been a token.
func (o *Office) HasTokens(ctx context.Context) (some bool, err error) {
	err = o.Store.View(ctx, func(tx Reader) (err error) {
		some, err = anyToken(tx)
		return err
	})
	return some, err
}

func anyToken(tx Reader) (bool, error) {
	tokens, _, err := tx.Tokens(issuance.Page{Limit: 1})
	return len(tokens) > 0, err
}

// HasAdministrator reports whether there is a valid administrator's token, besides
// the one with the secret except.
func (o *Office) HasAdministrator(ctx context.Context, except issuance.Secret) (bool, error) {
	var n int
	err := o.Store.View(ctx, func(tx Reader) (err error) {
		now := o.Desk.Now()
		if n, err = liveAdministrators(tx, now); err != nil || except.Empty() {
			return err
		}
		t, err := tx.TokenByDigest(digestOf(except))
		if err == nil && t.Role == issuance.RoleAdministrator && t.live(now) {
			n--
		}
		if errors.Is(err, issuance.ErrNotFound) {
			return nil
		}
		return err
	})
	return n > 0, err
}

// Works reports whether secret is that of a valid token. Nobody signs in by it, so a
// token that is not valid leaves no record.
func (o *Office) Works(ctx context.Context, secret issuance.Secret) (works bool, err error) {
	if secret.Empty() {
		return false, nil
	}
	err = o.Store.View(ctx, func(tx Reader) error {
		t, err := tx.TokenByDigest(digestOf(secret))
		works = err == nil && t.live(o.Desk.Now())
		return err
	})
	if errors.Is(err, issuance.ErrNotFound) {
		return false, nil
	}
	return works && err == nil, err
}

// AddLocal adds a token for somebody who has proven to be on the server's machine.
// Only they know its secret; the office gets the digest. Staff are told, because
// nobody had to confirm it. If there is a token with that digest already, it is returned.
func (o *Office) AddLocal(ctx context.Context, by issuance.Actor, q TokenRequest, digest issuance.Digest) (Token, error) {
	t, err := q.token(by)
	if err != nil {
		return Token{}, err
	}
	if by.Role != issuance.RoleSystem || digest == "" || q.Owner == "" {
		return Token{}, issuance.Invalidf("owner", "is missing", "say whom the token is for, by name or mail address")
	}
	err = issuance.Do(ctx, o.Desk, o.Store, func(tx Tx, e *issuance.Entry) error {
		if old, err := tx.TokenByDigest(digest); err == nil {
			t = old
			return nil
		} else if !errors.Is(err, issuance.ErrNotFound) {
			return err
		}
		t.Digest = digest
		if err := t.put(tx, e, by, q.Lifetime); err != nil {
			return err
		}
		return e.Alert("", "A token of the role "+string(t.Role)+" was created on the server's machine for "+t.Owner+
			" ("+t.Name+", by "+by.Name+"). If nobody meant to, revoke it: "+string(t.ID))
	})
	return t, err
}
