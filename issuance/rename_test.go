package issuance_test

import (
	"errors"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// rename changes the service with id to a name and identifier.
func (h *house) rename(id issuance.ServiceID, name, identifier string) (issuance.Service, error) {
	return h.ChangeService(h.t.Context(), h.staff, id, func(s *issuance.ServiceRequest) { s.Name, s.Identifier = name, identifier })
}

func (h *house) addService(name, identifier string) (issuance.Service, error) {
	return h.AddService(h.t.Context(), h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: "acme", Name: name}, Identifier: identifier})
}

func (h *house) lookUp(id issuance.ServiceID) (s issuance.Service, err error) {
	err = h.Read(h.t.Context(), func(tx issuance.Reader) error {
		s, err = tx.Service(id)
		return err
	})
	return s, err
}

func TestServicesHaveANameAndAnIdentifier(t *testing.T) {
	h := newHouse(t)
	page, err := h.addService(" my  page ", "")
	h.ok(err)
	if page.ID != "acme.my-page" || page.Name != "my page" {
		t.Errorf("got service %q, %q; want acme.my-page, my page", page.ID, page.Name)
	}
	other, err := h.addService("我的页面", "my-page-2")
	h.ok(err)
	if other.ID != "acme.my-page-2" || other.Name != "我的页面" {
		t.Errorf("got service %q, %q", other.ID, other.Name)
	}
	for what, made := range map[string]struct{ name, identifier, want string }{
		"a name without an identifier": {"我的页面", "", "identifier: cannot be made"},
		"an identifier that is taken":  {"My Page", "", `identifier: service "acme.my-page" already exists`},
		"an identifier that is none":   {"page", "My Page", "identifier: is not a short name"},
		"one with a dot":               {"page", "a.b", "identifier: is not a short name"},
	} {
		if _, err := h.addService(made.name, made.identifier); err == nil || !strings.Contains(err.Error(), made.want) {
			t.Errorf("%s: got %v, want %q", what, err, made.want)
		}
	}
}

func TestServicesAreRenamedUntilTheirFirstCertificate(t *testing.T) {
	h := newHouse(t)
	id, lapsed := h.invited(), h.invited()
	h.ok(errors.Join(second(h.Cancel(t.Context(), h.staff, lapsed, ""))))
	token, code := h.delivered()
	s, err := h.rename(h.service.ID, "my page", "my-page")
	h.ok(err)
	if s.ID != "acme.my-page" || s.Name != "my page" || !s.CreatedAt.Equal(h.service.CreatedAt) {
		t.Errorf("got %+v", s)
	}
	if _, err := h.lookUp(h.service.ID); !errors.Is(err, issuance.ErrNotFound) {
		t.Errorf("the service under its old id: got %v, want not found", err)
	}
	for _, o := range []issuance.OrderID{id, lapsed} {
		if got := h.order(o).Service; got != s.ID {
			t.Errorf("order %s is for %q, want %q", o, got, s.ID)
		}
	}
	var last issuance.AuditRecord
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Page: issuance.Page{Limit: 1}})
		last = records[0]
		return err
	}))
	want := map[string]string{"name": "payments -> my page", "identifier": "payments -> my-page"}
	if last.Subject != "acme.my-page" || !maps.Equal(last.Detail, want) {
		t.Errorf("audit: got %q, %v, want %v", last.Subject, last.Detail, want)
	}

	// What was approved was the old name: it is approved again, and has a new link.
	h.wantState(id, issuance.RequestedState)
	_, err = h.Verify(t.Context(), token, code)
	h.wantCode(err, issuance.CodeLink)
	_, err = h.Approve(t.Context(), h.staff, id, "")
	h.ok(err)
	token, code = h.delivered()

	// While it is claimed, and for good once there is a certificate, nothing of it changes.
	session, err := h.Verify(t.Context(), token, code)
	h.ok(err)
	refused := func(when string) {
		for _, names := range [][2]string{{"other", "my-page"}, {"my page", "other"}} {
			if _, err := h.rename(s.ID, names[0], names[1]); issuance.KindOf(err) != issuance.Conflict {
				t.Errorf("renaming to %v %s: got %v, want a conflict", names, when, err)
			}
		}
	}
	refused("at the claim")
	_, err = h.Claim(t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	refused("after the claim")
	if got := h.signer.newest; got.Service != "my-page" || got.ServiceName != "my page" {
		t.Errorf("signed for %q, %q; want my-page, my page", got.Service, got.ServiceName)
	}
	_, err = h.ChangeService(t.Context(), h.staff, s.ID, func(s *issuance.ServiceRequest) { s.Target = issuance.Compatible })
	h.ok(err)
}

func TestARenamingTakesNobodysPlace(t *testing.T) {
	h := newHouse(t)
	_, err := h.addService("my page", "")
	h.ok(err)
	if _, err = h.rename(h.service.ID, "payments", "my-page"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("an identifier that is taken: got %v", err)
	}
	if got, err := h.lookUp(h.service.ID); err != nil || got != h.service {
		t.Errorf("the service that stays: got %+v, %v", got, err)
	}
	// The identifier that is not given is made from the name.
	s, err := h.rename(h.service.ID, "Größe", "")
	h.ok(err)
	if s.ID != "acme.groesse" {
		t.Errorf("got %q, want acme.groesse", s.ID)
	}
	_, err = h.addService("payments", "") // its old id is free
	h.ok(err)
}

// TestNumbersThatWereGivenUpAreNoCertificates renames a service of which a claim
// came to nothing.
func TestNumbersThatWereGivenUpAreNoCertificates(t *testing.T) {
	h := newHouse(t)
	id, _, _ := h.verified()
	serial := h.order(id).Reserved
	h.ok(second(h.Cancel(t.Context(), h.staff, id, "")))
	s, err := h.rename(h.service.ID, "my page", "my-page")
	h.ok(err)
	c, err := h.Certificate(t.Context(), serial)
	if err == nil && c.Service != s.ID {
		t.Errorf("the number that was given up is of %q, want %q", c.Service, s.ID)
	}
	var kept []issuance.Certificate
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		kept, _, err = tx.Certificates(issuance.CertificateQuery{Status: issuance.Abandoned, Service: s.ID})
		return err
	}))
	if len(kept) != 1 || kept[0].Serial != serial {
		t.Errorf("numbers that were given up: got %v, want %s", kept, serial)
	}
}

// TestRenamingReadsNothingOfOthers renames a service while the database is full of
// numbers that other services gave up.
func TestRenamingReadsNothingOfOthers(t *testing.T) {
	h := newHouse(t)
	other, err := h.addService("shop", "")
	h.ok(err)
	id, _, _ := h.verified()
	h.ok(second(h.Cancel(t.Context(), h.staff, id, "")))
	const numbers = 5000
	h.ok(h.cfg.Store.Update(t.Context(), func(tx issuance.Tx) error {
		for range numbers {
			c := issuance.Certificate{Serial: issuance.NewSerial(), Status: issuance.Abandoned, Order: id, Organization: "acme", Service: other.ID}
			if err := tx.PutCertificate(c); err != nil {
				return err
			}
		}
		return nil
	}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = h.rename(h.service.ID, "my page", "my-page")
	runtime.ReadMemStats(&after)
	h.ok(err)
	if n := after.Mallocs - before.Mallocs; n > numbers {
		t.Errorf("renaming made %d allocations: it reads all %d numbers of other services", n, numbers)
	}
}

// TestRenamingIsBounded gives a service more orders than one transaction may rewrite.
func TestRenamingIsBounded(t *testing.T) {
	h := newHouse(t)
	h.ok(h.cfg.Store.Update(t.Context(), func(tx issuance.Tx) error {
		for range issuance.MaxPage + 1 {
			o := issuance.Order{ID: issuance.OrderID(issuance.NewID("ord-", h.now())), Organization: "acme", Service: h.service.ID, State: issuance.LapsedState}
			if err := tx.PutOrder(o); err != nil {
				return err
			}
		}
		return nil
	}))
	if _, err := h.rename(h.service.ID, "my page", "my-page"); issuance.KindOf(err) != issuance.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
	s, err := h.rename(h.service.ID, "my page", "payments") // the name alone rewrites nothing
	h.ok(err)
	if s.Name != "my page" || s.ID != h.service.ID {
		t.Errorf("got %+v", s)
	}
}

func second[A any](_ A, err error) error { return err }
