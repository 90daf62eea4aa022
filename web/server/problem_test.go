package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		header map[string]string
		want   string
	}{
		{
			"input", issuance.Invalidf("email", "is not an e-mail address", "write it like a@b.example"), 422, nil,
			`{"type":"/problems/invalid","title":"Unprocessable Entity","status":422,"detail":"email: is not an e-mail address","code":"invalid","field":"email","hint":"write it like a@b.example"}`,
		},
		{
			"wrapped", fmt.Errorf("looking: %w", issuance.ErrNotFound), 404, nil,
			`{"type":"/problems/not-found","title":"Not Found","status":404,"detail":"no such record","code":"not-found","hint":"check the spelling, or list the records"}`,
		},
		{"state", &issuance.Error{Kind: issuance.Conflict, Code: "state", Message: "m"}, 409, nil, `{"type":"/problems/state","title":"Conflict","status":409,"detail":"m","code":"state"}`},
		{
			"token", &issuance.Error{Kind: issuance.Denied, Code: issuance.CodeUnauthenticated, Message: "m"}, 401,
			map[string]string{"WWW-Authenticate": `Bearer realm="postern"`},
			`{"type":"/problems/unauthenticated","title":"Unauthorized","status":401,"detail":"m","code":"unauthenticated"}`,
		},
		{"role", &issuance.Error{Kind: issuance.Denied, Code: issuance.CodeRole, Message: "m"}, 403, map[string]string{"WWW-Authenticate": ""}, `{"type":"/problems/role","title":"Forbidden","status":403,"detail":"m","code":"role"}`},
		{
			"limit", &issuance.Error{Kind: issuance.Limited, Code: "cooldown", Message: "m", Retry: 1500 * time.Millisecond}, 429,
			map[string]string{"Retry-After": "2"},
			`{"type":"/problems/cooldown","title":"Too Many Requests","status":429,"detail":"m","code":"cooldown","retry_after":2}`,
		},
		{
			"busy", &issuance.Error{Kind: issuance.Unavailable, Code: "busy", Message: "m"}, 503,
			map[string]string{"Retry-After": "1"},
			`{"type":"/problems/busy","title":"Service Unavailable","status":503,"detail":"m","code":"busy","retry_after":1}`,
		},
		{"syntax", &issuance.Error{Kind: issuance.Invalid, Code: CodeSyntax, Message: "m"}, 400, nil, `{"type":"/problems/malformed","title":"Bad Request","status":400,"detail":"m","code":"malformed"}`},
		{
			"other", errors.New("dial tcp 10.0.0.7: password is hunter2"), 500, nil,
			`{"type":"/problems/internal","title":"Internal Server Error","status":500,"detail":"internal error","code":"internal","hint":"try again, or report the request id to the operator of this server; its log has the details"}`,
		},
	} {
		var log bytes.Buffer
		w := httptest.NewRecorder()
		w.Header().Set("ETag", `"of what was not sent"`)
		Problems{slog.New(slog.NewTextHandler(&log, nil))}.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), c.err)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
		if diff := cmp.Diff(c.want+"\n", w.Body.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		for name, want := range c.header {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
		if w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached: %v", c.name, w.Header())
		}
		if logged := strings.Count(log.String(), "hunter2"); c.status == 500 && logged != 1 || c.status != 500 && log.Len() > 0 {
			t.Errorf("%s: the log has %s", c.name, &log)
		}
	}
}

func TestAClientThatWentAwayIsNoError(t *testing.T) {
	var log bytes.Buffer
	ctx, gone := context.WithCancel(t.Context())
	gone()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
	Problems{slog.New(slog.NewTextHandler(&log, nil))}.Write(w, r, fmt.Errorf("reading: %w", context.Canceled))
	if log.Len() > 0 || w.Body.Len() > 0 {
		t.Errorf("got %q, logged %q", w.Body, &log)
	}
}

func TestEveryProblemIsJSON(t *testing.T) {
	w := httptest.NewRecorder()
	Problems{slog.New(slog.DiscardHandler)}.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), issuance.Invalidf("a\"b", "\xff<script>\n", "\u202e"))
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("%v: %s", err, w.Body)
	}
}
