package contact

import (
	"net/http"
	"regexp"
	"strings"
	"unicode"
)

// tidied removes what mail programs and people add around the e-mailed link, before
// anything else reads the address.
func tidied(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := tidyPath(r.URL.Path); path != r.URL.Path {
			u := *r.URL
			u.Path, u.RawPath = path, ""
			r = r.Clone(r.Context())
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

// tidyPath returns path with the token alone after /c/ or /stop/, and the verb of a
// script if there is one; any other path as it is.
func tidyPath(path string) string {
	for _, site := range []string{"/c/", "/stop/"} {
		if rest, ok := strings.CutPrefix(path, site); ok {
			return tidyLink(path, site, rest)
		}
	}
	return path
}

func tidyLink(path, site, rest string) string {
	rest = strings.TrimRight(rest, "/")
	verb := ""
	for _, v := range []string{"/claim", "/code"} {
		if before, ok := strings.CutSuffix(rest, v); ok {
			rest, verb = before, v
			break
		}
	}
	token := tokenIn(rest)
	if token == "" || below.MatchString(rest) {
		return path
	}
	return site + token + verb
}

// below matches an address that has more path below the token, so it is another one.
var below = regexp.MustCompile(`[A-Za-z0-9_-]{43}/+[A-Za-z0-9]`)

// tokenRun finds what could be a whole token: 32 bytes in base64url have 43 characters.
var tokenRun = regexp.MustCompile(`[A-Za-z0-9_-]{43,}`)

// tokenIn returns the token in s, without what surrounds it: brackets, quotes, entities,
// escapes, punctuation, invisible characters, and the = of quoted-printable, alone, as
// =3D, or where it broke a line. It returns "" if s has none.
func tokenIn(s string) string {
	s = strings.ReplaceAll(s, "=3D", "=")
	if run := tokenRun.FindString(s); run != "" {
		return run[:43]
	}
	s = strings.Map(func(r rune) rune {
		if r == '=' || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	if run := tokenRun.FindString(s); run != "" {
		return run[:43]
	}
	return ""
}
