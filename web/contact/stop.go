package contact

import (
	"net/http"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// stopPage is the data of the page that stops a change of a contact.
type stopPage struct {
	issuance.StopView
	Action string // of its form
}

// TitleKey names the page's title.
func (p stopPage) TitleKey() string {
	if p.Stopped {
		return "stop.done.title"
	}
	return "stop.title"
}

// lookStop shows which change the link in a message stops. It changes nothing: mail
// scanners open links too. The link does not open a claim.
func (s *site) lookStop(w http.ResponseWriter, r *http.Request) {
	v, err := s.Registrar.LookStop(r.Context(), linkOf(r))
	s.showStop(w, r, v, err)
}

// stop stops the change.
func (s *site) stop(w http.ResponseWriter, r *http.Request) {
	v, err := s.Registrar.Stop(r.Context(), linkOf(r))
	s.showStop(w, r, v, err)
}

func (s *site) showStop(w http.ResponseWriter, r *http.Request, v issuance.StopView, err error) {
	if err != nil {
		s.report(r, err, "")
		s.fail(w, r, err, "")
		return
	}
	p, lang := stopPage{StopView: v, Action: s.path(r.URL.Path)}, v.Contact.Language
	title, err := s.pages.Text(lang, p.TitleKey())
	if err == nil {
		err = s.pages.Render(w, r, page.Page{Name: "stop", Language: lang, Title: title, Data: p})
	}
	if err != nil {
		s.report(r, err, "")
		s.fail(w, r, err, "")
	}
}
