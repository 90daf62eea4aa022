package issuance

import (
	"strconv"
	"strings"
	"time"
)

// Policy holds the limits and times that the operator can set. The zero value is
// not valid; begin with DefaultPolicy.
type Policy struct {
	Validity      Period        // of a client certificate
	Backdate      time.Duration // notBefore is this far in the past, because clients' clocks are off
	CodeLifetime  time.Duration // from the moment when the provider accepted the code
	CodeOnRequest bool          // the first code goes out when the contact asks, not with the invitation
	CodeAttempts  int           // wrong tries a code
	OrderAttempts int           // wrong tries an order, then it is locked
	CodeCooldown  time.Duration // between two codes
	CodesPerDay   int           // codes in any 24 hours
	LinkLifetime  time.Duration
	// ApprovalLifetime is how long an approval may be used: no link lives longer.
	ApprovalLifetime time.Duration
	ClaimWindow      time.Duration // after issue: how long file and password are kept
	FourEyes         bool          // the requester may not approve
	Reenroll         time.Duration // in the last part of its life, this long, a certificate may renew itself; 0: never
	CoolingOff       time.Duration // no code to a number that changed less than this ago
}

// DefaultPolicy returns the defaults, each with its reason in docs/design.md.
func DefaultPolicy() Policy {
	return Policy{
		Validity:      Period{Years: 2},
		Backdate:      time.Hour,
		CodeLifetime:  30 * time.Minute,
		CodeAttempts:  5,
		OrderAttempts: 10,
		CodeCooldown:  time.Minute,
		CodesPerDay:   5,
		LinkLifetime:  7 * 24 * time.Hour,

		ApprovalLifetime: 30 * 24 * time.Hour,
		ClaimWindow:      30 * time.Minute,
		Reenroll:         90 * 24 * time.Hour,
	}
}

// Strict returns p as ASVS 6.5.5 and NIST SP 800-63B require it: codes valid for
// ten minutes and sent only on request, four eyes, and a day's wait after a change
// of number.
func (p Policy) Strict() Policy {
	p.CodeLifetime = min(p.CodeLifetime, 10*time.Minute)
	p.CodeOnRequest, p.FourEyes = true, true
	p.CoolingOff = max(p.CoolingOff, 24*time.Hour)
	return p
}

// Check returns an error of kind Invalid that names the first value that is out of
// range.
func (p Policy) Check() error {
	durations := []struct {
		field    string
		got      time.Duration
		min, max time.Duration
	}{
		{"code_lifetime", p.CodeLifetime, time.Minute, 24 * time.Hour},
		{"code_cooldown", p.CodeCooldown, 0, time.Hour},
		{"link_lifetime", p.LinkLifetime, time.Hour, 90 * 24 * time.Hour},
		{"approval_lifetime", p.ApprovalLifetime, time.Hour, 366 * 24 * time.Hour},
		{"claim_window", p.ClaimWindow, time.Minute, 24 * time.Hour},
		{"cooling_off", p.CoolingOff, 0, 30 * 24 * time.Hour},
		{"reenroll", p.Reenroll, 0, 10 * 366 * 24 * time.Hour},
		{"backdate", p.Backdate, 0, 24 * time.Hour},
	}
	for _, d := range durations {
		if d.got < d.min || d.got > d.max {
			return Invalidf(d.field, d.got.String()+" is out of range", "use a value between "+d.min.String()+" and "+d.max.String())
		}
	}
	counts := []struct {
		field    string
		got      int
		min, max int
	}{
		{"code_attempts", p.CodeAttempts, 1, 10},
		{"order_attempts", p.OrderAttempts, p.CodeAttempts, 100},
		{"codes_per_day", p.CodesPerDay, 1, 50},
	}
	for _, c := range counts {
		if c.got < c.min || c.got > c.max {
			return Invalidf(c.field, itoa(c.got)+" is out of range", "use a value between "+itoa(c.min)+" and "+itoa(c.max))
		}
	}
	return p.Validity.check()
}

// Period is a span of the calendar: two years from 29 February is 1 March.
type Period struct{ Years, Months, Days int }

// ParsePeriod reads "2y", "18mo", "90d" or several of them, as in "1y6mo".
func ParsePeriod(s string) (Period, error) {
	bad := Invalidf("validity", Quoted(s)+" is not a valid period", "write it like 2y, 18mo or 90d")
	var p Period
	for rest := strings.ToLower(strings.TrimSpace(s)); ; {
		digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if digits < 1 || digits > 5 {
			return Period{}, bad
		}
		n, _ := strconv.Atoi(rest[:digits])
		unit := rest[digits:]
		switch {
		case strings.HasPrefix(unit, "mo"):
			p.Months, rest = p.Months+n, unit[2:]
		case strings.HasPrefix(unit, "y"):
			p.Years, rest = p.Years+n, unit[1:]
		case strings.HasPrefix(unit, "d"):
			p.Days, rest = p.Days+n, unit[1:]
		default:
			return Period{}, bad
		}
		if rest == "" {
			return p, p.check()
		}
	}
}

// After returns the moment p after t.
func (p Period) After(t time.Time) time.Time { return t.AddDate(p.Years, p.Months, p.Days) }

func (p Period) String() string {
	var b strings.Builder
	for _, part := range []struct {
		n    int
		unit string
	}{{p.Years, "y"}, {p.Months, "mo"}, {p.Days, "d"}} {
		if part.n != 0 {
			b.WriteString(itoa(part.n) + part.unit)
		}
	}
	return b.String()
}

func (p Period) check() error {
	day := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := p.After(day).Sub(day); got < 24*time.Hour || got > 11*365*24*time.Hour {
		return Invalidf("validity", Quoted(p.String())+" is out of range", "use a value between 1d and 10y")
	}
	return nil
}
