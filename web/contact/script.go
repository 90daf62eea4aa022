package contact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

// scriptCode sends a new code, for a script that has the link.
func (s *site) scriptCode(w http.ResponseWriter, r *http.Request) {
	if err := s.Registrar.SendCode(r.Context(), linkOf(r)); err != nil {
		s.refuse(w, r, s.toStranger(r, pass{}, err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, "a new code is on its way by SMS")
}

// scriptClaim takes the code and returns the file in one request. Its answer
// sets the session cookie; a script that sends it back gets the same file again,
// without a code, until the claim window closes.
func (s *site) scriptClaim(w http.ResponseWriter, r *http.Request) {
	gap, err := parseScript(r)
	if err == nil && gap {
		err = emptyCSRError()
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	q, err := choice(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	link := linkOf(r)
	p := pass{link, s.session(r, link)}
	session, f, err := s.Registrar.Enroll(r.Context(), issuance.Enrollment{
		Token: p.link, Session: p.session, Code: r.PostForm.Get("code"), Claim: q,
	})
	if err != nil {
		err = s.toStranger(r, p, err)
	}
	if p.session = session; !session.Empty() {
		s.keep(w, jar{p})
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.deliver(w, r, p, f)
}

// parseScript is parse for a script's form. It also reports whether there is a gap where
// a field should be, as in code=12345678&. That is what curl before 8 sends for
// --data-urlencode csr@FILE with an empty file, or none: it drops the field with its
// name.
func parseScript(r *http.Request) (gap bool, err error) {
	var raw bytes.Buffer
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, &raw), r.Body}
	if err := parse(r); err != nil {
		return false, err
	}
	return raw.Len() > 0 && r.MultipartForm == nil && slices.Contains(strings.Split(raw.String(), "&"), ""), nil
}

// toStranger hides what happened to a link from anybody without a session: an expired, a
// used and a cancelled link are answered like one that never existed.
func (s *site) toStranger(r *http.Request, p pass, err error) error {
	switch issuance.CodeOf(err) {
	case issuance.CodeClaimed, issuance.CodeCancelled, issuance.CodeRevoked, issuance.CodeLinkExpired:
		if p.session.Empty() {
			_, err = s.Registrar.Look(r.Context(), issuance.Secret{}, issuance.Secret{})
		}
	}
	return err
}

// refuse tells a script what happened and what to do, as text or, where it
// accepts JSON, as a problem document.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*issuance.Error](err); ok && e.Code == issuance.CodeWrongCode {
		counted := *e
		counted.Message += " (" + e.TriesLeft() + ")"
		err = &counted
	}
	if strings.Contains(r.Header.Get("Accept"), "json") {
		server.Problems{Log: s.Log}.Write(w, r, err)
		return
	}
	s.report(r, err, "")
	text := "internal error\ntry again later\n"
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		text = e.Error() + "\n" + e.Hint + "\n"
	}
	page.SetRetryAfter(w, err)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(page.Status(err))
	w.Write([]byte(text))
}
