package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// beside are the files that the examples of the template name, where a
// configuration would have them.
func beside(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout", "tls/key.pem", "-out", "tls/cert.pem")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("openssl (apt-get install openssl): %v\n%s", err, out)
	}
	certificate, err := os.ReadFile(filepath.Join(dir, "tls/cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"tls/ca.pem": string(certificate), "gateway-ca.pem": string(certificate), "mail-ca.pem": string(certificate), "logo.svg": "<svg/>", "blocked-keys": "8df20e6961a16398b85a\n",
		"ca.passphrase": "secret", "smtp.password": "secret", "smtp.client-secret": "secret", "smtp.refresh-token": "secret", "twilio.token": "secret", "twilio.secret": "secret",
		"sms.headers": "Authorization: Bearer secret", "edge.secret": "0123456789abcdef",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// examples returns the value in the template's comment of each key, "name_file"
// for the file of a secret: what is behind "as in", or the default.
func examples(t *testing.T) map[string]string {
	t.Helper()
	text, err := config.Template(config.Defaults(), "")
	if err != nil {
		t.Fatal(err)
	}
	var section []string
	out := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		m := regexp.MustCompile(`^( *)(# )?([a-z0-9_]+):(.*)\n`).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		section = section[:min(len(section), len(m[1])/2)]
		key, value := strings.Join(append(slices.Clone(section), m[3]), "."), strings.TrimSpace(m[4])
		if m[2] == "" {
			section = append(section, m[3])
			continue
		}
		if before, example, ok := strings.Cut(value, "# for example "); ok {
			if before = strings.TrimSpace(before); before != "" && before != "[]" {
				t.Errorf("%s has a default, %s, and an example", key, before)
			}
			value = example
		}
		if _, twice := out[key]; !twice || value != "" {
			out[key] = value
		}
	}
	return out
}

// TestEveryKeyHasAnExampleThatWorks loads what the template shows of each key.
func TestEveryKeyHasAnExampleThatWorks(t *testing.T) {
	dir, shown := beside(t), examples(t)
	companions := map[string]string{
		"mail.smtp.username": "password: x", "mail.smtp.password_file": "username: x", "sms.twilio.api_key": "api_key_secret: x",
		"backup.directory":               "recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]",
		"sms.twilio.api_key_secret_file": "api_key: SK0123456789abcdef0123456789abcdef",
	}
	for _, key := range config.Keys() {
		value, ok := shown[key]
		byFile := !ok
		if byFile {
			key += "_file"
			value, ok = shown[key]
		}
		if !ok || value == "" || value == `""` {
			t.Errorf("%s has no example in the template", key)
			continue
		}
		if value == "[]" { // a table; its example is below
			continue
		}
		name := key[strings.LastIndexByte(key, '.')+1:]
		text, _ := document(key, value)
		if byFile {
			text, _ = document(strings.TrimSuffix(key, "_file"), value)
			text = strings.Replace(text, strings.TrimSuffix(name, "_file")+": "+value+"\n", name+": "+value+"\n", 1)
		}
		line := regexp.MustCompile(`(?m)^( *)` + name + `: .*\n`)
		if more := companions[key]; more != "" {
			text = line.ReplaceAllStringFunc(text, func(s string) string { return s + line.FindStringSubmatch(s)[1] + more + "\n" })
		}
		switch name { // document gives both the same value
		case "cert":
			text = strings.Replace(text, "key: tls/cert.pem", "key: tls/key.pem", 1)
		case "key":
			text = strings.Replace(text, "cert: tls/key.pem", "cert: tls/cert.pem", 1)
		}
		if strings.HasPrefix(key, "sms.twilio.api_key") {
			text = regexp.MustCompile(`(?m)^ *auth_token: .*\n`).ReplaceAllString(text, "")
		}
		path := filepath.Join(dir, config.DefaultFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(config.Options{Path: path}); err != nil {
			t.Errorf("the example of %s does not work: %v\n%s", key, err, text)
		}
	}
}

// commented returns the lines of the template's comments that match.
func commented(t *testing.T, pattern string) (lines []string) {
	t.Helper()
	text, err := config.Template(config.Defaults(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ *# (`+pattern+`)$`).FindAllStringSubmatch(string(text), -1) {
		lines = append(lines, m[1])
	}
	return lines
}

// TestTheExamplesOfBodiesAndHeadersWork has the gateway's sender read them.
func TestTheExamplesOfBodiesAndHeadersWork(t *testing.T) {
	bodies := commented(t, `body: .*\{\{.*\}\}.*`)
	types := []string{"application/json", "application/x-www-form-urlencoded", "application/xml"}
	if len(bodies) != len(types)+1 { // the last is the one of the key itself
		t.Fatalf("the template shows the bodies %q", bodies)
	}
	headers := commented(t, `headers: .*`)
	if len(headers) != 1 {
		t.Fatalf("the template shows the headers %q", headers)
	}
	for i, contentType := range types {
		text := strings.Replace(sound, "\nsms:\n", "\nsms:\n  webhook:\n    url: https://sms.example.com\n    "+bodies[i]+"\n    "+headers[0]+"\n", 1)
		c := load(t, text)
		c.SMS.Webhook.Headers["Content-Type"] = issuance.NewSecret([]byte(contentType))
		w := c.SMS.Webhook
		if _, err := delivery.NewWebhook(delivery.WebhookConfig{URL: w.URL, Body: w.Body, Headers: w.Headers}); err != nil || len(w.Headers) != 2 {
			t.Errorf("%s: %v", bodies[i], err)
		}
	}
}

// TestTheExampleOfCallersWorks loads it as it stands, without its signs of a comment.
func TestTheExampleOfCallersWorks(t *testing.T) {
	lines := commented(t, `callers:|  - name: .*|    (?:secret_file|format): .*`)
	if len(lines) != 4 {
		t.Fatalf("the template shows %q", lines)
	}
	path := filepath.Join(beside(t), config.DefaultFile)
	if err := os.WriteFile(path, []byte(sound+"auth:\n  "+strings.Join(lines, "\n  ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{Path: path})
	if err != nil || len(c.Auth.Callers) != 1 || c.Auth.Callers[0].Secret.Empty() {
		t.Errorf("got %v, %+v", err, c.Auth.Callers)
	}
}
