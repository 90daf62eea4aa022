package cli

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// wrapper is a mail filter, or a sender's counter of clicks, that rewrites links.
type wrapper struct {
	name  string
	hosts []string // its domains
	// inner returns the address in one that it rewrote; "" if it cannot be told.
	inner func(u *url.URL, raw string) string
}

// closed is the error for an address that does not show where it leads.
func (w wrapper) closed() error {
	return issuance.Invalidf("url", "was rewritten by "+w.name+", and only that service knows where it leads, so nothing was sent",
		"open it in a browser and claim there, or ask your mail administrators to leave links to that site unchanged")
}

// wrapperOf returns the one that rewrote u.
func wrapperOf(u *url.URL) (wrapper, bool) {
	host := strings.ToLower(u.Hostname())
	for _, w := range wrappers() {
		for _, domain := range w.hosts {
			if host == domain || strings.HasSuffix(host, "."+domain) {
				return w, true
			}
		}
	}
	return wrapper{}, false
}

// wrappers returns those that are known.
func wrappers() []wrapper {
	closed := func(*url.URL, string) string { return "" }
	return []wrapper{
		{"Microsoft Safe Links", []string{
			"safelinks.protection.outlook.com", "safelinks.protection.office365.us", "safelinks.protection.partner.outlook.cn",
			"statics.teams.cdn.office.net",
		}, parameter("url")},
		{"Proofpoint URL Defense", []string{"urldefense.com", "urldefense.us", "urldefense.proofpoint.com"}, urlDefense},
		{"Barracuda Link Protection", []string{"linkprotect.cudasvc.com"}, parameter("a")},
		{"Cisco Secure Email", []string{"secure-web.cisco.com"}, segment},
		{"Amazon SES", []string{"awstrack.me"}, segment},
		{"Sophos Email", []string{"protection.sophos.com"}, inBase64("u")},
		{"Trend Micro", []string{"trendmicro.com"}, parameter("url")},
		{"Symantec Email Security", []string{"clicktime.symantec.com"}, parameter("u")},
		{"Trellix", []string{"fireeye.com"}, parameter("u")},
		{"Trustwave", []string{"scanmail.trustwave.com"}, parameter("u")},
		{"Check Point Harmony Email", []string{"avanan.click", "checkpoint.com"}, checkPoint},
		{"Google", []string{"www.google.com"}, parameter("q", "url")},
		{"Mimecast", []string{"mimecast.com", "mimecastprotect.com"}, closed},
		{"Hornetsecurity", []string{"hornetsecurity.com"}, closed},
		{"SendGrid", []string{"ct.sendgrid.net"}, closed},
	}
}

// parameter reads the address in the first of the parameters that is present.
func parameter(names ...string) func(*url.URL, string) string {
	return func(u *url.URL, _ string) string {
		for _, name := range names {
			if v := u.Query().Get(name); v != "" {
				return v
			}
		}
		return ""
	}
}

func inBase64(name string) func(*url.URL, string) string {
	return func(u *url.URL, _ string) string { return decoded(u.Query().Get(name)) }
}

// decoded returns what s says in base64, in either alphabet, padded or not.
func decoded(s string) string {
	s = strings.NewReplacer("+", "-", " ", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(text)
}

// segment reads the address that is one segment of the path.
func segment(u *url.URL, _ string) string {
	for s := range strings.SplitSeq(u.EscapedPath(), "/") {
		if s, err := url.PathUnescape(s); err == nil && strings.Contains(s, "://") {
			return s
		}
	}
	return ""
}

// checkPoint reads /v2/___ADDRESS___.SIGNATURE; it writes some addresses in a
// cipher of its own, which then are none.
func checkPoint(_ *url.URL, raw string) string {
	if m := regexp.MustCompile(`___(https?:.+?)___`).FindStringSubmatch(raw); m != nil {
		return m[1]
	}
	return ""
}

// urlDefense reads Proofpoint's three notations.
func urlDefense(u *url.URL, raw string) string {
	inner := u.Query().Get("u")
	switch {
	case strings.HasPrefix(u.Path, "/v1/"):
		return inner
	case strings.HasPrefix(u.Path, "/v2/"):
		address, err := url.PathUnescape(strings.NewReplacer("-", "%", "_", "/").Replace(inner))
		if err != nil {
			return ""
		}
		return address
	}
	m := regexp.MustCompile(`/v3/__(.+?)__;([^!]*)!`).FindStringSubmatch(raw)
	if m == nil {
		return ""
	}
	address := filled(m[1], []rune(decoded(m[2])))
	// Some programs make one slash of two.
	return regexp.MustCompile(`^(https?:/)([^/])`).ReplaceAllString(address, "$1/$2")
}

// runLengths has the sign of each length that version 3 writes, from 2 on.
const runLengths = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// filled puts the characters that version 3 took out of an address back: one for
// each asterisk, and for two asterisks as many as the sign after them says.
func filled(address string, taken []rune) string {
	return regexp.MustCompile(`\*(\*.)?`).ReplaceAllStringFunc(address, func(gap string) string {
		n := 1
		if len(gap) == 3 {
			n = strings.IndexByte(runLengths, gap[2]) + 2
		}
		n = min(n, len(taken))
		text := string(taken[:n])
		taken = taken[n:]
		return text
	})
}
