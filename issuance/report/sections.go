package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// command returns the one that prints more rows of this report.
func (r Report) command() string {
	flag := "--date"
	if r.Kind == Monthly {
		flag = "--month"
	}
	return fmt.Sprintf("postern report %s %s %s --limit %d", printable(string(r.Kind), 10), flag, printable(r.Period, 10),
		issuance.MaxPage)
}

func (r Report) toDo() []issuance.DocumentSection {
	t := r.ToDo
	horizon := slices.Max(endingWithin())
	today, end := r.At.UTC().Format(time.DateOnly), r.At.Add(time.Duration(horizon)*oneDay).UTC().Format(time.DateOnly)
	order := func(o OrderRow) []string {
		return []string{r.when(o.Since), string(o.Service), o.ContactName, string(o.Order)}
	}
	cert := func(c CertificateRow) []string {
		return []string{day(c.NotAfter, r.zone()), days(c.DaysLeft), string(c.Service), c.ContactName, r.lastUse(c), string(c.Serial)}
	}
	var within []string
	for _, w := range t.Within {
		within = append(within, fmt.Sprintf("%s within %d days", amount(w.Count), w.Days))
	}
	ending := section(t.Ending, issuance.DocumentSection{
		Title: "Certificates that expire soon and have no successor, ordered or issued",
		Head:  []string{"EXPIRES", "LEFT", "SERVICE", "CONTACT", "LAST USED", "SERIAL"},
	}, fmt.Sprintf("No certificate expires in the next %d days without a successor.", horizon),
		fmt.Sprintf("postern cert list --need successor --expires-from %s --expires-before %s", today, end), cert)
	if ending.Title != "" {
		ending.Title += " (" + strings.Join(within, ", ") + ")"
	}
	out := append(append(r.undecided(), r.nowhere()...),
		section(t.Waiting, issuance.DocumentSection{Title: "Orders that wait for approval", Head: []string{
			"SINCE",
			"SERVICE", "CONTACT", "ORDER",
		}},
			"Nothing waits for approval.", "postern order list --state requested", order),
		section(t.Locked, issuance.DocumentSection{
			Title: "Orders locked after too many wrong codes",
			Head:  []string{"SINCE", "SERVICE", "CONTACT", "ORDER"},
		},
			"No order is locked.", "postern order list --state locked", order),
		section(t.Failed, issuance.DocumentSection{
			Title: "Messages that failed permanently in the last 30 days",
			Head:  []string{"AT", "MESSAGE", "BY", "ID", "REASON"},
		},
			"No message failed.", "postern message list --state failed", func(m MessageRow) []string {
				return []string{r.when(m.At), string(m.Kind), string(m.Channel), string(m.Message), m.Error}
			}))
	out = append(out, r.noProgress()...)
	return append(out,
		ending,
		section(t.Superseded, issuance.DocumentSection{
			Title: "Certificates whose successor is in use: they can be revoked",
			Head:  []string{"EXPIRES", "LEFT", "SERVICE", "LAST USED", "SERIAL"},
		}, "No certificate waits to be revoked for its successor.",
			"postern cert list --need revocation --expires-from "+today, func(c CertificateRow) []string {
				return []string{day(c.NotAfter, r.zone()), days(c.DaysLeft), string(c.Service), r.lastUse(c), string(c.Serial)}
			}),
		section(t.Held, issuance.DocumentSection{
			Title: "Certificates on hold: release or revoke them",
			Head:  []string{"SINCE", "SERVICE", "BY", "SERIAL", "COMMENT"},
		},
			"No certificate is on hold.", "postern cert list --need decision --expires-from "+today, func(c CertificateRow) []string {
				return []string{r.when(c.Since), string(c.Service), c.By, string(c.Serial), c.Comment}
			}))
}

func (r Report) happened() []issuance.DocumentSection {
	d, c := r.Done, r.Done.Counts
	reasons := ""
	for i, reason := range d.Reasons {
		if i > 0 {
			reasons += ", "
		}
		reasons += fmt.Sprintf("%s %s", amount(reason.Count), printable(string(reason.Reason), 30))
	}
	if reasons != "" {
		reasons = " (" + reasons + ")"
	}
	out := []issuance.DocumentSection{
		{Line: fmt.Sprintf("Orders: %s requested, %s approved, %s completed, %s rejected, %s cancelled, %s lapsed.",
			amount(c.Requested), amount(c.Approved), amount(c.Completed), amount(c.Rejected), amount(c.Cancelled), amount(c.Lapsed))},
		{Line: fmt.Sprintf("Certificates: %s issued, %s held, %s released, %s revoked%s.",
			amount(c.Issued), amount(c.Held), amount(c.Released), amount(c.Revoked), reasons)},
	}
	if r.Kind == Monthly {
		return out
	}
	for _, l := range []struct {
		list   Listed[Event]
		title  string
		change bool
	}{
		{d.Changed, "Certificates held, released and revoked", true},
		{d.Issued, "Certificates issued", false},
		{d.Orders, "What was done to orders", false},
	} {
		if l.list.Count() > 0 { // the lines above say what there is not
			out = append(out, r.events(l.list, l.title, l.change))
		}
	}
	return out
}

// events are one thing each: of a change of a certificate with its reason.
func (r Report) events(l Listed[Event], title string, change bool) issuance.DocumentSection {
	head := []string{"AT", "WHAT", "SERVICE", "BY", "ORDER"}
	if change {
		head = []string{"AT", "WHAT", "SERVICE", "BY", "SERIAL", "REASON"}
	}
	return section(l, issuance.DocumentSection{Title: title, Head: head}, "", r.command(), func(e Event) []string {
		row := []string{r.when(e.At), string(e.Verb), string(e.Service), e.By.Name, string(e.Order)}
		if change {
			row[4] = string(e.Serial)
			why := string(e.Reason)
			if e.Verb == issuance.HoldVerb {
				why = "" // that it is a hold stands there already
			}
			row = append(row, strings.TrimPrefix(strings.TrimSuffix(why+": "+e.Comment, ": "), ": "))
		}
		return row
	})
}

func (r Report) used() []issuance.DocumentSection {
	u := r.Use
	return []issuance.DocumentSection{
		section(u.Refused, issuance.DocumentSection{
			Title: "Refused since " + r.when(r.From), Head: []string{"LAST", "SERVICE", "TIMES", "REASON", "NOW", "SERIAL"},
			After: []string{"Times are counted since the certificate was issued."},
		}, "No certificate was refused.", r.command(), func(f Refusal) []string {
			now := string(f.Status)
			if f.Expired && f.Status != issuance.Revoked {
				now = "expired"
			}
			return []string{
				r.when(f.LastAt), string(f.Service), amount(int(f.Refused)),
				strings.TrimPrefix(string(f.Code), "certificate-"), now, string(f.Serial),
			}
		}),
		section(u.Unused, issuance.DocumentSection{
			Title: fmt.Sprintf("Active certificates never seen in use, issued more than %d days ago", u.UnusedAfterDays),
			Head:  []string{"ISSUED", "EXPIRES", "SERVICE", "CONTACT", "SERIAL"},
		}, "Every active certificate is in use.",
			"postern cert list --need use --expires-from "+r.At.UTC().Format(time.DateOnly),
			func(c CertificateRow) []string {
				return []string{day(c.IssuedAt, r.zone()), day(c.NotAfter, r.zone()), string(c.Service), c.ContactName, string(c.Serial)}
			}),
	}
}

func (r Report) organizations() issuance.DocumentSection {
	return section(r.Organizations, issuance.DocumentSection{
		Title: "Organisations with activity", Head: []string{
			"ORGANISATION", "REQUESTED", "COMPLETED", "ISSUED",
			"HELD", "RELEASED", "REVOKED", "NAME",
		},
	}, "No organisation had any activity.", r.command(), func(o OrganizationRow) []string {
		c := o.Counts
		return []string{
			string(o.Organization), amount(c.Requested), amount(c.Completed), amount(c.Issued), amount(c.Held),
			amount(c.Released), amount(c.Revoked), o.Name,
		}
	})
}

// lastUse says when c was last seen in use.
func (r Report) lastUse(c CertificateRow) string {
	if c.LastUsedAt.IsZero() {
		return "never"
	}
	return day(c.LastUsedAt, r.zone())
}

func day(t time.Time, zone *time.Location) string { return t.In(zone).Format(time.DateOnly) }

func days(n int) string { return plural(n, "day", "days") }
