package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// TestWhoIsRevokedIsKnownAtOnce: many ask about certificates all the time, so that
// each is remembered; who asks after a revocation was answered is told of it.
func TestWhoIsRevokedIsKnownAtOnce(t *testing.T) {
	h := newHouse(t)
	standing := issuance.NewStanding(h.store, h.store.Version)
	serials := make([]issuance.Serial, 60)
	for i := range serials {
		serials[i] = issuance.Serial(fmt.Sprintf("%034x", i+1))
		h.enter(serials[i], issuance.Active)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := standing.Certificate(ctx, serials[i%len(serials)]); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for _, s := range serials {
		if c, err := standing.Certificate(ctx, s); err != nil || c.Status != issuance.Active {
			t.Errorf("before: %v, %v", c.Status, err)
		}
		h.enter(s, issuance.Revoked)
		if c, err := standing.Certificate(ctx, s); err != nil || c.Status != issuance.Revoked {
			t.Errorf("after: %v, %v", c.Status, err)
		}
	}
	stop()
	all.Wait()
}

// TestADisabledOrganisationIsKnownAtOnce: the same for services, which are disabled
// with their organisation.
func TestADisabledOrganisationIsKnownAtOnce(t *testing.T) {
	h := newHouse(t)
	standing := issuance.NewStanding(h.store, h.store.Version)
	for _, disabled := range []bool{false, true, false} {
		h.ok(h.store.Update(t.Context(), func(tx issuance.Tx) error {
			o, err := tx.Organization(h.service.Organization)
			o.Disabled = disabled
			return errors.Join(err, tx.PutOrganization(o))
		}))
		for range 2 { // the second time of what is remembered
			if s, err := standing.Service(t.Context(), h.service.ID); err != nil || s.Disabled != disabled {
				t.Errorf("disabled is %v, want %v (%v)", s.Disabled, disabled, err)
			}
		}
	}
}

// TestNothingIsRememberedOfAStoreThatCannotBeRead: then nobody can tell.
func TestNothingIsRememberedOfAStoreThatCannotBeRead(t *testing.T) {
	h := newHouse(t)
	version := h.store.Version()
	standing := issuance.NewStanding(h.store, func() uint64 { return version })
	h.enter("01", issuance.Active)
	if _, err := standing.Certificate(t.Context(), "01"); err != nil {
		t.Fatal(err)
	}
	h.ok(h.store.Close())
	if _, err := standing.Certificate(t.Context(), "01"); err != nil {
		t.Errorf("of the same version it is remembered: %v", err)
	}
	version = 0
	if _, err := standing.Certificate(t.Context(), "01"); err == nil {
		t.Error("a certificate stands in a store that cannot be read")
	}
}

// enter puts a certificate into the register as it is.
func (h *house) enter(serial issuance.Serial, status issuance.Status) {
	h.t.Helper()
	c := issuance.Certificate{Serial: serial, Status: status, Organization: "acme", Service: h.service.ID}
	h.ok(h.store.Update(h.t.Context(), func(tx issuance.Tx) error { return tx.PutCertificate(c) }))
}
