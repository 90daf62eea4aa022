package issuance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// colleagues is a house with four eyes, and administrators by name, each with a token.
func colleagues(t *testing.T, names ...string) (*house, map[string]issuance.Actor) {
	t.Helper()
	h := newHouse(t, func(c *issuance.Config) { c.Policy.FourEyes = true })
	all := make(map[string]issuance.Actor)
	for _, name := range names {
		_, secret, err := h.tokens.AddToken(t.Context(), issuance.System("test"), staff.TokenRequest{Name: name, Role: issuance.RoleAdministrator})
		h.ok(err)
		all[name], err = h.tokens.Authenticate(t.Context(), secret)
		h.ok(err)
	}
	return h, all
}

// TestTwoTokensOfAPersonAreOnePerson: who requested an order cannot approve it with
// a token of their own by another name.
func TestTwoTokensOfAPersonAreOnePerson(t *testing.T) {
	h, all := colleagues(t, "olga", "otto")
	ctx := t.Context()
	_, secret, err := h.tokens.AddToken(ctx, all["olga"], staff.TokenRequest{Name: "deploy script", Role: issuance.RoleOfficer})
	h.ok(err)
	second, err := h.tokens.Authenticate(ctx, secret)
	h.ok(err)
	if second.Owner != "olga" || second.ID == all["olga"].ID {
		t.Fatalf("got %+v, want another token of olga", second)
	}
	o, err := h.Request(ctx, second, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID})
	h.ok(err)
	_, err = h.Approve(ctx, all["olga"], o.ID, "")
	h.wantCode(err, issuance.CodeFourEyes)
	_, err = h.Approve(ctx, all["otto"], o.ID, "")
	h.ok(err)
}

// TestATokenForAnotherIsMadeByTwo: neither who adds it nor who confirms it has the
// whole of it, and before it is confirmed it opens nothing.
func TestATokenForAnotherIsMadeByTwo(t *testing.T) {
	h, all := colleagues(t, "olga", "otto")
	ctx := t.Context()
	add := func(owner string) (staff.Token, issuance.Secret) {
		t.Helper()
		made, secret, err := h.tokens.AddToken(ctx, all["olga"], staff.TokenRequest{Name: "hers", Owner: owner, Role: issuance.RoleOfficer})
		h.ok(err)
		return made, secret
	}
	shut := func(what string, parts ...issuance.Secret) {
		t.Helper()
		if a, err := h.tokens.Authenticate(ctx, join(parts...)); issuance.CodeOf(err) != issuance.CodeUnauthenticated {
			t.Errorf("%s: got %+v, %v", what, a, err)
		}
	}
	made, first := add("petra@postern.example")
	shut("before it is confirmed", first)
	_, _, err := h.tokens.ConfirmToken(ctx, all["olga"], made.ID)
	h.wantCode(err, issuance.CodeFourEyes)
	_, _, err = h.tokens.ConfirmToken(ctx, issuance.Actor{Role: issuance.RoleAuditor, ID: "a", Owner: "ada"}, made.ID)
	h.wantCode(err, issuance.CodeRole)
	_, second, err := h.tokens.ConfirmToken(ctx, all["otto"], made.ID)
	h.ok(err)
	shut("the first half", first)
	shut("the second half", second)
	shut("the wrong way round", second, first)
	who, err := h.tokens.Authenticate(ctx, join(first, second))
	h.ok(err)
	if who.Owner != "petra@postern.example" || who.ID != string(made.ID) {
		t.Errorf("got %+v", who)
	}
	_, _, err = h.tokens.ConfirmToken(ctx, all["otto"], made.ID)
	h.wantCode(err, issuance.CodeState)

	made, _ = add("petra@postern.example")
	h.advance(7 * 24 * time.Hour)
	_, _, err = h.tokens.ConfirmToken(ctx, all["otto"], made.ID)
	h.wantCode(err, issuance.CodeState)

	made, _ = add("petra@postern.example")
	_, err = h.tokens.RevokeToken(ctx, all["otto"], made.ID)
	h.ok(err)
	_, _, err = h.tokens.ConfirmToken(ctx, all["otto"], made.ID)
	h.wantCode(err, issuance.CodeState)

	// For oneself, in any case of the letters, nobody else is needed.
	if made, _ = add("OLGA"); made.Waits() {
		t.Error("a token of one's own waits for another person")
	}
}

// TestTheFirstOtherPersonIsLetInByOne: nobody is there yet who could confirm it.
func TestTheFirstOtherPersonIsLetInByOne(t *testing.T) {
	h, all := colleagues(t, "first administrator")
	ctx := t.Context()
	for i, owner := range []string{"olga", "otto"} {
		made, _, err := h.tokens.AddToken(ctx, all["first administrator"], staff.TokenRequest{Name: owner, Owner: owner, Role: issuance.RoleAdministrator})
		h.ok(err)
		if made.Waits() != (i > 0) {
			t.Errorf("the token of %s waits: %v", owner, made.Waits())
		}
	}
}

func join(parts ...issuance.Secret) issuance.Secret {
	var b strings.Builder
	for _, p := range parts {
		b.Write(p.Reveal())
	}
	return issuance.NewSecret([]byte(b.String()))
}
