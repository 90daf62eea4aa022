package est

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// maxBody is the maximum size of a request in bytes: enough for the largest CSR.
const maxBody = 64 << 10

// CodeRate is the error code for too many requests from one address.
const CodeRate issuance.Code = "rate"

// limited lets a POST through if its address has not sent too many.
func (e *EST) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if wait := e.limiter.Take(e.source.Of(r)); wait > 0 {
			e.refuse(w, r, &issuance.Error{
				Kind: issuance.Limited, Code: CodeRate, Message: "too many requests from your network address",
				Hint: "wait, then try again; this did not count as an attempt", Retry: wait,
			})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next(w, server.From(w, r, &e.source))
	}
}

func (e *EST) notFound(w http.ResponseWriter, r *http.Request) {
	e.refuse(w, r, &issuance.Error{
		Kind: issuance.NotFound, Code: server.CodePath,
		Message: "there is nothing at this address", Hint: "the operations are cacerts, csrattrs, simpleenroll and " +
			"simplereenroll, with or without a label",
	})
}

// refuse answers err in plain text (RFC 7030, section 4.2.3): what happened, and
// what to do. Anything but an [*issuance.Error] is logged and not shown.
func (e *EST) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		w.Header().Set("Connection", "close")
		err = &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeTooLarge,
			Message: fmt.Sprintf("the request is longer than %d bytes", tooBig.Limit),
			Hint:    "send only the CSR; it is about 1 kB",
		}
	}
	refusal, ok := errors.AsType[*issuance.Error](err)
	if !ok || refusal.Kind == issuance.Internal {
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			return
		}
		e.Log.ErrorContext(r.Context(), "serving EST", "request", w.Header().Get(server.RequestIDHeader), "error", err)
		refusal = &issuance.Error{Kind: issuance.Internal, Message: "internal error", Hint: "try again later"}
	}
	status := statusOf(refusal)
	h := w.Header()
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="postern", charset="UTF-8"`)
	}
	if refusal.Retry > 0 || status == http.StatusAccepted {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(refusal.Retry.Seconds())))))
	}
	text := refusal.Error()
	if refusal.Code == issuance.CodeWrongCode {
		text += " (" + refusal.TriesLeft() + ")"
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n" + refusal.Hint + "\n")) // the client may be gone
}

// statusOf returns the status for e: 401 for a user name and password that do not work
// (RFC 7030, section 3.2.3), 400 for a CSR that is refused, 202 while the certificate is
// being made (section 4.2.3), and otherwise the same status as on all of Postern's
// listeners.
func statusOf(e *issuance.Error) int {
	switch e.Code {
	case issuance.CodeLink, issuance.CodeWrongCode, issuance.CodeMalformed, issuance.CodeExpired,
		issuance.CodeSpent, issuance.CodeNone, issuance.CodeClaimed:
		return http.StatusUnauthorized
	case issuance.CodeCSR:
		return http.StatusBadRequest
	case issuance.CodeBusy:
		return http.StatusAccepted
	case issuance.CodeCancelled: // contact or service are not authorised any more
		return http.StatusForbidden
	}
	if e.Kind == issuance.Invalid && e.Code == issuance.CodeInvalid {
		return http.StatusBadRequest
	}
	return server.StatusOf(e)
}
