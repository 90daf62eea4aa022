package issuance_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func TestASignerThatFailsLeavesAnOrderThatCanBeClaimedAgain(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	h.signer.broken = errors.New("the HSM is away")
	if _, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{}); err == nil {
		t.Fatal("the claim succeeded")
	}
	h.wantState(id, issuance.VerifiedState)
	if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 1 {
		t.Errorf("%d abandoned serial numbers, want 1", len(got))
	}
	h.signer.broken = nil
	_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
}

// another returns a second process on the same store.
func (h *house) another() *issuance.Registrar {
	h.t.Helper()
	r, err := issuance.New(h.cfg)
	h.ok(err)
	return r
}

func TestTheIntentIsRecordedBeforeAnythingIsSigned(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	reserved := h.order(id).Reserved
	if reserved == "" {
		t.Fatal("no serial number is reserved for an order that can be claimed")
	}
	f, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	if f.Certificate.Serial != reserved || h.order(id).Reserved != "" {
		t.Errorf("certificate %s was made, %s was reserved, %q still is", f.Certificate.Serial, reserved, h.order(id).Reserved)
	}
}

func TestANumberOfAKilledProcessIsNotSignedUnderAgain(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	id, token, session := h.verified()
	first := h.order(id).Reserved
	// The process dies while it signs: nobody knows what it has signed.
	reached, dead, gone := make(chan struct{}), make(chan struct{}), make(chan error)
	h.signer.before = func() { close(reached); <-dead }
	go func() {
		_, err := h.Claim(ctx, token, session, issuance.ClaimRequest{})
		gone <- err
	}()
	<-reached
	h.signer.before = nil
	h.ok(h.another().Sweep(ctx))
	f, err := h.another().Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	if f.Certificate.Serial == first {
		t.Errorf("serial number %s was used by two processes", first)
	}
	if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 1 || got[0].Serial != first {
		t.Errorf("abandoned serial numbers: %+v, want %s", got, first)
	}
	// Should it come back from the dead, it does not store what was given up, and
	// returns what the other has made.
	close(dead)
	h.ok(<-gone)
	if list := h.certificates(issuance.CertificateQuery{Order: id}); len(list) != 1 || list[0].Serial != f.Certificate.Serial {
		t.Errorf("certificates of the order: %+v", list)
	}
	h.signer.wantOnce(t)
}

func TestOfTwoProcessesTheOneWithTheReservedNumberStores(t *testing.T) {
	h := newHouse(t)
	id, token, session := h.verified()
	type result struct {
		serial issuance.Serial
		err    error
	}
	claim := func(r *issuance.Registrar) (goOn chan struct{}, done chan result) {
		signing := make(chan struct{})
		goOn, done = make(chan struct{}), make(chan result, 1)
		h.signer.before = func() { close(signing); <-goOn }
		go func() {
			f, err := r.Claim(t.Context(), token, session, issuance.ClaimRequest{})
			done <- result{f.Certificate.Serial, err}
		}()
		<-signing
		return goOn, done
	}
	first, overtaken := claim(h.Registrar)
	second, winner := claim(h.another())
	reserved := h.order(id).Reserved
	close(first)
	if got := <-overtaken; issuance.CodeOf(got.err) != issuance.CodeBusy {
		t.Errorf("the claim whose number was given up got %+v, want busy", got)
	}
	close(second)
	if got := <-winner; got.err != nil || got.serial != reserved {
		t.Errorf("the claim with the reserved number %s got %+v", reserved, got)
	}
	h.wantState(id, issuance.IssuedState)
}

// wantOnce wants no serial number signed under twice.
func (s *paperSigner) wantOnce(t *testing.T) {
	t.Helper()
	seen := map[issuance.Serial]bool{}
	for _, serial := range s.serials {
		if seen[serial] {
			t.Errorf("serial number %s was signed under twice", serial)
		}
		seen[serial] = true
	}
}

func TestANumberThatCouldNotBeGivenUpIsNotSignedUnderAgain(t *testing.T) {
	store := new(faultyStore)
	h := newHouse(t, func(c *issuance.Config) { store.Store = c.Store; c.Store = store })
	_, token, session := h.verified()
	h.signer.after = func() { store.full.Store(true) } // what was signed cannot be stored, nor given up
	if _, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{}); err == nil {
		t.Fatal("the claim succeeded on a full disk")
	}
	h.signer.after = nil
	store.full.Store(false)
	_, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	if n := h.signer.signed(); n != 2 {
		t.Errorf("%d certificates were signed, want 2", n)
	}
	h.signer.wantOnce(t)
}

// faultyStore is a store on a disk that may be full.
type faultyStore struct {
	issuance.Store[issuance.Snapshot, issuance.Tx]
	full atomic.Bool
}

func (s *faultyStore) Update(ctx context.Context, f func(issuance.Tx) error) error {
	if s.full.Load() {
		return errors.New("no space left on device")
	}
	return s.Store.Update(ctx, f)
}

func TestStaffMayStopAClaimThatIsUnderWay(t *testing.T) {
	for name, stop := range map[string]func(*house, issuance.OrderID) error{
		"cancel": func(h *house, id issuance.OrderID) error {
			_, err := h.Cancel(t.Context(), h.staff, id, "")
			return err
		},
		"resend": func(h *house, id issuance.OrderID) error {
			_, err := h.Resend(t.Context(), h.staff, id, "")
			return err
		},
		"disable the contact": func(h *house, _ issuance.OrderID) error {
			_, err := h.ChangeContact(t.Context(), h.staff, h.contact.ID, func(c *issuance.Contact) { c.Disabled = true })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			id, token, session := h.verified()
			h.signer.before = func() { h.ok(stop(h, id)) }
			if _, err := h.Claim(t.Context(), token, session, issuance.ClaimRequest{}); err == nil {
				t.Error("the claim succeeded")
			}
			if list := h.certificates(issuance.CertificateQuery{Order: id}); len(list) != 0 {
				t.Errorf("certificates of the order: %+v", list)
			}
			if got := h.certificates(issuance.CertificateQuery{Status: issuance.Abandoned}); len(got) != 1 {
				t.Errorf("%d abandoned serial numbers, want 1", len(got))
			}
			if h.has(issuance.PKCS12Secret, id) || h.has(issuance.PasswordSecret, id) || h.order(id).Reserved != "" {
				t.Errorf("something is left of the claim: %+v", h.order(id))
			}
		})
	}
}
