package server

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
)

// NotAllowed returns the handler on router for methods that a path does not have:
// it sets Allow to those that it has (RFC 9110, section 15.5.6), and lets refuse
// answer. OPTIONS is answered if options says so.
func NotAllowed(router *mux.Router, options bool, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := methodsOf(router, r)
		if options {
			allowed = append(allowed, http.MethodOptions)
		}
		list := strings.Join(allowed, ", ")
		w.Header().Set("Allow", list)
		if options && r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		refuse(w, r, &issuance.Error{
			Kind: issuance.Invalid, Code: CodeMethod, Message: "this address does not allow that method", Hint: "use " + list,
		})
	})
}

// methodsOf returns the methods that router has for the path of r.
func methodsOf(router *mux.Router, r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch} {
		try := r.Clone(r.Context())
		try.Method = method
		var match mux.RouteMatch
		if router.Match(try, &match) && match.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
