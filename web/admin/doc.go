// Package admin is the API of staff and of the command line, under /api/v1, as
// the OpenAPI document beside this file describes it, and what else is on the
// admin listener: health checks, measurements and a page with links.
//
// It turns requests into calls on the registrar and results into JSON. It
// decides nothing: who may do what, and when, is the registrar's. No answer has
// a digest, a seed or anything else that opens something, but the one that makes
// a token.
package admin
