package main_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
