package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// bad has values that cannot stand, for every key that does not take any text.
func bad(t *testing.T) map[string][]string {
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	listen := []string{"8443", ":http", ":70000", ":-1", "example.com:443", "[::1:80", ":0x10"}
	site := []string{"certs.example.com", "ftp://example.com", "https://", "https://u:p@example.com", "https://example.com?x=1", "https://example.com/#a", "https://example.com\u202e", "http://example.com", "://", "https://:8443"}
	below := append([]string{
		"https://example.com/pki", "https://example.com/claim/x", "https://example.com/a//b", "https://example.com/a/../b", "https://example.com/a%20b",
	}, site...)
	duration := []string{"30", "soon", "-5m", "99999h", "1.5d", "0d"}
	count := []string{"0", "-1", "five", "1.5", "1000", "99999999999999999999"}
	boolean := []string{"yes", "1", "True", "on"}
	return map[string][]string{
		"data":                             {open},
		"public.listen":                    listen,
		"public.url":                       below,
		"public.tls.cert":                  {"/nowhere/cert.pem"},
		"public.tls.key":                   {open},
		"public.tls.proxy":                 boolean,
		"public.trusted_proxies":           {"proxy.example.com", "10.0.0.0/33", "10.0.0.7:80", "::ffff:10.0.0.0/90"},
		"public.posts_per_minute":          {"0", "-1", "five", "1.5", "1000001", "99999999999999999999"},
		"public.posts_burst":               {"0", "-1", "five", "1.5", "1000001", "99999999999999999999"},
		"public.hsts":                      {"30", "soon", "-5m", "99999h"},
		"plain.listen":                     listen,
		"plain.url":                        {"pki.example.com", "https://pki.example.com", "http://pki.example.com/pki", "http://u@pki.example.com", "http://pki.exämple.com"},
		"admin.listen":                     listen,
		"admin.url":                        below,
		"admin.tls.cert":                   {"/nowhere/cert.pem"},
		"admin.tls.key":                    {open},
		"admin.tls.proxy":                  boolean,
		"mtls.listen":                      listen,
		"mtls.url":                         append([]string{"http://localhost:8444", "https://example.com/x"}, site...),
		"mtls.tls.cert":                    {"/nowhere/cert.pem"},
		"mtls.tls.key":                     {open},
		"auth.listen":                      listen,
		"auth.url":                         append([]string{"https://example.com/x"}, site...),
		"auth.tls.cert":                    {"/nowhere/cert.pem"},
		"auth.tls.key":                     {open},
		"auth.callers":                     {"edge", "{a: b}", "- a: b"},
		"storage.driver":                   {"postgres", "Bolt"},
		"seal.key_file":                    {open, os.TempDir()},
		"ca.trust_domain":                  {"example", "Example.com", "example.com.", "a_b.com", "-a.com", "exa mple.com", "spiffe://example.com", strings.Repeat("a", 64) + ".com"},
		"ca.organization":                  {strings.Repeat("x", 65), "a\tb", "a\u202eb"},
		"ca.validity":                      {"2", "2 years", "0d", "20y", "-1y", "2w"},
		"ca.blocked_keys":                  {"no-such-list"},
		"ca.crl_lifetime":                  duration,
		"ca.crl_reasons":                   boolean,
		"ca.crl_shards":                    {"1", "-2", "3", "48", "2048", "many", "1.5"},
		"ca.crl_delta":                     boolean,
		"ca.ocsp_presign":                  boolean,
		"ca.ocsp_nonce":                    boolean,
		"ca.ocsp_lifetime":                 append([]string{"4s"}, duration...),
		"mail.provider":                    {"sendmail", "SMTP"},
		"mail.from":                        {"nobody", "a@b@c", "<a@example.com", "ä@example.com", "a@-ä.com", "a@example.com, b@example.com"},
		"mail.smtp.host":                   {"mail.example.com:587", "smtp://mail.example.com", "a b"},
		"mail.smtp.port":                   {"0", "70000", "smtp", "-25"},
		"mail.smtp.tls":                    {"yes", "ssl", "STARTTLS"},
		"mail.smtp.ca":                     {"/nowhere/ca.pem", open},
		"mail.smtp.hello":                  {"certs", "certs_1.example.com", "203.0.113.7", "[203.0.113]", "[2001:db8::1]", "a b.example.com", "certs.exämple.com", "https://certs.example.com"},
		"mail.smtp.auth":                   {"oauth", "XOAUTH2", "none"},
		"mail.smtp.oauth2.token_url":       {"http://login.example.com/token", "login.example.com", "https://u:p@login.example.com/token"},
		"mail.smtp.oauth2.client_id":       {"${CLIENT}"},
		"mail.smtp.oauth2.client_secret":   {"${SECRET}"},
		"mail.smtp.oauth2.refresh_token":   {"${TOKEN}"},
		"mail.smtp.oauth2.scopes":          {"[[a]]", "{a: b}"},
		"sms.provider":                     {"nexmo", "Twilio"},
		"sms.countries":                    {"[Switzerland]", "[UK]", "[uk]", "[CH, XX]", "[CH, +41]", "[[CH]]", "[null]", "{CH: DE}"},
		"sms.twilio.account_sid":           {"AC123", "AB0123456789abcdef0123456789abcdef", "xyz"},
		"sms.twilio.api_key":               {"SK123", "AC0123456789abcdef0123456789abcdef"},
		"sms.twilio.auth_token":            {"${TWILIO_TOKEN}", "${TWILIO_TOKEN:-none}"},
		"sms.twilio.ca":                    {"/nowhere/ca.pem", open},
		"sms.webhook.ca":                   {"/nowhere/ca.pem", open},
		"sms.webhook.body":                 {"${BODY}"},
		"mail.smtp.password":               {"${PASSWORD}"},
		"mail.smtp.username":               {"${USER}"},
		"sms.twilio.from":                  {"+0791234567", "a name that is too long", "+41 79 123 45 67 8", "\U0001f600"},
		"sms.twilio.messaging_service_sid": {"MG1", "AC0123456789abcdef0123456789abcdef"},
		"sms.twilio.base_url":              {"http://api.example.com", "api.twilio.com"},
		"sms.webhook.url":                  {"http://sms.example.com", "sms.example.com", "https://u:p@sms.example.com", "file:///etc/passwd"},
		"sms.webhook.method":               {"GET", "post", "DELETE"},
		"sms.webhook.headers":              {`{"a b": c}`, `{"": c}`, `{a: "x\r\ny"}`, `{a: [b]}`, "no colon", `{a: b, A: c}`, `{a: "Bearer ${TOKEN}"}`},
		"policy.strict":                    boolean,
		"policy.code_lifetime":             duration,
		"policy.code_on_request":           boolean,
		"policy.code_attempts":             count,
		"policy.order_attempts":            count,
		"policy.code_cooldown":             duration[:4],
		"policy.codes_per_day":             count,
		"policy.link_lifetime":             duration,
		"policy.approval_lifetime":         duration,
		"policy.claim_window":              duration,
		"policy.four_eyes":                 boolean,
		"policy.cooling_off":               duration[:4],
		"policy.reenroll":                  duration[:4],
		"policy.phone_region":              {"UK", "Switzerland", "CHE", "ZZ", "1", "[CH]"},
		"reports.time_zone":                {"Mars/Olympus", "Local", "CEST", "../../etc/passwd", "europe"},
		"clock.check":                      {"[\"ntp 1\"]", "[ntp1.example.com:99999]", "[\"\"]", "{a: b}"},
		"clock.max_downtime":               {"-1h", "24", "a day"},
		"reports.daily_at":                 {"7:00", "24:00", "07:60", "07", "7am", "07:00:00", "1 07:00", "on"},
		"reports.monthly_at":               {"07:00", "0 07:00", "29 07:00", "01 07:00", "1 7:00", "1 off", "monday 07:00", "1, 07:00"},
		"reports.mobile":                   {"[\"0791234567\"]", "[x]"},
		"backup.at":                        {"2:30", "24:00", "on", "1 02:30"},
		"backup.keep":                      {"0", "-1", "many", "10001"},
		"audit.checkpoint_every":           {"0s", "-1h", "daily", "169h"},
		"audit.checkpoint_records":         {"0", "-1", "many", "1000001"},
		"audit.checkpoint_webhook":         {"audit.example.com", "http://audit.example.com/", "https://u:p@audit.example.com/"},
		"backup.recipients":                {"[age1nobody]", "[ssh-ed25519 AAAA]", "[AGE-SECRET-KEY-1QQQ]"},
		"reports.to":                       {"[nobody]", "[a@example.com, b]", "{a: b}"},
		"brand.name":                       {strings.Repeat("x", 65), "a\tb"},
		"brand.logo":                       {"/nowhere/logo.svg", os.TempDir()},
		"brand.colour":                     {"blue", "#fff", "#12345g"},
		"brand.support_email":              {"nobody", "a@b@c"},
		"brand.support_phone":              {strings.Repeat("1", 65)},
		"log.level":                        {"loud", "INFO"},
		"log.format":                       {"xml", "JSON"},
	}
}

// anyText are the keys whose text only somebody else can judge.
func anyText() []string {
	return []string{"ca.passphrase", "sms.twilio.api_key_secret", "storage.mark_file", "backup.directory", "audit.checkpoint_file"}
}

// document returns sound with key set to value, in block style, and the line of key.
func document(key, value string) (text string, line int) {
	tree := map[string]map[string]string{
		"": {"data": "data"}, "public": {"url": "https://certs.example.com"}, "plain": {"url": "http://pki.example.com"},
		"ca": {"trust_domain": "example.com", "passphrase": "correct horse"}, "mail": {"from": "certs@example.com"},
		"mail.smtp": {"host": "mail.example.com"},
		"sms.twilio": {
			"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "battery staple", "from": `"+41791234567"`,
		},
	}
	if strings.HasPrefix(key, "sms.webhook.") {
		tree["sms"] = map[string]string{"provider": "webhook"}
		tree["sms.webhook"] = map[string]string{"url": "https://sms.example.com", "body": "x"}
	}
	if strings.HasPrefix(key, "mail.smtp.oauth2.") {
		tree["mail.smtp"] = map[string]string{"host": "mail.example.com", "auth": "xoauth2", "username": "u"}
		tree["mail.smtp.oauth2"] = map[string]string{"token_url": "https://login.example.com/token", "client_id": "x", "client_secret": "x"}
	}
	section, name := "", key
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		section, name = key[:i], key[i+1:]
	}
	if tree[section] == nil {
		tree[section] = map[string]string{}
	}
	switch name {
	case "cert":
		tree[section]["key"] = value
	case "key":
		tree[section]["cert"] = value
	}
	tree[section][name] = value
	var b strings.Builder
	n := 0
	put := func(depth int, s string) {
		b.WriteString(strings.Repeat("  ", depth) + s + "\n")
		n++
	}
	var walk func(section string, depth int)
	walk = func(section string, depth int) {
		for _, k := range sorted(tree[section]) {
			put(depth, k+": "+tree[section][k])
			if section == strings.TrimSuffix(strings.TrimSuffix(key, name), ".") && k == name {
				line = n
			}
		}
		for _, sub := range sections(tree, section) {
			put(depth, sub[strings.LastIndexByte(sub, '.')+1:]+":")
			walk(sub, depth+1)
		}
	}
	walk("", 0)
	return b.String(), line
}

func sorted(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sections returns the sections right below one, made up where only deeper ones are there.
func sections(tree map[string]map[string]string, above string) (below []string) {
	for s := range tree {
		rest, ok := strings.CutPrefix(s, above)
		if rest = strings.TrimPrefix(rest, "."); !ok || rest == "" || above != "" && !strings.HasPrefix(s, above+".") {
			continue
		}
		direct, _, _ := strings.Cut(rest, ".")
		if above != "" {
			direct = above + "." + direct
		}
		if !slices.Contains(below, direct) {
			below = append(below, direct)
		}
	}
	slices.Sort(below)
	return below
}

func TestBadInputToEveryKey(t *testing.T) {
	all := bad(t)
	for _, key := range config.Keys() {
		if _, ok := all[key]; !ok && !slices.Contains(anyText(), key) {
			t.Errorf("no bad input is tried for %s", key)
		}
	}
	for key, values := range all {
		for _, value := range values {
			t.Run(key+"="+value, func(t *testing.T) {
				written := value
				if !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[::") {
					written = strconv.Quote(value)
					if slices.Contains([]string{"True", "1"}, value) {
						written = value
					}
				}
				text, line := document(key, written)
				got := problems(t, config.Options{Path: write(t, text)})
				want := fmt.Sprintf("postern.yaml:%d %s", line, key)
				if !slices.Contains(got, want) {
					t.Errorf("got %q, want %q among them, for\n%s", got, want, text)
				}
				if len(got) > 2 {
					t.Errorf("one mistake made %d problems: %q", len(got), got)
				}
			})
		}
	}
}

func TestBadInputInTheEnvironmentNamesTheVariable(t *testing.T) {
	file := write(t, sound)
	for _, tt := range []struct{ pair, want string }{
		{"POSTERN_PUBLIC_LISTEN=8443", "POSTERN_PUBLIC_LISTEN public.listen"},
		{"POSTERN_MAIL_SMTP_PORT=smtp", "POSTERN_MAIL_SMTP_PORT mail.smtp.port"},
		{"POSTERN_POLICY_STRICT=maybe", "POSTERN_POLICY_STRICT policy.strict"},
		{"POSTERN_SMS_COUNTRIES=CH,xx", "POSTERN_SMS_COUNTRIES sms.countries"},
		{"POSTERN_SMS_TWILO_FROM=x", "POSTERN_SMS_TWILO_FROM"},
		{"POSTERN_SMS_TWILIO_AUTH_TOKEN_FILE=/nowhere", "POSTERN_SMS_TWILIO_AUTH_TOKEN_FILE sms.twilio.auth_token_file"},
		{"POSTERN_SMS_TWILIO_FROM_FILE=/etc/hostname", "POSTERN_SMS_TWILIO_FROM_FILE"},
	} {
		got := problems(t, config.Options{Path: file, Environ: []string{tt.pair, "PATH=/bin"}})
		if d := cmp.Diff([]string{tt.want}, got); d != "" {
			t.Errorf("%s:\n%s", tt.pair, d)
		}
	}
	got := problems(t, config.Options{Path: file, Flags: []config.Flag{{Name: "--listen", Key: "public.listen", Value: "x"}, {Name: "--x", Key: "public.listn", Value: "x"}}})
	if d := cmp.Diff([]string{"--listen public.listen", "--x public.listn"}, sort(got)); d != "" {
		t.Error(d)
	}
}

func sort(s []string) []string { slices.Sort(s); return s }

func TestVariablesThatAreNotOurs(t *testing.T) {
	load(t, sound, "POSTERN_SERVER=https://x", "POSTERN_TOKEN=x", "POSTERN_TOKEN_FILE=x", "POSTERN_CA=x",
		"POSTERN_SERVICE_HOST=10.0.0.1", "POSTERN_SERVICE_PORT=443", "POSTERN_SERVICE_PORT_HTTPS=443", "POSTERN_PORT=tcp://10.0.0.1:443",
		"POSTERN_PORT_443_TCP=tcp://10.0.0.1:443", "POSTERN_PORT_443_TCP_ADDR=10.0.0.1", "POSTERN_ADMIN_SERVICE_HOST=10.0.0.2")
}

func TestEveryMistakeAtOnce(t *testing.T) {
	text := `dta: x
public:
  listen: nowhere
  url: ftp://example.com
  port: 5
plain: 80
log: [a]
brand:
  name: [a]
policy: {code_attempts: 99, codes_per_day: 0, link_lifetime: 5s, code_lifetime: 1s, claim_window: 0s, cooling_off: -1s, code_cooldown: 2h}
public: {}
`
	got := problems(t, config.Options{Path: write(t, text)})
	want := []string{
		"postern.yaml:1 dta", "postern.yaml:5 public.port", "postern.yaml:6 plain", "postern.yaml:7 log", "postern.yaml:9 brand.name", "postern.yaml:11 public",
		"postern.yaml:4 public.url", "postern.yaml:3 public.listen", "postern.yaml plain.url", "postern.yaml ca.trust_domain", "postern.yaml ca.passphrase",
		"postern.yaml mail.from", "postern.yaml mail.smtp.host", "postern.yaml sms.twilio.account_sid", "postern.yaml sms.twilio.auth_token", "postern.yaml sms.twilio.from",
		"postern.yaml:10 policy.code_lifetime", "postern.yaml:10 policy.code_cooldown", "postern.yaml:10 policy.link_lifetime", "postern.yaml:10 policy.claim_window",
		"postern.yaml:10 policy.cooling_off", "postern.yaml:10 policy.code_attempts", "postern.yaml:10 policy.codes_per_day",
	}
	if d := cmp.Diff(sort(want), sort(got)); d != "" {
		t.Error(d)
	}
}

func TestNotYAML(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"syntax", "data: a\npublic: {url\nmail:\n  from: x\n", []string{"postern.yaml:1"}},
		{"tab", "data: a\npublic:\n\turl: x\n", []string{"postern.yaml:3"}},
		{"control character", "data: \x01\n", []string{"postern.yaml"}},
		{"a list", "- a\n", []string{"postern.yaml:1"}},
		{"one word", "hello\n", []string{"postern.yaml:1"}},
		{"two documents", sound + "---\ndata: x\n", []string{"postern.yaml:15"}},
		{"merge", sound + "log: {<<: {level: info}}\n", []string{"postern.yaml:15 log.<<"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := problems(t, config.Options{Path: write(t, tt.text)})
			if len(got) == 0 || !slices.Equal(got[:len(tt.want)], tt.want) {
				t.Errorf("got %q, want %q first", got, tt.want)
			}
		})
	}
}
