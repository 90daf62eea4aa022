package staff

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// A token for another person is made by two: who adds it gets its first half, who
// confirms it the second, and whoever has both has a token. So neither of the two
// can act as a third person, and what was not confirmed opens nothing.

// waitsFor is how long a token may be confirmed.
const waitsFor = 7 * 24 * time.Hour

// halves stands between the halves of a token, in no other token.
const halves = "."

// Waits reports whether t must be confirmed by another person before it opens anything.
func (t Token) Waits() bool { return t.Half != "" && t.Digest == "" }

// digestOf returns what secret is found by.
func digestOf(secret issuance.Secret) issuance.Digest {
	first, second, two := strings.Cut(string(secret.Reveal()), halves)
	if !two {
		return issuance.DigestOf(secret)
	}
	return joined(issuance.DigestOf(issuance.NewSecret([]byte(first))), second)
}

// joined is the digest of a token of two halves, made without knowing the first.
func joined(first issuance.Digest, second string) issuance.Digest {
	return issuance.DigestOf(issuance.NewSecret([]byte(string(first) + halves + second)))
}

// ConfirmToken makes a token that another person added one that opens something,
// and returns the second half of its secret, once.
func (o *Office) ConfirmToken(ctx context.Context, by issuance.Actor, id TokenID) (t Token, second issuance.Secret, err error) {
	if err := by.May(issuance.ConfirmVerb, issuance.TokenNoun); err != nil {
		return Token{}, second, err
	}
	half := string(issuance.NewToken().Reveal())
	err = issuance.Do(ctx, o.Desk, o.Store, func(tx Tx, e *issuance.Entry) (err error) {
		if t, err = tx.Token(id); errors.Is(err, issuance.ErrNotFound) {
			return issuance.NoSuch(issuance.TokenNoun, string(id))
		} else if err != nil {
			return err
		}
		if err := t.confirmable(by, e.Now); err != nil {
			return err
		}
		t.Digest, t.Half, t.ConfirmedBy = joined(t.Half, half), "", by
		if err := tx.PutToken(t); err != nil {
			return err
		}
		e.Audit(by, issuance.ConfirmVerb, t.record())
		return nil
	})
	if err != nil {
		return Token{}, second, err
	}
	return t, issuance.NewSecret([]byte(halves + half)), nil
}

// confirmable returns why by may not confirm t, nil if by may.
func (t Token) confirmable(by issuance.Actor, now time.Time) error {
	switch {
	case !t.Waits(), !t.RevokedAt.IsZero():
		return &issuance.Error{
			Kind: issuance.Conflict, Code: issuance.CodeState,
			Message: "the token does not wait for anybody", Hint: "there is nothing to confirm",
		}
	case by.Same(t.AddedBy):
		return &issuance.Error{
			Kind: issuance.Denied, Code: issuance.CodeFourEyes,
			Message: "you added this token yourself", Hint: "someone else must confirm it (policy.four_eyes is on)",
		}
	case !now.Before(t.CreatedAt.Add(waitsFor)):
		return &issuance.Error{
			Kind: issuance.Conflict, Code: issuance.CodeState, Message: "the token was to be confirmed within a week",
			Hint: "add it again",
			Next: issuance.Next{Verb: issuance.AddVerb, Noun: issuance.TokenNoun},
		}
	}
	return nil
}

// forAnother reports whether a token that by adds for owner needs another person.
// The first other person is let in by one alone: there is nobody yet to confirm it.
// The first administrator's token is no other person once it opens nothing.
func (o *Office) forAnother(tx Reader, by issuance.Actor, owner string) (bool, error) {
	if !o.FourEyes || by.Role == issuance.RoleSystem || strings.EqualFold(owner, by.Person()) {
		return false, nil
	}
	for cursor := ""; ; {
		tokens, next, err := tx.Tokens(issuance.Page{After: cursor, Limit: issuance.MaxPage})
		if err != nil {
			return false, err
		}
		for _, t := range tokens {
			if over := t.first() && !t.live(o.Desk.Now()); !over && !strings.EqualFold(t.Person(), by.Person()) {
				return true, nil
			}
		}
		if cursor = next; cursor == "" {
			return false, nil
		}
	}
}
