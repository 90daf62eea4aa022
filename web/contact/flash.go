package contact

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// flashed is what a POST passes to the page that it redirects to: a code and a number,
// no text and no secret. A browser could forge it, but only it would see the result.
type flashed struct {
	code   issuance.Code
	number int    // tries left, or seconds to wait
	tag    string // of the link it is about
}

// The flashes that are not errors.
const (
	codeSent     issuance.Code = "sent"
	passwordSent issuance.Code = "password-sent"
)

// setFlash keeps the result of a POST for the next page: done, or err.
func (s *site) setFlash(w http.ResponseWriter, link issuance.Secret, done issuance.Code, err error) {
	f := flashed{code: done}
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		f.code, f.number = e.Code, e.Left
		if e.Retry > 0 {
			f.number = int(math.Ceil(e.Retry.Seconds()))
		}
	} else if err != nil {
		f.code = "internal"
	}
	if f.code == "" {
		return
	}
	s.setCookie(w, flashCookie, string(f.code)+"."+strconv.Itoa(f.number)+"."+tag(link), time.Minute)
}

// flash returns what the last POST left for the page of link, nil if nothing, and
// removes it.
func (s *site) flash(w http.ResponseWriter, r *http.Request, link issuance.Secret) *flashed {
	entries := s.cookie(r, flashCookie)
	if len(entries) == 0 {
		return nil
	}
	s.setCookie(w, flashCookie, "", 0)
	parts := strings.Split(entries[0], ".")
	if len(parts) != 3 || parts[2] != tag(link) {
		return nil
	}
	number, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil
	}
	return &flashed{issuance.Code(parts[0]), number, parts[2]}
}

// err returns f as the error it was.
func (f flashed) err() *issuance.Error {
	return &issuance.Error{Code: f.code, Retry: time.Duration(f.number) * time.Second}
}
