package issuance

import (
	"context"
	"strings"
	"unicode"
)

// Trial records that by sends a test message to an address or a mobile number. It
// returns the channel, and to in the channel's notation. The caller must send the
// message: it is not a notice, and only this record of it is kept.
func (r *Registrar) Trial(ctx context.Context, by Actor, to string) (Channel, string, error) {
	if err := by.May(TrialVerb, MessageNoun); err != nil {
		return "", "", err
	}
	channel, to, shown, err := r.trialTo(to)
	if err != nil {
		return "", "", err
	}
	return channel, to, r.update(ctx, func(w *work) error {
		return w.auditSealed(by, TrialVerb, AuditRecord{Subject: string(channel), Detail: map[string]string{"to": shown}},
			map[string]string{"to": to})
	})
}

// trialTo returns the channel to reads as, to cleaned, and to as a record may show it.
func (r *Registrar) trialTo(to string) (channel Channel, cleaned, shown string, err error) {
	if strings.Contains(to, "@") {
		if to, err = r.cfg.ASCIIAddress(to); err != nil {
			return "", "", "", aboutTo(err)
		}
		cleaned, err = cleanEmail("to", to)
		return Mail, cleaned, Contact{Email: cleaned}.MaskedEmail(), err
	}
	cleaned, err = r.trialNumber(to)
	return SMS, cleaned, Contact{Mobile: cleaned}.MaskedMobile(), err
}

// trialNumber returns a number that SMS may go to, in E.164.
func (r *Registrar) trialNumber(s string) (string, error) {
	number, err := r.cfg.ReadMobile(s)
	if err != nil && !strings.ContainsFunc(s, unicode.IsDigit) {
		return "", Invalidf("to", "is neither an e-mail address nor a phone number",
			"give one, for example anna@customer.example or +41 79 123 45 67")
	}
	return number, aboutTo(err)
}

// aboutTo has an error about an address or number say that it is about the field "to".
func aboutTo(err error) error {
	e, ok := err.(*Error) //nolint:errorlint // it is about this field alone
	if !ok {
		return err
	}
	about := *e
	about.Field = "to"
	return &about
}
