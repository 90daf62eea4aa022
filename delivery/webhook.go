package delivery

import (
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// WebhookConfig is an SMS gateway that is called over HTTP.
//
// Body has the placeholders {{to}}, {{text}} and {{id}}, which are escaped
// according to the Content-Type in Headers: JSON (inside a string), a form or XML.
// For example:
//
//	{"recipient": "{{to}}", "message": "{{text}}", "reference": "{{id}}"}
type WebhookConfig struct {
	URL       string
	Method    string                     // POST or PUT; "" for POST
	Headers   map[string]issuance.Secret // Content-Type ("" for application/json), Authorization and so on
	Body      string
	Timeout   time.Duration     // of one request; 0 for 20 seconds
	Roots     *x509.CertPool    // nil for the system's
	Transport http.RoundTripper // nil for one with Roots that uses the usual proxy variables
	Now       func() time.Time  // nil for time.Now
}

// Webhook sends SMS through any gateway that accepts a request and answers 2xx.
// Each request has the notice's id as its Idempotency-Key.
type Webhook struct {
	config WebhookConfig
	escape func(string) string
	client *http.Client
}

// NewWebhook returns an error of kind [issuance.Invalid] that names the setting
// that is missing or invalid.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, issuance.Invalidf("sms.webhook.url", "is not an http or https URL",
			"set the gateway's address, for example https://sms.example.com/send")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Method == "" {
		c.Method = http.MethodPost
	}
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		return nil, issuance.Invalidf("sms.webhook.method", "is neither POST nor PUT",
			"use one of them: a text must not be in a URL, where it would be logged")
	}
	escape, err := c.readHeaders()
	if err != nil {
		return nil, err
	}
	if err := c.checkBody(escape); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Transport == nil {
		c.Transport = newTransport(c.Roots)
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Webhook{config: c, escape: escape, client: &http.Client{Transport: c.Transport, CheckRedirect: refuse}}, nil
}

// readHeaders gives c a Content-Type if it has none, and returns how values are
// escaped for it.
func (c *WebhookConfig) readHeaders() (escape func(string) string, err error) {
	c.Headers = maps.Clone(c.Headers)
	if c.Headers == nil {
		c.Headers = make(map[string]issuance.Secret)
	}
	contentType := "application/json"
	for name, value := range c.Headers {
		if strings.ContainsAny(string(value.Reveal()), "\r\n\x00") || !headerName().MatchString(name) {
			return nil, issuance.Invalidf("sms.webhook.headers", "contains something that is not an HTTP header",
				"write it like Authorization: Bearer ...")
		}
		if strings.EqualFold(name, "Content-Type") {
			contentType = string(value.Reveal())
			delete(c.Headers, name)
		}
	}
	c.Headers["Content-Type"] = issuance.NewSecret([]byte(contentType))
	if escape = escaping(contentType); escape == nil {
		return nil, issuance.Invalidf("sms.webhook.headers", "its Content-Type is not JSON, a form or XML",
			"choose application/json, application/x-www-form-urlencoded or application/xml")
	}
	return escape, nil
}

// checkBody refuses a body that no gateway can read.
func (c *WebhookConfig) checkBody(escape func(string) string) error {
	for _, name := range placeholder().FindAllString(c.Body, -1) {
		if name != "{{to}}" && name != "{{text}}" && name != "{{id}}" {
			return issuance.Invalidf("sms.webhook.body", "has an unknown placeholder, "+oneLine(name, 40),
				"the placeholders are {{to}}, {{text}} and {{id}}")
		}
	}
	if !strings.Contains(c.Body, "{{to}}") || !strings.Contains(c.Body, "{{text}}") {
		return issuance.Invalidf("sms.webhook.body", "has no {{to}} or no {{text}}", "put both where the gateway expects them")
	}
	contentType := string(c.Headers["Content-Type"].Reveal())
	sample := filled(c.Body, escape, Message{
		ID: "msg-0", To: "+41791234567", Text: issuance.NewSecret([]byte(`one "line"` + "\n& <more>")),
	})
	if !wellFormed(contentType, sample) {
		return issuance.Invalidf("sms.webhook.body", "is not "+oneLine(contentType, 60)+", which its Content-Type says",
			"put placeholders in quotes where a string is expected, for example {\"to\": \"{{to}}\"}, or set "+
				"another Content-Type among sms.webhook.headers")
	}
	return nil
}

// wellFormed reports whether body is what contentType says.
func wellFormed(contentType, body string) bool {
	media, _, _ := mime.ParseMediaType(contentType) // escaping has read it
	switch {
	case strings.HasSuffix(media, "json"):
		return json.Valid([]byte(body))
	case strings.HasSuffix(media, "xml"):
		d := xml.NewDecoder(strings.NewReader(body))
		for {
			if _, err := d.Token(); err != nil {
				return errors.Is(err, io.EOF)
			}
		}
	}
	_, err := url.ParseQuery(body)
	return err == nil && !strings.ContainsAny(body, " \r\n")
}

// filled returns body with m's values in it.
func filled(body string, escape func(string) string, m Message) string {
	return strings.NewReplacer(
		"{{to}}", escape(m.To), "{{text}}", escape(string(m.Text.Reveal())), "{{id}}", escape(string(m.ID)),
	).Replace(body)
}

func placeholder() *regexp.Regexp { return regexp.MustCompile(`\{\{[^{}]*\}\}`) }

// headerName is a token of RFC 9110, section 5.6.2.
func headerName() *regexp.Regexp {
	return regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
}

// escaping returns how a value is written into a body of contentType, nil for a
// type that is not known.
func escaping(contentType string) func(string) string {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return nil
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return func(s string) string {
			b, _ := json.Marshal(s) // a string always can
			return string(b[1 : len(b)-1])
		}
	case media == "application/x-www-form-urlencoded":
		return url.QueryEscape
	case media == "application/xml", media == "text/xml", strings.HasSuffix(media, "+xml"):
		return func(s string) string {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
			return b.String()
		}
	}
	return nil
}
