package page

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// Codes of failures that are the pages' own, next to those of issuance and server.
const (
	CodePage    issuance.Code = "page"         // there is no such page
	CodeForeign issuance.Code = "foreign-form" // sent by another site's page
	CodeRate    issuance.Code = "rate"         // too many requests from one address
	CodeCookies issuance.Code = "cookies"      // the browser keeps none
)

// Failure is what the one error page for people says: what happened, and what
// to do next. Its words are failure.<code>.title, .what and .next of the texts.
type Failure struct {
	Code   issuance.Code
	Detail string // in English, for those who can use it; not internal
	Wait   string // how long to wait, in words; "" if it does not matter
	Back   string // address of the page to continue with; "" if there is none
}

// Failure returns what people read about err, in language.
func (p *Pages) Failure(language string, err error) Failure {
	t := p.texts.in(language)
	f := Failure{Code: server.CodeInternal}
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

// Wait returns d in words: seconds up to two minutes, then minutes, then hours,
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
// address to continue with, or "". The caller must log cause if it is internal, and
// also the error returned, which means that not even this page could be shown.
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

// Status returns the HTTP status for err.
func Status(err error) int {
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		return server.StatusOf(e)
	}
	return http.StatusInternalServerError
}

// SetRetryAfter sets Retry-After, in whole seconds, if err says when to try again.
func SetRetryAfter(w http.ResponseWriter, err error) {
	if e, ok := errors.AsType[*issuance.Error](err); ok && e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Retry.Seconds()))))
	}
}
