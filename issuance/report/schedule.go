package report

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Schedule sets when reports are sent, and to whom.
type Schedule struct {
	Zone    *time.Location // in which days and months begin and times are written; nil for UTC
	Daily   Time           // on the day after the one that the report covers
	Monthly Time           // in the month after the one that the report covers
	To      []string       // e-mail addresses; none: nothing is sent
}

// Time is a time of day and, for a monthly report, a day of the month.
type Time struct {
	Off          bool
	Day          int // 1 to 28
	Hour, Minute int
}

// clockTime returns what reads a time of day.
func clockTime() *regexp.Regexp { return regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`) }

// ParseDailyAt reads a time of day like 07:00, or off.
func ParseDailyAt(s string) (Time, error) {
	if s == "off" {
		return Time{Off: true}, nil
	}
	m := clockTime().FindStringSubmatch(s)
	if m == nil {
		return Time{}, issuance.Invalidf("daily_at", issuance.Quoted(s)+" is not a time of day",
			"write it like 07:00, or off for no daily report")
	}
	hour, _ := strconv.Atoi(m[1])
	minute, _ := strconv.Atoi(m[2])
	return Time{Hour: hour, Minute: minute}, nil
}

// ParseMonthlyAt reads a day of the month from 1 to 28 and a time of day, like 1
// 07:00, or off.
func ParseMonthlyAt(s string) (Time, error) {
	if s == "off" {
		return Time{Off: true}, nil
	}
	bad := issuance.Invalidf("monthly_at", issuance.Quoted(s)+" is not a day of the month and a time",
		"write it like 1 07:00, with a day from 1 to 28, or off for no monthly report")
	day, clock, found := strings.Cut(s, " ")
	n, err := strconv.Atoi(day)
	if !found || err != nil || n < 1 || n > 28 || day != strconv.Itoa(n) {
		return Time{}, bad
	}
	t, err := ParseDailyAt(strings.TrimSpace(clock))
	if err != nil || t.Off {
		return Time{}, bad
	}
	t.Day = n
	return t, nil
}

// ParseZone reads the name of a time zone in the IANA database; empty means UTC.
func ParseZone(s string) (*time.Location, error) {
	if s == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "Local" {
		return nil, issuance.Invalidf("time_zone", issuance.Quoted(s)+" is not a time zone",
			"give its name in the IANA database, for example Europe/Berlin or UTC")
	}
	return zone, nil
}

func (s Schedule) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// time returns when reports of kind are sent.
func (s Schedule) time(kind Kind) Time {
	if kind == Monthly {
		return s.Monthly
	}
	return s.Daily
}

// period is a day or a month of the calendar. Its first day is kept as if it
// began in UTC, where days have no holes.
type period struct {
	kind Kind
	day  time.Time
}

// periodOf returns the period of kind that the calendar of t's own zone shows.
func periodOf(kind Kind, t time.Time) period {
	y, m, d := t.Date()
	if kind == Monthly {
		d = 1
	}
	return period{kind, time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
}

// parsePeriod reads what String writes.
func parsePeriod(kind Kind, s string) (period, error) {
	if kind == Monthly {
		if t, err := time.Parse("2006-01", s); err == nil && t.Year() > 0 {
			return period{kind, t}, nil
		}
		return period{}, issuance.Invalidf("month", issuance.Quoted(s)+" is not a month", "write it like 2026-11")
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil && t.Year() > 0 {
		return period{kind, t}, nil
	}
	return period{}, issuance.Invalidf("date", issuance.Quoted(s)+" is not a day", "write it like 2026-11-25")
}

func (p period) String() string {
	if p.kind == Monthly {
		return p.day.Format("2006-01")
	}
	return p.day.Format(time.DateOnly)
}

func (p period) id() ID { return ID(string(p.kind) + "-" + p.String()) }

// move returns the period n behind p.
func (p period) move(n int) period {
	if p.kind == Monthly {
		return period{p.kind, p.day.AddDate(0, n, 0)}
	}
	return period{p.kind, p.day.AddDate(0, 0, n)}
}

// begin returns the moment at which p begins in zone.
func (p period) begin(zone *time.Location) time.Time { return firstInstant(p.day, zone) }

// dueAt returns when the report about p is sent.
func (s Schedule) dueAt(p period) time.Time {
	at, next := s.time(p.kind), p.move(1).day
	if p.kind == Monthly {
		next = next.AddDate(0, 0, at.Day-1)
	}
	return firstInstant(next.Add(time.Duration(at.Hour)*time.Hour+time.Duration(at.Minute)*time.Minute), s.zone())
}

// lastDue returns the last period whose report is due at now.
func (s Schedule) lastDue(kind Kind, now time.Time) period {
	p := periodOf(kind, now.In(s.zone()))
	for now.Before(s.dueAt(p)) {
		p = p.move(-1)
	}
	return p
}

// LastDaily returns the last moment not after now at which what is done daily was due.
func (s Schedule) LastDaily(now time.Time) time.Time { return s.dueAt(s.lastDue(Daily, now)) }

// firstInstant returns the first moment at which clocks in zone show what wall
// shows in UTC: of an hour that comes twice, the first; of one that is left out,
// the moment of the change. So each wall time comes exactly once.
func firstInstant(wall time.Time, zone *time.Location) time.Time {
	shows := func(t time.Time) bool { return t.Format(time.DateTime) == wall.Format(time.DateTime) }
	y, m, d := wall.Date()
	t := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	if !shows(t) { // left out; t is on one of the two sides of the change
		if t.Format(time.DateTime) < wall.Format(time.DateTime) {
			return end.UTC()
		}
		return start.UTC()
	}
	if !start.IsZero() {
		_, offset := t.Zone()
		_, before := start.Add(-1).Zone()
		if first := t.Add(time.Duration(offset-before) * time.Second); first.Before(start) && shows(first) {
			return first.UTC()
		}
	}
	return t.UTC()
}
