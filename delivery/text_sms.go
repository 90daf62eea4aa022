package delivery

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postern-ca/postern/issuance"
)

// segment is how many septets one SMS has (3GPP TS 23.040, section 9.2.3.24.1).
const segment = 160

// sms writes m's text by compose and shortens the names in it until it is one
// segment. It never shortens what matters: code, password, serial number.
func (w *writer) sms(m *Message, compose func(secret string) string) error {
	secret := string(m.Secret.Reveal())
	names := []*string{&w.facts.Brand, &w.facts.Service}
	for i, fallback := range []string{w.host, w.identifier} {
		if *names[i] = toGSM(*names[i]); *names[i] == "" {
			*names[i] = fallback // nothing of it could be written
		}
	}
	for {
		text := compose(secret)
		if w.err != nil {
			return w.err
		}
		if len([]rune(text)) <= segment || !shortenLongest(names) {
			m.Text = issuance.NewSecret([]byte(text))
			return nil
		}
	}
}

// shortestName is what is always left of a name.
const shortestName = 4

// shortenLongest takes one character off the longest name, and reports whether
// there was one to take.
func shortenLongest(names []*string) bool {
	longest := names[0]
	for _, name := range names[1:] {
		if len([]rune(*name)) > len([]rune(*longest)) {
			longest = name
		}
	}
	runes := []rune(*longest)
	if len(runes) <= shortestName {
		return false
	}
	*longest = strings.TrimRight(string(runes[:len(runes)-1]), " .-")
	return true
}

// code writes the SMS with the one-time code. Its last line binds the code to
// the site's host, and lets phones fill it in there and nowhere else (WICG,
// "Origin-bound one-time codes delivered via SMS"). A host that leaves no room
// for the text goes without.
func (w *writer) code(secret string) string {
	w.facts.Code = secret
	text := w.say("code")
	if bound := "\n\n@" + w.host + " #" + secret; len(bound) <= segment-w.plainLength("code") {
		text += bound
	}
	return text
}

// plainLength is the length of a text with the shortest names there can be.
func (w *writer) plainLength(key string) int {
	shortest := *w
	for _, name := range []*string{&shortest.facts.Brand, &shortest.facts.Service} {
		*name = strings.Repeat("x", min(shortestName, len([]rune(*name))))
	}
	return len([]rune(shortest.say(key)))
}

// password writes the SMS with the permanent password, on a line of its own so
// that no full stop looks like a part of it.
func (w *writer) password(secret string) string {
	w.facts.Password = secret
	return w.say("password")
}

// gsm is the GSM 7-bit default alphabet (3GPP TS 23.038, section 6.2.1) without
// its line breaks. Of the extension table, which takes two septets and which
// some networks garble, nothing is used.
const gsm = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"

// toGSM returns a name in the GSM 7-bit default alphabet.
func toGSM(name string) string { return inGSM(oneLine(name, nameLimit)) }

// inGSM returns a line in the GSM 7-bit default alphabet: what is not in it is
// written as people without the letter would, or left out. One septet a character:
// nothing makes the SMS a longer one in UCS-2.
func inGSM(line string) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(line) {
		switch {
		case strings.ContainsRune(gsm, r):
			b.WriteRune(r)
		case gsmSpelling(r) != "":
			b.WriteString(gsmSpelling(r))
		default:
			for _, base := range norm.NFKD.String(string(r)) {
				if !unicode.Is(unicode.Mn, base) && strings.ContainsRune(gsm, base) {
					b.WriteRune(base)
				}
			}
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// gsmSpelling is how a character is written that has no plain one inside.
func gsmSpelling(r rune) string {
	switch r {
	case '‘', '’', '‚', '‹', '›', '`', '´':
		return "'"
	case '“', '”', '„', '«', '»':
		return "\""
	case '‐', '‑', '–', '—', '−', '~':
		return "-"
	case '[', '{':
		return "("
	case ']', '}':
		return ")"
	case '|', '\\':
		return "/"
	case '€':
		return "EUR"
	case 'ł':
		return "l"
	case 'Ł':
		return "L"
	case 'đ', 'ð':
		return "d"
	case 'Đ', 'Ð':
		return "D"
	case 'œ':
		return "oe"
	case 'Œ':
		return "OE"
	case 'þ':
		return "th"
	case 'Þ':
		return "Th"
	case 'ı':
		return "i"
	case '×':
		return "x"
	}
	return ""
}

// alertSMS tells staff that mail does not get out: what happened, as much of it as
// one segment has room for.
func (w *writer) alertSMS(m *Message, d issuance.Dispatch) error {
	what := inGSM(oneLine(d.Notice.Text, 2*segment))
	return w.sms(m, func(string) string {
		head := toGSM(w.facts.Brand) + ": "
		return head + cutAtWord(what, max(0, segment-len([]rune(head))))
	})
}

// cutAtWord returns s if it has at most room characters; otherwise as many of its
// words as fit, and an ellipsis. A word that is longer than half of it is cut.
func cutAtWord(s string, room int) string {
	const more = "..."
	runes := []rune(s)
	if len(runes) <= room {
		return s
	}
	room = max(0, room-len(more))
	fits := string(runes[:room])
	if i := strings.LastIndexByte(string(runes[:room+1]), ' '); i > len(fits)/2 {
		fits = fits[:i]
	}
	return strings.TrimRight(fits, " ,;:.-(") + more
}
