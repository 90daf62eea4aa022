package delivery

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/postern-ca/postern/issuance"
)

// Message is a notice as it goes out: rendered, and the same byte for byte
// however often it is sent.
type Message struct {
	ID       issuance.NoticeID
	Kind     issuance.NoticeKind
	Channel  issuance.Channel
	Language string
	To       string // address or E.164 number
	Subject  string // of a mail; one line
	Text     issuance.Secret
	HTML     issuance.Secret // of a mail
	// Secret is the token, code or password in Text: no error and no log may hold it.
	Secret issuance.Secret
	Date   time.Time // when the notice was queued, however late it is sent
	// Lifetime is how long the text is of use after it was sent; 0: for as long as it takes.
	Lifetime time.Duration
}

// Sender passes a message to a provider: a mail server or an SMS gateway.
//
// Send returns once the provider has accepted m for delivery, with the provider's
// id for it, if any. Its error is a [*SendError]. It may be called by several
// goroutines, and must give up when ctx is done.
type Sender interface {
	Send(ctx context.Context, m Message) (providerID string, err error)

	// Check connects and signs in like Send, as far as that is possible without
	// sending anything, and returns what it found, for staff. Its error is a
	// [*SendError].
	Check(ctx context.Context) (seen string, err error)
}

// SendError says why a provider did not accept a message, and whether to send it
// again. With neither Permanent nor Pause, the failure is temporary.
type SendError struct {
	// Message says what happened and what to do. Staff read it: it contains no
	// secret, and nothing from the text of the message.
	Message    string
	Permanent  bool          // for this message: trying again is useless
	Pause      bool          // for the whole channel: its account or settings must be fixed
	RetryAfter time.Duration // the wait that the provider asks for; 0: none
	// Unknown says that the provider received the whole message but did not answer.
	// It may well have been delivered, so it is sent again only rarely.
	Unknown bool
}

func (e *SendError) Error() string { return e.Message }

// quoteLimit is the most characters of a provider's answer that are shown.
const quoteLimit = 160

// quote returns a provider's answer as an error may show it: one line, short,
// and withheld if it repeats the secret. Spam filters, for one, quote the link
// that they dislike.
func (m Message) quote(answer string) string {
	if m.leaks(answer) {
		return "its answer is not shown because it repeats the message"
	}
	return oneLine(m.nameless(answer), quoteLimit)
}

// anAddress is what looks like a mail address.
var anAddress = regexp.MustCompile(`[^\s<>"'(),:;]+@[^\s<>"'(),:;]+`)

// nameless returns a provider's answer without mail addresses and without the
// number that it is about: errors are in logs, reports and pages.
func (m Message) nameless(answer string) string {
	if number := strings.TrimPrefix(m.To, "+"); m.Channel == issuance.SMS && number != "" {
		answer = strings.ReplaceAll(strings.ReplaceAll(answer, m.To, "the number"), number, "the number")
	}
	return anAddress.ReplaceAllString(answer, "the address")
}

// leakWindow is how many symbols of a secret in a row give too much of it away.
const leakWindow = 6

// leaks reports whether s has a part of m's secret in it, spaced, hyphenated or not.
func (m Message) leaks(s string) bool {
	secret, s := symbols(string(m.Secret.Reveal())), symbols(s)
	for i := 0; i+leakWindow <= len(secret); i++ {
		if strings.Contains(s, secret[i:i+leakWindow]) {
			return true
		}
	}
	return false
}

// symbols returns the letters and digits of s, in lower case.
func symbols(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// oneLine returns s as one line of at most limit characters of printable text:
// line breaks and control characters become spaces; invisible characters, those
// that turn the direction of text, and broken UTF-8 go.
func oneLine(s string, limit int) string {
	if len(s) > 8*limit {
		s = s[:8*limit] // more is cut anyway; a rune cut here is broken and goes
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar, unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Cs, r):
			return -1
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return string(runes)
}
