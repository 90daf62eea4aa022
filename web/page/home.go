package page

import (
	"net/http"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// Home serves the first page of the site, which says what the site is and whom to
// contact. The page is the same for everybody, and no cookie is read.
func (s *Site) Home() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.Route(w, "/")
		lang := Language(r)
		title, err := s.common.Text(lang, "home.title")
		if err == nil {
			err = s.common.Render(w, r, Page{Name: "home", Language: lang, Title: title})
		}
		if err != nil {
			s.Fail(w, r, err, "")
		}
	})
}

// ReadOnly serves GET and HEAD with next, answers OPTIONS, and refuses other
// methods.
func (s *Site) ReadOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			next.ServeHTTP(w, r)
			return
		case http.MethodOptions:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		s.Fail(w, r, &issuance.Error{Kind: issuance.Invalid, Code: server.CodeMethod, Message: "this address is read-only"}, "")
	})
}
