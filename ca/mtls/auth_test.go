package mtls

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAuthAnswers has what /auth says. The endpoint itself is in package web/auth,
// whose headers and codes these are.
func TestAuthAnswers(t *testing.T) {
	f := newForger(t)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	caller, _, err := callerOf(chain.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	stands := http.Header{"Postern-Verified": {"certificate"}, "Postern-Serial": {caller.Serial}, "Postern-Environment": {"production"}}
	refusal := func(code string) http.Header { return http.Header{"Postern-Refusal": {code}} }
	with := func(name, value string) http.Header {
		h := stands.Clone()
		h.Set(name, value)
		return h
	}
	tests := map[string]struct {
		status       int
		header       http.Header
		environments []string
		want         Code
	}{
		"it stands":                       {200, stands, nil, ""},
		"of the right environment":        {200, stands, []string{"test", "production"}, ""},
		"of the wrong environment":        {200, stands, []string{"test"}, CodeNotAllowed},
		"revoked":                         {403, refusal("certificate-revoked"), nil, CodeRevoked},
		"held":                            {403, refusal("certificate-held"), nil, CodeHeld},
		"expired":                         {403, refusal("certificate-expired"), nil, CodeExpired},
		"early":                           {403, refusal("certificate-early"), nil, CodeEarly},
		"its service is disabled":         {403, refusal("service-disabled"), nil, CodeDisabled},
		"not in the register":             {403, refusal("certificate-unknown"), nil, CodeUnknown},
		"a reason of the future":          {403, refusal("certificate-strange"), nil, CodeUnknown},
		"not at this upstream":            {403, refusal("environment-refused"), nil, CodeNotAllowed},
		"no certificate was asked for":    {200, with("Postern-Verified", "none"), nil, CodeUnavailable},
		"about another certificate":       {200, with("Postern-Serial", "01"), nil, CodeUnavailable},
		"about nothing":                   {200, nil, nil, CodeUnavailable},
		"we are unknown":                  {403, refusal("proxy-unknown"), nil, CodeUnavailable},
		"not Postern's":                   {403, nil, nil, CodeUnavailable},
		"we sent none":                    {401, refusal("certificate-missing"), nil, CodeUnavailable},
		"the register is away":            {503, refusal("register-unavailable"), nil, CodeUnavailable},
		"elsewhere, which is not gone to": {302, http.Header{"Location": {"/"}}, nil, CodeUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/auth" {
					t.Errorf("asked for %s", r.URL)
				}
				der, err := base64.StdEncoding.DecodeString(strings.Trim(r.Header.Get("Client-Cert"), ":"))
				if err != nil || string(der) != string(chain.Leaf.Raw) || r.Header.Get("Authorization") != "Bearer s3cret" {
					t.Errorf("the question is not as RFC 9440 has it: %v", r.Header)
				}
				for name, values := range test.header {
					w.Header()[name] = values
				}
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			source := &Auth{URL: server.URL + "/auth", Secret: func() string { return "s3cret\n" }, Environments: test.environments, Now: testStart}
			err := source.Status(context.Background(), chain)
			if codeOf(err) != test.want || (err == nil) != (test.want == "") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
}

// TestAuthAnswersLastASecond at most, also if more is asked for.
func TestAuthAnswersLastASecond(t *testing.T) {
	f := newForger(t)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			w.Header().Set("Postern-Refusal", "certificate-revoked")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		caller, _, _ := callerOf(chain.Leaf)
		w.Header().Set("Postern-Serial", caller.Serial)
	}))
	defer server.Close()
	for _, maxAge := range []time.Duration{0, time.Hour} {
		asked.Store(0)
		at := &clock{}
		source := &Auth{URL: server.URL, MaxAge: maxAge, Now: at.now}
		for _, step := range []struct {
			ahead time.Duration
			want  Code
		}{{0, ""}, {time.Second - 1, ""}, {time.Second, CodeRevoked}} {
			at.ahead.Store(int64(step.ahead))
			if err := source.Status(context.Background(), chain); codeOf(err) != step.want {
				t.Errorf("MaxAge %v, after %v: got %v, want %q", maxAge, step.ahead, err, step.want)
			}
		}
	}
}
