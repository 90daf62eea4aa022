package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const serial = "1234567890abcdef1234567890abcdef12"

const anOrder = `{"id":"ord-1","state":"invited","organization":"acme","service":"acme.payments","contact":"con-1","key":"P-256","target":"modern",
"requested_by":{"role":"officer","id":"tok-1","name":"Olga"},"requested_at":"2026-11-21T22:00:00Z","link_expires_at":"2026-11-28T22:00:00Z","updated_at":"2026-11-21T22:00:00Z"}`

const aContact = `{"id":"con-1","organization":"acme","name":"Anna","email":"anna@acme.example","mobile":"+41791234567","language":"en","may_order":true,"may_receive":true,"disabled":false,"created_at":"2026-11-21T22:00:00Z"}`

const aCertificate = `{"serial":"` + serial + `","status":"active","expired":true,"order":"ord-1","organization":"acme","service":"acme.payments","contact":"con-1","issuer":"issuing-1",
"issued_at":"2026-11-21T22:00:00Z","not_before":"2026-11-21T21:00:00Z","not_after":"2028-11-21T22:00:00Z","key":"P-256","fingerprint":"ab",
"first_used_at":"2026-11-22T08:00:00Z","last_used_at":"2026-11-23T07:30:00Z","uses":12,"refused_uses":3,"last_refused_at":"2028-11-22T09:00:00Z","last_refusal":"certificate-expired","pem":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"}`

func TestListsShowNamesNotOnlyIDs(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /api/v1/orders":         {body: `{"items":[` + anOrder + `,` + anOrder + `],"next":""}`},
		"GET /api/v1/certificates":   {body: `{"items":[` + aCertificate + `],"next":""}`},
		"GET /api/v1/contacts/con-1": {body: aContact},
	})
	same(t, result{out: `STATE    SERVICE        CONTACT  REQUESTED          BY    ORDER
invited  acme.payments  Anna     2026-11-21 22:00Z  Olga  ord-1
invited  acme.payments  Anna     2026-11-21 22:00Z  Olga  ord-1
`}, f.staff(t, "order", "list", "--state", "invited", "--org", "acme"))
	same(t, []string{"GET /api/v1/orders?limit=100&organization=acme&state=invited", "GET /api/v1/contacts/con-1"}, f.asked())
	same(t, result{out: `STATUS   SERVICE        CONTACT  ISSUED             EXPIRES            LAST USED          SERIAL
expired  acme.payments  Anna     2026-11-21 22:00Z  2028-11-21 22:00Z  2026-11-23 07:30Z  ` + serial + `
`}, f.staff(t, "cert", "list"))
}

func TestACertificateTellsItsUses(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /api/v1/certificates/" + serial: {body: aCertificate}, "GET /api/v1/contacts/con-1": {body: aContact},
	})
	out := f.staff(t, "cert", "show", serial).out
	for _, want := range []string{"\nlast used     2026-11-23 07:30Z; 12 since 2026-11-22 08:00Z\n", "\nlast refused  2028-11-22 09:00Z (certificate-expired); 3 in all\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s, want %q in it", out, want)
		}
	}
}

func TestEmptyListsSaySo(t *testing.T) {
	f := newFake(t, nil)
	for command, path := range map[string]string{
		"org": "organizations", "contact": "contacts", "service": "services", "order": "orders",
		"cert": "certificates", "message": "messages", "token": "tokens", "audit": "audit",
	} {
		f.answers = map[string]answer{"GET /api/v1/" + path: {body: `{"items":[],"next":""}`}}
		got := f.staff(t, command, "list")
		if got.status != 0 || got.out != "" || !strings.HasPrefix(got.err, "no ") {
			t.Errorf("%s list: got %+v", command, got)
		}
		same(t, result{out: "{\n  \"items\": [],\n  \"next\": \"\"\n}\n"}, f.staff(t, command, "list", "--json"))
	}
}

func TestListsGoOn(t *testing.T) {
	org := func(id string) string {
		return `{"id":"` + id + `","name":"` + id + `","created_at":"2026-11-21T22:00:00Z"}`
	}
	f := newFake(t, map[string]answer{
		"GET /api/v1/organizations?limit=500":          {body: `{"items":[` + org("a") + `],"next":"A"}`},
		"GET /api/v1/organizations?cursor=A&limit=500": {body: `{"items":[` + org("b") + `],"next":""}`},
		"GET /api/v1/organizations?limit=1":            {body: `{"items":[` + org("a") + `],"next":"A"}`},
		"GET /api/v1/organizations?cursor=A&limit=1":   {body: `{"items":[` + org("b") + `],"next":""}`},
	})
	both := f.staff(t, "org", "list", "--all")
	if got := strings.Count(both.out, "\n"); got != 3 || both.err != "" {
		t.Errorf("--all: got %+v", both)
	}
	one := f.staff(t, "org", "list", "--limit", "1")
	if !strings.Contains(one.err, "--cursor A") || strings.Contains(one.out, "\nb") {
		t.Errorf("--limit 1: got %+v", one)
	}
	if next := f.staff(t, "org", "list", "--limit", "1", "--cursor", "A"); !strings.Contains(next.out, "\nb") || next.err != "" {
		t.Errorf("--cursor: got %+v", next)
	}
}

func TestWhatIsSent(t *testing.T) {
	f := newFake(t, nil)
	order := answer{body: anOrder}
	for _, tt := range []struct {
		args    string
		answers map[string]answer
		want    string
		key     bool // an Idempotency-Key
	}{
		{"org add acme --name Acme", map[string]answer{"POST /api/v1/organizations": {status: 201, body: `{}`}}, `POST /api/v1/organizations {"id":"acme","name":"Acme"}`, true},
		{"service add acme.pay --environment test", map[string]answer{"POST /api/v1/services": {status: 201, body: `{}`}}, `POST /api/v1/services {"environment":"test","name":"pay","organization":"acme"}`, true},
		{"service add acme --name Page", map[string]answer{"POST /api/v1/services": {status: 201, body: `{}`}}, `POST /api/v1/services {"name":"Page","organization":"acme"}`, true},
		{"service add acme.page --name Seite", map[string]answer{"POST /api/v1/services": {status: 201, body: `{}`}}, `POST /api/v1/services {"identifier":"page","name":"Seite","organization":"acme"}`, true},
		{"service add acme.Page --id page", map[string]answer{"POST /api/v1/services": {status: 201, body: `{}`}}, `POST /api/v1/services {"identifier":"page","name":"Page","organization":"acme"}`, true},
		{"service change acme.pay --name Page --id page", map[string]answer{"PATCH /api/v1/services/acme.pay": {body: `{}`}}, `PATCH /api/v1/services/acme.pay {"identifier":"page","name":"Page"}`, false},
		{"service change acme.pay --key P-384", map[string]answer{"PATCH /api/v1/services/acme.pay": {body: `{}`}}, `PATCH /api/v1/services/acme.pay {"key":"P-384"}`, false},
		{"service enable acme.pay", map[string]answer{"POST /api/v1/services/acme.pay/enable": {body: `{}`}}, `POST /api/v1/services/acme.pay/enable {}`, false},
		{
			"contact add --org acme --name A --email a@b.example --mobile +41791234567",
			map[string]answer{"POST /api/v1/contacts": {status: 201, body: `{}`}},
			`POST /api/v1/contacts {"email":"a@b.example","may_order":true,"may_receive":true,"mobile":"+41791234567","name":"A","organization":"acme"}`, true,
		},
		{"contact change con-1 --may-order=false --mobile +1", map[string]answer{"PATCH /api/v1/contacts/con-1": {body: `{}`}}, `PATCH /api/v1/contacts/con-1 {"may_order":false,"mobile":"+1"}`, false},
		{"contact enable con-1", map[string]answer{"POST /api/v1/contacts/con-1/enable": {body: `{}`}}, `POST /api/v1/contacts/con-1/enable {}`, false},
		{
			"order create --service acme.pay --contact con-1",
			map[string]answer{"POST /api/v1/orders": order},
			`POST /api/v1/orders {"comment":"","contact":"con-1","key":"","service":"acme.pay","target":""}`, true,
		},
		{"order unlock ord-1 --comment yes", map[string]answer{"POST /api/v1/orders/ord-1/unlock": order}, `POST /api/v1/orders/ord-1/unlock {"comment":"yes"}`, false},
		{"order reject ord-1 --yes", map[string]answer{"POST /api/v1/orders/ord-1/reject": order}, `POST /api/v1/orders/ord-1/reject {}`, false},
		{"order cancel ord-1 --yes", map[string]answer{"POST /api/v1/orders/ord-1/cancel": order}, `POST /api/v1/orders/ord-1/cancel {}`, false},
		{"order unlock ord-1", map[string]answer{"POST /api/v1/orders/ord-1/unlock": order}, `POST /api/v1/orders/ord-1/unlock {}`, false},
		{"order resend ord-1", map[string]answer{"POST /api/v1/orders/ord-1/resend": order}, `POST /api/v1/orders/ord-1/resend {}`, false},
		{"order resend-password ord-1", map[string]answer{"POST /api/v1/orders/ord-1/resend-password": order}, `POST /api/v1/orders/ord-1/resend-password {}`, false},
		{
			"cert revoke 12:34:56:78:90:AB:CD:EF:12:34:56:78:90:AB:CD:EF:12 --reason key-compromise --comment x --yes",
			map[string]answer{"POST /api/v1/certificates/" + serial + "/revoke": {body: aCertificate}},
			`POST /api/v1/certificates/` + serial + `/revoke {"comment":"x","reason":"keyCompromise"}`, false,
		},
		{"cert hold " + serial, map[string]answer{"POST /api/v1/certificates/" + serial + "/hold": {body: aCertificate}}, `POST /api/v1/certificates/` + serial + `/hold {}`, false},
		{"cert release " + serial, map[string]answer{"POST /api/v1/certificates/" + serial + "/release": {body: aCertificate}}, `POST /api/v1/certificates/` + serial + `/release {}`, false},
		{"cert renew " + serial, map[string]answer{"POST /api/v1/certificates/" + serial + "/renew": order}, `POST /api/v1/certificates/` + serial + `/renew {"comment":""}`, true},
		{"message retry msg-1", map[string]answer{"POST /api/v1/messages/msg-1/retry": {body: `{}`}}, `POST /api/v1/messages/msg-1/retry {}`, false},
		{"token add --name ci --role auditor --lifetime 90m", map[string]answer{"POST /api/v1/tokens": {status: 201, body: `{}`}}, `POST /api/v1/tokens {"lifetime":"1h30m0s","name":"ci","role":"auditor"}`, false},
		{"token revoke tok-1 --yes", map[string]answer{"POST /api/v1/tokens/tok-1/revoke": {body: `{}`}}, `POST /api/v1/tokens/tok-1/revoke {}`, false},
		{"cert list --expires-before 2027-01-31", map[string]answer{"GET /api/v1/certificates": {body: `{"items":[]}`}}, `GET /api/v1/certificates?expires_before=2027-01-31T00%3A00%3A00Z&limit=100`, false},
	} {
		t.Run(tt.args, func(t *testing.T) {
			f.answers, f.requests = tt.answers, nil
			if got := f.staff(t, strings.Fields(tt.args)...); got.status != 0 {
				t.Fatalf("got %+v", got)
			}
			same(t, []string{tt.want}, f.asked())
			h := f.requests[0].header
			if got := h.Get("Authorization"); got != "Bearer pst_secret" {
				t.Errorf("got Authorization %q", got)
			}
			if got := h.Get("Idempotency-Key") != ""; got != tt.key {
				t.Errorf("got an Idempotency-Key: %v, want %v", got, tt.key)
			}
		})
	}
}

// TestTheServerKnowsWhoIsMeant sends what was typed: the server finds the contact.
func TestTheServerKnowsWhoIsMeant(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /api/v1/contacts/anna@acme.example": {body: aContact},
		"POST /api/v1/orders":                    {status: 201, body: anOrder},
	})
	got := f.staff(t, "order", "create", "--service", "payments", "--contact", "anna@acme.example")
	same(t, result{out: "order ord-1 for acme.payments is invited\n"}, got)
	same(t, []string{`POST /api/v1/orders {"comment":"","contact":"anna@acme.example","key":"","service":"payments","target":""}`}, f.asked())
	if got := f.staff(t, "contact", "show", "anna@acme.example"); got.status != 0 || !strings.Contains(got.out, "con-1") {
		t.Errorf("got %+v", got)
	}
}

// TestNothingIsGuessed searches for what is no whole serial number, and does nothing
// where several certificates are meant.
func TestNothingIsGuessed(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /api/v1/search":         {body: `{"certificates":[` + aCertificate + `,` + aCertificate + `],"more":[]}`},
		"GET /api/v1/contacts/con-1": {body: aContact},
	})
	got := f.staff(t, "cert", "hold", "payments")
	if got.status != 1 || !strings.Contains(got.err, "payments names 2 certificates:\n") || strings.Count(got.err, serial) != 2 {
		t.Errorf("got %+v", got)
	}
	same(t, []string{"GET /api/v1/search?only=certificates&q=payments", "GET /api/v1/contacts/con-1"}, f.asked())
}

func TestErrorsTellWhatHappenedAndWhatToDo(t *testing.T) {
	f := newFake(t, nil)
	for _, tt := range []struct {
		name   string
		answer answer
		want   string
	}{
		{"problem", answer{status: 409, body: `{"title":"Conflict","detail":"order ord-1 is completed","code":"state","hint":"leave it"}`}, "postern: order ord-1 is completed\n  leave it\n"},
		{"problem of a field", answer{status: 422, body: `{"detail":"comment: is longer than 1000 characters","code":"invalid","field":"comment","hint":"shorten it"}`}, "postern: comment: is longer than 1000 characters\n  shorten it\n"},
		{"later", answer{status: 503, body: `{"detail":"busy","code":"busy","retry_after":5}`}, "postern: busy\n  try again in 5s\n"},
		{"title alone", answer{status: 500, body: `{"title":"Internal Server Error"}`}, "postern: Internal Server Error\n"},
		{"a proxy", answer{status: 502, kind: "text/html", body: "<h1>Bad \x1b[31mGateway</h1>"}, "postern: HOST answered 502 Bad Gateway, but not in the way Postern does\n  check the address and any proxy in between\n"},
		{"another site", answer{status: 200, kind: "text/html", body: "<h1>Welcome"}, "postern: HOST answered 200 OK, but not in the way Postern does\n  check the address and any proxy in between\n"},
		{"not what it says", answer{status: 400, body: "<h1>"}, "postern: HOST answered 400 Bad Request, but not in the way Postern does\n  check the address and any proxy in between\n"},
		{
			"another version",
			answer{status: 404, body: `{"detail":"there is nothing at this address","code":"no-such-path","hint":"look at /x"}`},
			"postern: there is nothing at this address\n  Postern at HOST may be of another version than this program, or the address has a path too many\n",
		},
		{"hostile", answer{status: 409, body: `{"detail":"a\u001b[2Jb\u202ec\nd","hint":"e\u0007"}`}, "postern: a\\u001b[2Jb\\u202ec\\nd\n  e\\u0007\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.answers = map[string]answer{"POST /api/v1/orders/ord-1/unlock": tt.answer}
			host := strings.TrimPrefix(f.URL, "http://")
			same(t, result{status: 1, err: strings.ReplaceAll(tt.want, "HOST", host)}, f.staff(t, "order", "unlock", "ord-1"))
		})
	}
}

// TestTheTerminalIsSafe sends every kind of dangerous text in every field.
func TestTheTerminalIsSafe(t *testing.T) {
	evil := "\u001b]0;x\u0007\u001b[2J\u202edrowssap\u2066\u200b\ufeff\r\n\u2028\u009b31m\U000e0041" + strings.Repeat("x", 10_000)
	record := map[string]any{}
	for _, name := range []string{
		"id", "name", "email", "mobile", "language", "organization", "environment", "key", "target", "state", "service", "contact", "comment", "renews",
		"serial", "status", "order", "issuer", "fingerprint", "reason", "kind", "channel", "to", "last_error", "text", "provider_id", "role", "token", "verb", "subject", "pem",
	} {
		record[name] = evil
	}
	for _, name := range []string{"requested_by", "decided_by", "changed_by", "actor"} {
		record[name] = map[string]string{"role": evil, "id": evil, "name": evil}
	}
	record["detail"] = map[string]string{evil: evil}
	record["decided_at"] = "2026-11-21T22:00:00Z"
	record["changed_at"] = "2026-11-21T22:00:00Z"
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if len(parts) == 3 && r.Method == http.MethodGet {
			fmt.Fprintf(w, `{"items":[%s],"next":%s}`, text, quote(evil))
			return
		}
		w.Write(text)
	}))
	t.Cleanup(f.Close)
	environ := []string{"POSTERN_SERVER=" + f.URL, "POSTERN_TOKEN=x"}
	for _, line := range []string{
		"org list", "contact list", "service list", "order list", "cert list", "message list", "token list", "audit list",
		"org show x", "contact show x", "service show x", "order show x", "cert show " + serial, "cert show " + serial + " --pem", "message show x", "token show x",
		"order approve x", "cert hold " + serial, "message retry x", "token add --name x --role auditor", "org add x --name x",
	} {
		for _, flag := range []string{"", " --json"} {
			args := strings.Fields(line + flag)
			if args[1] == "list" {
				args = append(args, "--limit", "1")
			}
			got := run(t, environ, "", args...)
			if got.status != 0 {
				t.Errorf("%s: got %+v", args, got.err)
			}
			for _, r := range got.out + got.err {
				if r != '\n' && (r < ' ' || strings.ContainsRune("\u007f\u009b\u202e\u2066\u200b\ufeff\u2028\U000e0041", r)) {
					t.Errorf("%s: %U reached the terminal", args, r)
					break
				}
			}
			if flag != "" && !json.Valid([]byte(got.out)) {
				t.Errorf("%s: the output is not JSON any more", args)
			}
		}
	}
}

func TestJSONIsWhatTheServerSent(t *testing.T) {
	f := newFake(t, map[string]answer{"GET /api/v1/organizations/acme": {body: `{"id":"acme","later":{"n":12345678901234567890,"s":"<&>"}}`}})
	same(t, result{out: "{\n  \"id\": \"acme\",\n  \"later\": {\n    \"n\": 12345678901234567890,\n    \"s\": \"\\u003c\\u0026\\u003e\"\n  }\n}\n"}, f.staff(t, "org", "show", "acme", "--json"))
}

func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"bogus":                              `there is no command "bogus"`,
		"ordr":                               "did you mean order?",
		"order approv ord-1":                 "did you mean approve?",
		"order show":                         "ORDER is missing",
		"order show a b":                     `"b" is an extra argument`,
		"order create":                       "--contact is missing",
		"org add acme":                       "--name is missing",
		"org list extra":                     `"extra" is an extra argument`,
		"org list --limit 0":                 "--limit must be 1 or more",
		"org list --limit x":                 `invalid argument "x"`,
		"org list --nope":                    "unknown flag: --nope",
		"contact change con-1":               "nothing to change",
		"service add acme":                   "has no name",
		"service add acme.x --name y --id z": "two identifiers",
		"cert revoke 12":                     "--reason is missing",
		"cert revoke 12 --reason lost":       "--reason must be one of",
		"version extra":                      `"extra" is an extra argument`,
		"claim a b":                          `"b" is an extra argument`,
		"claim x --csr a --new-key b":        "none of the others can be",
		"claim x --csr a --target windows":   "none of the others can be",
		"find":                               "ANYTHING is missing",
	} {
		got := run(t, []string{"POSTERN_TOKEN=x"}, "", strings.Fields(line)...)
		if got.status != 2 || !strings.Contains(got.err, want) || !strings.Contains(got.err, "--help` shows the usage") || got.out != "" {
			t.Errorf("%s: got %+v, want %q", line, got, want)
		}
	}
	for _, line := range []string{"", "order", "help order", "order approve --help", "completion bash"} {
		if got := run(t, nil, "", strings.Fields(line)...); got.status != 0 || got.out == "" {
			t.Errorf("%q: got %+v", line, got)
		}
	}
}

func TestVersion(t *testing.T) {
	got := run(t, nil, "", "version", "--json")
	var v struct{ Version, Go, Platform string }
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || v.Version != "1.2.3" || !strings.HasPrefix(v.Go, "go1") || v.Platform == "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := run(t, nil, "", "version"); !strings.HasPrefix(got.out, "postern   1.2.3\n") {
		t.Errorf("got %q", got.out)
	}
}

func TestHealth(t *testing.T) {
	ready := true
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusTeapot)
		} else if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "store: closed")
		}
	}))
	t.Cleanup(s.Close)
	same(t, result{out: "ready\n"}, run(t, nil, "", "health", "--url", s.URL))
	same(t, result{out: "ready\n"}, run(t, []string{"POSTERN_SERVER=" + s.URL, "POSTERN_TOKEN=x"}, "", "health"))
	ready = false
	same(t, result{status: 1, err: "postern: not ready: 503 store: closed\n  see the server's log\n"}, run(t, nil, "", "health", "--url", s.URL))
	for _, url := range []string{"http://127.0.0.1:1", "localhost", "http://a b"} {
		if got := run(t, nil, "", "health", "--url", url); got.status != 1 || got.err == "" {
			t.Errorf("%s: got %+v", url, got)
		}
	}
}
