package server

import (
	"net/http"

	"github.com/gorilla/mux"
)

// Route names the route of a request for its log event and its measurements: a
// template such as /c/{token}, never the path itself, which may hold a secret.
func Route(w http.ResponseWriter, template string) { named(w, template, false) }

// Often is Route for what programs ask by the thousand: the log event of an answer
// that is no error has level debug, and no answer has the headers that are for
// browsers' pages.
func Often(w http.ResponseWriter, template string) {
	named(w, template, true)
	for _, name := range pagesOnly {
		delete(w.Header(), name)
	}
}

func named(w http.ResponseWriter, template string, often bool) {
	if rec := recorderOf(w); rec != nil {
		rec.route, rec.often = template, often
	}
}

// Routes is a middleware for mux that calls Route with the template that matched.
func Routes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route := mux.CurrentRoute(r); route != nil {
			if template, err := route.GetPathTemplate(); err == nil {
				Route(w, template)
			}
		}
		next.ServeHTTP(w, r)
	})
}
