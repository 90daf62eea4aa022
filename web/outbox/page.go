package outbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// day has the messages of one day, the newest first.
type day struct {
	Date     string
	Messages []shown
}

// shown is a message as the page shows it.
type shown struct {
	At      string
	Machine string // the same time, for machines
	SMS     bool
	To      string
	Subject string
	Parts   []part
	Codes   []string // to be copied
	HTML    string   // address of the mail as its reader sees it; empty: it is text alone
}

// part is a piece of a text: a link or not.
type part struct {
	Text string
	Link bool
}

func (b *box) page(w http.ResponseWriter, r *http.Request) {
	language := page.Language(r)
	title, err := b.pages.Text(language, "outbox.title")
	if err == nil {
		err = b.pages.Render(w, r, page.Page{Name: "outbox", Language: language, Title: title, Data: b.days()})
	}
	if err != nil {
		b.Log.Error("a page could not be rendered", "error", err)
		b.Site.Fail(w, r, err, "")
	}
}

func (b *box) days() []day {
	var days []day
	for _, m := range b.newest() {
		at := m.At.UTC()
		date := at.Format(time.DateOnly)
		if len(days) == 0 || days[len(days)-1].Date != date {
			days = append(days, day{Date: date})
		}
		last := &days[len(days)-1]
		s := shown{
			At: at.Format("15:04:05 UTC"), Machine: at.Format(time.RFC3339), SMS: m.Channel == issuance.SMS, To: m.To,
			Subject: m.Subject, Parts: b.parts(m.Text), Codes: b.codes(m.Message),
		}
		if m.HTML != "" {
			s.HTML = "/outbox/" + strconv.Itoa(m.n) + ".html"
		}
		last.Messages = append(last.Messages, s)
	}
	return days
}

// codes returns what has to be typed elsewhere from an SMS.
func (b *box) codes(m Message) []string {
	if m.Channel != issuance.SMS {
		return nil
	}
	var codes []string
	seen := make(map[string]bool)
	for _, c := range b.code.FindAllString(m.Text, -1) {
		if !seen[c] {
			seen[c] = true
			codes = append(codes, c)
		}
	}
	return codes
}

// parts cuts text into links and what is between them.
func (b *box) parts(text string) []part {
	var parts []part
	done := 0
	for _, at := range b.link.FindAllStringIndex(text, -1) {
		// A full stop, a comma or a bracket at the end is the sentence's, not the link's.
		end := at[0] + len(strings.TrimRight(text[at[0]:at[1]], ".,;:)"))
		parts = append(parts, part{Text: text[done:at[0]]}, part{Text: text[at[0]:end], Link: true})
		done = end
	}
	return append(parts, part{Text: text[done:]})
}
