package issuance_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// reportHouse is a house that sends reports at seven in zone.
func reportHouse(t *testing.T, zone string, change ...func(*report.Schedule)) *house {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	h.clerk.Schedule = report.Schedule{
		Zone: location, Daily: report.Time{Hour: 7}, Monthly: report.Time{Day: 1, Hour: 7}, To: []string{"duty@postern.example"},
	}
	for _, f := range change {
		f(&h.clerk.Schedule)
	}
	return h
}

func (h *house) report(kind report.Kind, period string) report.Report {
	h.t.Helper()
	r, err := h.clerk.Report(h.t.Context(), report.Query{Kind: kind, Period: period})
	h.ok(err)
	return r
}

// put changes a certificate behind the registrar's back.
func (h *house) put(serial issuance.Serial, change func(*issuance.Certificate)) {
	h.t.Helper()
	h.ok(h.store.Update(h.t.Context(), func(tx issuance.Tx) error {
		c, err := tx.Certificate(serial)
		if err != nil {
			return err
		}
		change(&c)
		return tx.PutCertificate(c)
	}))
}

// see has a certificate used at the house's time.
func (h *house) see(serial issuance.Serial, refused issuance.Code) {
	h.t.Helper()
	s := &issuance.Seen{Store: h.store, Now: h.now}
	s.See(serial, refused)
	h.ok(s.Flush(h.t.Context()))
}

// newService registers another service, for which orders are placed from now on.
func (h *house) newService(name string) {
	h.t.Helper()
	var err error
	h.service, err = h.AddService(h.t.Context(), h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: "acme", Name: name}})
	h.ok(err)
}

// issuedNow takes an order through to completed and returns its certificate's
// serial number. Renews is what it follows, if it does.
func (h *house) issuedNow(renews issuance.Serial) issuance.Serial {
	h.t.Helper()
	ctx := h.t.Context()
	o, err := h.Request(ctx, h.staff, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Renews: renews, Another: true})
	h.ok(err)
	_, err = h.Approve(ctx, h.staff, o.ID, "")
	h.ok(err)
	token, code := h.delivered()
	session, err := h.Verify(ctx, token, code)
	h.ok(err)
	_, err = h.Claim(ctx, token, session, issuance.ClaimRequest{})
	h.ok(err)
	h.ok(h.Download(ctx, token, session))
	h.post(issuance.SMS)
	return h.order(o.ID).Serial
}

func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

// stable replaces what is random by what is as long.
func stable(s string) string {
	s = regexp.MustCompile(`\b(ord|msg|con)-[0-9a-z]{26}\b`).ReplaceAllString(s, "$1-xxxxxxxxxxxxxxxxxxxxxxxxxx")
	return regexp.MustCompile(`\b[0-9a-f]{34}\b`).ReplaceAllString(s, strings.Repeat("5", 34))
}

func reportGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "reports", name)
	if got = stable(got); flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); if it should be so, run the test with -update:\n%s", path, diff)
	}
}
