package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/postern-ca/postern/issuance"
)

// The codes of errors in a request that are found before its contents are examined.
const (
	CodeSyntax    issuance.Code = "malformed"    // 400: not what the endpoint reads
	CodeMediaType issuance.Code = "media-type"   // 415
	CodeTooLarge  issuance.Code = "too-large"    // 413
	CodeMethod    issuance.Code = "method"       // 405
	CodeHost      issuance.Code = "host"         // 421
	CodeInternal  issuance.Code = "internal"     // 500
	CodePath      issuance.Code = "no-such-path" // 404
)

// Problem is a problem document (RFC 9457). Detail says what happened, Hint what
// to do next, and Code is for programs.
type Problem struct {
	Type       string        `json:"type"` // /problems/<code>
	Title      string        `json:"title"`
	Status     int           `json:"status"`
	Detail     string        `json:"detail"`
	Code       issuance.Code `json:"code"`
	Field      string        `json:"field,omitempty"` // the input at fault
	Hint       string        `json:"hint,omitempty"`
	Next       *Next         `json:"next,omitempty"`        // the verb that Hint is about
	RetryAfter int           `json:"retry_after,omitempty"` // seconds
	Request    string        `json:"request,omitempty"`     // names the log event
}

// Next is a verb of the API: POST /api/v1/<noun>s/<id>/<verb>, or GET for list; or
// create-local, which takes somebody on the server's machine.
type Next struct {
	Verb issuance.Verb `json:"verb"`
	Noun issuance.Noun `json:"noun"`
	ID   string        `json:"id,omitempty"`
}

// Problems writes errors as problem documents.
type Problems struct{ Log *slog.Logger }

// Write answers with err. An [*issuance.Error] is shown unchanged; any other error
// is logged here, once, and shown as "internal error". Nothing is written if the
// client has gone away.
func (p Problems) Write(w http.ResponseWriter, r *http.Request, err error) {
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = &issuance.Error{
			Kind: issuance.Invalid, Code: CodeTooLarge,
			Message: "the request is longer than " + strconv.FormatInt(tooBig.Limit, 10) + " bytes",
			Hint:    "send less at once",
		}
	}
	e, ok := errors.AsType[*issuance.Error](err)
	if !ok || e.Kind == issuance.Internal {
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			return
		}
		p.Log.Error("a request could not be answered", "request", w.Header().Get(RequestIDHeader), "error", err)
		p.internal(w)
		return
	}
	p.write(w, e)
}

// internal tells nothing but that it is not the caller's fault.
func (p Problems) internal(w http.ResponseWriter) {
	p.write(w, &issuance.Error{
		Kind: issuance.Internal, Code: CodeInternal, Message: "internal error",
		Hint: "try again, or report the request id to the operator of this server; its log has the details",
	})
}

func (p Problems) write(w http.ResponseWriter, e *issuance.Error) { p.WriteStatus(w, StatusOf(e), e) }

// WriteStatus answers with e, and with a status other than that of its kind.
func (p Problems) WriteStatus(w http.ResponseWriter, status int, e *issuance.Error) {
	doc := Problem{
		Type: "/problems/" + string(e.Code), Title: http.StatusText(status), Status: status, Detail: e.Error(),
		Code: e.Code, Field: e.Field, Hint: e.Hint, Request: w.Header().Get(RequestIDHeader),
	}
	if e.Next.Verb != "" {
		doc.Next = &Next{e.Next.Verb, e.Next.Noun, e.Next.ID}
	}
	h := w.Header()
	if status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="postern"`)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		doc.RetryAfter = max(1, int(math.Ceil(e.Retry.Seconds())))
		h.Set("Retry-After", strconv.Itoa(doc.RetryAfter))
	}
	if e.Code == CodeTooLarge {
		h.Set("Connection", "close")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	h.Del("ETag")
	w.WriteHeader(status)
	body, err := json.Marshal(doc)
	if err != nil {
		p.Log.Error("an error answer could not be written", "error", err)
		return
	}
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

// StatusOf returns the status of an answer with e.
func StatusOf(e *issuance.Error) int {
	switch e.Code {
	case CodeSyntax:
		return http.StatusBadRequest
	case CodeMediaType:
		return http.StatusUnsupportedMediaType
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeMethod:
		return http.StatusMethodNotAllowed
	case CodeHost:
		return http.StatusMisdirectedRequest
	case issuance.CodeUnauthenticated:
		return http.StatusUnauthorized
	}
	switch e.Kind {
	case issuance.Invalid:
		return http.StatusUnprocessableEntity
	case issuance.NotFound:
		return http.StatusNotFound
	case issuance.Conflict:
		return http.StatusConflict
	case issuance.Denied:
		return http.StatusForbidden
	case issuance.Limited:
		return http.StatusTooManyRequests
	case issuance.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
