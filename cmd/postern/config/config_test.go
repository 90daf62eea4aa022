package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// sound is a file that nothing is wrong with.
const sound = `data: data
public: {url: https://certs.example.com}
plain: {url: http://pki.example.com}
ca:
  trust_domain: example.com
  passphrase: correct horse
mail:
  from: Postern <certs@example.com>
  smtp: {host: mail.example.com}
sms:
  twilio:
    account_sid: AC0123456789abcdef0123456789abcdef
    auth_token: battery staple
    from: "+41791234567"
`

// write makes postern.yaml in a directory of its own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secretFile makes a file that only its owner may read.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string, environ ...string) *config.Config {
	t.Helper()
	c, err := config.Load(config.Options{Path: write(t, text), Environ: environ})
	if err != nil {
		t.Fatalf("got error:\n%v", err)
	}
	return c
}

// problems returns what is wrong, each as "where key", where without its directory.
func problems(t *testing.T, o config.Options) []string {
	t.Helper()
	_, err := config.Load(o)
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("got %T, want *config.Error: %v", err, err)
	}
	var got []string
	for _, p := range e.Problems {
		if p.Message == "" || p.Hint == "" {
			t.Errorf("problem %+v lacks a message or hint", p)
		}
		got = append(got, strings.TrimSpace(filepath.Base(p.Where)+" "+p.Key))
	}
	return got
}

func TestDefaultsFollowFromEachOther(t *testing.T) {
	c := load(t, sound)
	dir := filepath.Dir(c.File())
	got := []string{c.Data, c.Seal.KeyFile, c.Admin.URL, c.MTLS.URL, c.CA.Organization, string(c.CA.Passphrase.Reveal())}
	want := []string{filepath.Join(dir, "data"), filepath.Join(dir, "data", "seal.key"), "https://127.0.0.1:9443", "https://certs.example.com:8444", "Postern", "correct horse"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(issuance.DefaultPolicy(), c.Policy()); d != "" {
		t.Error(d)
	}
}

func TestPolicy(t *testing.T) {
	c := load(t, sound+"policy: {code_lifetime: 20m, link_lifetime: 3d, four_eyes: true, codes_per_day: 7}\n", "POSTERN_CA_VALIDITY=1y6mo")
	want := issuance.DefaultPolicy()
	want.Validity = issuance.Period{Years: 1, Months: 6}
	want.CodeLifetime, want.LinkLifetime, want.FourEyes, want.CodesPerDay = 20*time.Minute, 72*time.Hour, true, 7
	if d := cmp.Diff(want, c.Policy()); d != "" {
		t.Error(d)
	}
	c = load(t, sound+"policy: {strict: true}\n")
	if d := cmp.Diff(issuance.DefaultPolicy().Strict(), c.Policy()); d != "" {
		t.Error(d)
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, sound+"log: {level: warn}\n")
	for _, tt := range []struct {
		name    string
		environ []string
		flags   []config.Flag
		want    string
	}{
		{"file over default", nil, nil, "warn"},
		{"environment over file", []string{"POSTERN_LOG_LEVEL=error"}, nil, "error"},
		{"an empty variable is not set", []string{"POSTERN_LOG_LEVEL="}, nil, "warn"},
		{"flag over environment", []string{"POSTERN_LOG_LEVEL=error"}, []config.Flag{{Name: "--log-level", Key: "log.level", Value: "debug"}}, "debug"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(config.Options{Path: file, Environ: tt.environ, Flags: tt.flags})
			if err != nil {
				t.Fatal(err)
			}
			if c.Log.Level != tt.want {
				t.Errorf("got %q, want %q", c.Log.Level, tt.want)
			}
		})
	}
}

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got), to accept run with -update:\n%s", path, d)
	}
}

func TestTemplateLoads(t *testing.T) {
	c := config.Defaults()
	c.Public.URL, c.Plain.URL = "https://certs.example.com", "http://pki.example.com"
	c.CA.TrustDomain, c.Brand.Name = "example.com", `Bank "1": #2`
	c.Mail.From, c.Mail.SMTP.Host = "Postern <certs@example.com>", "mail.example.com"
	c.SMS.Provider, c.SMS.Webhook.URL, c.SMS.Webhook.Body = "webhook", "https://sms.example.com/send?x=1", "{\n  \"to\": 1\n}"
	c.SMS.Countries = []string{"CH", "NO"}
	text, err := config.Template(c, secretFile(t, "correct horse\n"))
	if err != nil {
		t.Fatal(err)
	}
	back := load(t, string(text))
	dir := filepath.Dir(back.File()) + string(filepath.Separator)
	got := strings.ReplaceAll(string(back.Effective()), dir, "")
	golden(t, "effective.golden", []byte(stripOrigins(got)))

	plain, err := config.Template(config.Defaults(), "")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "postern.yaml.golden", plain)
}

// stripOrigins takes out where each key was set, which has a line number.
func stripOrigins(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		if before, _, ok := strings.Cut(line, " # postern.yaml:"); ok {
			line = before + "\n"
		}
		if !strings.HasPrefix(strings.TrimSpace(line), "# postern.yaml:") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func TestTemplateHasEveryKey(t *testing.T) {
	text, err := config.Template(config.Defaults(), "ca.passphrase")
	if err != nil {
		t.Fatal(err)
	}
	// Uncommented, every line that looks like a key must be one.
	var lines []string
	for line := range strings.Lines(string(text)) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if rest, ok := strings.CutPrefix(line[len(indent):], "# "); ok {
			name, _, colon := strings.Cut(rest, ":")
			if colon && !strings.Contains(name, " ") && name == strings.ToLower(name) && name != "false" && name != "true" && name != "bolt" && name != "headers" {
				line = indent + rest
			}
		}
		lines = append(lines, line)
	}
	got := problems(t, config.Options{Path: write(t, strings.Join(lines, ""))})
	for _, p := range got {
		if strings.Contains(p, "is not a known key") {
			t.Error(p)
		}
	}
	for _, key := range config.Keys() {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !slices.ContainsFunc(lines, func(l string) bool {
			l = strings.TrimSpace(l)
			return strings.HasPrefix(l, name+":") || strings.HasPrefix(l, name+"_file:")
		}) {
			t.Errorf("the template lacks %s", key)
		}
	}
}

// TestHSTSIsOnUnlessItIsSwitchedOff: 0 is off for who writes it, and on for a server
// that was told nothing.
func TestHSTSIsOnUnlessItIsSwitchedOff(t *testing.T) {
	const url = "url: https://certs.example.com"
	for hsts, want := range map[string]time.Duration{"": 365 * 24 * time.Hour, "24h": 24 * time.Hour, "0": -1} {
		text := sound
		if hsts != "" {
			text = strings.Replace(sound, url, url+", hsts: "+hsts, 1)
		}
		if got := load(t, text).Public.MaxAge(); got != want {
			t.Errorf("hsts %q: got %v, want %v", hsts, got, want)
		}
	}
}
