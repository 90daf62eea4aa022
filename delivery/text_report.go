package delivery

import (
	"bytes"

	"github.com/postern-ca/postern/issuance"
)

// sheet is a report as the layouts of its mail see it.
type sheet struct {
	Language, Subject, Title, Summary string
	Scope                             []string
	Parts                             []issuance.ReportPart
	Text                              string // the whole in plain text
	Why, Brand                        string
}

// report fills m with a report, in the registrar's own words: plain text with
// aligned columns, and tables in HTML.
func (w *writer) report(m *Message, r issuance.Report) error {
	s := sheet{
		Language: issuance.Languages()[0], Title: r.Title(), Summary: r.Summary(), Scope: r.Scope(), Parts: r.Parts(),
		Text: r.Text(), Why: w.say("alert.why"), Brand: w.brand.Name,
	}
	s.Subject = oneLine(s.Title+": "+s.Summary, 150)
	if w.err != nil {
		return w.err
	}
	var text, html bytes.Buffer
	if err := w.text.ExecuteTemplate(&text, "report.txt", s); err != nil {
		return err
	}
	if err := w.html.ExecuteTemplate(&html, "report.html", s); err != nil {
		return err
	}
	m.Subject, m.Text, m.HTML = s.Subject, issuance.NewSecret(text.Bytes()), issuance.NewSecret(html.Bytes())
	return nil
}
