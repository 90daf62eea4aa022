package cli_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCSVIsReadBackAsItWas(t *testing.T) {
	const name, comment = `Anna "A." Müller, Ltd`, "first line\nsecond"
	f := newFake(t, map[string]answer{"GET /api/v1/contacts": {body: `{"items":[
{"id":"con-1","organization":"acme","name":` + quote(name) + `,"email":"anna@acme.example","mobile":"+41791234567","language":"en","may_order":true,"may_receive":false,"disabled":false,"created_at":"2026-11-21T22:00:00Z"},
{"id":"con-2","organization":"acme","name":"=HYPERLINK(\"http://x\")","email":"-b@acme.example","mobile":"-1","language":` + quote(comment) + `}],"next":""}`}})
	got := f.staff(t, "contact", "list", "--csv")
	if got.status != 0 || got.err != "" || strings.Count(got.out, "\r\n") != 4 {
		t.Fatalf("got %+v", got)
	}
	rows, err := csv.NewReader(strings.NewReader(got.out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"id", "organization", "name", "email", "mobile", "language", "may_order", "may_receive", "disabled", "created_at", "mobile_changed_at", "email_changed_at", "lost_at"},
		{"con-1", "acme", name, "anna@acme.example", "+41791234567", "en", "true", "false", "false", "2026-11-21T22:00:00Z", "", "", ""},
		{"con-2", "acme", `'=HYPERLINK("http://x")`, "'-b@acme.example", "-1", comment, "", "", "", "", "", "", ""},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestFormulasAreNoFormulasInCSV(t *testing.T) {
	for _, cell := range []string{"=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "|x", "%x", "+", "-"} {
		f := newFake(t, map[string]answer{"GET /api/v1/organizations": {body: `{"items":[{"id":` + quote(cell) + `}],"next":""}`}})
		got := f.staff(t, "org", "list", "--csv").out
		rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
		if err != nil || strings.ContainsAny(rows[1][0][:1], "=+-@\t\r\n|%＝") {
			t.Errorf("%q became %q, %v", cell, got, err)
		}
	}
}

// Every list has CSV, and every column is a field that the API's document has.
func TestEveryListHasCSV(t *testing.T) {
	text, err := os.ReadFile("../../../web/admin/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for command, schema := range map[string]string{
		"org": "Organization", "contact": "Contact", "service": "Service", "order": "Order",
		"cert": "Certificate", "message": "Message", "token": "Token", "proposal": "Proposal", "audit": "AuditRecord",
	} {
		path := map[string]string{"org": "organizations", "cert": "certificates", "audit": "audit"}[command]
		if path == "" {
			path = command + "s"
		}
		f := newFake(t, map[string]answer{"GET /api/v1/" + path: {body: `{"items":[],"next":""}`}})
		got := f.staff(t, command, "list", "--csv")
		if got.status != 0 || got.err != "" || !strings.HasSuffix(got.out, "\r\n") {
			t.Errorf("%s list --csv: got %+v", command, got)
			continue
		}
		properties := document.Components.Schemas[schema].Properties
		for column := range strings.SplitSeq(strings.TrimSpace(got.out), ",") {
			if field, _, _ := strings.Cut(column, "."); properties[field] == nil {
				t.Errorf("%s: %s has no field %s", command, schema, field)
			}
		}
		for field := range properties {
			if !slices.ContainsFunc(strings.Split(strings.TrimSpace(got.out), ","), func(c string) bool { return c == field || strings.HasPrefix(c, field+".") }) &&
				!slices.Contains([]string{"pem", "token", "unusual", "proposal", "also_revoked", "ancestry", "revealed"}, field) { // of one record alone
				t.Errorf("%s: no column has the field %s of %s", command, field, schema)
			}
		}
		if both := f.staff(t, command, "list", "--csv", "--json"); both.status != 2 {
			t.Errorf("%s list --csv --json: got %+v", command, both)
		}
	}
}
