package contact

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// FuzzCookies reads whatever a browser may send as its cookies: what comes out
// is bounded, and could be ours.
func FuzzCookies(f *testing.F) {
	f.Add("abc~def", "0123456789abcdef.xyz~.~a.b.c", "wrong-code.4.0123456789abcdef")
	f.Add("", "~", "..")
	f.Add("a\u202eb", "tag.", "code.999999999999999999999.tag")
	s := &site{Config: Config{Site: new(page.Site), PublicURL: &url.URL{Scheme: "https"}, Registrar: &issuance.Registrar{}}}
	f.Fuzz(func(t *testing.T, links, sessions, flash string) {
		r := httptest.NewRequest(http.MethodGet, "/claim", nil)
		r.Header.Set("Cookie", "__Host-"+linkCookie+"="+links+"; __Host-"+sessionCookie+"="+sessions+"; __Host-"+flashCookie+"="+flash)
		j := s.jar(r)
		if len(j) > maxPasses {
			t.Fatalf("the jar has %d passes", len(j))
		}
		for _, p := range j {
			if !isToken(string(p.link.Reveal())) || !p.session.Empty() && !isToken(string(p.session.Reveal())) {
				t.Errorf("the jar has what is no token: %q", p.link.Reveal())
			}
			s.flash(httptest.NewRecorder(), r, p.link)
		}
		w := httptest.NewRecorder()
		s.keep(w, j)
		again := httptest.NewRequest(http.MethodGet, "/claim", nil)
		for _, c := range w.Result().Cookies() {
			again.AddCookie(c)
		}
		if got := s.jar(again); len(j) > 0 && len(got) != len(j) {
			t.Errorf("%d of %d passes came back", len(got), len(j))
		}
	})
}
