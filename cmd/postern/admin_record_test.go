package main_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// everyChangeIsRecorded wants each operation of the document to have left exactly one
// record when it succeeded, and those that read none. A verb that takes others along
// (orders of what was disabled) leaves one more for each of them, in other calls.
func (h *adminHouse) everyChangeIsRecorded() {
	h.t.Helper()
	for _, operation := range h.operations() {
		left := slices.Concat(h.left[operation+" OK"], h.left[operation+" Created"])
		method, path, _ := strings.Cut(operation, " ")
		reads := method == http.MethodGet || path == "/api/v1/audit/verify"
		switch {
		case path == "/api/v1/backup": // made by a real house
		case reads && slices.Max(left) > 0:
			h.t.Errorf("%s left %v records", operation, left)
		case path == "/api/v1/proposals/{id}/confirm": // it, and the change that comes of it
			if !slices.Contains(left, 2) {
				h.t.Errorf("%s left %v records, want 2", operation, left)
			}
		case !reads && !slices.Contains(left, 1):
			h.t.Errorf("%s left %v records, want one", operation, left)
		}
	}
}

// TestAdminRecordsWhoIsRefused: tokens that open nothing, and roles that may not.
func TestAdminRecordsWhoIsRefused(t *testing.T) {
	h := openAdmin(t)
	made := h.post(http.StatusCreated, "/tokens", `{"name":"old script","owner":"Olga","role":"officer"}`)
	id, secret := made.field(t, "id"), made.field(t, "token")
	h.post(http.StatusOK, "/tokens/"+id+"/revoke", "")
	for _, c := range []struct {
		bearer string
		status int
		why    string
		who    issuance.Actor
	}{
		{"pst_made-up", http.StatusUnauthorized, staff.UnknownToken, issuance.Actor{Role: issuance.RoleStranger}},
		{secret, http.StatusUnauthorized, staff.RevokedToken, issuance.Actor{Role: issuance.RoleOfficer, ID: id, Name: "old script", Owner: "Olga"}},
		{"", http.StatusUnauthorized, "", issuance.Actor{}}, // nobody has tried
	} {
		q := apiRequest{method: http.MethodGet, path: "/api/v1/orders", header: http.Header{"Authorization": {"Bearer " + c.bearer}}}
		h.want(c.status, q)
		got := h.recorded()
		if c.why == "" {
			if len(got) != 0 {
				t.Errorf("a request without a token left %+v", got)
			}
			continue
		}
		if len(got) != 1 || got[0].Verb != issuance.RefuseVerb || got[0].Detail["reason"] != c.why || got[0].Actor != c.who {
			t.Errorf("%s left %+v", c.why, got)
		}
	}
	q := apiRequest{method: http.MethodPost, path: "/api/v1/clock/accept", role: issuance.RoleAuditor}
	h.want(http.StatusForbidden, q)
	if got := h.recorded(); len(got) != 1 || got[0].Verb != issuance.RefuseVerb || got[0].Detail["reason"] != staff.WrongRole || got[0].Actor.Name != "auditor" {
		t.Errorf("an auditor who accepts the clock left %+v", got)
	}
	list := string(h.get("/audit?verb=refuse").body)
	if strings.Contains(list, secret) || strings.Contains(list, "made-up") || strings.Count(list, `"seq"`) != 3 {
		t.Errorf("the list of refused sign-ins is %s", list)
	}
}

// TestAdminRevealsWhatIsSealed to administrators and auditors, and says that it did.
func TestAdminRevealsWhatIsSealed(t *testing.T) {
	h := openAdmin(t)
	contact := h.register()
	h.want(http.StatusOK, apiRequest{method: http.MethodPatch, path: "/api/v1/contacts/" + contact, body: `{"email":"countess@acme.example","mobile":"+41791234599"}`})
	var page struct {
		Items []struct {
			Seq     int
			Sealed  bool
			Request string
			Detail  map[string]string
		}
	}
	h.get("/audit?verb=change").into(t, &page)
	if len(page.Items) != 1 || !page.Items[0].Sealed || strings.Contains(page.Items[0].Detail["email"], "countess") {
		t.Fatalf("the change is %+v", page.Items)
	}
	path := "/api/v1/audit/" + strconv.Itoa(page.Items[0].Seq) + "/reveal"
	for _, role := range []issuance.Role{issuance.RoleAdministrator, issuance.RoleAuditor} {
		var r struct{ Revealed map[string]string }
		h.want(http.StatusOK, apiRequest{method: http.MethodPost, path: path, role: role}).into(t, &r)
		if r.Revealed["email"] != "ada@acme.example -> countess@acme.example" || r.Revealed["mobile"] != "+41791234567 -> +41791234599" {
			t.Errorf("%s is shown %v", role, r.Revealed)
		}
		if got := h.recorded(); len(got) != 1 || got[0].Verb != issuance.RevealVerb || got[0].Actor.Role != role || got[0].Subject != strconv.Itoa(page.Items[0].Seq) {
			t.Errorf("that %s looked is on record as %+v", role, got)
		}
	}
	if a := h.want(http.StatusForbidden, apiRequest{method: http.MethodPost, path: path, role: issuance.RoleOfficer}); strings.Contains(string(a.body), "countess") {
		t.Errorf("an officer is told %s", a.body)
	}
	h.want(http.StatusConflict, apiRequest{method: http.MethodPost, path: "/api/v1/audit/1/reveal"}) // nothing is
	h.want(http.StatusNotFound, apiRequest{method: http.MethodPost, path: "/api/v1/audit/9999/reveal"})
	h.want(http.StatusNotFound, apiRequest{method: http.MethodPost, path: "/api/v1/audit/x/reveal"})
	found := 0
	for _, address := range []string{"192.0.2.1", "192.0.2.0/24", "198.51.100.7"} {
		if strings.Contains(string(h.get("/audit?verb=change&actor=ADMINISTRATOR&address="+address).body), "acme") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("the change was found by %d of its two addresses", found)
	}
}
