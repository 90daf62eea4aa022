package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// TestReportsAreAsDocumented has reports with a row in every list checked against
// the OpenAPI document, read by everybody who has a token.
func TestReportsAreAsDocumented(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	ctx := t.Context()
	began := h.now()
	contact, _, ending := h.issued()
	h.post(http.StatusCreated, "/orders", `{"service":"acme.payments","contact":"`+contact+`"}`)
	h.order(contact)
	h.lock()
	h.order(contact)
	held := h.claim()
	h.post(http.StatusOK, "/certificates/"+held+"/hold", `{"comment":"asked for"}`)
	h.order(contact)
	revoked := h.claim()
	h.post(http.StatusOK, "/certificates/"+revoked+"/revoke", `{"reason":"keyCompromise"}`)
	h.order(contact)
	superseded := h.claim()
	renewal := h.post(http.StatusCreated, "/certificates/"+superseded+"/renew", "").field(t, "id")
	h.post(http.StatusOK, "/orders/"+renewal+"/approve", "")
	next := h.claim()
	h.advance(40 * 24 * time.Hour)
	h.failMessage(contact)
	h.ok(h.store.Update(ctx, func(tx issuance.Tx) error {
		c, err := tx.Certificate(issuance.Serial(ending))
		if err != nil {
			return err
		}
		c.NotAfter = h.now().Add(5*24*time.Hour + time.Hour)
		return tx.PutCertificate(c)
	}))
	seen := &issuance.Seen{Store: h.store, Now: h.now}
	seen.See(issuance.Serial(next), "")
	seen.See(issuance.Serial(superseded), "")
	seen.See(issuance.Serial(revoked), ca.CodeRevoked)
	h.ok(seen.Flush(ctx))

	var daily report.Report
	h.get("/reports/daily?limit=3&date="+began.Format(time.DateOnly)).into(t, &daily)
	counts := map[string]int{
		"waiting": len(daily.ToDo.Waiting.Items), "locked": len(daily.ToDo.Locked.Items), "failed": len(daily.ToDo.Failed.Items), "ending": len(daily.ToDo.Ending.Items),
		"superseded": len(daily.ToDo.Superseded.Items), "held": len(daily.ToDo.Held.Items), "issued": len(daily.Done.Issued.Items), "more issued": daily.Done.Issued.More,
		"changed": len(daily.Done.Changed.Items), "orders": len(daily.Done.Orders.Items), "refused": len(daily.Use.Refused.Items), "unused": len(daily.Use.Unused.Items),
		"within 7 days": daily.ToDo.Within[0].Count, "active": int(daily.Totals.Active), "revoked for a reason": len(daily.Done.Reasons),
	}
	if diff := cmp.Diff(map[string]int{
		"waiting": 1, "locked": 1, "failed": 1, "ending": 1, "superseded": 1, "held": 1, "issued": 3, "more issued": 2, "changed": 2, "orders": 3, "refused": 1, "unused": 1,
		"within 7 days": 1, "active": 3, "revoked for a reason": 1,
	}, counts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var monthly report.Report
	h.get("/reports/monthly?month="+began.Format("2006-01")).into(t, &monthly)
	if len(monthly.Organizations.Items) != 1 || monthly.Organizations.Items[0].Counts.Issued != 5 || monthly.Organizations.Items[0].Name != "Acme Corporation" {
		t.Errorf("organisations %+v", monthly.Organizations)
	}
	for _, path := range []string{"/reports/daily", "/reports/monthly"} {
		for _, role := range []issuance.Role{issuance.RoleAdministrator, issuance.RoleOfficer, issuance.RoleAuditor} {
			h.want(http.StatusOK, apiRequest{method: http.MethodGet, path: "/api/v1" + path, role: role})
		}
		h.want(http.StatusUnauthorized, apiRequest{method: http.MethodGet, path: "/api/v1" + path, role: issuance.RoleContact})
	}
	for path, field := range map[string]string{
		"/reports/daily?date=2026-02-30": "date", "/reports/daily?date=9999-01-01": "date", "/reports/daily?month=2026-11": "month", "/reports/daily?limit=501": "limit",
		"/reports/daily?limit=0": "limit", "/reports/monthly?month=2026-11-25": "month", "/reports/monthly?date=2026-11-25": "date", "/reports/monthly?month=%1b%5b31m": "month",
		"/certificates?need=love": "need", "/certificates?expires_from=soon": "expires_from",
	} {
		if got := h.want(http.StatusUnprocessableEntity, apiRequest{method: http.MethodGet, path: "/api/v1" + path}).field(t, "field"); got != field {
			t.Errorf("%s: the field at fault is %q, want %q", path, got, field)
		}
	}
	// What a report says with its `postern cert list` is there.
	from := url.QueryEscape(h.now().Format(time.RFC3339))
	for need, want := range map[string]string{"successor": ending, "revocation": superseded, "use": ending, "decision": held} {
		var page struct{ Items []struct{ Serial string } }
		h.get("/certificates?need="+need+"&expires_from="+from).into(t, &page)
		if len(page.Items) == 0 || page.Items[0].Serial != want {
			t.Errorf("certificates that need %s: %+v, want %s first", need, page.Items, want)
		}
	}
	if text := daily.Text(); strings.Contains(text, "@") || strings.Contains(text, "+41") {
		t.Errorf("the report has an address or a number:\n%s", text)
	}
}
