package contact

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// view is what the templates of a claim show.
type view struct {
	issuance.ClaimView
	Tag     string // of the link, for the forms
	Version string // of what is shown
	Failure *page.Failure
	Left    int  // tries, if the failure is a wrong code
	Sent    bool // a new code, or the password again, was asked for just now
	Lost    bool // this browser had a session, and has none any more
	Phone   bool // the page is read on a phone or tablet
	Brought bool // the form for a CSR was sent
	Ended   bool // there is nothing to do at present; Failure says why
	// What was entered, or is preferred.
	Target, Key, CSR string

	now      time.Time
	location *time.Location
}

func (s *site) view(r *http.Request, p pass, v issuance.ClaimView) *view {
	return &view{
		ClaimView: v, Tag: tag(p.link), Version: version(v, s.Now()), Phone: onPhone(r),
		Lost:   v.Stage == issuance.EnterStage && !p.session.Empty(),
		Target: string(v.Order.Target), Key: string(v.Order.Key),
		now: s.Now(), location: s.Location,
	}
}

// flash puts what the last POST said onto the page.
func (d *view) flash(s *site, f *flashed) {
	switch {
	case f == nil:
	case f.code == codeSent, f.code == passwordSent:
		d.Sent = true
	case d.stale(f.code):
	case f.code == issuance.CodeSession && (d.Ask() || d.Elsewhere()):
		failure := s.pages.Failure(d.Contact.Language, &issuance.Error{Code: "session-over"})
		d.Failure = &failure
	default:
		failure := s.pages.Failure(d.Contact.Language, f.err())
		d.Failure = &failure
		if f.code == issuance.CodeWrongCode {
			d.Left = f.number
		}
	}
}

// stale reports whether a failure is no longer true, or nothing can be done about it on
// the current page.
func (d *view) stale(code issuance.Code) bool {
	switch code {
	case issuance.CodeLocked, issuance.CodeLinkExpired, issuance.CodeCancelled, issuance.CodeRevoked, issuance.CodeLink:
		return true // or there were no page
	case issuance.CodeWrongCode, issuance.CodeMalformed:
		return d.Stage != issuance.EnterStage || d.Ask()
	case issuance.CodeDailyLimit:
		return d.Limited() // which the page says at length
	case issuance.CodeClaimed:
		return d.Elsewhere()
	}
	return false
}

// end makes d the page of an order with nothing left to do, because of err.
func (d *view) end(s *site, err error) {
	failure := s.pages.Failure(d.Contact.Language, err)
	d.Ended, d.Failure, d.Version = true, &failure, string(issuance.CodeOf(err))
}

// onPhone reports whether r comes from a phone or tablet: the file is better
// fetched where it is needed.
func onPhone(r *http.Request) bool {
	if r.Header.Get("Sec-CH-UA-Mobile") == "?1" {
		return true
	}
	agent := r.UserAgent()
	return slices.ContainsFunc([]string{"Mobi", "Android", "iPhone", "iPad"},
		func(s string) bool { return strings.Contains(agent, s) })
}

// template returns the name of the stage's template.
func (d *view) template() string {
	if d.Ended {
		return "ended"
	}
	switch d.Stage {
	case issuance.EnterStage:
		return "enter"
	case issuance.ChooseStage:
		return "choose"
	}
	return "file"
}

// TitleKey returns the key of the page's heading.
func (d *view) TitleKey() string {
	switch {
	case d.Ended:
		return "failure." + string(d.Failure.Code) + ".title"
	case d.Revoked():
		return "file.revokedTitle"
	}
	switch d.Stage {
	case issuance.EnterStage:
		switch {
		case d.Elsewhere():
			return "elsewhere.title"
		case d.Ask():
			return "ask.title"
		}
		return "enter.title"
	case issuance.ChooseStage:
		return "choose.title"
	}
	switch {
	case d.Order.FromCSR:
		return "file.csrTitle"
	case d.Stage == issuance.DownloadStage:
		return "file.readyTitle"
	case d.PasswordState == issuance.Failed:
		return "file.failedTitle"
	case d.Stage == issuance.DoneStage && d.PasswordState != issuance.Pending:
		return "file.textedTitle"
	}
	return "file.textingTitle"
}

// Ask reports whether no code can be entered, so that the contact must ask for one.
func (d *view) Ask() bool {
	return !d.Code.Made || !d.Code.Live || d.Code.Expired || d.Code.Failed
}

// Elsewhere reports whether the code was entered on another device, which can
// choose and download now.
func (d *view) Elsewhere() bool {
	return d.Stage == issuance.EnterStage && d.Order.State == issuance.VerifiedState && !d.Code.Live
}

// Revoked and Held report the certificate's present status.
func (d *view) Revoked() bool { return d.Certificate.Status == issuance.Revoked }

func (d *view) Held() bool { return d.Certificate.Status == issuance.Held }

// AskWhy returns the key of why there is no code to enter.
func (d *view) AskWhy() string {
	switch {
	case d.Lost:
		return "ask.lost"
	case !d.Code.Made:
		return "ask.none"
	case d.Code.Failed:
		return "ask.failed"
	case d.Code.Spent:
		return "ask.spent"
	case d.Code.Expired:
		return "ask.expired"
	}
	return "ask.used"
}

// Input returns the id of the field that the failure is about, "" if it is about none.
func (d *view) Input() string {
	switch {
	case d.Stage == issuance.EnterStage && !d.Ask():
		return "code"
	case d.Brought:
		return "csr"
	}
	return ""
}

// Step returns which of the three steps the contact is at.
func (d *view) Step() int {
	switch d.Stage {
	case issuance.EnterStage:
		return 1
	case issuance.ChooseStage, issuance.DownloadStage:
		return 2
	}
	return 3
}

// Busy reports whether the page will change by itself soon, so that its script should
// check often.
func (d *view) Busy() bool {
	switch d.Stage {
	case issuance.EnterStage:
		return d.Code.Waiting
	case issuance.DownloadStage:
		return true
	}
	return d.PasswordState == issuance.Pending
}

// Serial and Fingerprint are in the form in which programs print them.
func (d *view) Serial() string { return strings.ToUpper(string(d.Certificate.Serial)) }

func (d *view) Fingerprint() string {
	var pairs []string
	for rest := strings.ToUpper(d.Certificate.Fingerprint); len(rest) >= 2; rest = rest[2:] {
		pairs = append(pairs, rest[:2])
	}
	return strings.Join(pairs, ":")
}

// File returns the name of the downloaded file.
func (d *view) File() string { return d.slug() + d.extension() }

// slug is the service's name in file names and commands.
func (d *view) slug() string { return d.Service.ID.Identifier() }

func (d *view) extension() string {
	if d.Order.FromCSR {
		return ".pem"
	}
	return ".p12"
}
