package contact

import (
	"math"
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
	Sent    bool // a new code was asked for just now
	Lost    bool // this browser had a session, and has none any more
	// What was entered, or is preferred.
	Target, Key, CSR string

	now      time.Time
	location *time.Location
}

func (s *site) view(p pass, v issuance.ClaimView) *view {
	return &view{
		ClaimView: v, Tag: tag(p.link), Version: version(v, s.Now()),
		Lost:   v.Stage == issuance.EnterStage && !p.session.Empty(),
		Target: string(v.Order.Target), Key: string(v.Order.Key),
		now: s.Now(), location: s.Location,
	}
}

// flash puts what the last POST said onto the page.
func (d *view) flash(s *site, f *flashed) {
	switch {
	case f == nil:
	case f.code == codeSent:
		d.Sent = true
	default:
		failure := s.pages.Failure(d.Contact.Language, f.err())
		d.Failure = &failure
		if f.code == issuance.CodeWrongCode {
			d.Left = f.number
		}
	}
}

// template returns the name of the stage's template.
func (d *view) template() string {
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
	switch d.Stage {
	case issuance.EnterStage:
		if d.Ask() {
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
	case d.Stage == issuance.DoneStage:
		return "file.textedTitle"
	case d.PasswordState == issuance.Failed:
		return "file.failedTitle"
	}
	return "file.textingTitle"
}

// Ask reports whether there is no code that could be entered, so that asking for
// one is the thing to do.
func (d *view) Ask() bool {
	return !d.Code.Made || !d.Code.Live || d.Code.Expired || d.Code.Failed
}

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
	case d.CSR != "":
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

// Busy reports whether something happens by itself soon, which the page's script
// should look out for often.
func (d *view) Busy() bool {
	switch d.Stage {
	case issuance.EnterStage:
		return d.Code.Waiting
	case issuance.DownloadStage:
		return true
	}
	return d.Stage == issuance.PasswordStage && d.PasswordState == issuance.Pending
}

// moment is a point in time as pages show it.
type moment struct {
	ISO     string // for time elements
	Clock   string // as people read it
	Seconds int    // from now, rounded up; 0 if it is over
	Minutes int    // the same
}

func (d *view) at(t time.Time, layout string) moment {
	return moment{
		ISO: t.UTC().Format(time.RFC3339), Clock: t.In(d.location).Format(layout),
		Seconds: max(0, int(math.Ceil(t.Sub(d.now).Seconds()))),
		Minutes: max(0, int(math.Ceil(t.Sub(d.now).Minutes()))),
	}
}

// CodeEnds, WindowCloses and ExpiresOn are the times that matter to contacts.
func (d *view) CodeEnds() moment { return d.at(d.Code.EndsAt, "15:04 MST") }

func (d *view) WindowCloses() moment {
	if d.Stage == issuance.ChooseStage {
		return d.at(d.SessionEnds, "15:04 MST")
	}
	return d.at(d.WindowEnds, "15:04 MST")
}

func (d *view) ExpiresOn() moment { return d.at(d.Certificate.NotAfter, "2006-01-02") }

// Open reports whether the file can (still) be downloaded.
func (d *view) Open() bool { return d.now.Before(d.WindowEnds) }

// Cooldown returns the seconds until another code can be asked for.
func (d *view) Cooldown() int {
	if d.Code.NextAt.IsZero() {
		return 0
	}
	return max(0, int(math.Ceil(d.Code.NextAt.Sub(d.now).Seconds())))
}

// Serial and Fingerprint are in the form that programs print them.
func (d *view) Serial() string { return strings.ToUpper(string(d.Certificate.Serial)) }

func (d *view) Fingerprint() string {
	var pairs []string
	for rest := strings.ToUpper(d.Certificate.Fingerprint); len(rest) >= 2; rest = rest[2:] {
		pairs = append(pairs, rest[:2])
	}
	return strings.Join(pairs, ":")
}

// File returns the name of the downloaded file.
func (d *view) File() string { return d.Service.ID.Identifier() + d.extension() }

func (d *view) extension() string {
	if d.Order.FromCSR {
		return ".pem"
	}
	return ".p12"
}
