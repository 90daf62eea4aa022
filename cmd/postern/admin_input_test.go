package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAdminRefusesBadInput gives every operation what it does not take: each
// refusal is a problem that names the field and says what to do.
func TestAdminRefusesBadInput(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()
	before := h.everything()
	const post, patch, get = http.MethodPost, http.MethodPatch, http.MethodGet
	long := strings.Repeat("x", 10_000)
	for _, c := range []struct {
		method, path, body string
		status             int
		field              string
	}{
		// What is not JSON, or not an object.
		{post, "/organizations", `{`, 400, ""},
		{post, "/organizations", `{"id":"a","name":"A"`, 400, ""},
		{post, "/organizations", `[]`, 400, ""},
		{post, "/organizations", `"text"`, 400, ""},
		{post, "/organizations", `null`, 400, ""},
		{post, "/organizations", `{"id":"a","name":"A"} {}`, 400, ""},
		{post, "/organizations", `{"id":"a","name":"A"}x`, 400, ""},
		{post, "/organizations", `{"id":"a","name":"A",}`, 400, ""},
		{post, "/organizations", `{"id":"a" "name":"A"}`, 400, ""},
		{post, "/organizations", "{\"id\":\"a\",\"name\":\"\xff\"}", 400, ""},
		{post, "/organizations", `<xml/>`, 400, ""},
		{post, "/organizations", `id=a&name=A`, 400, ""},
		{post, "/organizations", strings.Repeat("[", 100_000), 400, ""},
		{post, "/organizations", `{"id":"a","name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, ""},
		// Members that there are not, or not so.
		{post, "/organizations", `{"id":"a","name":"A","extra":1}`, 422, "extra"},
		{post, "/organizations", `{"ID":"a","name":"A"}`, 422, "ID"},
		{post, "/organizations", `{"id":"a","id":"b","name":"A"}`, 422, "id"},
		{post, "/organizations", `{"id":1,"name":"A"}`, 422, "id"},
		{post, "/organizations", `{"id":"a","name":null}`, 422, "name"},
		{post, "/organizations", `{"id":"a","name":["A"]}`, 422, "name"},
		{post, "/organizations", `{"id":"a","name":{"a":"b"}}`, 422, "name"},
		{post, "/contacts", `{"may_order":"true"}`, 422, "may_order"},
		{post, "/contacts", `{"may_order":1}`, 422, "may_order"},
		// Values that cannot stand.
		{post, "/organizations", ``, 422, "id"},
		{post, "/organizations", `{}`, 422, "id"},
		{post, "/organizations", `{"id":"A B","name":"A"}`, 422, "id"},
		{post, "/organizations", `{"id":"` + long + `","name":"A"}`, 422, "id"},
		{post, "/organizations", `{"id":"a","name":""}`, 422, "name"},
		{post, "/organizations", `{"id":"a","name":"` + long + `"}`, 422, "name"},
		{post, "/organizations", `{"id":"a","name":"A\r\nBcc: x@y.example"}`, 422, "name"},
		{post, "/organizations", `{"id":"a","name":"\u202eevil"}`, 422, "name"},
		{post, "/organizations", `{"id":"acme","name":"A"}`, 409, "id"},
		{post, "/contacts", `{"organization":"none","name":"A","email":"a@b.example","mobile":"+41791234567","may_order":true}`, 422, "organization"},
		{post, "/contacts", `{"organization":"acme","name":"A","email":"a","mobile":"+41791234567","may_order":true}`, 422, "email"},
		{post, "/contacts", `{"organization":"acme","name":"A","email":"a@b.example","mobile":"079","may_order":true}`, 422, "mobile"},
		{post, "/contacts", `{"organization":"acme","name":"A","email":"a@b.example","mobile":"+41443334444","may_order":true}`, 422, "mobile"},
		{post, "/contacts", `{"organization":"acme","name":"A","email":"a@b.example","mobile":"+41791234567","language":"xx","may_order":true}`, 422, "language"},
		{post, "/contacts", `{"organization":"acme","name":"A","email":"a@b.example","mobile":"+41791234567"}`, 422, "may_receive"},
		{post, "/contacts", `{"organization":"acme","name":"A","email":"Ada@acme.example","mobile":"+41791234567","may_order":true}`, 409, "email"},
		{post, "/contacts", `{"id":"con-1","organization":"acme","name":"A","email":"a@b.example","mobile":"+41791234567","may_order":true}`, 422, "id"},
		{patch, "/contacts/" + contact, `{"organization":"other"}`, 422, "organization"},
		{patch, "/contacts/" + contact, `{"disabled":true}`, 422, "disabled"},
		{patch, "/contacts/" + contact, `{"mobile":"1"}`, 422, "mobile"},
		{patch, "/contacts/" + contact, `{"may_receive":false,"may_order":false}`, 422, "may_receive"},
		{patch, "/contacts/none", `{"name":"A"}`, 404, ""},
		{post, "/contacts/none/disable", ``, 404, ""},
		{post, "/contacts/" + contact + "/disable", `{"comment":"gone"}`, 422, "comment"},
		{post, "/services", `{"organization":"acme","name":"Pay=Ments"}`, 422, "name"},
		{post, "/services", `{"organization":"none","name":"a"}`, 422, "organization"},
		{post, "/services", `{"organization":"acme","name":"payments"}`, 409, "identifier"},
		{post, "/services", `{"organization":"acme","name":"a","environment":"moon"}`, 422, "environment"},
		{post, "/services", `{"organization":"acme","name":"a","key":"DSA"}`, 422, "key"},
		{post, "/services", `{"organization":"acme","name":"a","target":"floppy"}`, 422, "target"},
		{patch, "/services/acme.payments", `{"name":"other"}`, 409, ""},
		{patch, "/services/none", `{"key":"P-384"}`, 404, ""},
		{post, "/orders", `{"service":"none","contact":"` + contact + `"}`, 422, "service"},
		{post, "/orders", `{"service":"acme.payments","contact":"none"}`, 422, "contact"},
		{post, "/orders", `{"service":"acme.payments","contact":"` + contact + `","key":"P-999"}`, 422, "key"},
		{post, "/orders", `{"service":"acme.payments","contact":"` + contact + `","target":"x"}`, 422, "target"},
		{post, "/orders", `{"service":"acme.payments","contact":"` + contact + `","renews":"xyz"}`, 422, "renews"},
		{post, "/orders", `{"service":"acme.payments","contact":"` + contact + `","renews":"1f"}`, 422, "renews"},
		{post, "/orders", `{"service":"acme.payments","contact":"` + contact + `","comment":"` + long + `"}`, 422, "comment"},
		{post, "/orders/none/approve", ``, 404, ""},
		{post, "/orders/" + long + "/approve", ``, 404, ""},
		{post, "/orders/" + order + "/approve", ``, 409, ""},
		{post, "/orders/" + order + "/reject", ``, 409, ""},
		{post, "/orders/" + order + "/unlock", ``, 409, ""},
		{post, "/orders/" + order + "/resend", `{"comment":"a\u0000b"}`, 422, "comment"},
		{post, "/orders/" + order + "/cancel", `{"reason":"x"}`, 422, "reason"},
		{post, "/certificates/" + serial + "/revoke", ``, 422, "reason"},
		{post, "/certificates/" + serial + "/revoke", `{"reason":"cACompromise"}`, 422, "reason"},
		{post, "/certificates/" + serial + "/revoke", `{"reason":"keyCompromise","count":0}`, 422, "count"},
		{post, "/certificates/" + serial + "/revoke", `{"reason":"keyCompromise","count":"1"}`, 422, "count"},
		{post, "/certificates/" + serial + "/revoke", `{"reason":"keyCompromise","count":1.5}`, 422, "count"},
		{post, "/certificates/" + serial + "/revoke", `{"reason":"certificateHold"}`, 422, "reason"},
		{post, "/certificates/" + serial + "/revoke", `{"reason":"KEYCOMPROMISE"}`, 422, "reason"},
		{post, "/certificates/" + serial + "/release", ``, 409, ""},
		{post, "/certificates/zz/hold", ``, 422, "serial"},
		{post, "/certificates/1f/hold", ``, 404, ""},
		{post, "/certificates/" + strings.Repeat("f", 60) + "/renew", ``, 422, "serial"},
		{get, "/certificates/-1", ``, 422, "serial"},
		{post, "/messages/none/retry", ``, 404, ""},
		{post, "/tokens", `{"name":"a","role":"king"}`, 422, "role"},
		{post, "/tokens", `{"name":"a","role":"system"}`, 422, "role"},
		{post, "/tokens", `{"name":"","role":"officer"}`, 422, "name"},
		{post, "/tokens", `{"name":"a","role":"officer","lifetime":"2 years"}`, 422, "lifetime"},
		{post, "/tokens", `{"name":"a","role":"officer","lifetime":"-1h"}`, 422, "lifetime"},
		{post, "/tokens/none/revoke", ``, 404, ""},
		// Parameters of addresses.
		{get, "/orders?status=active", ``, 422, "status"},
		{get, "/orders?state=gone", ``, 422, "state"},
		{get, "/orders?state=", ``, 422, "state"},
		{get, "/orders?state=invited&state=issued", ``, 422, "state"},
		{get, "/orders?limit=0", ``, 422, "limit"},
		{get, "/orders?limit=-1", ``, 422, "limit"},
		{get, "/orders?limit=501", ``, 422, "limit"},
		{get, "/orders?limit=ten", ``, 422, "limit"},
		{get, "/orders?cursor=nonsense", ``, 422, "cursor"},
		{get, "/orders?service=" + long, ``, 422, "service"},
		{get, "/orders?a=%zz", ``, 400, ""},
		{get, "/orders?a;b", ``, 400, ""},
		{get, "/certificates?status=expired", ``, 422, "status"},
		{get, "/certificates?expires_before=tomorrow", ``, 422, "expires_before"},
		{get, "/audit?serial=xyz", ``, 422, "serial"},
		{get, "/messages?state=lost", ``, 422, "state"},
		{get, "/organizations/acme?verbose=1", ``, 422, "verbose"},
		{get, "/organizations/none", ``, 404, ""},
		{get, "/contacts/none", ``, 404, ""},
		{get, "/services/none", ``, 404, ""},
		{get, "/orders/none", ``, 404, ""},
		{get, "/messages/none", ``, 404, ""},
		{get, "/tokens/none", ``, 404, ""},
		{get, "/certificates/1f", ``, 404, ""},
		{post, "/orders/" + order + "/cancel?comment=x", ``, 422, "comment"},
		{get, "/nothing", ``, 404, ""},
		{get, "/", ``, 404, ""},
		{get, "//orders", ``, 404, ""},
		{http.MethodDelete, "/orders/" + order, ``, 405, ""},
		{http.MethodPut, "/organizations", `{}`, 405, ""},
		{get, "/orders/" + order + "/approve", ``, 405, ""},
	} {
		a := h.do(apiRequest{method: c.method, path: "/api/v1" + c.path, body: c.body})
		name := c.method + " " + c.path[:min(len(c.path), 80)] + " " + c.body[:min(len(c.body), 80)]
		if a.status != c.status {
			t.Errorf("%s is answered with %d, want %d: %s", name, a.status, c.status, a.body)
			continue
		}
		var p apiProblem
		a.into(t, &p)
		if p.Field != c.field || p.Status != c.status || p.Detail == "" || p.Hint == "" || p.Code == "" || p.Type != "/problems/"+p.Code || len(a.body) > 2000 {
			t.Errorf("%s: the problem is %s", name, a.body)
		}
		if got := a.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: the problem is announced as %q", name, got)
		}
		if c.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", name)
		}
	}
	if after := h.everything(); after != before {
		t.Errorf("something was changed by what was refused: before\n%s\nafter\n%s", before, after)
	}
}

func TestAdminWantsJSONAnnounced(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	for i, c := range []struct {
		contentType string
		want        int
	}{
		{"application/json", 201},
		{"application/json; charset=utf-8", 201},
		{"Application/JSON;charset=UTF-8", 201},
		{"application/json; charset=latin1", 415},
		{"text/plain", 415},
		{"application/x-www-form-urlencoded", 415},
		{"", 415},
		{"application/json; =", 415},
	} {
		a := h.do(apiRequest{
			method: http.MethodPost, path: "/api/v1/organizations", body: fmt.Sprintf(`{"id":"org-%d","name":"A"}`, i),
			header: http.Header{"Content-Type": {c.contentType}},
		})
		if a.status != c.want {
			t.Errorf("with Content-Type %q the answer is %d, want %d: %s", c.contentType, a.status, c.want, a.body)
		}
	}
}

// TestAdminReadingChangesNothing calls every address with GET, HEAD and OPTIONS.
func TestAdminReadingChangesNothing(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()
	ids := map[string]string{"contacts": contact, "orders": order, "certificates": serial, "services": "acme.payments", "organizations": "acme"}
	before := h.everything()
	for _, operation := range h.operations() {
		_, template, _ := strings.Cut(operation, " ")
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			h.do(apiRequest{method: method, path: h.fill(template, ids)})
		}
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/outbox"} {
		h.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if after := h.everything(); after != before {
		t.Errorf("reading changed something: before\n%s\nafter\n%s", before, after)
	}
}

// everything is all that the lists show.
func (h *adminHouse) everything() string {
	h.t.Helper()
	var all strings.Builder
	for _, list := range []string{"organizations", "contacts", "services", "orders", "certificates", "messages", "tokens", "audit"} {
		all.Write(h.get("/" + list + "?limit=500").body)
	}
	return all.String()
}
