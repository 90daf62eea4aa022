package issuance_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// subjectOf adds an organisation with a name and a service of it, and returns what their
// subjects have in addition.
func (h *house) subjectOf(id issuance.OrgID, name, service string) string {
	h.t.Helper()
	o, err := h.AddOrganization(h.t.Context(), h.staff, issuance.OrganizationRequest{Organization: issuance.Organization{ID: id, Name: name}})
	h.ok(err)
	s, err := h.AddService(h.t.Context(), h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: id, Name: service}})
	h.ok(err)
	return issuance.Distinction(o, s)
}

// TestTwoOrganizationsOfOneNameDiffer: case and blanks do not make another name, nor
// does that the first is called otherwise by now.
func TestTwoOrganizationsOfOneNameDiffer(t *testing.T) {
	h := newHouse(t) // acme is Acme AG
	for _, c := range []struct {
		id         issuance.OrgID
		name, want string
	}{
		{"other", "Other AG", ""},
		{"acme-2", "Acme AG", "acme-2.reports"},
		{"acme-3", "ACME  ag", "acme-3.reports"},
		{"acme-4", "ＡＣＭＥ AG", "acme-4.reports"},
		{"acme-5", "Acme\u00a0AG", "acme-5.reports"},
		{"street", "Straße AG", ""},
		{"street-2", "STRASSE AG", "street-2.reports"},
		{"holding", "Acme AG Holding", ""},
	} {
		if got := h.subjectOf(c.id, c.name, "reports"); got != c.want {
			t.Errorf("%s, called %q: got %q, want %q", c.id, c.name, got, c.want)
		}
	}
	rename := func(id issuance.OrgID, name string) issuance.Organization {
		o, err := h.ChangeOrganization(t.Context(), h.staff, id, func(o *issuance.Organization) { o.Name, o.Distinct, o.FormerNames = name, false, nil })
		h.ok(err)
		return o
	}
	if o := rename("acme", "Alpha"); o.Distinct {
		t.Error("who had the name first has another subject than before")
	}
	if got := h.subjectOf("acme-6", "acme ag", "reports"); got != "acme-6.reports" {
		t.Errorf("a name that is in certificates of another: got %q", got)
	}
	if o := rename("acme-2", "Beta"); !o.Distinct {
		t.Error("a subject changed though nobody else has the name")
	}
	if o := rename("other", "alpha"); !o.Distinct {
		t.Error("an organisation took the name of another")
	}
	if o := rename("acme", "Acme AG"); !o.Distinct { // acme-6 and others have it by now
		t.Error("an organisation took a name back that others have")
	}
}

func TestTwoServicesOfOneNameDiffer(t *testing.T) {
	h := newHouse(t)
	add := func(id, name string) issuance.Service {
		s, err := h.AddService(t.Context(), h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: "acme", Name: name}, Identifier: id})
		h.ok(err)
		return s
	}
	if s := add("one", "My page"); s.Distinct {
		t.Error("the first has more than its name")
	}
	s := add("two", "my PAGE")
	if got := issuance.Distinction(issuance.Organization{}, s); got != "acme.two" {
		t.Errorf("the second: got %q", got)
	}
	s, err := h.ChangeService(t.Context(), h.staff, s.ID, func(q *issuance.ServiceRequest) { q.Name = "Their page" })
	h.ok(err)
	if s.Distinct {
		t.Error("renamed before its first certificate, it still is not known by its name")
	}
}

// TestOrganizationsOfBeforeDiffer: the register has two of one name that were added
// before anybody looked.
func TestOrganizationsOfBeforeDiffer(t *testing.T) {
	h := newHouse(t)
	if err := h.store.Update(t.Context(), func(tx issuance.Tx) error {
		for _, id := range []issuance.OrgID{"aaa", "zzz"} {
			if err := tx.PutOrganization(issuance.Organization{ID: id, Name: "Acme AG", CreatedAt: h.now().AddDate(0, 0, 1)}); err != nil {
				return err
			}
		}
		for i, id := range []issuance.ServiceID{"acme.older", "acme.newer", "aaa.other"} {
			if err := tx.PutService(issuance.Service{
				ID: id, Organization: []issuance.OrgID{"acme", "acme", "aaa"}[i], Name: []string{"My page", "my PAGE", "My page"}[i], CreatedAt: h.now().AddDate(0, 0, i),
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// The older one takes the name of the newer, and is the one that differs.
	h.ok(second(h.AddOrganization(t.Context(), h.staff, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "old", Name: "Old"}})))
	h.advance(time.Hour)
	h.ok(second(h.AddOrganization(t.Context(), h.staff, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "new", Name: "New"}})))
	h.ok(second(h.ChangeOrganization(t.Context(), h.staff, "old", func(o *issuance.Organization) { o.Name = "New" })))
	for range 2 {
		h.ok(h.Distinguish(t.Context()))
	}
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		for id, want := range map[issuance.OrgID]bool{"acme": false, "aaa": true, "zzz": true, "old": true, "new": false} {
			if o, err := tx.Organization(id); err != nil || o.Distinct != want {
				t.Errorf("%s: got %+v, %v, want distinct %v", id, o, err, want)
			}
		}
		for id, want := range map[issuance.ServiceID]bool{"acme.older": false, "acme.newer": true, "aaa.other": false} {
			if s, err := tx.Service(id); err != nil || s.Distinct != want {
				t.Errorf("%s: got %+v, %v, want distinct %v", id, s, err, want)
			}
		}
		return nil
	}))
}

// TestFormerNamesAreFew: renamed to and fro it has had two, and there is a limit.
func TestFormerNamesAreFew(t *testing.T) {
	h := newHouse(t)
	rename := func(name string) (issuance.Organization, error) {
		return h.ChangeOrganization(t.Context(), h.staff, "acme", func(o *issuance.Organization) { o.Name = name })
	}
	for i := range 20 {
		o, err := rename([]string{"A", "B"}[i%2])
		h.ok(err)
		if len(o.FormerNames) > 3 {
			t.Fatalf("after %d changes it has had the names %q", i+1, o.FormerNames)
		}
	}
	for i := range 30 {
		h.ok(second(rename(fmt.Sprint("Name ", i))))
	}
	_, err := rename("one more")
	h.wantCode(err, issuance.CodeState)
}

// listings counts how often organisations are listed in a transaction that writes.
type listings struct {
	issuance.Store[issuance.Snapshot, issuance.Tx]
	n *int
}

type listingTx struct {
	issuance.Tx
	n *int
}

func (l listings) Update(ctx context.Context, f func(issuance.Tx) error) error {
	return l.Store.Update(ctx, func(tx issuance.Tx) error { return f(listingTx{tx, l.n}) })
}

func (l listingTx) Organizations(p issuance.Page) ([]issuance.Organization, string, error) {
	*l.n++
	return l.Tx.Organizations(p)
}

// TestManyOrganizationsAreReadOnce, and not again for each that is added.
func TestManyOrganizationsAreReadOnce(t *testing.T) {
	n := 0
	h := newHouse(t, func(c *issuance.Config) { c.Store = listings{c.Store, &n} })
	for i := range 20 {
		h.subjectOf(issuance.OrgID(fmt.Sprint("many-", i)), fmt.Sprint("Many ", i), "reports")
	}
	if n != 1 {
		t.Errorf("for 20 organisations all were listed %d times, want once", n)
	}
}
