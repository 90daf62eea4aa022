package delivery

import (
	"bytes"

	"github.com/postern-ca/postern/issuance"
)

// sheet is a document as the layouts of its mail see it.
type sheet struct {
	Language, Subject, Title, Summary string
	Scope                             []string
	Parts                             []issuance.DocumentPart
	Text                              string // the whole in plain text
	Why, Brand                        string
}

// document fills m with d, in the words of whoever wrote it: plain text with
// aligned columns, and tables in HTML.
func (w *writer) document(m *Message, d issuance.Document) error {
	s := sheet{
		Language: issuance.Languages()[0], Title: d.Title, Summary: d.Summary, Scope: d.Scope, Parts: d.Parts,
		Text: d.Text, Why: w.say("alert.why"), Brand: w.brand.Name,
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
