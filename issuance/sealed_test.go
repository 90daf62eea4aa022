package issuance_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// audit returns all audit records, the newest first.
func (h *house) audit() (records []issuance.AuditRecord) {
	h.t.Helper()
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		records, _, err = tx.Audit(issuance.AuditQuery{Page: issuance.Page{Limit: issuance.MaxPage}})
		return err
	}))
	return records
}

// TestTheAuditKeepsAddressesSealed: of whatever became of a contact's address and
// number, the records have nothing in the clear, and who may read it finds all of it.
func TestTheAuditKeepsAddressesSealed(t *testing.T) {
	h, a, b := strictly(t)
	auditor := issuance.Actor{Role: issuance.RoleAuditor, ID: "tok-9", Name: "Rita"}
	_, err := h.Confirm(t.Context(), b, h.propose(a))
	h.ok(err)
	_, _, err = h.Trial(t.Context(), a, "planted@elsewhere.example")
	h.ok(err)
	h.advance(25 * time.Hour)
	changed := h.person()
	o, err := h.Request(t.Context(), a, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID})
	h.ok(err)
	_, err = h.Approve(t.Context(), b, o.ID, "")
	h.ok(err)
	list, err := h.TakeNotices(t.Context(), issuance.Mail, 100, time.Minute)
	h.ok(err)
	for _, d := range list { // what a provider says has the address in it
		h.ok(h.Settle(t.Context(), d.Notice.ID, issuance.Outcome{Err: errors.New("550 <" + d.Notice.To + "> is unknown"), Permanent: true}))
	}
	records := h.audit()
	text, err := json.Marshal(records)
	h.ok(err)
	planted := []string{h.contact.Email, h.contact.Mobile, changed.Email, changed.Mobile, "planted@elsewhere.example"}
	if planted[0] == planted[2] || planted[1] == planted[3] || !strings.Contains(string(text), "550") {
		t.Fatalf("the test changed nothing: %v, order %s: %s", planted, o.ID, text)
	}
	for _, address := range planted {
		if strings.Contains(string(text), strings.TrimPrefix(address, "+")) {
			t.Errorf("%s is in the audit in the clear", address)
		}
	}
	var found strings.Builder
	for _, r := range records {
		if r.Sealed == "" {
			continue
		}
		if _, _, err := h.Reveal(t.Context(), a, r.Seq); issuance.CodeOf(err) != issuance.CodeRole {
			t.Errorf("an officer is told: %v", err)
		}
		_, detail, err := h.Reveal(t.Context(), auditor, r.Seq)
		h.ok(err)
		for _, value := range detail {
			found.WriteString(string(r.Verb) + " " + value + "\n")
		}
		if last := h.audit()[0]; last.Verb != issuance.RevealVerb || last.Actor != auditor {
			t.Errorf("that somebody looked is on record as %+v", last)
		}
	}
	for _, want := range []string{
		"add " + h.contact.Email, "add " + h.contact.Mobile, "propose " + h.contact.Mobile + " -> " + changed.Mobile,
		"confirm " + h.contact.Mobile + " -> " + changed.Mobile, "change " + h.contact.Email + " -> " + changed.Email, "test planted@elsewhere.example",
	} {
		if !strings.Contains(found.String(), want+"\n") {
			t.Errorf("nobody can read %q, only\n%s", want, &found)
		}
	}
}

// TestWhatIsSealedCannotBeExchanged, not even with the seal key.
func TestWhatIsSealedCannotBeExchanged(t *testing.T) {
	h := newHouse(t)
	var sealed []issuance.AuditRecord
	for _, name := range []string{"one", "two"} {
		h.changeContact(true, func(c *issuance.Contact) { c.Email = name + "@acme.example" })
		sealed = append(sealed, h.audit()[0])
	}
	ref := func(r issuance.AuditRecord) issuance.SecretRef {
		return issuance.SecretRef{Kind: issuance.AuditSecret, Owner: string(r.Sealed)}
	}
	h.underneath(func(tx issuance.Tx) error {
		other, err := tx.Secret(ref(sealed[0]))
		return errors.Join(err, tx.PutSecret(ref(sealed[1]), other))
	})
	_, detail, err := h.Reveal(t.Context(), issuance.Actor{Role: issuance.RoleAuditor, ID: "tok-9"}, sealed[1].Seq)
	if issuance.KindOf(err) != issuance.Conflict {
		t.Errorf("what was exchanged is shown: %v, %v", detail, err)
	}
	h.underneath(func(tx issuance.Tx) error { return tx.DeleteSecret(ref(sealed[0])) })
	_, _, err = h.Reveal(t.Context(), issuance.Actor{Role: issuance.RoleAuditor, ID: "tok-9"}, sealed[0].Seq)
	if issuance.KindOf(err) != issuance.Conflict || !strings.Contains(err.Error(), "not in the database") {
		t.Errorf("of what is missing there is said %v", err)
	}
}
