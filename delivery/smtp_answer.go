package delivery

import (
	"net/textproto"
	"path"
	"regexp"
	"slices"
	"strings"
)

// answer is what a mail server said to a command, as far as it is judged.
type answer struct {
	phase    phase
	code     int    // RFC 5321, section 4.2
	enhanced string // RFC 3463, as in 5.1.1; "" if there is none
	text     string // in lower case, on one line, without addresses
}

func newAnswer(p phase, said *textproto.Error) answer {
	// At the beginning; some programs put it at the end: (#5.7.1).
	enhancedCode := regexp.MustCompile(`^\s*#?([245]\.\d{1,3}\.\d{1,3})\b|\(#([245]\.\d{1,3}\.\d{1,3})\)`)
	// A name in an address is no word of the server's.
	address := regexp.MustCompile(`<[^<>]*>|\S*@\S*`)
	a := answer{phase: p, code: said.Code}
	if m := enhancedCode.FindStringSubmatch(said.Msg); m != nil {
		a.enhanced = m[1] + m[2]
	}
	a.text = strings.ToLower(oneLine(address.ReplaceAllString(said.Msg, " "), 1000))
	return a
}

// judge returns the first of the rulings that a falls under; the last one takes all.
func (a answer) judge() ruling {
	for _, r := range rulings() {
		if r.covers(a) {
			return r
		}
	}
	return ruling{means: again}
}

// covers reports whether a is one of the answers that r is about.
func (r ruling) covers(a answer) bool {
	switch {
	case r.phases != nil && !slices.Contains(r.phases, a.phase),
		r.codes != nil && !slices.Contains(r.codes, a.code) && !slices.Contains(r.codes, a.code/100),
		r.enhanced != nil && !slices.ContainsFunc(r.enhanced, a.hasEnhanced),
		r.says != nil && !slices.ContainsFunc(r.says, a.contains):
		return false
	}
	return true
}

func (a answer) hasEnhanced(pattern string) bool {
	ok, err := path.Match(pattern, a.enhanced)
	return err == nil && ok
}

func (a answer) contains(phrase string) bool {
	return regexp.MustCompile(`(^|[^\pL\pN.-])` + regexp.QuoteMeta(phrase)).MatchString(a.text)
}
