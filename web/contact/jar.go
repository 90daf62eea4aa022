package contact

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// pass is what a browser has for one link: its token and, once the code was entered, the
// claim session.
type pass struct{ link, session issuance.Secret }

// jar has the passes of one browser, the one used last first. There may be
// several: a contact who gets links for two services opens them in two tabs, and
// a code entered in one tab must not count as a wrong try in the other.
type jar []pass

// maxPasses is the most that a jar has; the one unused for longest is removed for a new
// one.
const maxPasses = 4

// The cookies, without the prefix that their names have (prefix). SameSite is Lax,
// not Strict: the link is opened from a mail, often one shown by another site, and
// browsers withhold Strict cookies from the redirect that follows.
const (
	linkCookie    = "postern-link"
	sessionCookie = "postern-session"
	flashCookie   = "postern-flash"

	// sessionAge is how long a browser remembers that it claimed, so that the
	// page with fingerprint and steps can be opened again.
	sessionAge = 24 * time.Hour
)

// tag names a link in forms and cookies without opening anything: it is a part
// of the digest of its token, which has 256 random bits.
func tag(link issuance.Secret) string {
	d := issuance.DigestOf(link)
	return string(d[:min(16, len(d))])
}

// jar reads the cookies of r: tokens joined by ~ in one, tag.session joined by ~ in the
// other. Malformed entries are left out.
func (s *site) jar(r *http.Request) (j jar) {
	for _, token := range s.cookie(r, linkCookie) {
		if isToken(token) {
			link := issuance.NewSecret([]byte(token))
			j = append(j, pass{link, s.session(r, link)})
		}
	}
	return j
}

// session returns the session that the browser has for link, if any.
func (s *site) session(r *http.Request, link issuance.Secret) issuance.Secret {
	for _, entry := range s.cookie(r, sessionCookie) {
		if t, session, ok := strings.Cut(entry, "."); ok && t == tag(link) && isToken(session) {
			return issuance.NewSecret([]byte(session))
		}
	}
	return issuance.Secret{}
}

// isToken reports whether s could be one of our tokens: base64url, no longer than they are.
func isToken(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// find returns the pass whose link has tag t, the first if t is empty, or the
// zero pass.
func (j jar) find(t string) pass {
	for _, p := range j {
		if t == "" || tag(p.link) == t {
			return p
		}
	}
	return pass{}
}

// with returns j with p before the others, in place of the pass that it had for p's
// link.
func (j jar) with(p pass) jar {
	others := slices.DeleteFunc(slices.Clone(j), func(o pass) bool { return o.link.Equal(p.link) })
	all := append(jar{p}, others...)
	return all[:min(len(all), maxPasses)]
}

// keep sends j to the browser.
func (s *site) keep(w http.ResponseWriter, j jar) {
	var links, sessions []string
	for _, p := range j {
		links = append(links, string(p.link.Reveal()))
		if !p.session.Empty() {
			sessions = append(sessions, tag(p.link)+"."+string(p.session.Reveal()))
		}
	}
	// The browser keeps the link beyond its life, so that it can say what became of it.
	s.setCookie(w, linkCookie, strings.Join(links, "~"), 2*s.LinkLifetime)
	if len(sessions) > 0 {
		s.setCookie(w, sessionCookie, strings.Join(sessions, "~"), sessionAge)
	}
}

// cookie returns the entries of a cookie of r.
func (s *site) cookie(r *http.Request, name string) []string {
	c, err := r.Cookie(s.prefix() + name)
	if err != nil && s.plain() {
		c, err = r.Cookie(name)
	}
	if err != nil || c.Value == "" {
		return nil
	}
	entries := strings.Split(c.Value, "~")
	return entries[:min(len(entries), maxPasses)]
}

// prefix returns the prefix of the cookies' names, which makes browsers enforce rules
// (RFC 6265bis, section 4.1.3). __Host- is the stronger one, and requires the path "/".
// Below a path, the host is shared with other applications, which must not be sent the
// link and the session.
func (s *site) prefix() string {
	if s.Site.Base() == "" {
		return "__Host-"
	}
	return "__Secure-"
}

// setCookie sets a cookie for this site only; an age of 0 removes it.
func (s *site) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	c := &http.Cookie{
		Name: s.prefix() + name, Value: value, Path: cmp.Or(s.Site.Base(), "/"),
		MaxAge: int(age.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if age == 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
	if s.plain() {
		// On loopback without TLS some browsers and programs do not send Secure cookies back.
		c.Name, c.Secure = name, false
		http.SetCookie(w, c)
	}
}

// plain reports whether the site is reached without TLS, as in a trial on loopback.
func (s *site) plain() bool { return s.PublicURL.Scheme == "http" }
