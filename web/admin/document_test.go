package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
)

// noChannels are called by none of these tests.
func noChannels() Channels {
	return Channels{
		Retry:  func(context.Context, issuance.Actor, issuance.NoticeID) (n issuance.Notice, err error) { return n, err },
		Test:   func(context.Context, issuance.Actor, string) (t Tested, err error) { return t, err },
		Paused: func(issuance.Channel) string { return "" },
	}
}

// noBackup is called by none of these tests.
func noBackup(context.Context, issuance.Actor, BackupRequest) (func(io.Writer) error, error) {
	return nil, nil
}

// api is the API with no registrar behind it, for what does not ask it.
func api(t *testing.T) *API {
	t.Helper()
	a, err := New(Options{Registrar: new(issuance.Registrar), Staff: new(staff.Office), Reports: new(report.Office), Channels: noChannels(), Backup: noBackup, VerifyAudit: noCheck, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTheDocumentHasEveryRouteAndNoOther walks the router and the document.
func TestTheDocumentHasEveryRouteAndNoOther(t *testing.T) {
	var routed []string
	err := api(t).router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			return err
		}
		path, isAPI := strings.CutPrefix(template, Prefix)
		for _, method := range methods {
			if isAPI && path != "/openapi.json" && method != http.MethodHead {
				routed = append(routed, method+" "+path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range doc.Paths {
		for method := range item {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routed)
	slices.Sort(described)
	if diff := cmp.Diff(described, routed); diff != "" {
		t.Errorf("document and router differ (-document +router):\n%s", diff)
	}
	if len(routed) < 30 {
		t.Errorf("only %d routes were found: does the walk look at the right router?", len(routed))
	}
}

func TestTheFirstPageLinksToWhatThereIs(t *testing.T) {
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	a, err := New(Options{
		Registrar: new(issuance.Registrar), Staff: new(staff.Office), Reports: new(report.Office), Channels: noChannels(), Backup: noBackup, VerifyAudit: noCheck, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Outbox: empty, Metrics: empty, Public: "https://certs.example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		api  *API
		want bool
	}{"all": {a, true}, "the least": {api(t), false}} {
		w := httptest.NewRecorder()
		c.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		for _, link := range []string{`"/outbox"`, `"/metrics"`, `"https://certs.example.com/pki/"`} {
			if got := strings.Contains(w.Body.String(), link); got != c.want {
				t.Errorf("with %s, the page has a link to %s: %v, want %v", name, link, got, c.want)
			}
		}
	}
}

func TestNewRefusesWhatIsNotWired(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("an API without a registrar is made")
	}
}

func noCheck(context.Context, []uint64) (AuditCheck, error) { return AuditCheck{}, nil }
