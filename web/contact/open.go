package contact

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
)

// open answers the e-mailed link. It changes nothing: mail scanners open links
// too. A link that is alive moves its token into a cookie, out of the address
// bar, the history and the Referer. To a stranger every link that is not alive
// looks the same, whether it never was, is over, or was used.
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
	switch {
	case alive:
		s.keep(w, j.with(p))
	case len(j) > 0:
		// The browser holds another link, which /claim would show instead.
		http.Redirect(w, r, s.path("/claim?link=unknown"), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, s.path("/claim"), http.StatusSeeOther)
}

// linkOf returns the token in the address of r, or nothing if it is none of ours.
func linkOf(r *http.Request) issuance.Secret {
	if token := mux.Vars(r)["token"]; isToken(token) {
		return issuance.NewSecret([]byte(token))
	}
	return issuance.Secret{}
}
