package contact

import (
	"net/http"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// sendCode sends a new code and goes back to the page.
func (s *site) sendCode(w http.ResponseWriter, r *http.Request) {
	j, p, ok := s.posted(w, r)
	if !ok {
		return
	}
	err := s.Registrar.SendCode(r.Context(), p.link)
	s.goOn(w, r, j.with(p), codeSent, err)
}

// resendPassword sends the password of the browser's file again, and goes back to
// the page.
func (s *site) resendPassword(w http.ResponseWriter, r *http.Request) {
	j, p, ok := s.posted(w, r)
	if !ok {
		return
	}
	err := s.Registrar.AskPassword(r.Context(), p.link, p.session)
	s.goOn(w, r, j.with(p), passwordSent, err)
}

// verify checks a code. If it is right, this browser, and no other, can claim.
func (s *site) verify(w http.ResponseWriter, r *http.Request) {
	j, p, ok := s.posted(w, r)
	if !ok {
		return
	}
	session, err := s.Registrar.Verify(r.Context(), p.link, r.PostForm.Get("code"))
	if err != nil {
		s.goOn(w, r, j.with(p), "", err)
		return
	}
	s.keep(w, j.with(pass{p.link, session}))
	http.Redirect(w, r, s.path("/claim"), http.StatusSeeOther)
}

// posted reads a form and finds the pass it is about. If that fails it answers,
// and ok is false.
func (s *site) posted(w http.ResponseWriter, r *http.Request) (j jar, p pass, ok bool) {
	if err := parse(r); err != nil {
		s.fail(w, r, err, s.path("/claim"))
		return nil, pass{}, false
	}
	j = s.jar(r)
	p = j.find(r.PostForm.Get("link"))
	if p.link.Empty() {
		// The cookie is gone, or never came: the page says what a link needs.
		to := "/claim"
		if len(j) == 0 && r.PostForm.Get("link") != "" {
			to = cookieCheck
		}
		http.Redirect(w, r, s.path(to), http.StatusSeeOther)
		return nil, pass{}, false
	}
	return j, p, true
}

// goOn redirects to the page, which shows the result of the POST: done, if it is not "",
// or err.
func (s *site) goOn(w http.ResponseWriter, r *http.Request, j jar, done issuance.Code, err error) {
	s.report(r, err, "")
	s.keep(w, j)
	s.setFlash(w, j[0].link, done, err)
	http.Redirect(w, r, s.path("/claim"), http.StatusSeeOther)
}

// parse reads the form of r, multipart or not. Parameters in the address are ignored,
// because addresses are logged.
func parse(r *http.Request) error {
	err := r.ParseForm()
	if err == nil {
		if err = r.ParseMultipartForm(maxBody); err == http.ErrNotMultipart {
			err = nil
		}
	}
	if err == nil {
		return nil
	}
	if tooLarge(err) {
		return &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeTooLarge, Message: "more than 64 kB were sent",
			Hint: "send the code, or the CSR, and nothing else",
		}
	}
	return issuance.Invalidf("", "the form cannot be read", "send it as application/x-www-form-urlencoded or multipart/form-data")
}
