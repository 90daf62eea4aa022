package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	twilio "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/postern-ca/postern/issuance"
)

// TwilioConfig is an account at Twilio. From or MessagingServiceSID must be set;
// nothing is taken from TWILIO_* environment variables.
type TwilioConfig struct {
	AccountSID          string
	AuthToken           issuance.Secret
	From                string            // number in E.164, short code or alphanumeric sender
	MessagingServiceSID string            // chooses the sender at Twilio
	BaseURL             string            // "" for https://api.twilio.com
	Timeout             time.Duration     // of one request; 0 for 20 seconds
	Transport           http.RoundTripper // nil for http.DefaultTransport, which heeds the usual proxy variables
}

// Twilio sends SMS by Twilio's Messages resource, version 2010-04-01.
//
// Creating a message has no idempotency key there: after a timeout nobody knows
// whether it was accepted. What is sent again is the same, parameter for parameter.
type Twilio struct {
	config TwilioConfig
	base   *url.URL
}

// NewTwilio returns an error of kind [issuance.Invalid] that names the setting
// that is missing or cannot be right.
func NewTwilio(c TwilioConfig) (*Twilio, error) {
	const where = "it is in the console, console.twilio.com, under Account Info"
	switch {
	case c.AccountSID == "" || !alphanumeric(c.AccountSID):
		return nil, issuance.Invalidf("sms.twilio.account_sid", "is not an account SID", where)
	case c.AuthToken.Empty() || !alphanumeric(string(c.AuthToken.Reveal())):
		return nil, issuance.Invalidf("sms.twilio.auth_token", "is not an auth token", where)
	case c.From == "" && c.MessagingServiceSID == "":
		return nil, issuance.Invalidf("sms.twilio.from", "is not set, nor is sms.twilio.messaging_service_sid", "give the sender's number, or the SID of a messaging service")
	}
	if c.BaseURL == "" {
		c.BaseURL = "https://api.twilio.com"
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.RawQuery != "" {
		return nil, issuance.Invalidf("sms.twilio.base_url", "is not an http or https URL", "leave it out for https://api.twilio.com")
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	return &Twilio{config: c, base: base}, nil
}

func alphanumeric(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// Send creates the message and returns its SID.
func (t *Twilio) Send(ctx context.Context, m Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	p := new(twilio.CreateMessageParams)
	p.SetTo(m.To)
	p.SetBody(string(m.Text.Reveal()))
	if t.config.From != "" {
		p.SetFrom(t.config.From)
	}
	if t.config.MessagingServiceSID != "" {
		p.SetMessagingServiceSid(t.config.MessagingServiceSID)
	}
	if seconds := int(m.Lifetime / time.Second); seconds > 0 {
		p.SetValidityPeriod(min(seconds, 36000)) // the most that Twilio takes
	}
	seen := &twilioTransport{ctx: ctx, base: t.base, next: t.config.Transport}
	created, err := t.service(seen).CreateMessage(p)
	if seen.status == 0 {
		return "", unreachable("Twilio", seen.err)
	}
	if seen.status/100 != 2 {
		return "", seen.refusal(m)
	}
	if err != nil || created.Sid == nil || *created.Sid == "" {
		return "", &SendError{Message: "Twilio's answer to an SMS could not be read; it is sent again, the same"}
	}
	return *created.Sid, nil
}

// service returns the API for one request. Its handler is made here because the
// library's own constructor reads TWILIO_REGION and TWILIO_EDGE.
func (t *Twilio) service(transport http.RoundTripper) *twilio.ApiService {
	c := &client.Client{
		Credentials: client.NewCredentials(t.config.AccountSID, string(t.config.AuthToken.Reveal())),
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(t.config.AccountSID)
	return twilio.NewApiService(&client.RequestHandler{Client: c})
}

// twilioTransport carries one request of the library, which takes no context,
// loses the status and headers of answers that are not JSON, and leaves bodies open.
type twilioTransport struct {
	ctx  context.Context
	base *url.URL
	next http.RoundTripper

	err        error // nothing came back
	status     int
	retryAfter time.Duration
	body       []byte
}

// answerLimit is the most bytes of a provider's answer that are read.
const answerLimit = 64 << 10

func (t *twilioTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(t.ctx)
	r.URL.Scheme, r.URL.Host, r.Host = t.base.Scheme, t.base.Host, t.base.Host
	r.URL.Path = strings.TrimSuffix(t.base.Path, "/") + r.URL.Path
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		t.body, err = io.ReadAll(io.LimitReader(resp.Body, answerLimit))
		resp.Body.Close()
	}
	if err != nil {
		t.err = err
		return nil, err
	}
	t.status, t.retryAfter = resp.StatusCode, retryAfter(resp.Header, time.Now())
	resp.Body = io.NopCloser(bytes.NewReader(t.body))
	return resp, nil
}

// refusal says what an answer other than success means. The HTTP status decides;
// codes only tell the faults of the account from those of the recipient.
func (t *twilioTransport) refusal(m Message) *SendError {
	var answer struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(t.body, &answer) != nil {
		answer.Message = "it was not Twilio's API that answered"
	}
	e := &SendError{RetryAfter: t.retryAfter}
	number := "status " + strconv.Itoa(t.status)
	if answer.Code != 0 {
		number += ", code " + strconv.Itoa(answer.Code)
	}
	advice := twilioAdvice(answer.Code)
	switch {
	case t.status == http.StatusTooManyRequests, t.status == http.StatusRequestTimeout, t.status >= 500:
		advice = "it is sent again, the same"
	case t.status == http.StatusUnauthorized, twilioAccountFault(answer.Code):
		e.Pause = true
	case t.status < 400 || t.status == http.StatusNotFound || t.status == http.StatusMethodNotAllowed:
		e.Pause, advice = true, "check sms.twilio.account_sid and sms.twilio.base_url"
	default:
		e.Permanent = true
	}
	e.Message = "Twilio refused an SMS (" + number + "): " + m.quote(answer.Message)
	if advice != "" {
		e.Message = strings.TrimSuffix(e.Message, ".") + "; " + advice
	}
	return e
}

// twilioAccountFault tells the codes that say nothing about the recipient:
// whatever is sent meets the same fault until somebody mends it.
func twilioAccountFault(code int) bool {
	switch code {
	case 10001, 20003, 20005, 20006, 20008, // account not active, credentials, access, test credentials
		21212, 21603, 21606, 21659, 21660, // the sender
		21701, 21702, 21703, 21704, 21705: // the messaging service
		return true
	}
	return false
}

// twilioAdvice says what to do about an error of Twilio's dictionary.
func twilioAdvice(code int) string {
	switch code {
	case 20003:
		return "check sms.twilio.account_sid and sms.twilio.auth_token"
	case 10001, 20005, 20006, 20008:
		return "look at the account in Twilio's console"
	case 21212, 21603, 21606, 21659, 21660:
		return "check sms.twilio.from: it must be a sender of this account"
	case 21701, 21702, 21703, 21704, 21705:
		return "check sms.twilio.messaging_service_sid"
	case 21211, 21214, 21217, 21614:
		return "correct the contact's mobile number"
	case 21408:
		return "allow the country in Twilio's messaging geographic permissions"
	case 21610:
		return "the recipient has sent STOP: ask them to send START to the sender's number"
	case 21612:
		return "this sender does not reach the number: use another sender for its country"
	}
	return ""
}

// unreachable is the error of a provider that gave no answer. It may have taken
// the message all the same, which is why it is sent again unchanged.
func unreachable(provider string, err error) *SendError {
	what := "cannot be reached"
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		what = "did not answer in time"
	case errors.Is(err, context.Canceled):
		what = "was not waited for, because the server stops"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "broke the connection off"
	}
	if fault := certificateFault(err); fault != "" {
		return &SendError{Pause: true, Message: provider + " showed a certificate that does not stand: " + fault + "; nothing was sent"}
	}
	return &SendError{Message: provider + " " + what + "; it is sent again, the same"}
}

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3); 0 if
// there is none that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.Atoi(v); err == nil && seconds >= 0 && seconds < 1<<31 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
