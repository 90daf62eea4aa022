package issuance

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanName returns s without surrounding space, or an error that names field. A
// name is one line of printable text; control characters, line breaks and the marks
// that change the direction of text are refused, because names appear in mail
// headers, SMS, CSV and certificates.
func CleanName(field, s string, limit int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", Invalidf(field, "is empty", "use 1 to "+itoa(limit)+" characters")
	case !utf8.ValidString(s):
		return "", Invalidf(field, "is not valid UTF-8", "save the text as UTF-8 and try again")
	case utf8.RuneCountInString(s) > limit:
		return "", Invalidf(field, "is longer than "+itoa(limit)+" characters", "shorten it")
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return "", Invalidf(field, "contains a line break or control character", "write it on one line")
		}
		if unicode.Is(unicode.Bidi_Control, r) || r == '\ufeff' || r == '\u200b' {
			return "", Invalidf(field, "contains an invisible character or one that changes the direction of text",
				"type it again instead of pasting it")
		}
	}
	return s, nil
}

// cleanComment is cleanName for text that may be empty and may have line breaks.
func cleanComment(field, s string) (string, error) {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
	if s == "" {
		return "", nil
	}
	if utf8.RuneCountInString(s) > 1000 {
		return "", Invalidf(field, "is longer than 1000 characters", "shorten it")
	}
	if _, err := CleanName(field, strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "\t", " "), 1000); err != nil {
		return "", err
	}
	return s, nil
}

// checkShortName accepts what fits a URL, a file name and a SPIFFE path segment:
// 1 to 40 of a-z, 0-9 and hyphens, starting and ending with a letter or digit.
func checkShortName(field, s string) error {
	ok := len(s) >= 1 && len(s) <= maxShortName && s[0] != '-' && s[len(s)-1] != '-'
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !ok {
		return Invalidf(field, "is not a short name", "use "+shortNameHint)
	}
	return nil
}

const shortNameHint = "1 to 40 of a-z, 0-9 and hyphens, starting and ending with a letter or digit, for example payments-prod"

// cleanEmail returns the bare address of s: "a@b.example", no display name.
func cleanEmail(field, s string) (string, error) {
	s = strings.TrimSpace(s)
	hint := "use one address, for example anna@customer.example"
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 || strings.ContainsAny(s, "\r\n\t <>\"\\") {
		return "", Invalidf(field, "is not an e-mail address", hint)
	}
	at := strings.LastIndexByte(s, '@')
	if local, domain := s[:at], s[at+1:]; len(local) > 64 ||
		!strings.Contains(domain, ".") && domain != "localhost" || strings.HasPrefix(domain, "[") {
		return "", Invalidf(field, "is not an e-mail address", hint)
	}
	for _, r := range s {
		if r > unicode.MaxASCII || unicode.IsControl(r) {
			return "", Invalidf(field, "has characters that not all mail servers accept", "use the ASCII form of the address")
		}
	}
	return s, nil
}
