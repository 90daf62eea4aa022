package main_test

import (
	"crypto/sha1" //nolint:gosec // as a fingerprint that people have in hand
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hits is what a search finds, by kind, as ids.
type hits map[string][]string

func (h *adminHouse) search(q, more string) hits {
	h.t.Helper()
	var answer map[string][]any
	h.get("/search?q="+url.QueryEscape(q)+more).into(h.t, &answer)
	found := hits{}
	for kind, items := range answer {
		for _, item := range items {
			record, ok := item.(map[string]any)
			if !ok {
				found[kind] = append(found[kind], item.(string))
				continue
			}
			id, ok := record["id"].(string)
			if !ok {
				id = record["serial"].(string)
			}
			found[kind] = append(found[kind], id)
		}
	}
	return found
}

// TestAdminSearch finds a certificate, and whose it is, by all that people have.
func TestAdminSearch(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()
	h.post(http.StatusCreated, "/organizations", `{"id":"zeta","name":"Zeta AG"}`)
	h.post(http.StatusCreated, "/services", `{"organization":"zeta","name":"shop"}`)
	shown := h.get("/certificates/" + serial)
	block, _ := pem.Decode([]byte(shown.field(t, "pem")))
	old := sha1.Sum(block.Bytes) //nolint:gosec // as above
	sum := shown.field(t, "fingerprint")
	alone := hits{"certificates": {serial}, "orders": {order}}
	whose := hits{"certificates": {serial}, "orders": {order}, "contacts": {contact}}
	what := hits{"certificates": {serial}, "orders": {order}, "services": {"acme.payments"}}
	for q, want := range map[string]hits{
		serial: alone, strings.ToUpper(serial): alone, "0x" + serial: alone, colons(serial): alone, serial[len(serial)-8:]: alone,
		"…" + strings.ToUpper(serial[len(serial)-8:]): alone, serial[len(serial)-7:]: {}, serial[len(serial)-12 : len(serial)-1]: {},
		sum: alone, colons(strings.ToUpper(sum)): alone, "sha256 Fingerprint=" + colons(sum): alone,
		hex.EncodeToString(old[:]): alone, "SHA1 Fingerprint=" + strings.ToUpper(colons(hex.EncodeToString(old[:]))): alone,
		"acme.payments": what, "Payments": what, " payments ": what, "CN=payments": what, "subject=O = Acme Corporation, CN = payments": what,
		"spiffe://example.com/org/acme/service/payments": what, "spiffe://other.example/org/acme/service/payments": {},
		"ada@acme.example": whose, "ADA@Acme.Example": whose, "Ada <ada@acme.example>": whose, contact: whose, "+41 79 123 45 67": whose,
		"zeta": {"organizations": {"zeta"}, "services": {"zeta.shop"}}, "ZETA ag": {"organizations": {"zeta"}, "services": {"zeta.shop"}},
		"bob@acme.example": {}, "nothing": {}, "%": {}, "\x00": {}, strings.Repeat("f", 500): {},
	} {
		if diff := cmp.Diff(want, h.search(q, "")); diff != "" {
			t.Errorf("%.80q finds (-want +got):\n%s", q, diff)
		}
	}
	if got := h.search(order, ""); !slices.Equal(got["certificates"], []string{serial}) || len(got["messages"]) != 3 || !slices.Equal(got["orders"], []string{order}) {
		t.Errorf("the order finds %v", got)
	}
	message := h.search(order, "")["messages"][0]
	if diff := cmp.Diff(hits{"messages": {message}, "orders": {order}}, h.search(message, "")); diff != "" {
		t.Errorf("a message finds (-want +got):\n%s", diff)
	}
	if got := h.search("acme", "&only=certificates"); len(got) != 0 {
		t.Errorf("certificates alone, of an organisation: %v", got)
	}
	if diff := cmp.Diff(hits{"certificates": {serial}}, h.search("ada@acme.example", "&only=certificates")); diff != "" {
		t.Errorf("certificates alone (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "?q=", "?q=%20", "?q=a&only=orders", "?q=a&limit=1", "?q=" + strings.Repeat("x", 513)} {
		h.want(http.StatusUnprocessableEntity, apiRequest{method: http.MethodGet, path: "/api/v1/search" + bad})
	}
}

// colons puts a colon between bytes.
func colons(digits string) string {
	var out []string
	for pair := range slices.Chunk([]byte(digits), 2) {
		out = append(out, string(pair))
	}
	return strings.Join(out, ":")
}

// TestAdminFiltersAreNotAnsweredFalsely: what names nobody is an error, and not an
// empty list, and people are named as others know them.
func TestAdminFiltersAreNotAnsweredFalsely(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()
	h.post(http.StatusCreated, "/organizations", `{"id":"zeta","name":"Zeta AG"}`)
	h.post(http.StatusCreated, "/contacts", `{"organization":"zeta","name":"Ada","email":"ada@acme.example","mobile":"+41791234568","may_receive":true}`)
	for path, want := range map[string]int{
		"/orders?contact=" + contact: 1, "/orders?contact=%2B41791234567": 1, "/orders?contact=ada@acme.example&organization=acme": 1,
		"/orders?contact=ada@acme.example&service=payments": 1, "/orders?organization=Acme+Corporation": 1, "/orders?service=payments": 1,
		"/certificates?contact=%2B41+79+123+45+67": 1, "/certificates?contact=%2B41791234568": 0, "/certificates?service=PAYMENTS": 1,
		"/certificates?service=spiffe://example.com/org/acme/service/payments": 1, "/certificates?organization=ACME": 1, "/services?organization=Zeta+AG": 0,
		"/contacts?organization=zeta&email=ada@acme.example": 1,
	} {
		var page struct{ Items []map[string]any }
		h.get(path).into(t, &page)
		if len(page.Items) != want {
			t.Errorf("%s has %d items, want %d", path, len(page.Items), want)
		}
	}
	for path, field := range map[string]string{
		"/orders?contact=nobody": "contact", "/orders?contact=bob@acme.example": "contact", "/orders?contact=ada@acme.example": "contact",
		"/orders?service=nosuch": "service", "/orders?organization=nosuch": "organization", "/certificates?organization=nosuch": "organization",
		"/certificates?contact=%2B41791234500": "contact", "/certificates?order=ord-none": "order", "/certificates?service=zeta.none": "service",
		"/contacts?organization=nosuch": "organization", "/contacts?email=bob@acme.example": "email", "/services?organization=nosuch": "organization",
		"/messages?order=ord-none": "order", "/audit?order=ord-none": "order", "/audit?serial=1f": "serial",
	} {
		a := h.want(http.StatusUnprocessableEntity, apiRequest{method: http.MethodGet, path: "/api/v1" + path})
		if a.field(t, "field") != field || a.field(t, "hint") == "" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	// In paths and bodies too.
	for path, want := range map[string]string{
		"/contacts/%2B41791234567": contact, "/services/payments": "acme.payments", "/organizations/Zeta%20AG": "zeta",
	} {
		if got := h.get(path).field(t, "id"); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	several := h.want(http.StatusConflict, apiRequest{method: http.MethodGet, path: "/api/v1/contacts/ada@acme.example"})
	if !strings.Contains(several.field(t, "hint"), contact+" (acme)") {
		t.Errorf("an address of two contacts: %s", several.body)
	}
	made := h.post(http.StatusCreated, "/orders", `{"service":"payments","contact":"Ada@acme.example","renews":"`+serial+`"}`)
	if made.field(t, "contact") != contact || made.field(t, "id") == order {
		t.Errorf("an order for an address: %s", made.body)
	}
	wrong := h.want(http.StatusUnprocessableEntity, apiRequest{method: http.MethodPost, path: "/api/v1/orders", body: `{"service":"payments","contact":"+41791234568"}`})
	if !strings.Contains(wrong.field(t, "detail"), "is not a contact of acme, but con-") {
		t.Errorf("a contact of another organisation: %s", wrong.body)
	}
	h.post(http.StatusOK, "/contacts/%2B41791234567/disable", "")
}
