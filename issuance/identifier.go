package issuance

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShortName is the length of a short name in bytes.
const maxShortName = 40

// MakeIdentifier derives a short name from a service's name: in lower case, with
// the usual replacements for letters with marks (ae for ä, oe for ø, e for é), and
// a hyphen for everything else. If nothing can be derived, for example from a name
// in another script, its error asks for an identifier.
func MakeIdentifier(name string) (string, error) {
	var b strings.Builder
	for i, r := range name {
		switch spelled := spelling(r); {
		case spelled != "":
			b.WriteString(spelled)
		case r == diaeresis && endsIn(name[:i], "aouAOU"): // a letter and its mark, as some systems write ä
			b.WriteByte('e')
		case unicode.Is(unicode.M, r), r == '\'', r == '’': // a part of the word
		default:
			b.WriteByte('-')
		}
	}
	made := shorten(strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == '-' }), "-"))
	if checkShortName("identifier", made) != nil {
		return "", Invalidf("identifier", "cannot be made from the name "+Quoted(name), "give one: "+shortNameHint)
	}
	return made, nil
}

const diaeresis = '\u0308'

func endsIn(s, letters string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return strings.ContainsRune(letters, r)
}

// shorten cuts a name of words with hyphens to what a short name holds, between
// two words if there are several.
func shorten(s string) string {
	if len(s) <= maxShortName {
		return s
	}
	if end := strings.LastIndexByte(s[:maxShortName+1], '-'); end > 0 {
		return s[:end]
	}
	return s[:maxShortName]
}

// spelling returns r in a-z and 0-9, "" if it is no Latin letter or digit.
func spelling(r rune) string {
	r = unicode.ToLower(r)
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return string(r)
	}
	if r < utf8.RuneSelf {
		return ""
	}
	for _, line := range spellings() {
		if letters, plain, _ := strings.Cut(line, " "); strings.ContainsRune(letters, r) {
			return plain
		}
	}
	return ""
}

// spellings are the Latin letters of Europe and Vietnam, each line with what is
// written for them. ä, ö, ü, ø and å are spelled as German, Danish and Norwegian do
// it: there a and ä are different letters, and readers of other languages still
// know the word.
func spellings() []string {
	return []string{
		"äæǽ ae", "öøœǿ oe", "ü ue", "å aa", "ßẞ ss", "þ th", "ĳ ij",
		"àáâãāăąǎảạấầẩẫậắằẳẵặª a", "çćĉċč c", "ðďđ d", "èéêëēĕėęěẻẽẹếềểễệ e", "ĝğġģǧ g", "ĥħ h",
		"ìíîïĩīĭįıǐỉị i", "ĵ j", "ķĸǩ k", "ĺļľŀł l", "ñńņňŉŋ n", "òóôõōŏőǒơỏọốồổỗộớờởỡợº o", "ŕŗř r",
		"śŝşšș s", "ţťŧț t", "ùúûũūŭůűųǔưủụứừửữự u", "ŵẁẃẅ w", "ýÿŷỳỷỹỵ y", "źżžƶ z",
	}
}
