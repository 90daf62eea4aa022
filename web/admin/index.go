package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"

	"github.com/postern-ca/postern/web/server"
)

//go:embed index.html
var indexPage string

//go:embed index.css
var indexStyle string

//go:embed openapi.json
var openapi []byte

// serveDocument serves the description of the API. It is public.
func (a *API) serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	here := fmt.Appendf(nil, `"url": %q`, a.opts.Base+Prefix)
	_, _ = w.Write(bytes.Replace(openapi, []byte(`"url": "`+Prefix+`"`), here, 1)) // the client may be gone
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
		Public, Base    string
		Style           template.CSS
	}{a.opts.Outbox != nil, a.opts.Metrics != nil, a.opts.Public, a.opts.Base, template.CSS(indexStyle)})
	if err != nil {
		a.problems.Write(w, r, err)
		return
	}
	sum := sha256.Sum256([]byte(indexStyle))
	w.Header().Set("Content-Security-Policy",
		server.DocumentPolicy+"; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
