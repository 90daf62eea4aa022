package cli_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTokenIsPrintedAlone(t *testing.T) {
	f := newFake(t, map[string]answer{"POST /api/v1/tokens": {status: 201, body: `{"id":"tok-1","name":"ci","role":"auditor","token":"pst_new"}`}})
	got := f.staff(t, "token", "add", "--name", "ci", "--role", "auditor")
	same(t, "pst_new\n", got.out)
	if !strings.Contains(got.err, "not be shown again") {
		t.Errorf("got %q", got.err)
	}
}

func TestWhereTheTokenComesFrom(t *testing.T) {
	file, other := tempFile(t, "pst_file\n"), tempFile(t, "pst_other")
	for _, tt := range []struct {
		name, want string
		environ    []string
		args       []string
	}{
		{"flag over all", "pst_flag", []string{"POSTERN_TOKEN=pst_env", "POSTERN_TOKEN_FILE=" + file}, []string{"--token", "pst_flag"}},
		{"file flag over environment", "pst_other", []string{"POSTERN_TOKEN=pst_env", "POSTERN_TOKEN_FILE=" + file}, []string{"--token-file", other}},
		{"environment", "pst_env", []string{"POSTERN_TOKEN=pst_env", "POSTERN_TOKEN_FILE=" + file}, nil},
		{"file", "pst_file", []string{"POSTERN_TOKEN_FILE=" + file}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]answer{"GET /api/v1/tokens": {body: `{"items":[]}`}})
			run(t, append(tt.environ, "POSTERN_SERVER="+f.URL), "", append([]string{"token", "list"}, tt.args...)...)
			same(t, "Bearer "+tt.want, f.requests[0].header.Get("Authorization"))
		})
	}
}

// TestTheTokenStaysSafe tries to have the token sent where it must not go.
func TestTheTokenStaysSafe(t *testing.T) {
	f := newFake(t, nil)
	other := newFake(t, map[string]answer{"GET /api/v1/tokens": {body: `{"items":[]}`}})
	redirect := httptest.NewServer(http.RedirectHandler(other.URL+"/api/v1/tokens", http.StatusTemporaryRedirect))
	t.Cleanup(redirect.Close)
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"none", []string{"POSTERN_SERVER=" + f.URL}, "postern: token: is missing"},
		{"no file", []string{"POSTERN_SERVER=" + f.URL, "POSTERN_TOKEN_FILE=/nowhere"}, "postern: reading the token"},
		{"a line break", []string{"POSTERN_SERVER=" + f.URL, "POSTERN_TOKEN=pst_secret\r\nX: y"}, "postern: token: contains characters"},
		{"plain http elsewhere", []string{"POSTERN_SERVER=http://192.0.2.1:9443", "POSTERN_TOKEN=pst_secret"}, "postern: server: is plain http on another machine"},
		{"no address", []string{"POSTERN_SERVER=localhost:9443", "POSTERN_TOKEN=pst_secret"}, "postern: server: is not the address"},
		{"a user in the address", []string{"POSTERN_SERVER=https://a:b@localhost", "POSTERN_TOKEN=pst_secret"}, "postern: server: is not the address"},
		{"a redirect", []string{"POSTERN_SERVER=" + redirect.URL, "POSTERN_TOKEN=pst_secret"}, "postern: " + strings.TrimPrefix(redirect.URL, "http://") + " answered 307"},
		{"nobody there", []string{"POSTERN_SERVER=http://127.0.0.1:1", "POSTERN_TOKEN=pst_secret"}, "postern: 127.0.0.1:1 cannot be reached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, tt.environ, "", "token", "list")
			if got.status != 1 || !strings.HasPrefix(got.err, tt.want) || strings.Count(got.err, "\n") < 1 {
				t.Errorf("got %+v, want %q", got, tt.want)
			}
			if strings.Contains(got.err, "pst_secret") {
				t.Errorf("the token was printed: %s", got.err)
			}
		})
	}
	if n := len(f.requests) + len(other.requests); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestAPrivateRoot(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"items":[]}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	environ := []string{"POSTERN_SERVER=" + s.URL, "POSTERN_TOKEN=x"}
	if got := run(t, environ, "", "org", "list"); got.status != 1 || !strings.Contains(got.err, "--ca") {
		t.Errorf("an unknown authority: got %+v", got)
	}
	root := tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	if got := run(t, environ, "", "org", "list", "--ca", root); got.status != 0 {
		t.Errorf("--ca: got %+v", got)
	}
	if got := run(t, append(environ, "POSTERN_CA="+root), "", "org", "list"); got.status != 0 {
		t.Errorf("POSTERN_CA: got %+v", got)
	}
	for _, file := range []string{"/nowhere", tempFile(t, "no certificate")} {
		if got := run(t, environ, "", "org", "list", "--ca", file); got.status != 1 {
			t.Errorf("%s: got %+v", file, got)
		}
	}
}
