package issuance_test

import (
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func TestADisabledOrganizationGetsNothing(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	_, token, session := h.verified()
	disable := func(disabled bool) {
		_, err := h.ChangeOrganization(ctx, h.staff, "acme", func(o *issuance.Organization) { o.Disabled = disabled })
		h.ok(err)
	}
	disable(true)
	_, err := h.Request(ctx, h.staff, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true})
	h.wantCode(err, issuance.CodeInvalid)
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.wantCode(err, issuance.CodeCancelled)
	disable(false)
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{}) // what was under way is over
	h.wantCode(err, issuance.CodeCancelled)
	_, token, session = h.verified()
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
}

func TestARenamedOrganizationIsInNewCertificatesAlone(t *testing.T) {
	h := newHouse(t)
	o, err := h.ChangeOrganization(t.Context(), h.staff, "acme", func(o *issuance.Organization) { o.ID, o.Name = "other", "Acme Holding" })
	h.ok(err)
	if o.ID != "acme" || o.Name != "Acme Holding" {
		t.Errorf("got %+v", o)
	}
	h.ok(h.Read(t.Context(), func(tx issuance.Reader) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Page: issuance.Page{Limit: 1}})
		for _, r := range records {
			if r.Detail["name"] != "Acme AG -> Acme Holding" {
				t.Errorf("the record says %+v", r)
			}
		}
		return err
	}))
	_, err = h.ChangeOrganization(t.Context(), h.staff, "nobody", func(*issuance.Organization) {})
	h.wantCode(err, issuance.CodeNotFound)
	_, err = h.ChangeOrganization(t.Context(), issuance.Actor{Role: issuance.RoleAuditor}, "acme", func(*issuance.Organization) {})
	h.wantCode(err, issuance.CodeRole)
}
