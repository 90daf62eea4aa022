package server

import (
	"net/http"
	"net/netip"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
)

// From returns r for handlers that call verbs: whatever comes of it is recorded with
// the address that it comes from, as s says, and with the id that we gave it. An id
// that the request brought along is never looked at.
func From(w http.ResponseWriter, r *http.Request, s *limit.Source) *http.Request {
	o := issuance.Origin{Address: addressText(s.Of(r)), Request: w.Header().Get(RequestIDHeader)}
	return r.WithContext(issuance.WithOrigin(r.Context(), o))
}

// addressText writes a as logs and records have it; "" for none.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

// By names who sent the request in its log event.
func By(w http.ResponseWriter, who issuance.Actor) {
	if rec := recorderOf(w); rec != nil {
		rec.by = &who
	}
}

// recorderOf returns the recorder below w, nil if w does not belong to one of this
// package's listeners.
func recorderOf(w http.ResponseWriter) *recorder {
	for {
		switch t := w.(type) {
		case *recorder:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}
