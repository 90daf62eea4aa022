package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postern-ca/postern/issuance"
)

// Document returns r as it is sent by mail.
func (r Report) Document() issuance.Document {
	return issuance.Document{Title: r.Title(), Summary: r.Summary(), Scope: r.Scope(), Parts: r.Parts(), Text: r.Text()}
}

// Title returns the title of the report, which is also the subject of its mail.
func (r Report) Title() string {
	if r.Kind == Monthly {
		return "Monthly report, " + r.span(func(p period) string { return p.day.Format("January 2006") })
	}
	return "Daily report, " + r.span(func(p period) string { return p.day.Format("Monday 2 January 2006") })
}

// span writes the period of r, or the first and the last.
func (r Report) span(write func(period) string) string {
	last, err := parsePeriod(r.Kind, r.Period)
	if err != nil {
		return printable(r.Period, 20)
	}
	first, err := parsePeriod(r.Kind, r.First)
	if err != nil || first == last {
		return write(last)
	}
	return write(first) + " to " + write(last)
}

// Scope returns lines that say which time the report covers, in which time zone.
func (r Report) Scope() []string {
	zone := r.zone()
	lines := []string{fmt.Sprintf("From %s to %s, time zone %s.", r.when(r.From), r.when(r.To), zoneName(zone))}
	if r.First != r.Period {
		lines = append(lines, "No report was sent for some time; this one covers all of it.")
	}
	if r.At.Before(r.To) {
		lines = append(lines, "This period is not over yet; the report was written at "+r.when(r.At)+".")
	}
	return lines
}

// Summary returns one line with the most urgent tasks.
func (r Report) Summary() string {
	var parts []string
	add := func(n int, atLeast bool, one, many string) {
		switch {
		case n > 0 && atLeast:
			parts = append(parts, amount(n)+" or more "+many)
		case n > 0:
			parts = append(parts, plural(n, one, many))
		}
	}
	t := r.ToDo
	if t.Clock != "" {
		parts = append(parts, "the clock is in doubt")
	}
	for _, c := range t.Channels {
		name := map[issuance.Channel]string{issuance.Mail: "mail", issuance.SMS: "SMS"}[c.Channel]
		if c.Paused {
			parts = append(parts, name+" is paused")
		} else {
			add(c.Waiting, c.AtLeast, name+" message is late", name+" messages are late")
		}
	}
	add(t.Stuck.Count(), t.Stuck.AtLeast, "order has used up its codes", "orders have used up their codes")
	add(t.Waiting.Count(), t.Waiting.AtLeast, "order waits for approval", "orders wait for approval")
	add(t.Proposals.Count(), t.Proposals.AtLeast, "change waits for another person", "changes wait for another person")
	add(t.Locked.Count(), t.Locked.AtLeast, "order is locked", "orders are locked")
	add(t.Failed.Count(), t.Failed.AtLeast, "message failed", "messages failed")
	add(t.Unclaimed.Count(), t.Unclaimed.AtLeast, "order is not claimed", "orders are not claimed")
	add(t.Lapsed.Count(), t.Lapsed.AtLeast, "order lapsed", "orders lapsed")
	if len(t.Within) > 0 {
		first := t.Within[0]
		within := " within " + strconv.Itoa(first.Days) + " days"
		add(first.Count, first.Count == reportReads, "certificate expires"+within, "certificates expire"+within)
	}
	if len(parts) == 0 {
		return "Nothing is urgent."
	}
	return upper(strings.Join(parts, ", ")) + "."
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (r Report) zone() *time.Location {
	zone, err := ParseZone(r.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

func zoneName(zone *time.Location) string { return printable(zone.String(), 40) }

// when writes a moment in the report's time zone, "-" for none.
func (r Report) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(r.zone()).Format("2006-01-02 15:04")
}

// Parts returns the report for people to read, with the open tasks first.
func (r Report) Parts() []issuance.DocumentPart {
	parts := []issuance.DocumentPart{
		{Title: "To do, as of " + r.when(r.At), Sections: r.toDo()},
		{Title: "What happened", Sections: r.happened()},
		{Title: "Use", Sections: r.used()},
	}
	if r.Kind == Monthly {
		parts = append(parts, issuance.DocumentPart{Title: "Organisations", Sections: []issuance.DocumentSection{r.organizations()}})
	}
	return append(parts, issuance.DocumentPart{Title: "Totals", Sections: []issuance.DocumentSection{{Line: r.inAll()}}})
}

func (r Report) inAll() string {
	t := r.Totals
	return fmt.Sprintf("%s active, %s held, %s revoked, %s expired.",
		plural(int(t.Active), "certificate", "certificates"), amount(int(t.Held)), amount(int(t.Revoked)), amount(int(t.Expired)))
}

// section returns l as a table, or as the line nothing if it is empty.
func section[V any](
	l Listed[V], s issuance.DocumentSection, nothing, command string, row func(V) []string,
) issuance.DocumentSection {
	if l.Count() == 0 {
		if l.AtLeast {
			nothing = "Of the first " + amount(reportReads) + " records: " + nothing
		}
		return issuance.DocumentSection{Line: nothing}
	}
	s.Title += ": " + amount(l.Count())
	if l.AtLeast {
		s.Title += " or more"
	}
	for _, v := range l.Items {
		cells := row(v)
		for i := range cells {
			if cells[i] = printable(cells[i], cellLength); cells[i] == "" {
				cells[i] = "-"
			}
		}
		s.Rows = append(s.Rows, cells)
	}
	switch {
	case l.AtLeast:
		s.After = append([]string{"And " + amount(l.More) + " or more: " + command}, s.After...)
	case l.More > 0:
		s.After = append([]string{"And " + amount(l.More) + " more: " + command}, s.After...)
	}
	return s
}

// cellLength is how many characters of a value stand in a table at most.
const cellLength = 60

// printable returns s as one line of at most n characters that are safe to show:
// spaces for line breaks, nothing for what cannot be seen, controls a terminal or
// turns the direction of text.
func printable(s string, n int) string {
	if len(s) > 8*n {
		s = s[:8*n] // more is cut anyway
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// amount writes n with commas between thousands.
func amount(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return amount(n) + " " + many
}
