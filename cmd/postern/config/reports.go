package config

import (
	"regexp"

	"github.com/postern-ca/postern/issuance/report"
)

// Reports says when staff get reports, and who is told when action is needed.
type Reports struct {
	TimeZone  string   `yaml:"time_zone"`  // of the IANA database; empty: UTC
	DailyAt   string   `yaml:"daily_at"`   // as in 07:00, or off
	MonthlyAt string   `yaml:"monthly_at"` // as in 1 07:00: day of the month, then time; or off
	To        []string `yaml:"to" example:"[pki@example.com]"`
	// Mobile are the numbers that are told when mail cannot be sent.
	Mobile []string `yaml:"mobile" example:"[\"+12025550142\"]"`
}

// Schedule returns when reports are sent; [Load] has checked that it can be parsed.
func (r Reports) Schedule() (s report.Schedule, err error) {
	s.To = r.To
	if s.Zone, err = report.ParseZone(r.TimeZone); err != nil {
		return s, err
	}
	if s.Daily, err = report.ParseDailyAt(r.DailyAt); err != nil {
		return s, err
	}
	s.Monthly, err = report.ParseMonthlyAt(r.MonthlyAt)
	return s, err
}

func (k checker) reports() {
	r := k.Reports
	_, zone := report.ParseZone(r.TimeZone)
	_, daily := report.ParseDailyAt(r.DailyAt)
	_, monthly := report.ParseMonthlyAt(r.MonthlyAt)
	for _, c := range []struct {
		key string
		err error
	}{{"reports.time_zone", zone}, {"reports.daily_at", daily}, {"reports.monthly_at", monthly}} {
		if c.err != nil {
			message, hint := told(c.err)
			k.say(c.key, message, hint)
		}
	}
	for _, to := range r.To {
		k.mailbox("reports.to", to, "use addresses, for example [pki@example.com]")
	}
	for _, number := range r.Mobile {
		if !e164().MatchString(number) {
			k.say("reports.mobile", number+" is not a phone number in international form", "give numbers, for example [\"+12025550142\"]")
		}
	}
}

// e164 returns what a number in international form looks like (ITU-T E.164, section 6.2.1).
func e164() *regexp.Regexp { return regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) }
