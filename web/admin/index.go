package admin

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
)

//go:embed index.html
var indexPage string

//go:embed openapi.json
var openapi []byte

// serveDocument serves the description of the API to everybody: it is public.
func serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openapi) // the client may be gone
}

// index is the page with links.
func (a *API) index(w http.ResponseWriter, r *http.Request) {
	page, err := template.New("index").Parse(indexPage)
	if err != nil {
		a.problems.Write(w, r, err)
		return
	}
	var b bytes.Buffer
	err = page.Execute(&b, struct {
		Outbox, Metrics bool
		Public          string
	}{a.opts.Outbox != nil, a.opts.Metrics != nil, strings.TrimRight(a.opts.Public, "/")})
	if err != nil {
		a.problems.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
