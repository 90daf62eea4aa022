package issuance

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesAreReadAsProgramsPrintThem(t *testing.T) {
	for in, want := range map[string]string{
		"payments": "payments", " payments\n": "payments", "CN=payments": "payments", "cn = payments": "payments",
		"subject=O = Acme Ltd, CN = payments": "payments", "subject=/O=Acme Ltd/CN=payments": "payments", "CN=payments,O=Acme": "payments",
		"Subject: CN=my page": "my page", "O=Acme": "O=Acme", "": "", "CN=": "",
	} {
		if got := commonName(in); got != want {
			t.Errorf("commonName(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]ServiceID{
		"spiffe://example.com/org/acme/service/payments": "acme.payments", "SPIFFE://example.com/org/acme/service/payments": "acme.payments",
		"spiffe://example.com/org/acme": "", "https://example.com/org/acme/service/payments": "", "spiffe://example.com/org/acme/service/payments/x": "", "acme.payments": "",
	} {
		if got, _ := spiffeService(in); got != want {
			t.Errorf("spiffeService(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"anna@acme.example": "anna@acme.example", "mailto:anna@acme.example": "anna@acme.example", "Anna Example <anna@acme.example>": "anna@acme.example", "@": "@",
	} {
		if got := address(in); got != want {
			t.Errorf("address(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestADistinctSubjectIsReadAsProgramsPrintIt(t *testing.T) {
	for in, want := range map[string]string{
		"subject=O = Acme AG, CN = payments, serialNumber = acme-2.payments": "acme-2.payments", "SERIALNUMBER=acme-2.payments, CN=payments, O=Acme AG": "acme-2.payments",
		"/O=Acme AG/CN=payments/serialNumber=acme-2.payments": "acme-2.payments", "CN=payments": "CN=payments", "acme.payments": "acme.payments",
	} {
		if got := distinguished(in); got != want {
			t.Errorf("distinguished(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFingerprintsAndEndingsAreRead(t *testing.T) {
	sum, old := strings.Repeat("ab", 32), strings.Repeat("cd", 20)
	for in, want := range map[string][]CertificateKey{
		sum: {{SHA256: sum}}, strings.ToUpper(sum): {{SHA256: sum}}, "sha256 Fingerprint=" + strings.Repeat("AB:", 31) + "AB": {{SHA256: sum}},
		strings.Repeat("ab ", 32): {{SHA256: sum}}, old: {{SHA1: old}}, "SHA1 Fingerprint=" + strings.Repeat("CD:", 19) + "CD": {{SHA1: old}},
		"1A2B3C4D": {{Ending: "1a2b3c4d"}}, "…1a2b3c4d": {{Ending: "1a2b3c4d"}}, "...1a:2b:3c:4d": {{Ending: "1a2b3c4d"}}, "\u200e1a2b\u20113c4d\u202c": {{Ending: "1a2b3c4d"}},
		"00000000": {{Ending: "00000000"}}, "1a2b3c4": nil, "payments": nil, "": nil, sum + "ab": nil, strings.Repeat("1", 35): nil,
	} {
		if got := certificateKeys(in); !slices.Equal(got, want) {
			t.Errorf("certificateKeys(%q) = %v, want %v", in, got, want)
		}
	}
}

func FuzzCertificateKeys(f *testing.F) {
	for _, s := range []string{"1a2b3c4d", "sha256 Fingerprint=AB", "CN=x", "spiffe://a/org/b/service/c", "…"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		commonName(s)
		address(s)
		spiffeService(s)
		for _, k := range certificateKeys(s) {
			digits := k.SHA256 + k.SHA1 + k.Ending
			if len(digits) < leastDigits || strings.Trim(digits, "0123456789abcdef") != "" {
				t.Errorf("%q became %v", s, k)
			}
		}
	})
}
