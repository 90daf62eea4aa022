package issuance

import (
	"crypto/x509"
	"net/mail"
	"strings"
)

// word returns an id as it is kept: ids have no capitals and no blanks around them.
func word(typed string) string { return strings.ToLower(Typed(typed)) }

// address returns the mail address in what is typed: "Anna <anna@acme.example>" and
// a mailto link have one.
func address(typed string) string {
	typed = strings.TrimPrefix(strings.TrimSpace(typed), "mailto:")
	if a, err := mail.ParseAddress(typed); err == nil {
		typed = a.Address
	}
	if clean, err := cleanEmail("email", typed); err == nil {
		return clean
	}
	return typed
}

// commonName returns the CN of a subject as programs print one ("CN=payments, O=Acme
// Ltd"), and what has none as it is.
func commonName(typed string) string {
	if value, ok := attributeOf(typed, "CN"); ok {
		return value
	}
	return strings.TrimSpace(typed)
}

// distinguished returns the serialNumber of a subject, which is the service's id where
// others have the same names, and what has none as it is.
func distinguished(typed string) string {
	if value, ok := attributeOf(typed, "serialNumber"); ok {
		return value
	}
	return typed
}

// attributeOf returns an attribute of a subject as programs print one.
func attributeOf(typed, attribute string) (string, bool) {
	between := func(r rune) bool { return strings.ContainsRune(",/+\n", r) }
	for part := range strings.FieldsFuncSeq(typed, between) {
		part = strings.TrimSpace(part)
		if len(part) > len("subject") && strings.EqualFold(part[:len("subject")], "subject") {
			part = strings.TrimLeft(part[len("subject"):], "=: ")
		}
		name, value, ok := strings.Cut(part, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), attribute) {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// spiffeService returns the service that a SPIFFE ID of ours names:
// spiffe://<trust domain>/org/<organisation>/service/<name>.
func spiffeService(typed string) (ServiceID, bool) {
	parts := strings.Split(strings.TrimSpace(typed), "/")
	ours := len(parts) == 7 && strings.EqualFold(parts[0], "spiffe:") && parts[1] == "" && parts[3] == "org" && parts[5] == "service"
	if !ours {
		return "", false
	}
	return ServiceID(parts[4] + "." + parts[6]), true
}

// hasURI reports whether a certificate (DER) has uri as an alternative name.
func hasURI(der []byte, uri string) bool {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return false
	}
	for _, u := range c.URIs {
		if strings.EqualFold(u.String(), uri) {
			return true
		}
	}
	return false
}

// leastDigits is how many of the last digits of a serial number find it: as many
// as the SMS with the password shows.
const leastDigits = 8

// certificateKeys returns what certificates can be found by in what is typed: a
// fingerprint as openssl and browsers print it, or how a serial number ends.
func certificateKeys(typed string) []CertificateKey {
	digits := hexDigits(typed)
	switch n := len(digits); {
	case n == 64:
		return []CertificateKey{{SHA256: digits}}
	case n == 40:
		return []CertificateKey{{SHA1: digits}}
	case n >= leastDigits && n <= len(NewSerial()):
		return []CertificateKey{{Ending: digits}}
	}
	return nil
}

// hexDigits returns the digits in what is typed, "" if there is anything else but
// what programs and people put before and between them.
func hexDigits(typed string) string {
	if i := strings.LastIndexByte(typed, '='); i >= 0 { // sha256 Fingerprint=AB:CD
		typed = typed[i+1:]
	}
	typed = strings.Trim(word(typed), "….* ")
	digits := strings.NewReplacer(":", "", " ", "", "-", "").Replace(strings.TrimPrefix(typed, "0x"))
	if strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
	}
	return digits
}
