package main

import (
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// everyRecordSaysWhence wants each audit record that came of a request to have the
// address and the id of a request that the log has, too, and those of the server
// itself to say so. The addresses of contacts stand neither in the log nor, in the
// clear, in the audit.
func (h *house) everyRecordSaysWhence(t *testing.T, logged *lockedBuffer) {
	t.Helper()
	var records []issuance.AuditRecord
	var contacts []issuance.Contact
	must(t, h.registrar.Read(t.Context(), func(tx issuance.Reader) (err error) {
		if contacts, _, err = tx.Contacts(issuance.ContactQuery{}); err == nil {
			records, _, err = tx.Audit(issuance.AuditQuery{Page: issuance.Page{Limit: issuance.MaxPage}})
		}
		return err
	}))
	verbs := make(map[issuance.Verb]bool)
	log := logged.String()
	for _, r := range records {
		verbs[r.Verb] = true
		switch {
		case r.Request == "" && r.Whence() == issuance.ServerOrigin: // its own, and the samples
		case r.Address != "127.0.0.1" || r.Request == "" || !strings.Contains(log, "request="+r.Request+" address=127.0.0.1"):
			t.Errorf("%s by %s %s came from %q, request %q", r.Verb, r.Actor.Role, r.Actor.Name, r.Address, r.Request)
		}
		for _, c := range contacts {
			for _, value := range r.Detail {
				if strings.Contains(value, c.Email) || strings.Contains(value, c.Mobile) {
					t.Errorf("%s has %q in the clear", r.Verb, value)
				}
			}
		}
	}
	for _, verb := range []issuance.Verb{
		issuance.ApproveVerb, issuance.AttemptVerb, issuance.VerifyVerb, issuance.ReserveVerb, issuance.IssueVerb, issuance.DownloadVerb,
		issuance.RevokeVerb, issuance.RefuseVerb, issuance.TrialVerb, issuance.SendVerb,
	} {
		if !verbs[verb] {
			t.Errorf("there is no record of %s", verb)
		}
	}
	for _, c := range contacts {
		if strings.Contains(log, c.Email) || strings.Contains(log, c.Mobile) {
			t.Errorf("the log has the address or number of %s", c.ID)
		}
	}
}
