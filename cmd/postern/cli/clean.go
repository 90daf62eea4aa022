package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dangerous reports whether a terminal may do something other than show r: a
// control character, an escape, a mark that turns the direction of text, or
// something that cannot be seen. The joiners of Indic scripts and emoji are not.
func dangerous(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' ||
		unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d'
}

// clean returns s as one line that is safe to print on a terminal: dangerous characters
// are spelled out, for example as \u202e.
func clean(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, dangerous) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "\\x%02x", s[i])
		case r == '\n':
			b.WriteString("\\n")
		case r == '\t':
			b.WriteString("\\t")
		case dangerous(r):
			b.WriteString(escaped(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cleanJSON does the same for a JSON document, which stays valid: in JSON these
// characters occur only in strings, except for the line breaks between values.
func cleanJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		if dangerous(r) && r != '\n' {
			b.WriteString(escaped(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escaped returns r as JSON escapes it.
func escaped(r rune) string {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Sprintf("\\u%04x\\u%04x", 0xd800+(r>>10), 0xdc00+(r&0x3ff))
	}
	return fmt.Sprintf("\\u%04x", r)
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
