package issuance_test

import (
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// TestTheFirstTokenEndsAndIsNotMadeAgain: after a day it is refused with what to do,
// and no start makes another.
func TestTheFirstTokenEndsAndIsNotMadeAgain(t *testing.T) {
	h := newHouse(t)
	ctx, first := t.Context(), staff.NewSecret()
	_, added, err := h.tokens.AddFirst(ctx, first)
	if h.ok(err); !added {
		t.Fatal("there is no first token")
	}
	h.advance(staff.FirstLifetime - 1)
	who, err := h.tokens.Authenticate(ctx, first)
	if h.ok(err); who.Role != issuance.RoleAdministrator || who.Person() != "first administrator" {
		t.Errorf("got %+v", who)
	}
	if works, err := h.tokens.Works(ctx, first); !works || err != nil {
		t.Errorf("before: works %t, %v", works, err)
	}
	h.advance(1)
	if works, err := h.tokens.Works(ctx, first); works || err != nil || len(h.refusals()) > 0 {
		t.Errorf("after: works %t, %v; the server's own look is on record as %+v", works, err, h.refusals())
	}
	_, err = h.tokens.Authenticate(ctx, first)
	h.wantCode(err, issuance.CodeUnauthenticated)
	e, _ := err.(*issuance.Error)
	if e == nil || !strings.Contains(e.Message, "expired") || e.Next != (issuance.Next{Verb: issuance.CreateLocalVerb, Noun: issuance.TokenNoun}) {
		t.Errorf("who has the token is told %+v", err)
	}
	another := staff.NewSecret()
	if _, added, err = h.tokens.AddFirst(ctx, another); err != nil || added {
		t.Errorf("a second first token: %v, %v", added, err)
	}
	_, err = h.tokens.Authenticate(ctx, another)
	h.wantCode(err, issuance.CodeUnauthenticated)
}

// TestATokenOfTheServersMachineIsToldOf: staff get a mail, the record says who, and
// a request that is repeated after a crash makes no second token.
func TestATokenOfTheServersMachineIsToldOf(t *testing.T) {
	h, _ := colleagues(t, "olga", "otto")
	ctx, secret := t.Context(), staff.NewSecret()
	by := issuance.Actor{Role: issuance.RoleSystem, ID: "local", Name: "root on the server's machine"}
	q := staff.TokenRequest{Name: "laptop", Owner: "petra@postern.example", Role: issuance.RoleAdministrator}
	made, err := h.tokens.AddLocal(ctx, by, q, issuance.DigestOf(secret))
	h.ok(err)
	again, err := h.tokens.AddLocal(ctx, by, q, issuance.DigestOf(secret))
	if h.ok(err); again.ID != made.ID {
		t.Errorf("the request made %s, and then %s", made.ID, again.ID)
	}
	who, err := h.tokens.Authenticate(ctx, secret)
	if h.ok(err); who.Person() != q.Owner || who.ID != string(made.ID) {
		t.Errorf("got %+v", who)
	}
	if told := h.notices(issuance.NoticeQuery{State: issuance.Pending}); len(told) != 1 || !strings.Contains(told[0].Text, "petra@postern.example (laptop, by root on the server's machine)") {
		t.Errorf("staff are told %+v", told)
	}
	h.ok(h.Read(ctx, func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Page: issuance.Page{Limit: 2}})
		if err == nil && (len(records) < 1 || records[0].Actor != by || records[0].Verb != issuance.AddVerb || records[0].Subject != string(made.ID)) {
			t.Errorf("the newest record is %+v", records)
		}
		return err
	}))
	for what, refused := range map[string]issuance.Actor{"an administrator": who, "nobody": {}} {
		if _, err := h.tokens.AddLocal(ctx, refused, q, "other"); err == nil {
			t.Errorf("%s may", what)
		}
	}
	q.Owner = ""
	if _, err := h.tokens.AddLocal(ctx, by, q, "other"); err == nil {
		t.Error("a token is nobody's")
	}
}

// TestAfterTheFirstTokenNobodyIsStuck: it is nobody's, so who was let in by it alone
// lets one other person in; from then on there are two.
func TestAfterTheFirstTokenNobodyIsStuck(t *testing.T) {
	h, _ := colleagues(t)
	ctx, secret := t.Context(), staff.NewSecret()
	_, _, err := h.tokens.AddFirst(ctx, secret)
	h.ok(err)
	first, err := h.tokens.Authenticate(ctx, secret)
	h.ok(err)
	_, hers, err := h.tokens.AddToken(ctx, first, staff.TokenRequest{Name: "olga", Owner: "olga", Role: issuance.RoleAdministrator})
	h.ok(err)
	olga, err := h.tokens.Authenticate(ctx, hers)
	h.ok(err)
	h.advance(staff.FirstLifetime)
	for i, owner := range []string{"otto", "petra"} {
		made, _, err := h.tokens.AddToken(ctx, olga, staff.TokenRequest{Name: owner, Owner: owner, Role: issuance.RoleOfficer})
		if h.ok(err); made.Waits() != (i > 0) {
			t.Errorf("the token of %s waits: %v", owner, made.Waits())
		}
	}
}
