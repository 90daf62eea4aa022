package issuance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// refusedFrom signs in with a made-up token, in a request from address.
func (h *house) refusedFrom(address string, i int) {
	h.t.Helper()
	ctx := issuance.WithOrigin(h.t.Context(), issuance.Origin{Address: address, Request: fmt.Sprint("r-", i)})
	_, err := h.tokens.Authenticate(ctx, issuance.NewSecret(fmt.Appendf(nil, "pst_planted-%d", i)))
	h.wantCode(err, issuance.CodeUnauthenticated)
}

func (h *house) refusals() (records []issuance.AuditRecord) {
	h.t.Helper()
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		records, _, err = tx.Audit(issuance.AuditQuery{Did: issuance.RefuseVerb, Page: issuance.Page{Limit: issuance.MaxPage}})
		return err
	}))
	return records
}

// TestAFloodOfRefusedSignIns leaves few records, and a count of the others, and does
// not hide who uses a token that was revoked.
func TestAFloodOfRefusedSignIns(t *testing.T) {
	h := newHouse(t)
	tok, secret, err := h.tokens.AddToken(t.Context(), issuance.System("test"), staff.TokenRequest{Name: "script", Owner: "Olga", Role: issuance.RoleOfficer})
	h.ok(err)
	h.ok(second(h.tokens.RevokeToken(t.Context(), issuance.Actor{Role: issuance.RoleAdministrator, ID: "tok-0"}, tok.ID)))
	for i := range 10_000 {
		address := "192.0.2.7"
		switch {
		case i >= 9_000: // one host of IPv6 has many addresses
			address = fmt.Sprintf("2001:db8::%x", i)
		case i >= 5_000: // and a botnet has many networks
			address = fmt.Sprintf("10.%d.%d.1", i>>8, i&255)
		}
		h.refusedFrom(address, i)
	}
	records := h.refusals()
	if len(records) != 100 {
		t.Errorf("10,000 refused sign-ins left %d records", len(records))
	}
	of := make(map[string]int)
	for _, r := range records {
		of[r.Address]++
		if r.Actor != (issuance.Actor{Role: issuance.RoleStranger}) || r.Detail["reason"] != staff.UnknownToken || r.Request == "" {
			t.Errorf("got %+v", r)
		}
		if strings.Contains(fmt.Sprint(r), "planted") {
			t.Errorf("the secret is in the record %+v", r)
		}
	}
	if of["192.0.2.7"] != 8 {
		t.Errorf("%d records of one address, want 8", of["192.0.2.7"])
	}
	_, err = h.tokens.Authenticate(t.Context(), secret)
	h.wantCode(err, issuance.CodeUnauthenticated)
	if got := h.refusals()[0]; got.Actor.ID != string(tok.ID) || got.Actor.Owner != "Olga" || got.Detail["reason"] != staff.RevokedToken {
		t.Errorf("the use of a revoked token is on record as %+v", got)
	}
	h.tokens.TellRefused(t.Context(), false) // the hour is not over
	h.advance(time.Hour)
	h.tokens.TellRefused(t.Context(), false)
	h.tokens.TellRefused(t.Context(), true) // there is nothing more to tell
	got := h.refusals()
	if len(got) != 102 || got[0].Detail["more"] != "9900" || got[0].Detail["most"] != "4992 from 192.0.2.7/32" || got[0].Actor.Role != issuance.RoleSystem {
		t.Errorf("after an hour there are %d records, the last one %+v", len(got), got[0])
	}
	if got[0].Whence() != issuance.ServerOrigin {
		t.Errorf("the count came from %q", got[0].Whence())
	}
	h.refusedFrom("192.0.2.7", 0) // another hour
	if n := len(h.refusals()); n != 103 {
		t.Errorf("in the next hour there are %d records", n)
	}
}

// TestOneOfManyKnownIsNotHidden has an expired certificate, and a token, be shown again
// and again from everywhere, and then another token.
func TestOneOfManyKnownIsNotHidden(t *testing.T) {
	h := newHouse(t)
	shown := func(id, why string, n int) {
		for i := range n {
			ctx := issuance.WithOrigin(t.Context(), issuance.Origin{Address: fmt.Sprintf("2001:db8:0:%x::1", i)})
			h.tokens.Refuse(ctx, issuance.Actor{Role: issuance.RoleOfficer, ID: id}, why, "")
		}
	}
	shown("tok-1", staff.ExpiredToken, 150)
	for i := range 20 {
		shown(fmt.Sprint("certificate ", i), staff.WrongCertificate, 10)
	}
	shown("tok-2", staff.RevokedToken, 1)
	h.refusedFrom("192.0.2.7", 1)
	of := make(map[string]int)
	for _, r := range h.refusals() {
		of[r.Actor.ID]++
	}
	if of["tok-1"] != 8 || of["tok-2"] != 1 || of["certificate 0"] != 8 || of[""] != 1 {
		t.Errorf("records by who it was: %v, want 8 of tok-1 and certificate 0, one of tok-2 and a stranger", of)
	}
	h.tokens.TellRefused(t.Context(), true)
	if got := h.refusals()[0].Detail; got["more"] != "0" || got["more_known"] != "242" {
		t.Errorf("the others are told as %v", got)
	}
}

// TestARefusalThatCannotBeRecorded is one all the same.
func TestARefusalThatCannotBeRecorded(t *testing.T) {
	h := newHouse(t)
	ctx, gone := context.WithCancel(t.Context())
	_, err := h.tokens.Authenticate(ctx, issuance.NewSecret([]byte("pst_x")))
	h.wantCode(err, issuance.CodeUnauthenticated)
	gone()
	_, err = h.tokens.Authenticate(ctx, issuance.NewSecret([]byte("pst_x")))
	if err == nil {
		t.Error("a client that has gone was let in")
	}
}
