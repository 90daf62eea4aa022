package server

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Below serves next with or without the path base ("" or "/certs") before each
// address: some proxies strip it, others don't. The addresses of next must not
// begin with base themselves, because the two would be ambiguous.
func Below(base string, next http.Handler) http.Handler {
	base = strings.TrimRight(base, "/")
	if base == "" {
		return next
	}
	stripped := http.StripPrefix(base, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, base+"/"):
			stripped.ServeHTTP(w, r)
		case r.URL.Path == base:
			root := r.Clone(r.Context())
			root.URL.Path, root.URL.RawPath = "/", ""
			next.ServeHTTP(w, root)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Clean redirects requests for paths with double slashes or dots to the clean path,
// below base, so next sees only clean paths.
func Clean(base string, next http.Handler) http.Handler {
	base = strings.TrimRight(base, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := path.Clean("/" + r.URL.Path)
		if clean != "/" && strings.HasSuffix(r.URL.Path, "/") {
			clean += "/"
		}
		if clean == r.URL.Path {
			next.ServeHTTP(w, r)
			return
		}
		Route(w, "unclean")
		to := url.URL{Path: base + clean, RawQuery: r.URL.RawQuery}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
	})
}
