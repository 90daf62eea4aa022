// Package admin is the API of staff and of the command line, under /api/v1, as described
// in openapi.json, and everything else on the admin listener: health checks, metrics and
// a page with links.
//
// It turns requests into calls to the registrar and results into JSON. It makes no
// decisions: the registrar decides who may do what, and when. No answer contains a
// digest, a seed or anything else that grants access, except the one that creates a
// token.
package admin
