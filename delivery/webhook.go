package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// WebhookConfig is an SMS gateway that is asked over HTTP.
//
// Body has the placeholders {{to}}, {{text}} and {{id}}, which are escaped as
// the Content-Type among Headers demands: JSON (a string's inside), a form or
// XML. For example:
//
//	{"recipient": "{{to}}", "message": "{{text}}", "reference": "{{id}}"}
type WebhookConfig struct {
	URL       string
	Method    string                     // POST or PUT; "" for POST
	Headers   map[string]issuance.Secret // Content-Type ("" for application/json), Authorization and so on
	Body      string
	Timeout   time.Duration     // of one request; 0 for 20 seconds
	Transport http.RoundTripper // nil for http.DefaultTransport, which heeds the usual proxy variables
}

// Webhook sends SMS by any gateway that takes a request and answers 2xx. Each
// request has the notice's id as its Idempotency-Key.
type Webhook struct {
	config WebhookConfig
	escape func(string) string
	client *http.Client
}

// NewWebhook returns an error of kind [issuance.Invalid] that names the setting
// that is missing or cannot be right.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, issuance.Invalidf("sms.webhook.url", "is not an http or https URL", "give the gateway's address, as in https://sms.example.com/send")
	}
	if c.Method == "" {
		c.Method = http.MethodPost
	}
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		return nil, issuance.Invalidf("sms.webhook.method", "is neither POST nor PUT", "a text must not travel in a URL, where logs keep it")
	}
	c.Headers = maps.Clone(c.Headers)
	if c.Headers == nil {
		c.Headers = make(map[string]issuance.Secret)
	}
	contentType := "application/json"
	for name, value := range c.Headers {
		if strings.ContainsAny(string(value.Reveal()), "\r\n\x00") || !headerName().MatchString(name) {
			return nil, issuance.Invalidf("sms.webhook.headers", "one is not an HTTP header", "write it like Authorization: Bearer ...")
		}
		if strings.EqualFold(name, "Content-Type") {
			contentType = string(value.Reveal())
			delete(c.Headers, name)
		}
	}
	c.Headers["Content-Type"] = issuance.NewSecret([]byte(contentType))
	escape := escaping(contentType)
	if escape == nil {
		return nil, issuance.Invalidf("sms.webhook.headers", "its Content-Type is not JSON, a form or XML", "choose application/json, application/x-www-form-urlencoded or application/xml")
	}
	for _, name := range placeholder().FindAllString(c.Body, -1) {
		if name != "{{to}}" && name != "{{text}}" && name != "{{id}}" {
			return nil, issuance.Invalidf("sms.webhook.body", "has an unknown placeholder", "there are {{to}}, {{text}} and {{id}}")
		}
	}
	if !strings.Contains(c.Body, "{{to}}") || !strings.Contains(c.Body, "{{text}}") {
		return nil, issuance.Invalidf("sms.webhook.body", "lacks {{to}} or {{text}}", "write both where the gateway expects them")
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Webhook{config: c, escape: escape, client: &http.Client{Transport: c.Transport, CheckRedirect: refuse}}, nil
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

// Send makes one request. It returns no id: gateways have no common name for one.
func (w *Webhook) Send(ctx context.Context, m Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	body := strings.NewReplacer(
		"{{to}}", w.escape(m.To), "{{text}}", w.escape(string(m.Text.Reveal())), "{{id}}", w.escape(string(m.ID)),
	).Replace(w.config.Body)
	r, err := http.NewRequestWithContext(ctx, w.config.Method, w.config.URL, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", &SendError{Pause: true, Message: "the SMS gateway cannot be asked; check sms.webhook.url"}
	}
	r.Header.Set("Idempotency-Key", string(m.ID))
	for name, value := range w.config.Headers {
		r.Header.Set(name, string(value.Reveal()))
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return "", unreachable("the SMS gateway", err)
	}
	defer resp.Body.Close()
	// Reading to the end lets the connection be used again. What gateways write
	// is not shown: many repeat the request.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, answerLimit))
	return "", webhookRefusal(resp)
}

// webhookRefusal returns nil for an answer that accepts, or what it means.
func webhookRefusal(resp *http.Response) error {
	e := &SendError{Message: "the SMS gateway answered " + strconv.Itoa(resp.StatusCode), RetryAfter: retryAfter(resp.Header, time.Now())}
	switch status := resp.StatusCode; {
	case status/100 == 2:
		return nil
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		e.Message += "; it is sent again, the same"
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		e.Pause, e.Message = true, e.Message+"; check sms.webhook.headers"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status < 400:
		e.Pause, e.Message = true, e.Message+"; check sms.webhook.url and sms.webhook.method"
	default:
		e.Permanent, e.Message = true, e.Message+"; check the contact's mobile number, and sms.webhook.body"
	}
	return e
}
