package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

const oneUse = `{"uses":[{"serial":"0A:bc","count":2,"first":"2026-11-01T10:00:00Z","last":"2026-11-01T11:00:00Z"}]}`

// reports is a desk that takes reports.
func reports(t *testing.T, change func(*Options)) (d *desk, got *[]issuance.Usage) {
	t.Helper()
	got = new([]issuance.Usage)
	return newDesk(t, func(o *Options) {
		o.Refusals = []issuance.Code{"certificate-revoked"}
		o.Report = func(_ context.Context, all []issuance.Usage) (issuance.UsageReport, error) {
			*got = append(*got, all...)
			return issuance.UsageReport{Taken: len(all)}, nil
		}
		if change != nil {
			change(o)
		}
	}), got
}

func (d *desk) report(target, body string, header http.Header) answer {
	return d.ask(http.MethodPost, target, header, func(r *http.Request) {
		with, _ := http.NewRequest(http.MethodPost, target, strings.NewReader(body))
		r.Body, r.ContentLength = with.Body, with.ContentLength
	})
}

func fromService(more ...string) http.Header {
	return headers(append([]string{SecretHeader, edgeSecret, "Content-Type", "application/json"}, more...)...)
}

func TestReportsAreTaken(t *testing.T) {
	d, got := reports(t, nil)
	a := d.report(SeenPath, `{"uses":[
		{"serial":"0A:bc","count":2,"first":"2026-11-01T10:00:00Z","last":"2026-11-01T11:00:00Z"},
		{"serial":"ABC","refused":1,"refused_last":"2026-11-01T12:00:00Z","refused_code":"certificate-revoked"},
		{"serial":"abc","refused":1,"refused_last":"2026-11-01T12:00:00Z","refused_code":"they-did-not-pay"},
		{"serial":"<script>","count":1}]}`, fromService())
	if a.status != http.StatusAccepted || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d: %s", a.status, a.body)
	}
	var said issuance.UsageReport
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || said != (issuance.UsageReport{Taken: 2, Invalid: 2}) {
		t.Errorf("got %s, %v", a.body, err)
	}
	at := func(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }
	want := []issuance.Usage{
		{Serial: "0000000000000000000000000000000abc", Count: 2, First: at(10), Last: at(11)},
		{Serial: "0000000000000000000000000000000abc", Refused: 1, RefusedLast: at(12), RefusedCode: "certificate-revoked"},
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(d.seen) != 0 {
		t.Errorf("a report counts as a use: %v", d.seen)
	}
}

// TestReportsThatAreRefused: nothing of them counts.
func TestReportsThatAreRefused(t *testing.T) {
	many := `{"uses":[` + strings.Repeat(`{"serial":"1","count":1},`, MaxSeen) + `{"serial":"1","count":1}]}`
	for name, tt := range map[string]struct {
		target, body string
		header       http.Header
		status       int
		code         issuance.Code
	}{
		"no secret":            {SeenPath, oneUse, headers("Content-Type", "application/json"), 403, CodeProxy},
		"a wrong secret":       {SeenPath, oneUse, headers("Content-Type", "application/json", SecretHeader, "guess"), 403, CodeProxy},
		"not JSON":             {SeenPath, oneUse, headers(SecretHeader, edgeSecret), 415, server.CodeMediaType},
		"a form":               {SeenPath, oneUse, headers(SecretHeader, edgeSecret, "Content-Type", "application/x-www-form-urlencoded"), 415, server.CodeMediaType},
		"empty":                {SeenPath, "", fromService(), 400, server.CodeSyntax},
		"cut":                  {SeenPath, oneUse[:50], fromService(), 400, server.CodeSyntax},
		"two of them":          {SeenPath, oneUse + oneUse, fromService(), 400, server.CodeSyntax},
		"rubbish behind":       {SeenPath, oneUse + "}", fromService(), 400, server.CodeSyntax},
		"more than it may say": {SeenPath, `{"uses":[{"serial":"1","count":1,"status":"active"}]}`, fromService(), 400, server.CodeSyntax},
		"a negative count":     {SeenPath, `{"uses":[{"serial":"1","count":-1}]}`, fromService(), 400, server.CodeSyntax},
		"no records":           {SeenPath, `{"uses":[]}`, fromService(), 422, issuance.CodeInvalid},
		"too many records":     {SeenPath, many, fromService(), 422, issuance.CodeInvalid},
		"too long":             {SeenPath, `{"uses":[` + strings.Repeat(" ", maxSeenBody) + `]}`, fromService(), 413, server.CodeTooLarge},
		// Envoy has its client's method and path behind /auth, and its body, if it is told to.
		"what a proxy's client asks for": {Path + "/seen?upstream=payments", oneUse, fromService(), 403, CodeUpstream},
		"the same, as Envoy asks":        {Path + SeenPath, oneUse, headers("Content-Type", "application/json", SecretHeader, meshSecret, UpstreamHeader, "payments"), 401, CodeMissing},
	} {
		d, got := reports(t, nil)
		a := d.report(tt.target, tt.body, tt.header)
		var p server.Problem
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != tt.status || p.Code != tt.code || len(*got) > 0 {
			t.Errorf("%s: got %d %s, want %d %s; %d records count", name, a.status, a.body, tt.status, tt.code, len(*got))
		}
	}
	d, _ := reports(t, nil)
	if a := d.ask(http.MethodGet, SeenPath, fromEdge(d.issued["acme.payments"]), nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("GET: got %d", a.status)
	}
	d, _ = reports(t, func(o *Options) { o.Report = nil })
	if a := d.report(SeenPath, oneUse, fromService()); a.status != http.StatusNotFound {
		t.Errorf("where no reports are taken: got %d", a.status)
	}
	d, _ = reports(t, func(o *Options) {
		o.Report = func(context.Context, []issuance.Usage) (issuance.UsageReport, error) {
			return issuance.UsageReport{}, errors.New("the disk is gone")
		}
	})
	if a := d.report(SeenPath, oneUse, fromService()); a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "disk") {
		t.Errorf("without a register: got %d %s", a.status, a.body)
	}
}
