package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

func TestSecretsAreReadAgain(t *testing.T) {
	token, headers, edge := secretFile(t, "old"), secretFile(t, "Authorization: old"), secretFile(t, "an-old-secret-of-25-signs")
	text := strings.Replace(sound, "auth_token: battery staple", "auth_token_file: "+token, 1) +
		"  webhook: {headers_file: " + headers + "}\nauth:\n  callers: [{name: edge, format: nginx, secret_file: " + edge + "}]\n"
	c := load(t, text)
	same, err := c.Reread()
	if err != nil || len(c.Changed(same)) != 0 {
		t.Fatalf("nothing changed, and Reread has %v, changes %q", err, c.Changed(same))
	}
	for path, text := range map[string]string{token: "\ufeffnew\n", headers: "Authorization: new", edge: "a-new-secret-of-25-signs."} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next, err := c.Reread()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Changed(next), []string{"auth.callers", "sms.twilio.auth_token", "sms.webhook.headers"}; !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
	if got := string(next.SMS.Twilio.AuthToken.Reveal()); got != "new" {
		t.Errorf("the token is %q", got)
	}
	if got := string(c.SMS.Twilio.AuthToken.Reveal()) + string(c.Auth.Callers[0].Secret.Reveal()); got != "oldan-old-secret-of-25-signs" {
		t.Errorf("the old configuration has become %q", got)
	}
	if err := os.WriteFile(token, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reread(); err == nil || !strings.Contains(err.Error(), "postern.yaml:13: sms.twilio.auth_token_file: "+token+" is empty") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestErrorsOfPartsAreLocated(t *testing.T) {
	c := load(t, sound)
	err := c.Locate(issuance.Invalidf("sms.twilio.from", "is not ours", "ask"))
	if want := "postern.yaml:14: sms.twilio.from: is not ours\n    ask"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if other := issuance.Invalidf("mobile", "is not a number", ""); c.Locate(other) != error(other) {
		t.Errorf("an error about no key became %v", c.Locate(other))
	}
}

func TestHintsNameTheTrueReason(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"sms:\n", "sms:\n  countries: [CH, UK]\n", "UK is not a country code: it is GB\n    write GB"},
		{"sms:\n", "sms:\n  countries: [el]\n", "EL is not a country code: it is GR"},
		{"battery staple", "${TWILIO_TOKEN}", "sms.twilio.auth_token: contains a variable, but variables are not replaced here\n" +
			"    set the file that contains it with sms.twilio.auth_token_file, or remove the key and set POSTERN_SMS_TWILIO_AUTH_TOKEN"},
		{"host: mail.example.com", `host: "mail.${DOMAIN}"`, "mail.smtp.host: contains a variable, but variables are not replaced here\n    remove the key and set POSTERN_MAIL_SMTP_HOST"},
		{"sms:\n", "reports: {to: [\"${OPS}\"]}\nsms:\n", "reports.to: contains a variable"},
		{"sms:\n", "auth: {callers: [{name: edge, format: nginx, secret: \"${EDGE_SECRET_OF_PROXY}\"}]}\nsms:\n", "set the file that contains it with auth.callers[0].secret_file"},
	} {
		_, err := config.Load(config.Options{Path: write(t, strings.Replace(sound, tt.from, tt.to, 1))})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.to, err, tt.want)
		}
	}
}

func TestCountriesInLowerCase(t *testing.T) {
	c := load(t, strings.Replace(sound, "sms:\n", "sms:\n  countries: [no, Gb]\n", 1))
	if !slices.Equal(c.SMS.Countries, []string{"NO", "GB"}) {
		t.Errorf("got %q", c.SMS.Countries)
	}
	// A secret may look nearly like a variable.
	load(t, strings.Replace(sound, "battery staple", "a${b}c$d", 1))
}

// TestMappedProxiesAreIPv4: they are compared with addresses that are.
func TestMappedProxiesAreIPv4(t *testing.T) {
	const url = "public: {url: https://certs.example.com"
	c := load(t, strings.Replace(sound, url, url+`, trusted_proxies: ["::ffff:10.0.0.0/104", "::ffff:192.0.2.7", "2001:db8::/32"]`, 1))
	if got, want := fmt.Sprint(c.Public.Proxies()), "[10.0.0.0/8 192.0.2.7/32 2001:db8::/32]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	const url = "public: {url: https://certs.example.com}"
	pair := beside(t) + "/tls/"
	for to, want := range map[string]string{
		url: "public.tls.cert",
		"public: {url: https://certs.example.com, tls: {proxy: true}}":                                                                                          "public.trusted_proxies",
		"public: {url: https://certs.example.com, tls: {proxy: true}, trusted_proxies: [10.0.0.7]}":                                                             "",
		"public: {url: https://certs.example.com, tls: {cert: " + pair + "cert.pem, key: " + pair + "key.pem}}":                                                 "",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443, tls: {proxy: true}, trusted_proxies: [10.0.0.7, 0.0.0.0/0]}":                              "public.trusted_proxies",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443, tls: {proxy: true}, trusted_proxies: [0.0.0.0/1, 128.0.0.0/1]}":                           "public.trusted_proxies",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443, tls: {proxy: true}, trusted_proxies: [\"::/0\"]}":                                         "public.trusted_proxies",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443, tls: {proxy: true}, trusted_proxies: [\"::ffff:0.0.0.0/96\"]}":                            "public.trusted_proxies",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443}\nadmin: {url: https://admin.example.com, listen: \":9443\", tls: {proxy: true}}":          "admin.tls.proxy",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443}\nadmin: {url: https://admin.example.com, listen: \"127.0.0.1:9443\", tls: {proxy: true}}": "",
		"public: {url: https://localhost:8443}":                        "",
		"public: {url: http://localhost:8443, listen: 127.0.0.1:8443}": "",
	} {
		var got []string
		for _, p := range load(t, strings.Replace(sound, url, to, 1)).Warnings() {
			got = append(got, p.Key)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: warnings about %q, want %q", to, got, want)
		}
	}
}

// TestWhatIsUnsafeIsNamed has secrets and keys lie where others, or what opens them, are.
func TestWhatIsUnsafeIsNamed(t *testing.T) {
	const url = "public: {url: https://certs.example.com}"
	quiet := strings.Replace(sound, url, "public: {url: https://localhost:8443}", 1)
	dir := t.TempDir()
	put := func(name string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	warned := func(c *config.Config) (keys []string) {
		for _, p := range c.Warnings() {
			keys = append(keys, p.Key)
		}
		return keys
	}
	c := load(t, quiet)
	c.Data = dir
	if got := warned(c); len(got) > 0 {
		t.Fatalf("warnings without a reason: %q", got)
	}
	put("ca/issuing.key", 0o600)
	put("postern.db", 0o600)
	if got := warned(c); len(got) > 0 {
		t.Errorf("warnings without a reason: %q", got)
	}
	put("ca/root.key", 0o600)
	c.CA.Passphrase = issuance.NewSecret([]byte("x"))
	if got := warned(c); !slices.Equal(got, []string{"ca.passphrase"}) {
		t.Errorf("a root's key beside its passphrase: %q", got)
	}
	c.CA.Passphrase = issuance.Secret{}
	put("ca/issuing.key", 0o604)
	put("postern.db", 0o644)
	if got := c.Warnings(); len(got) != 1 || !strings.Contains(got[0].Message, "ca/issuing.key") || !strings.Contains(got[0].Message, "postern.db") {
		t.Errorf("files that others may read: %v", got)
	}
	c.Data = t.TempDir()
	c.Mail.Provider, c.Mail.SMTP.Host, c.Mail.SMTP.TLS = "smtp", "mail.example.com", "none"
	if got := warned(c); !slices.Equal(got, []string{"mail.smtp.tls"}) {
		t.Errorf("SMTP without TLS: %q", got)
	}
	c.Mail.SMTP.Host = "127.0.0.1"
	if got := warned(c); len(got) > 0 {
		t.Errorf("SMTP without TLS on this machine: %q", got)
	}
}

// TestSecretsInAFileThatOthersMayRead has them in postern.yaml itself.
func TestSecretsInAFileThatOthersMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.yaml")
	text := strings.Replace(sound, "public: {url: https://certs.example.com}", "public: {url: https://localhost:8443}", 1)
	for mode, want := range map[os.FileMode]int{0o640: 0, 0o644: 1} {
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Warnings(); len(got) != want {
			t.Errorf("mode %v: %v", mode, got)
		}
	}
}

func TestAnEmptyFolderIsToldApart(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := config.Load(config.Options{Environ: []string{"PATH=/bin", "POSTERN_SERVER=https://x"}})
	if err == nil || !strings.Contains(err.Error(), "there is no postern.yaml") || !strings.Contains(err.Error(), "postern init") || strings.Contains(err.Error(), "is not set\n") {
		t.Errorf("got %v", err)
	}
	_, err = config.Load(config.Options{Environ: []string{"POSTERN_LOG_LEVEL=debug"}})
	if err == nil || !strings.Contains(err.Error(), "ca.trust_domain") {
		t.Errorf("with a variable: got %v", err)
	}
}

func TestFilesOfCAs(t *testing.T) {
	dir := beside(t)
	for path, want := range map[string]string{
		dir + "/tls/ca.pem": "", "": "", dir + "/tls/key.pem": "private key", dir + "/logo.svg": "no certificate", dir + "/none": "cannot be read",
	} {
		pool, err := config.Roots(path)
		if want == "" && (err != nil || (pool == nil) != (path == "")) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, %v", path, pool, err)
		}
	}
}
