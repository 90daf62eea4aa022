package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestAdminTokens(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	made := h.post(http.StatusCreated, "/tokens", `{"name":"short","role":"auditor","lifetime":"1h"}`)
	h.tokens["short"] = made.field(t, "token")
	list := apiRequest{method: http.MethodGet, path: "/api/v1/orders", role: "short"}
	h.want(http.StatusOK, list)
	h.advance(time.Hour)
	h.want(http.StatusUnauthorized, list)

	made = h.post(http.StatusCreated, "/tokens", `{"name":"revoked","role":"auditor"}`)
	h.tokens["revoked"] = made.field(t, "token")
	list.role = "revoked"
	h.want(http.StatusOK, list)
	h.post(http.StatusOK, "/tokens/"+made.field(t, "id")+"/revoke", "")
	a := h.want(http.StatusUnauthorized, list)
	if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="postern"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	for name, header := range map[string]string{
		"none": "", "empty": "Bearer ", "wrong": "Bearer pst_wrong", "basic": "Basic " + h.tokens["administrator"], "bare": h.tokens["administrator"],
		"twice": "Bearer " + h.tokens["administrator"] + " " + h.tokens["administrator"],
	} {
		a := h.do(apiRequest{method: http.MethodGet, path: "/api/v1/orders", header: http.Header{"Authorization": {header}}})
		if a.status != http.StatusUnauthorized {
			t.Errorf("with %s as Authorization the answer is %d", name, a.status)
		}
	}
}

// TestAdminRoles holds every operation that changes something against an
// auditor, and those on tokens against an officer.
func TestAdminRoles(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()
	bodies := map[string]string{
		"revoke": `{"reason":"superseded"}`, "/organizations": `{"id":"b","name":"B"}`, "/services": `{"organization":"acme","name":"b"}`,
		"/contacts": `{"organization":"acme","name":"B","email":"b@acme.example","mobile":"+41791234567","may_receive":true}`,
		"/orders":   `{"service":"acme.payments","contact":"` + contact + `"}`, "/tokens": `{"name":"b","role":"administrator"}`,
	}
	for _, operation := range h.operations() {
		method, template, _ := strings.Cut(operation, " ")
		path := h.fill(template, map[string]string{"contacts": contact, "orders": order, "certificates": serial, "services": "acme.payments", "organizations": "acme"})
		if strings.Contains(path, "{") {
			path = strings.NewReplacer("{id}", "x").Replace(path)
		}
		body := bodies[strings.TrimPrefix(path, "/api/v1")]
		if strings.HasSuffix(path, "/certificates/"+serial+"/revoke") {
			body = bodies["revoke"]
		}
		if strings.HasSuffix(path, "/search") {
			path += "?q=" + serial
		}
		if method == http.MethodGet {
			if a := h.do(apiRequest{method: method, path: path, role: issuance.RoleAuditor}); a.status != http.StatusOK && a.status != http.StatusNotFound {
				t.Errorf("%s %s: an auditor may not read: %d", method, path, a.status)
			}
			continue
		}
		if strings.HasSuffix(path, "/reveal") { // auditors may do this
			h.want(http.StatusNotFound, apiRequest{method: method, path: path, role: issuance.RoleAuditor})
			h.want(http.StatusForbidden, apiRequest{method: method, path: path, role: issuance.RoleOfficer})
			continue
		}
		if strings.HasSuffix(path, "/audit/verify") { // changes nothing
			h.want(http.StatusOK, apiRequest{method: method, path: path, role: issuance.RoleAuditor})
			continue
		}
		h.want(http.StatusForbidden, apiRequest{method: method, path: path, body: body, role: issuance.RoleAuditor})
		if strings.Contains(path, "/tokens") && !strings.HasSuffix(path, "/confirm") {
			h.want(http.StatusForbidden, apiRequest{method: method, path: path, body: body, role: issuance.RoleOfficer})
		}
	}
}

func TestAdminFourEyes(t *testing.T) {
	t.Parallel()
	h := openAdmin(t, func(p *issuance.Policy) { p.FourEyes = true })
	contact := h.register()
	id := h.post(http.StatusCreated, "/orders", `{"service":"acme.payments","contact":"`+contact+`"}`).field(t, "id")
	var p apiProblem
	h.post(http.StatusForbidden, "/orders/"+id+"/approve", "").into(t, &p)
	if p.Code != "four-eyes" || p.Hint == "" {
		t.Errorf("got %+v", p)
	}
	h.want(http.StatusOK, apiRequest{method: http.MethodPost, path: "/api/v1/orders/" + id + "/approve", role: issuance.RoleOfficer})
}

func TestAdminIdempotencyKeyMakesOneThing(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, _, serial := h.issued()
	for i, c := range []struct{ path, body, other string }{
		{"/organizations", `{"id":"beta","name":"Beta"}`, `{"id":"gamma","name":"Gamma"}`},
		{"/services", `{"organization":"acme","name":"one"}`, `{"organization":"acme","name":"two"}`},
		{"/contacts", `{"organization":"acme","name":"B","email":"b@acme.example","mobile":"+41791234567","may_receive":true}`, `{"organization":"acme","name":"C","email":"c@acme.example","mobile":"+41791234567","may_receive":true}`},
		{"/orders", `{"service":"acme.payments","contact":"` + contact + `","another":true}`, `{"service":"acme.payments","contact":"` + contact + `","another":true,"key":"P-384"}`},
		{"/certificates/" + serial + "/renew", ``, `{"comment":"another"}`},
	} {
		q := apiRequest{method: http.MethodPost, path: "/api/v1" + c.path, body: c.body, header: http.Header{"Idempotency-Key": {fmt.Sprintf("key-%d", i)}}}
		first, again := h.want(http.StatusCreated, q), h.want(http.StatusCreated, q)
		if diff := cmp.Diff(string(first.body), string(again.body)); diff != "" {
			t.Errorf("%s made another thing (-first +again):\n%s", c.path, diff)
		}
		q.body = c.other
		var p apiProblem
		h.want(http.StatusConflict, q).into(t, &p)
		if p.Code != "idempotency-reuse" {
			t.Errorf("%s: another request under the same key is refused as %s", c.path, p.Code)
		}
		q.role = issuance.RoleOfficer
		if strings.HasSuffix(c.path, "/renew") { // one successor at a time, whoever asks
			h.want(http.StatusConflict, q)
			continue
		}
		h.want(http.StatusCreated, q) // another caller's key
	}
	for _, key := range []string{"", `""`, "with space", strings.Repeat("k", 256), "schlüssel"} {
		q := apiRequest{method: http.MethodPost, path: "/api/v1/organizations", body: `{"id":"delta","name":"Delta"}`, header: http.Header{"Idempotency-Key": {key}}}
		if a := h.want(http.StatusUnprocessableEntity, q); !strings.Contains(string(a.body), "Idempotency-Key") {
			t.Errorf("key %q: %s", key, a.body)
		}
	}
}

// TestAdminShowsNoSecrets looks for what opens something in every answer and in
// the log.
func TestAdminShowsNoSecrets(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact := h.register()
	order := h.order(contact)
	secrets := map[string]string{}
	for role, token := range h.tokens {
		secrets["token of the "+string(role)] = token
	}
	h.ok(h.store.View(t.Context(), func(tx issuance.Snapshot) error {
		for _, kind := range []issuance.SecretKind{issuance.LinkSecret, issuance.SeedSecret} {
			s, err := tx.Secret(issuance.SecretRef{Kind: kind, Owner: order})
			if err != nil {
				return err
			}
			secrets[string(kind)] = string(s.Reveal())
		}
		o, err := tx.Order(issuance.OrderID(order))
		secrets["digest of the link"] = string(o.Link.Digest)
		return err
	}))
	serial := h.claim()
	h.ok(h.store.View(t.Context(), func(tx issuance.Snapshot) error {
		s, err := tx.Secret(issuance.SecretRef{Kind: issuance.PasswordSecret, Owner: order})
		secrets["password"] = string(s.Reveal())
		if err != nil {
			return err
		}
		o, err := tx.Order(issuance.OrderID(order))
		secrets["digest of the session"] = string(o.Session.Digest)
		return err
	}))
	var all strings.Builder
	for _, operation := range h.operations() {
		method, template, _ := strings.Cut(operation, " ")
		if method != http.MethodGet {
			continue
		}
		path := h.fill(template, map[string]string{"contacts": contact, "orders": order, "certificates": serial, "services": "acme.payments", "organizations": "acme"})
		all.Write(h.do(apiRequest{method: method, path: path}).body)
	}
	all.Write(h.log.Bytes())
	for name, secret := range secrets {
		if secret == "" {
			t.Errorf("the test has no %s", name)
		}
		if strings.Contains(all.String(), secret) {
			t.Errorf("the %s is shown", name)
		}
	}
}

func TestAdminInternalErrorsStayInternal(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	h.failing = errors.New("the disk is on fire at /dev/sda1")
	a := h.want(http.StatusInternalServerError, apiRequest{method: http.MethodGet, path: "/api/v1/orders"})
	if strings.Contains(string(a.body), "fire") {
		t.Errorf("the caller is told: %s", a.body)
	}
	if got := strings.Count(h.log.String(), "fire"); got != 1 {
		t.Errorf("it is logged %d times, want once: %s", got, h.log)
	}
	ready := httptest.NewRecorder()
	h.api.ServeHTTP(ready, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if ready.Code != http.StatusServiceUnavailable || !strings.Contains(ready.Body.String(), "look at the disk") {
		t.Errorf("/readyz says %d %s", ready.Code, ready.Body)
	}
	h.failing = nil
	ready = httptest.NewRecorder()
	h.api.ServeHTTP(ready, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if ready.Code != http.StatusOK {
		t.Errorf("/readyz says %d %s", ready.Code, ready.Body)
	}
}
