package page

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Codes of failures that are the web's own, next to those of issuance.
const (
	CodePage     issuance.Code = "page"         // there is no such page
	CodeMethod   issuance.Code = "method"       // not to be done this way
	CodeTooLarge issuance.Code = "too-large"    // more was sent than is read
	CodeForeign  issuance.Code = "foreign-form" // sent by another site's page
	CodeRate     issuance.Code = "rate"         // too many requests from one address
	CodeInternal issuance.Code = "internal"
)

// Failure is what the one error page for people says: what happened, and what
// to do next. Its words are failure.<code>.title, .what and .next of the texts.
type Failure struct {
	Code   issuance.Code
	Detail string // in English, for those who can use it; not internal
	Wait   string // how long, in words; "" if it does not matter
	Back   string // address of the page to go on with; "" if there is none
}

// Failure returns what people read about err, in language.
func (p *Pages) Failure(language string, err error) Failure {
	t := p.texts.in(language)
	f := Failure{Code: CodeInternal}
	e, ok := errors.AsType[*issuance.Error](err)
	if !ok {
		return f
	}
	if t.Has("failure." + string(e.Code) + ".title") {
		f.Code = e.Code
	}
	if e.Code == issuance.CodeInvalid || e.Code == issuance.CodeCSR {
		f.Detail = e.Error()
	}
	if e.Retry > 0 {
		f.Wait, _ = t.Wait(e.Retry)
	}
	return f
}

// Wait says how long d is: seconds up to two minutes, then minutes, then hours,
// always rounded up.
func (t text) Wait(d time.Duration) (string, error) {
	up := func(unit time.Duration) int { return max(1, int(math.Ceil(float64(d)/float64(unit)))) }
	switch {
	case d <= 2*time.Minute:
		return t.T("wait.seconds", "Count", up(time.Second))
	case d <= 2*time.Hour:
		return t.T("wait.minutes", "Count", up(time.Minute))
	}
	return t.T("wait.hours", "Count", up(time.Hour))
}

// Fail shows the error page for cause, with the status of its kind; back is the
// address to go on with, or "". The caller logs cause if it is internal, and the
// error returned, which says that even this page could not be shown.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, cause error, back string) error {
	lang := Language(r)
	f := s.common.Failure(lang, cause)
	f.Back = back
	title, err := s.common.Text(lang, "failure."+string(f.Code)+".title")
	if err == nil {
		SetRetryAfter(w, cause)
		err = s.common.Render(w, r, Page{Status: Status(cause), Name: "failure", Language: lang, Title: title, Data: f})
	}
	if err != nil {
		http.Error(w, "something went wrong; please try again later", http.StatusInternalServerError)
	}
	return err
}

// Status returns the HTTP status for err (RFC 9110, section 15).
func Status(err error) int {
	switch code := issuance.CodeOf(err); code {
	case issuance.CodeLinkExpired, issuance.CodeCancelled, issuance.CodeWindow:
		return http.StatusGone
	case issuance.CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeMethod:
		return http.StatusMethodNotAllowed
	}
	switch issuance.KindOf(err) {
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

// SetRetryAfter sets Retry-After, in whole seconds, if err says when to try again.
func SetRetryAfter(w http.ResponseWriter, err error) {
	if e, ok := errors.AsType[*issuance.Error](err); ok && e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Retry.Seconds()))))
	}
}

// Problem is a problem document (RFC 9457) for programs.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"` // what to do next
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Left   int    `json:"left,omitempty"` // tries, if a code was wrong
}

// ProblemOf returns the problem document for err. Nothing internal is in it.
func ProblemOf(err error) Problem {
	p := Problem{Type: "about:blank", Title: "internal error", Status: Status(err), Detail: "try again later", Code: string(CodeInternal)}
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		p.Type, p.Title, p.Detail, p.Code, p.Field = "urn:postern:problem:"+string(e.Code), e.Message, e.Hint, string(e.Code), e.Field
		p.Left = e.Left
	}
	return p
}

// WantsProblem reports whether r's Accept header asks for JSON rather than text.
func WantsProblem(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "json")
}
