package page

import (
	"net/http"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// Home serves the first page of the site: what this is, and where to turn. It
// says nothing of whoever asks, and reads no cookie.
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

// ReadOnly serves GET and HEAD with next, tells OPTIONS so, and refuses others.
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
		s.Fail(w, r, &issuance.Error{Kind: issuance.Invalid, Code: server.CodeMethod, Message: "this address can only be read"}, "")
	})
}
