package issuance

import (
	"strings"
	"unicode"
)

// Typed returns s as if typed on an English keyboard: digits of every script and
// full-width characters become ASCII, every dash becomes '-', and every blank ' '.
// Invisible characters are removed, such as the marks of text direction that phones
// and web pages copy along. Line breaks inside s remain, and so does U+202E, which
// reverses the text: its intended order is unknown.
func Typed(s string) string {
	return strings.Map(typed, strings.TrimSpace(s))
}

func typed(r rune) rune {
	switch {
	case r <= unicode.MaxASCII:
		if r == '\t' {
			return ' '
		}
		return r
	case r == '\u202e':
		return r
	case unicode.Is(unicode.Nd, r):
		return digit(r)
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Mn, r): // soft hyphens, joiners, marks of direction
		return -1
	// the minus, and what a Japanese keyboard has for a dash
	case unicode.Is(unicode.Pd, r), r == '\u2212', r == '\u30fc', r == '\uff70':
		return '-'
	case unicode.Is(unicode.Zs, r):
		return ' '
	case r >= '\uff01' && r <= '\uff5e': // full-width forms of ASCII
		return r - '\uff01' + '!'
	}
	return r
}

// digit returns the ASCII digit of r, a decimal digit. Unicode has them in runs
// from nought to nine (The Unicode Standard, section 4.6), which its tables join
// where they touch.
func digit(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}
