package contact

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

// claim shows where the contact stands: one page for each stage, with one thing
// to do on it.
func (s *site) claim(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("cookies") {
		s.checkCookies(w, r)
		return
	}
	p := s.jar(r).find(r.URL.Query().Get("link"))
	f := s.flash(w, r, p.link) // taken, whether it is shown or not: it is about this moment alone
	v, err := s.Registrar.Look(r.Context(), p.link, p.session)
	d := s.view(r, p, v)
	switch {
	case err == nil:
		d.flash(s, f)
		s.show(w, r, d, http.StatusOK)
	case v.Service.ID != "" && issuance.KindOf(err) != issuance.Internal:
		d.end(s, err)
		s.show(w, r, d, page.Status(err))
	default:
		s.report(r, err, "")
		s.fail(w, r, err, s.otherClaim(r, p))
	}
}

// otherClaim returns the address of a claim to continue with, if r's link does not work
// and the browser has another.
func (s *site) otherClaim(r *http.Request, p pass) string {
	if p.link.Empty() && len(s.jar(r)) > 0 {
		return s.path("/claim")
	}
	return ""
}

// showChoice shows the choice again, with what was entered and why it was refused.
func (s *site) showChoice(w http.ResponseWriter, r *http.Request, p pass, q issuance.ClaimRequest, refusal error) {
	v, err := s.Registrar.Look(r.Context(), p.link, p.session)
	if err != nil || v.Stage != issuance.ChooseStage {
		s.goOn(w, r, s.jar(r).with(p), "", refusal)
		return
	}
	d := s.view(r, p, v)
	_, d.Brought, _ = csrOf(r)
	d.Target, d.Key, d.CSR = q.Target, q.Key, echo(q.CSR)
	f := s.pages.Failure(v.Contact.Language, refusal)
	d.Failure = &f
	s.show(w, r, d, page.Status(refusal))
}

// show renders the page of d's stage in the contact's language.
func (s *site) show(w http.ResponseWriter, r *http.Request, d *view, status int) {
	lang := d.Contact.Language
	title, err := s.title(d)
	if err == nil {
		err = s.pages.Render(w, r, page.Page{Status: status, Name: d.template(), Language: lang, Title: title, Data: d})
	}
	if err != nil {
		s.Log.ErrorContext(r.Context(), "showing a claim", "order", d.Order.ID, "error", err)
		s.fail(w, r, err, "")
	}
}

// title returns the page's title, with any error first. For an order that is over, it
// names the service and whom to ask: among many tabs, the title may be all that the
// contact sees.
func (s *site) title(d *view) (string, error) {
	lang := d.Contact.Language
	if d.Ended {
		title, err := s.pages.Text(lang, d.TitleKey())
		title += " – " + d.Service.Name
		if support := s.Site.Support(); support != "" {
			title += " – " + support
		}
		return title, err
	}
	title, err := s.pages.Text(lang, d.TitleKey(), "Mobile", d.Contact.MaskedMobile())
	if err != nil || d.Failure == nil {
		return title, err
	}
	mistake, err := s.pages.Text(lang, "failure."+string(d.Failure.Code)+".title")
	return mistake + " – " + title, err
}

// status tells the page's script whether the page has changed.
func (s *site) status(w http.ResponseWriter, r *http.Request) {
	p := s.jar(r).find(r.URL.Query().Get("link"))
	v, err := s.Registrar.Look(r.Context(), p.link, p.session)
	answer := struct {
		Stage   issuance.Stage `json:"stage,omitempty"`
		Error   issuance.Code  `json:"error,omitempty"`
		Version string         `json:"version"`
	}{Stage: v.Stage}
	if err != nil {
		s.report(r, err, "")
		if answer.Error = issuance.CodeOf(err); answer.Error == "" {
			answer.Error = server.CodeInternal
		}
		answer.Version = string(answer.Error)
	} else {
		answer.Version = version(v, s.Now())
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// version changes whenever v's page would look different, apart from the time left.
func version(v issuance.ClaimView, now time.Time) string {
	c := v.Code
	limited := c.NextAt.Sub(now) > longWait
	sum := sha256.Sum256(fmt.Append(nil, v.Stage, v.Order.State, v.Certificate.Status, v.PasswordSent, limited,
		c.Made, c.Live, c.Spent, c.Waiting, c.Delayed, c.Failed, c.Expired, c.EndsAt.UnixNano(),
		v.PasswordState, v.PasswordDelayed, v.Certificate.Serial, !v.WindowEnds.IsZero() && !now.Before(v.WindowEnds)))
	return hex.EncodeToString(sum[:8])
}
