package config_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
)

func TestSecretsFromFiles(t *testing.T) {
	named := secretFile(t, "from the file\n")
	text := strings.Replace(sound, "passphrase: correct horse", "passphrase_file: "+named, 1)
	if got := string(load(t, text).CA.Passphrase.Reveal()); got != "from the file" {
		t.Errorf("got %q from the key _file", got)
	}
	c := load(t, sound, "POSTERN_CA_PASSPHRASE_FILE="+named, "POSTERN_SMS_TWILIO_AUTH_TOKEN=from the environment")
	if got := string(c.CA.Passphrase.Reveal()); got != "from the file" {
		t.Errorf("got %q from the variable _FILE", got)
	}
	if got := string(c.SMS.Twilio.AuthToken.Reveal()); got != "from the environment" {
		t.Errorf("got %q from the variable", got)
	}
	headers := secretFile(t, "Authorization: Bearer one\nx-api-key: two\n")
	c = load(t, sound, "POSTERN_SMS_WEBHOOK_HEADERS_FILE="+headers)
	if got := string(c.SMS.Webhook.Headers["X-Api-Key"].Reveal()); got != "two" || len(c.SMS.Webhook.Headers) != 2 {
		t.Errorf("got headers %v with %q", c.SMS.Webhook.Headers, got)
	}
}

// TestFilesOfWindowsEditors begin with a byte order mark and end their lines as there.
func TestFilesOfWindowsEditors(t *testing.T) {
	named := secretFile(t, "\ufefffrom the file\r\n")
	text := "\ufeff" + strings.ReplaceAll(strings.Replace(sound, "passphrase: correct horse", "passphrase_file: "+named, 1), "\n", "\r\n")
	if got := string(load(t, text).CA.Passphrase.Reveal()); got != "from the file" {
		t.Errorf("got %q", got)
	}
}

func TestRelativeFilesAreThoseBesideTheConfiguration(t *testing.T) {
	path := write(t, strings.Replace(sound, "passphrase: correct horse", "passphrase_file: pass", 1))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "pass"), []byte("beside"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.CA.Passphrase.Reveal()); got != "beside" {
		t.Errorf("got %q", got)
	}
}

func TestSecretFilesThatCannotStand(t *testing.T) {
	open := secretFile(t, "x")
	if err := os.Chmod(open, 0o604); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{open, secretFile(t, "\n"), secretFile(t, "\ufeff\n"), secretFile(t, "\xff\xfex\x00"), secretFile(t, strings.Repeat("x", 1<<17)), t.TempDir(), "/nowhere"} {
		got := problems(t, config.Options{Path: write(t, sound), Environ: []string{"POSTERN_CA_PASSPHRASE_FILE=" + file}})
		if want := []string{"POSTERN_CA_PASSPHRASE_FILE ca.passphrase_file"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
		text := strings.Replace(sound, "passphrase: correct horse", "passphrase_file: "+file, 1)
		if got, want := problems(t, config.Options{Path: write(t, text)}), []string{"postern.yaml:6 ca.passphrase_file"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
}

func TestOneSecretTwoWays(t *testing.T) {
	named := secretFile(t, "x")
	for _, lines := range []string{"passphrase: a\n  passphrase_file: " + named, "passphrase_file: " + named + "\n  passphrase: a"} {
		text := strings.Replace(sound, "passphrase: correct horse", lines, 1)
		if got := problems(t, config.Options{Path: write(t, text)}); len(got) != 1 || !strings.HasPrefix(got[0], "postern.yaml:7 ca.passphrase") {
			t.Errorf("got %q", got)
		}
	}
	got := problems(t, config.Options{Path: write(t, sound), Environ: []string{"POSTERN_CA_PASSPHRASE=a", "POSTERN_CA_PASSPHRASE_FILE=" + named}})
	if want := []string{"POSTERN_CA_PASSPHRASE ca.passphrase"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSecretsAreNeverPrinted plants secrets and looks for them in everything that
// a configuration and its errors can be turned into.
func TestSecretsAreNeverPrinted(t *testing.T) {
	text := `public: {url: https://certs.example.com, listen: wrong}
plain: {url: http://pki.example.com}
ca: {trust_domain: example.com, passphrase: planted-1}
mail: {from: a@example.com, smtp: {host: mail.example.com, username: u, password: planted-2}}
sms:
  provider: webhook
  twilio: {auth_token: planted-3}
  webhook: {url: https://sms.example.com, body: x, headers: {Authorization: planted-4, "bad name": planted-5, Many: [planted-6]}}
`
	c, err := config.Load(config.Options{Path: write(t, text), Environ: []string{"POSTERN_SMS_WEBHOOK_HEADERS=planted-7\nX: planted-8"}})
	if err == nil {
		t.Fatal("got no error")
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("loaded", "config", c, "error", err)
	fmt.Fprintf(&out, "%v %+v %#v %s\n%s", c, c, c, c, c.Effective())
	if strings.Contains(out.String(), "planted") {
		t.Errorf("a secret was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("nothing says that there are secrets:\n%s", out.String())
	}
}

func TestFilesMustBeReadable(t *testing.T) {
	dir := t.TempDir()
	run := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout", "key", "-out", "cert")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("openssl (apt-get install openssl): %v\n%s", err, out)
	}
	if err := os.Chmod(filepath.Join(dir, "key"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(sound, "https://certs.example.com}", "https://certs.example.com, tls: {cert: "+dir+"/cert, key: "+dir+"/key}}", 1)
	load(t, text)
	if err := os.Chmod(filepath.Join(dir, "key"), 0o604); err != nil {
		t.Fatal(err)
	}
	if got, want := problems(t, config.Options{Path: write(t, text)}), []string{"postern.yaml:2 public.tls.key"}; !slices.Equal(got, want) {
		t.Errorf("a key that all may read: got %q, want %q", got, want)
	}
	swapped := strings.Replace(text, "key: "+dir+"/key", "key: "+secretFile(t, "x"), 1)
	if got, want := problems(t, config.Options{Path: write(t, swapped)}), []string{"postern.yaml:2 public.tls.cert"}; !slices.Equal(got, want) {
		t.Errorf("no pair: got %q, want %q", got, want)
	}
}

func TestCrossFieldRules(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		want           []string
	}{
		{"same port", "public: {url", "admin: {listen: \":8443\"}\npublic: {url", []string{"postern.yaml:2 admin.listen"}},
		{"same port, one address", "public: {url", "mtls: {listen: \"127.0.0.1:9443\"}\npublic: {url", []string{"postern.yaml:2 mtls.listen"}},
		{"two addresses may share a port", "public: {url", "mtls: {listen: \"10.0.0.1:9443\"}\npublic: {url", nil},
		{"outbox behind an open listener", "mail:\n", "admin: {listen: \"10.0.0.1:9443\"}\nmail:\n  provider: outbox\n", []string{"postern.yaml:7 admin.listen"}},
		{"outbox on loopback", "mail:\n", "mail:\n  provider: outbox\n", nil},
		{"plain http from elsewhere", "url: https://certs.example.com", "url: http://localhost:8443", []string{"postern.yaml public.listen"}},
		{"plain http on loopback", "url: https://certs.example.com", "url: http://localhost:8443, listen: \"localhost:8443\"", nil},
		{"behind a proxy", "url: https://certs.example.com", "url: https://certs.example.com, tls: {proxy: true}", nil},
		{"cert without key", "url: https://certs.example.com", "url: https://certs.example.com, tls: {cert: /etc/hostname}", []string{"postern.yaml public.tls.key"}},
		{"key without cert", "url: https://certs.example.com", "url: https://certs.example.com, tls: {key: /etc/hostname}", []string{"postern.yaml public.tls.cert"}},
		{"password in the clear", "smtp: {host: mail.example.com", "smtp: {username: a, password: b, tls: none, host: mail.example.com", []string{"postern.yaml:9 mail.smtp.tls"}},
		{"password to this machine", "smtp: {host: mail.example.com", "smtp: {username: a, password: b, tls: none, host: localhost", nil},
		{"user without password", "smtp: {host: mail.example.com", "smtp: {username: a, host: mail.example.com", []string{"postern.yaml mail.smtp.password"}},
		{"password without user", "smtp: {host: mail.example.com", "smtp: {password: a, host: mail.example.com", []string{"postern.yaml mail.smtp.username"}},
		{"a sub-path", "https://certs.example.com", "https://certs.example.com/postern/", nil},
		{"no sender", `    from: "+41791234567"`, "", []string{"postern.yaml sms.twilio.from"}},
		{"a messaging service", `from: "+41791234567"`, "messaging_service_sid: MG0123456789abcdef0123456789abcdef", nil},
		{"more code tries than order tries", "data: data\n", "data: data\npolicy: {code_attempts: 8, order_attempts: 6}\n", []string{"postern.yaml:2 policy.order_attempts"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(sound, tt.from) {
				t.Fatalf("sound has no %q", tt.from)
			}
			got := problems(t, config.Options{Path: write(t, strings.Replace(sound, tt.from, tt.to, 1))})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWithoutAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	environ := []string{
		"POSTERN_PUBLIC_URL=https://certs.example.com", "POSTERN_PLAIN_URL=http://pki.example.com", "POSTERN_CA_TRUST_DOMAIN=example.com",
		"POSTERN_CA_PASSPHRASE=x", "POSTERN_MAIL_PROVIDER=outbox", "POSTERN_SMS_PROVIDER=outbox", "POSTERN_REPORTS_TO=a@example.com, b@example.com",
	}
	c, err := config.Load(config.Options{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Reports.To) != 2 || c.File() != "" || c.Data != "postern-data" {
		t.Errorf("got %v, file %q, data %q", c.Reports.To, c.File(), c.Data)
	}
	if _, err := config.Load(config.Options{Path: "missing.yaml", Environ: environ}); err == nil {
		t.Error("a file that was named and is not there is no error")
	}
	if _, err := config.Load(config.Options{Environ: append(environ, "POSTERN_CONFIG=missing.yaml")}); err == nil {
		t.Error("a file that POSTERN_CONFIG names and that is not there is no error")
	}
	if err := os.WriteFile(config.DefaultFile, []byte("log: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = config.Load(config.Options{Environ: environ}); err != nil || c.Log.Level != "debug" {
		t.Errorf("postern.yaml in the working directory was not read: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(sound)
	f.Add("a: &a [*a]\nlog: *a\n")
	f.Add("public: &p\n  tls: *p\n")
	path := filepath.Join(f.TempDir(), "postern.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{Path: path})
		if err != nil && err.Error() == "" {
			t.Error("an error says nothing")
		}
		if err == nil {
			if err := os.WriteFile(path, c.Effective(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}
