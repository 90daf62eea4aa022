package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/ca/lint"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// TestStaffAreToldOfWhatIsNotSigned has a real server refuse a certificate: the log
// names the lint, and one e-mail waits for staff, however often it happens.
func TestStaffAreToldOfWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	cfg.Reports.To = []string{"ops@postern.example"}
	must(t, cfg.Check())
	log := new(bytes.Buffer)
	h, err := open(t.Context(), cfg, newLog(config.Log{Level: "error"}, log), time.Now)
	must(t, err)
	t.Cleanup(func() { must(t, h.close()) })
	for range 3 {
		_, err = h.authority.ServerCertificate(t.Context(), ca.ServerProfile{Names: []string{"localhost"}, Validity: 500 * 24 * time.Hour})
		if r, is := errors.AsType[*lint.Refusal](err); !is || r.Lint != "profile_validity_length" {
			t.Fatalf("got %v, want a refusal", err)
		}
	}
	if got := log.String(); !strings.Contains(got, "profile_validity_length") {
		t.Errorf("the log says %q", got)
	}
	for range 3 {
		h.tellOf(t.Context(), <-h.unsigned)
	}
	must(t, h.store.View(t.Context(), func(tx issuance.Snapshot) error {
		sent, _, err := tx.Notices(issuance.NoticeQuery{State: issuance.Pending})
		if len(sent) != 1 || sent[0].Kind != issuance.AlertNotice || !strings.Contains(sent[0].Text, "profile_validity_length") {
			t.Errorf("staff are told %+v", sent)
		}
		return err
	}))
}
