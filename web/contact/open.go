package contact

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// open answers the e-mailed link. It changes nothing: mail scanners open links too. A
// link that works has its token moved into a cookie, out of the address bar, the history
// and the Referer. To a stranger every link that does not work looks the same, whether
// it never existed, has expired or was used.
func (s *site) open(w http.ResponseWriter, r *http.Request) {
	link := linkOf(r)
	j := s.jar(r)
	p := pass{link, s.session(r, link)}
	alive := !p.session.Empty() || slices.ContainsFunc(j, func(o pass) bool { return o.link.Equal(link) })
	if !alive {
		var err error
		if alive, err = s.Registrar.Alive(r.Context(), link); err != nil {
			s.report(r, err, "")
			s.fail(w, r, err, "")
			return
		}
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	to := "/claim"
	switch {
	case alive && len(j) == 0:
		s.keep(w, j.with(p))
		to = cookieCheck
	case alive:
		s.keep(w, j.with(p))
	case len(j) > 0:
		to = "/claim?link=unknown" // the browser holds another link, which /claim would show instead
	}
	http.Redirect(w, r, s.path(to), http.StatusSeeOther)
}

// cookieCheck is the page for a browser that was just given its first cookie: one that
// has not kept it is told so, instead of that its link is not valid.
const cookieCheck = "/claim?cookies=check"

// checkCookies answers a request for cookieCheck.
func (s *site) checkCookies(w http.ResponseWriter, r *http.Request) {
	if len(s.jar(r)) > 0 {
		http.Redirect(w, r, s.path("/claim"), http.StatusSeeOther)
		return
	}
	s.fail(w, r, &issuance.Error{
		Kind: issuance.Denied, Code: page.CodeCookies, Message: "the browser did not keep the cookie that it was sent",
		Hint: "allow cookies for this site, then open the link again",
	}, "")
}

// linkOf returns the token in the address of r, or nothing if it cannot be one.
func linkOf(r *http.Request) issuance.Secret {
	if token := mux.Vars(r)["token"]; isToken(token) {
		return issuance.NewSecret([]byte(token))
	}
	return issuance.Secret{}
}
