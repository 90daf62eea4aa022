package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

type apiProblem struct {
	Type, Title, Detail, Code, Field, Hint string
	Status                                 int
	RetryAfter                             int `json:"retry_after"`
}

func TestAdminTellsTheStoryOfAnOrder(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()

	var shown struct {
		State, Serial, Contact string
		RequestedBy            issuance.Actor `json:"requested_by"`
	}
	h.get("/orders/"+order).into(t, &shown)
	if shown.State != "downloaded" || shown.Serial != serial || shown.Contact != contact || shown.RequestedBy.Name != "administrator" {
		t.Errorf("got %+v", shown)
	}
	h.sent(issuance.SMS)
	if got := h.get("/orders/"+order).field(t, "state"); got != "completed" {
		t.Errorf("after the password SMS the order is %s", got)
	}

	upper := strings.ToUpper(serial[:2]) + ":" + serial[2:]
	if pem := h.get("/certificates/"+upper).field(t, "pem"); !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----\n") {
		t.Errorf("the certificate is shown with %q", pem)
	}
	for _, step := range []struct{ verb, body, status string }{
		{"hold", "", "held"},
		{"release", `{"comment":"found it"}`, "active"},
		{"revoke", `{"reason":"keyCompromise","comment":"lost again"}`, "revoked"},
	} {
		if got := h.post(http.StatusOK, "/certificates/"+serial+"/"+step.verb, step.body).field(t, "status"); got != step.status {
			t.Errorf("after %s the certificate is %s, want %s", step.verb, got, step.status)
		}
	}
	h.post(http.StatusConflict, "/certificates/"+serial+"/revoke", `{"reason":"superseded"}`)

	var audit struct{ Items []struct{ Verb string } }
	h.get("/audit?serial="+serial).into(t, &audit)
	var verbs []string
	for _, r := range audit.Items {
		verbs = append(verbs, r.Verb)
	}
	for _, verb := range []string{"revoke", "release", "hold", "issue"} {
		if !slices.Contains(verbs, verb) {
			t.Errorf("the audit records of %s are %v, without %s", serial, verbs, verb)
		}
	}
}

// TestAdminAnswersAreAsTheDocumentSays calls every operation of the document,
// with success; do checks each answer.
func TestAdminAnswersAreAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, delivered, serial := h.issued()
	h.sent(issuance.SMS)
	h.advance(2 * time.Minute)
	h.post(http.StatusOK, "/orders/"+delivered+"/resend-password", `{"comment":"called back"}`)
	h.post(http.StatusServiceUnavailable, "/orders/"+delivered+"/resend-password", "")
	h.post(http.StatusCreated, "/certificates/"+serial+"/renew", `{"comment":"in time"}`)
	h.want(http.StatusOK, apiRequest{method: http.MethodPatch, path: "/api/v1/contacts/" + contact, body: `{"name":"Ada King","mobile":"+41 79 765 43 21","may_order":true}`})
	h.want(http.StatusOK, apiRequest{method: http.MethodPatch, path: "/api/v1/services/acme.payments", body: `{"target":"Compatible","key":"rsa3072"}`})
	for _, verb := range []string{"disable", "enable"} {
		h.post(http.StatusOK, "/contacts/"+contact+"/"+verb, "")
		h.post(http.StatusOK, "/services/acme.payments/"+verb, `{"comment":""}`)
	}
	h.get("/contacts/" + contact)
	h.get("/organizations/acme")
	h.get("/services/acme.payments")

	rejected := h.post(http.StatusCreated, "/orders", `{"service":"acme.payments","contact":"`+contact+`"}`).field(t, "id")
	h.post(http.StatusOK, "/orders/"+rejected+"/reject", `{"comment":"not now"}`)
	locked := h.order(contact)
	h.lock()
	h.post(http.StatusOK, "/orders/"+locked+"/unlock", "")
	h.advance(2 * time.Minute)
	h.post(http.StatusOK, "/orders/"+locked+"/resend", "")
	h.post(http.StatusOK, "/orders/"+locked+"/cancel", "")
	h.post(http.StatusOK, "/certificates/"+serial+"/hold", "")
	h.post(http.StatusOK, "/certificates/"+serial+"/release", "")
	h.post(http.StatusOK, "/certificates/"+serial+"/revoke", `{"reason":"superseded"}`)
	var concerned struct {
		Count int
		Items []struct{ Serial string }
	}
	h.get("/certificates/"+serial+"/compromise").into(t, &concerned)
	if concerned.Count != 1 || len(concerned.Items) != 1 || concerned.Items[0].Serial != serial {
		t.Errorf("a compromise would concern %+v", concerned)
	}
	h.post(http.StatusConflict, "/certificates/"+serial+"/revoke", `{"reason":"keyCompromise","count":2}`)
	h.post(http.StatusOK, "/certificates/"+serial+"/revoke", `{"reason":"keyCompromise","count":1}`)
	h.get("/certificates/" + serial)
	h.get("/orders/" + locked)

	failed := h.failMessage(contact)
	h.get("/messages/" + failed)
	h.post(http.StatusOK, "/messages/"+failed+"/retry", "")
	h.post(http.StatusOK, "/messages/test", `{"to":"ops@example.com"}`)

	patch := apiRequest{method: http.MethodPatch, path: "/api/v1/organizations/acme", body: `{"name":"Acme Holding"}`}
	if got := h.want(http.StatusOK, patch).field(t, "name"); got != "Acme Holding" {
		t.Errorf("the organisation is now called %q", got)
	}
	h.post(http.StatusOK, "/organizations/acme/disable", "")
	var refused apiProblem
	h.post(http.StatusUnprocessableEntity, "/orders", `{"service":"acme.payments","contact":"`+contact+`","another":true}`).into(t, &refused)
	if !strings.Contains(refused.Detail, "organisation acme is disabled") {
		t.Errorf("an order for a disabled organisation is refused as %+v", refused)
	}
	h.post(http.StatusOK, "/organizations/acme/enable", "")

	token := h.post(http.StatusCreated, "/tokens", `{"name":"script","role":"officer","lifetime":"2160h"}`)
	h.get("/tokens/" + token.field(t, "id"))
	h.post(http.StatusOK, "/tokens/"+token.field(t, "id")+"/revoke", "")
	for _, list := range []string{"organizations", "contacts", "services", "orders", "certificates", "messages", "tokens", "audit"} {
		var page struct{ Items []map[string]any }
		h.get("/"+list).into(t, &page)
		if len(page.Items) == 0 {
			t.Errorf("the list of %s is empty", list)
		}
	}
	for _, verb := range []string{"confirm", "reject"} {
		id := h.waiting(issuance.ContactID(contact))
		h.get("/proposals/" + id)
		h.get("/proposals?state=waiting")
		h.post(http.StatusOK, "/proposals/"+id+"/"+verb, "")
	}
	h.post(http.StatusOK, "/tokens/"+h.half()+"/confirm", "")
	h.post(http.StatusOK, "/contacts/"+contact+"/report-loss", `{"comment":"stolen"}`)
	h.get("/contacts/" + contact)
	h.get("/search?q=" + serial)
	h.get("/reports/daily")
	h.get("/reports/monthly")
	h.jump.Store(int64(48 * time.Hour))
	if got := h.get("/clock").field(t, "clock"); got == "" {
		t.Error("the clock is not shown")
	}
	h.post(http.StatusOK, "/clock/accept", `{"time":"`+h.now().Add(48*time.Hour).Format(time.RFC3339)+`"}`)
	h.post(http.StatusOK, "/audit/verify", `{"at":[0,1,2]}`)
	h.post(http.StatusOK, "/backup", `{"recipients":["age1example"]}`)
	// What takes nothing along leaves one record.
	h.want(http.StatusOK, apiRequest{method: http.MethodPatch, path: "/api/v1/contacts/" + contact, body: `{"name":"Ada Byron"}`})
	h.want(http.StatusOK, apiRequest{method: http.MethodPatch, path: "/api/v1/organizations/acme", body: `{"name":"Acme Group"}`})
	for _, verb := range []string{"enable", "disable"} {
		h.post(http.StatusOK, "/contacts/"+contact+"/"+verb, "")
		h.post(http.StatusOK, "/organizations/acme/"+verb, "")
	}
	sealed := h.sealed()
	h.post(http.StatusOK, "/audit/"+sealed+"/reveal", "")
	for _, operation := range h.operations() {
		if !h.seen[operation+" OK"] && !h.seen[operation+" Created"] {
			t.Errorf("%s was never answered with success", operation)
		}
	}
	h.everyChangeIsRecorded()
}

// sealed returns the number of an audit record with something sealed.
func (h *adminHouse) sealed() string {
	var page struct{ Items []struct{ Seq int } }
	h.get("/audit?verb=change").into(h.t, &page)
	return strconv.Itoa(page.Items[len(page.Items)-1].Seq)
}

// somebody is another person than those who have the tests' tokens.
func somebody() issuance.Actor {
	return issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-x", Name: "x", Owner: "somebody"}
}

// waiting proposes a change of a contact, as somebody else does with four eyes.
func (h *adminHouse) waiting(id issuance.ContactID) string {
	h.t.Helper()
	var p issuance.Proposal
	h.ok(h.store.Update(h.t.Context(), func(tx issuance.Tx) error {
		c, err := tx.Contact(id)
		is := issuance.Particulars{Email: c.Email, Mobile: c.Mobile, MayOrder: c.MayOrder, MayReceive: c.MayReceive, Disabled: c.Disabled}
		p = issuance.Proposal{
			ID: issuance.ProposalID(issuance.NewID("chg-", h.now())), State: issuance.WaitingState, Organization: c.Organization, Contact: id,
			Was: is, Wanted: is, ProposedBy: somebody(), ProposedAt: h.now(),
		}
		p.Wanted.Mobile = "+41790000666"
		return errors.Join(err, tx.PutProposal(p))
	}))
	return string(p.ID)
}

// half adds a token that waits for another person.
func (h *adminHouse) half() string {
	h.t.Helper()
	t := staff.Token{ID: "tok-half", Name: "half", Owner: "petra", Role: issuance.RoleOfficer, Half: "digest", AddedBy: somebody(), CreatedAt: h.now()}
	h.ok(h.store.Staff().Update(h.t.Context(), func(tx staff.Tx) error { return tx.PutToken(t) }))
	return string(t.ID)
}

// lock spends the tries of the order whose notices wait.
func (h *adminHouse) lock() {
	h.t.Helper()
	var link issuance.Secret
	for _, d := range h.sent(issuance.Mail) {
		if d.Notice.Kind == issuance.InvitationNotice {
			link = d.Secret
		}
	}
	h.sent(issuance.SMS)
	for range 2 {
		for range 5 {
			_, err := h.registrar.Verify(h.t.Context(), link, "00000000")
			if issuance.CodeOf(err) == issuance.CodeLocked {
				return
			}
		}
		h.advance(2 * time.Minute)
		h.ok(h.registrar.SendCode(h.t.Context(), link))
		h.sent(issuance.SMS)
	}
}

// failMessage makes an order whose mail is refused for good, and returns the mail's id.
func (h *adminHouse) failMessage(contact string) (id string) {
	h.t.Helper()
	h.order(contact)
	list, err := h.registrar.TakeNotices(h.t.Context(), issuance.Mail, 100, time.Minute)
	h.ok(err)
	for _, d := range list {
		if d.Notice.Kind == issuance.InvitationNotice {
			id = string(d.Notice.ID)
			h.ok(h.registrar.Settle(h.t.Context(), d.Notice.ID, issuance.Outcome{Err: errors.New("550 no such user"), Permanent: true}))
		}
	}
	if id == "" {
		h.t.Fatal("no invitation was queued")
	}
	return id
}

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

// operations returns "METHOD /api/v1/path" of every operation in the document.
func (h *adminHouse) operations() []string { return slices.Sorted(slices.Values(h.paths)) }

// fill puts the id of the right kind into a path of the document.
func (h *adminHouse) fill(template string, ids map[string]string) string {
	kind := strings.Split(strings.TrimPrefix(template, "/api/v1/"), "/")[0]
	if id := ids[kind]; id != "" {
		return strings.NewReplacer("{id}", id, "{serial}", id).Replace(template)
	}
	return strings.NewReplacer("{id}", "none-of-this-name").Replace(template)
}
