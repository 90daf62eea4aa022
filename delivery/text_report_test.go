package delivery

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// sampleReport is a report in which every name is name.
func sampleReport(name string) issuance.Dispatch {
	at := time.Date(2026, 11, 25, 13, 5, 0, 0, time.UTC)
	d := sampleDispatch(issuance.AlertNotice, "en")
	d.Notice.Kind, d.Notice.Text, d.Notice.Order = issuance.ReportNotice, "daily-2026-11-25", ""
	r := report.Report{
		Kind: report.Daily, Period: "2026-11-25", First: "2026-11-25", TimeZone: "Europe/Berlin",
		From: at.Truncate(24 * time.Hour).Add(-time.Hour), To: at.Truncate(24 * time.Hour).Add(23 * time.Hour), At: at.Add(17 * time.Hour),
		Totals: issuance.Totals{Active: 1234567, Held: 1, Revoked: 42, Expired: 9876},
	}
	r.ToDo.Waiting = report.Listed[report.OrderRow]{More: 7, Items: []report.OrderRow{
		{Order: "ord-01kabcdefghjkmnpqrstvwxyz0", Service: "acme.payments", ContactName: name, Since: at},
	}}
	r.ToDo.Failed = report.Listed[report.MessageRow]{Items: []report.MessageRow{{Message: "msg-01kabcdefghjkmnpqrstvwxyz0", Kind: issuance.CodeNotice, Channel: issuance.SMS, At: at, Error: name}}}
	r.Done.Changed = report.Listed[report.Event]{Items: []report.Event{
		{At: at, Verb: issuance.RevokeVerb, By: issuance.Actor{Name: name}, Service: "acme.payments", Serial: "3f9a0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b", Reason: issuance.KeyCompromise, Comment: name},
	}}
	d.Document = r.Document()
	return d
}

func TestGoldenReport(t *testing.T) {
	texts := sampleTexts(t)
	m := mustRender(t, texts, sampleReport("Anna Muster"))
	golden(t, "en-report.txt", "Subject: "+m.Subject+"\n\n"+string(m.Text.Reveal()))
	golden(t, "en-report.html", string(m.HTML.Reveal()))
}

// TestAReportsTablesSayWhatItsTextSays compares the two halves of the mail, word by word.
func TestAReportsTablesSayWhatItsTextSays(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleReport("Anna <b>Muster</b> & Co"))
	page := string(m.HTML.Reveal())
	_, page, _ = strings.Cut(page, "<body")
	page = html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString("<body"+page, " "))
	text := regexp.MustCompile(`(?m)^(=+|-- )$`).ReplaceAllString(string(m.Text.Reveal()), "")
	words := func(s string) []string { return strings.Fields(strings.ToUpper(s)) }
	if diff := cmp.Diff(words(text), words(page)); diff != "" {
		t.Errorf("-text +html:\n%s", diff)
	}
}

func TestHostileNamesInAReport(t *testing.T) {
	texts := sampleTexts(t)
	for _, name := range hostile() {
		m := mustRender(t, texts, sampleReport(name))
		text, page := string(m.Text.Reveal()), string(m.HTML.Reveal())
		if strings.Contains(page, "<script") || strings.Contains(page, "<b@") {
			t.Errorf("%.40q stands as markup in the mail", name)
		}
		if strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(text, "\nBcc") {
			t.Errorf("%.40q breaks a line", name)
		}
		for _, s := range []string{text, page} {
			if i := strings.IndexFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }); i >= 0 {
				t.Errorf("%.40q brings %q into the mail", name, s[i:i+4])
			}
			for line := range strings.Lines(s) {
				if len(line) > 8000 {
					t.Errorf("%.40q makes a line of %d bytes", name, len(line))
				}
			}
		}
	}
}
