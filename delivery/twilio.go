package delivery

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	twilio "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/postern-ca/postern/issuance"
)

// TwilioConfig is an account at Twilio. AuthToken must be set, or APIKey and
// APIKeySecret; and From or MessagingServiceSID. TWILIO_* environment variables are
// ignored.
type TwilioConfig struct {
	AccountSID          string
	AuthToken           issuance.Secret
	APIKey              string // SID of an API key, which can be revoked separately; instead of AuthToken
	APIKeySecret        issuance.Secret
	From                string            // number in E.164, short code or alphanumeric sender
	MessagingServiceSID string            // chooses the sender at Twilio
	BaseURL             string            // "" for https://api.twilio.com
	Timeout             time.Duration     // of one request; 0 for 20 seconds
	Roots               *x509.CertPool    // nil for the system's
	Transport           http.RoundTripper // nil for one with Roots that uses the usual proxy variables
	Now                 func() time.Time  // nil for time.Now
}

// Twilio sends SMS through Twilio's Messages resource, version 2010-04-01.
//
// The resource has no idempotency key: after a timeout, it is unknown whether the
// message was accepted. When a message is sent again, all its parameters are the
// same.
type Twilio struct {
	config TwilioConfig
	base   *url.URL
}

// NewTwilio returns an error of kind [issuance.Invalid] that names the setting that
// is missing or invalid.
func NewTwilio(c TwilioConfig) (*Twilio, error) {
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	if c.From == "" && c.MessagingServiceSID == "" {
		return nil, issuance.Invalidf("sms.twilio.from",
			"is not set, and neither is sms.twilio.messaging_service_sid",
			"set the sender's number, or the SID of a messaging service")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.BaseURL == "" {
		c.BaseURL = "https://api.twilio.com"
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.RawQuery != "" {
		return nil, issuance.Invalidf("sms.twilio.base_url", "is not an http or https URL", "omit it for https://api.twilio.com")
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Transport == nil {
		c.Transport = newTransport(c.Roots)
	}
	return &Twilio{config: c, base: base}, nil
}

func (c TwilioConfig) checkCredentials() error {
	const where = "find it on console.twilio.com, under Account Info"
	switch {
	case c.AccountSID == "" || !alphanumeric(c.AccountSID):
		return issuance.Invalidf("sms.twilio.account_sid", "is not an account SID", where)
	case c.APIKey == "" && (c.AuthToken.Empty() || !alphanumeric(string(c.AuthToken.Reveal()))):
		return issuance.Invalidf("sms.twilio.auth_token", "is not an auth token", where)
	case !alphanumeric(c.APIKey):
		return issuance.Invalidf("sms.twilio.api_key", "is not the SID of an API key", "find it on console.twilio.com, under API keys")
	case c.APIKey != "" && (c.APIKeySecret.Empty() || !alphanumeric(string(c.APIKeySecret.Reveal()))):
		return issuance.Invalidf("sms.twilio.api_key_secret", "is not the secret of an API key",
			"the console shows it once, when the key is created: create another key")
	}
	return nil
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
	seen := t.transport(ctx)
	created, err := t.service(seen).CreateMessage(t.parameters(m))
	if fault := seen.fault(m, "an SMS"); fault != nil {
		return "", fault
	}
	if err != nil || created.Sid == nil || *created.Sid == "" {
		return "", &SendError{Message: "Twilio's answer to an SMS could not be read; it will be sent again unchanged"}
	}
	return *created.Sid, nil
}

// parameters are those of m: the same each time it is sent.
//
// This is the one place for StatusCallback, the URL by which Twilio reports what
// became of a message. It is not sent until something takes these reports and
// checks their signature (X-Twilio-Signature, over the URL as it is sent here).
// Then it must be made of public.url, never of a Host header, and depend on m and
// the configuration alone. Nothing else has to change for it.
func (t *Twilio) parameters(m Message) *twilio.CreateMessageParams {
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
	return p
}

// Check signs in and asks for the messages of a day before Twilio existed: an empty
// list that every credential for sending may read.
func (t *Twilio) Check(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	address := "https://api.twilio.com/2010-04-01/Accounts/" + t.config.AccountSID + "/Messages.json?PageSize=1&DateSent=2000-01-01"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	user, password := t.credentials()
	r.SetBasicAuth(user, password)
	seen := t.transport(ctx)
	_, _ = seen.RoundTrip(r) //nolint:bodyclose // it is read, and closed, by seen
	if fault := seen.fault(Message{}, "the sign-in"); fault != nil {
		return "", fault
	}
	var list struct{ Messages *[]json.RawMessage }
	if json.Unmarshal(seen.body, &list) != nil || list.Messages == nil {
		return "", seen.foreign(Message{}, "the sign-in")
	}
	return "signed in at " + t.base.Host + " as " + user, nil
}

// credentials are those of HTTP's Basic authentication.
func (t *Twilio) credentials() (user, password string) {
	if t.config.APIKey != "" {
		return t.config.APIKey, string(t.config.APIKeySecret.Reveal())
	}
	return t.config.AccountSID, string(t.config.AuthToken.Reveal())
}

// service returns the API for one request. Its handler is made here because the
// library's own constructor reads TWILIO_REGION and TWILIO_EDGE.
func (t *Twilio) service(transport http.RoundTripper) *twilio.ApiService {
	c := &client.Client{
		Credentials: client.NewCredentials(t.credentials()),
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(t.config.AccountSID)
	return twilio.NewApiService(&client.RequestHandler{Client: c})
}
