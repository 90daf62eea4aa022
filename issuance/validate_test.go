package issuance

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNamesThatWouldDoHarmAreRefused(t *testing.T) {
	for _, s := range []string{
		"", "   ", "a\r\nBcc: x@y.example", "a\x00b", "tab\there", "a\u2028b", "\u202egnp.exe", "a\u200bb", "\ufeffa", "\xff\xfe",
		strings.Repeat("x", 10_000), strings.Repeat("ü", 101),
	} {
		if got, err := CleanName("name", s, 100); KindOf(err) != Invalid {
			t.Errorf("CleanName(%.20q) = %q, %v; want a refusal", s, got, err)
		}
	}
	for _, s := range []string{`O'Brien & "Söhne" <AG>`, "Müller 🚀", "שלום", " Anna  "} {
		got, err := CleanName("name", s, 100)
		if err != nil || got != strings.TrimSpace(s) {
			t.Errorf("CleanName(%q) = %q, %v", s, got, err)
		}
	}
}

func TestEmail(t *testing.T) {
	for _, s := range []string{"anna@customer.example", "a.b+c@x-y.example", "root@localhost", "o'brien@customer.example"} {
		if got, err := cleanEmail("email", s); err != nil || got != s {
			t.Errorf("cleanEmail(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "anna", "@x.example", "anna@", "Anna <anna@x.example>", "anna@x.example, b@x.example", "anna@x.example\r\nBcc: b@x.example",
		"anna@intranet", "anna@[127.0.0.1]", "änna@x.example", "a b@x.example", strings.Repeat("a", 65) + "@x.example", strings.Repeat("a", 10_000) + "@x.example",
	} {
		if got, err := cleanEmail("email", s); KindOf(err) != Invalid {
			t.Errorf("cleanEmail(%.40q) = %q, %v; want a refusal", s, got, err)
		}
	}
}

func TestShortName(t *testing.T) {
	for _, s := range []string{"a", "payments-prod", "4eyes", strings.Repeat("a", 40)} {
		if err := checkShortName("name", s); err != nil {
			t.Errorf("checkShortName(%q) = %v", s, err)
		}
	}
	for _, s := range []string{"", "-a", "a-", "A", "a.b", "a/b", "a b", "ä", "a\n", strings.Repeat("a", 41)} {
		if err := checkShortName("name", s); KindOf(err) != Invalid {
			t.Errorf("checkShortName(%q) = %v; want a refusal", s, err)
		}
	}
}

func TestCodeIsReadAsPeopleTypeIt(t *testing.T) {
	for _, s := range []string{
		"12345678", "1234 5678", "1234-5678", " 12 34 56 78 ", "1234\u20115678", "1234\u00a05678", "1234–5678", "1234.5678", "\u200b12345678\n",
		"１２３４５６７８", "١٢٣٤٥٦٧٨", "\u202a12345678\u202c", "\u200e1234\u200f5678", "code: 1234 5678", "Your code is 12345678.", "G-12345678",
		"12345678 is your code for the payments 2 certificate from Bank 24. Valid 30 min. Never share it.\n\n@certs.bank.example #12345678",
		"12345678 is your code. Valid 30 min. Never share it.@certs.bank.example #12345678", // as a field of one line has it
	} {
		if got, err := cleanCode(s); err != nil || got != "12345678" {
			t.Errorf("cleanCode(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1234567", "123456789", "1234567a", "12345678 90", "12345678 or 87654321", "123 12345 678", "call 0791234567", "1234 56789", "\u202e12345678", strings.Repeat("1", 100_000)} {
		if _, err := cleanCode(s); CodeOf(err) != CodeMalformed {
			t.Errorf("cleanCode(%.20q): got %v, want %s", s, err, CodeMalformed)
		}
	}
}

func TestSecretsPrintAsNothing(t *testing.T) {
	const planted = "hunter2-planted"
	s := NewSecret([]byte(planted))
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.Debug("d", "secret", s, "in", struct{ S Secret }{s}, "ptr", &s)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("j", "secret", s, "in", struct{ S Secret }{s})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%X"} {
		fmt.Fprintf(&b, verb+verb+"\n", s, struct{ S Secret }{s})
	}
	data, err := json.Marshal(map[string]any{"s": s, "in": struct{ S Secret }{s}})
	b.Write(data)
	fmt.Fprintln(&b, err)
	for _, leak := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%v", []byte(planted))} {
		if strings.Contains(strings.ToLower(b.String()), leak) {
			t.Errorf("a secret was printed as %q in:\n%s", leak, b.String())
		}
	}
}

func TestSerial(t *testing.T) {
	seen := map[Serial]bool{}
	for range 1000 {
		s := NewSerial()
		if seen[s] || len(s) != 34 || s.Int().Sign() <= 0 || s.Int().BitLen() > 135 || SerialOf(s.Int()) != s {
			t.Fatalf("bad serial %q", s)
		}
		seen[s] = true
	}
	got, err := ParseSerial(" 0x1A:2B ")
	if err != nil || got.Int().Int64() != 0x1a2b {
		t.Errorf("got %q, %v", got, err)
	}
	for _, s := range []string{"", "0", "-1", "xyz", strings.Repeat("f", 41), strings.Repeat("a", 10_000)} {
		if got, err := ParseSerial(s); KindOf(err) != Invalid {
			t.Errorf("ParseSerial(%.20q) = %q, %v; want a refusal", s, got, err)
		}
	}
}

func TestKeysAndTargetsAreReadAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]KeyAlgorithm{"": P256, "p-256": P256, "P384": P384, "rsa2048": RSA2048, "RSA_3072": RSA3072, "ed25519": Ed25519} {
		if got, err := ParseKeyAlgorithm(in); err != nil || got != want {
			t.Errorf("ParseKeyAlgorithm(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"rsa1024", "P-521", "dsa", "P-256\n"} {
		if got, err := ParseKeyAlgorithm(in); KindOf(err) != Invalid {
			t.Errorf("ParseKeyAlgorithm(%q) = %q, %v; want a refusal", in, got, err)
		}
	}
	if got, err := ParseTarget("Windows-Old"); err != nil || got.Format() != Compatible {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := ParseTarget("floppy"); KindOf(err) != Invalid {
		t.Errorf("got %v", err)
	}
}

func TestReasonsAreReadInAnyCase(t *testing.T) {
	for _, in := range []string{"keyCompromise", "keycompromise", "KEY_COMPROMISE", "key-compromise", "Key Compromise"} {
		if got, err := ParseReason(in); err != nil || got != KeyCompromise {
			t.Errorf("ParseReason(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "lost", "certificateHold", "cACompromise", "removeFromCRL"} {
		if got, err := ParseReason(in); KindOf(err) != Invalid {
			t.Errorf("ParseReason(%q) = %q, %v; want a refusal", in, got, err)
		}
	}
}
