package delivery

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

// gateway records requests and gives the same answer to each.
type gateway struct {
	status int
	header http.Header
	body   []string
	seen   []http.Header
	method string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	g.body, g.seen, g.method = append(g.body, string(b)), append(g.seen, r.Header), r.Method
	maps.Copy(w.Header(), g.header)
	w.WriteHeader(g.status)
	_, _ = w.Write(b) // many repeat the request
}

func (g *gateway) sender(t *testing.T, c WebhookConfig) *Webhook {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	c.URL = server.URL
	w, err := NewWebhook(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhookEscapes(t *testing.T) {
	text := "quote \" backslash \\ & < > % +\nnew line é {{to}}"
	m := Message{ID: "msg-1", To: "+41791234542", Text: issuance.NewSecret([]byte(text))}
	for contentType, c := range map[string]struct {
		body string
		read func(string) (to, text string, err error)
	}{
		"application/json; charset=utf-8": {`{"to": "{{to}}", "text": "{{text}}", "ref": "{{id}}"}`, func(s string) (string, string, error) {
			var v struct{ To, Text string }
			err := json.Unmarshal([]byte(s), &v)
			return v.To, v.Text, err
		}},
		"application/x-www-form-urlencoded": {"recipient={{to}}&message={{text}}", func(s string) (string, string, error) {
			v, err := url.ParseQuery(s)
			return v.Get("recipient"), v.Get("message"), err
		}},
		"text/xml": {`<sms to="{{to}}"><text>{{text}}</text></sms>`, func(s string) (string, string, error) {
			var v struct {
				To   string `xml:"to,attr"`
				Text string `xml:"text"`
			}
			err := xml.Unmarshal([]byte(s), &v)
			return v.To, v.Text, err
		}},
	} {
		g := &gateway{status: 202}
		sender := g.sender(t, WebhookConfig{Method: "PUT", Body: c.body, Headers: map[string]issuance.Secret{
			"content-type": issuance.NewSecret([]byte(contentType)), "Authorization": issuance.NewSecret([]byte("Bearer pLanTed")),
		}})
		for range 2 {
			if _, err := sender.Send(t.Context(), m); err != nil {
				t.Fatalf("%s: %v", contentType, err)
			}
		}
		to, got, err := c.read(g.body[0])
		if err != nil || to != m.To || got != text {
			t.Errorf("%s: got to %q, text %q, error %v", contentType, to, got, err)
		}
		if g.body[0] != g.body[1] {
			t.Errorf("%s: sent %q, then %q", contentType, g.body[0], g.body[1])
		}
		h := g.seen[0]
		if h.Get("Content-Type") != contentType || h.Get("Authorization") != "Bearer pLanTed" || h.Get("Idempotency-Key") != "msg-1" || g.method != "PUT" {
			t.Errorf("%s: %s with headers %v", contentType, g.method, h)
		}
	}
}

func TestWebhookAnswers(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en"))
	for _, c := range []struct {
		status      int
		contentType string
		want        SendError
	}{
		{301, "", SendError{Pause: true}},
		{307, "", SendError{Pause: true}},
		{400, "application/json", SendError{Permanent: true}},
		{400, "text/html; charset=utf-8", SendError{Pause: true}}, // a proxy's
		{401, "", SendError{Pause: true}},
		{402, "", SendError{Pause: true}}, // nothing left on the account
		{403, "", SendError{Pause: true}},
		{404, "", SendError{Pause: true}},
		{405, "", SendError{Pause: true}},
		{407, "", SendError{Pause: true}},
		{408, "", SendError{}},
		{409, "", SendError{}}, // the same is still being taken
		{413, "", SendError{Pause: true}},
		{415, "", SendError{Pause: true}},
		{422, "application/problem+json", SendError{Permanent: true}},
		{422, "text/html", SendError{Pause: true}},
		{429, "", SendError{RetryAfter: 9 * time.Second}},
		{451, "", SendError{Pause: true}},
		{500, "", SendError{}},
		{503, "text/html", SendError{RetryAfter: 9 * time.Second}},
	} {
		g := &gateway{status: c.status, header: http.Header{"Location": {"http://127.0.0.1:1/elsewhere"}, "Content-Type": {c.contentType}}}
		if c.want.RetryAfter > 0 {
			g.header.Set("Retry-After", "9")
		}
		_, err := g.sender(t, WebhookConfig{Body: `{"to":"{{to}}","text":"{{text}}"}`}).Send(t.Context(), m)
		got, ok := errors.AsType[*SendError](err)
		if !ok || got.Permanent != c.want.Permanent || got.Pause != c.want.Pause || got.RetryAfter != c.want.RetryAfter || m.leaks(got.Message) {
			t.Errorf("%d %s: got %+v, want %+v", c.status, c.contentType, err, c.want)
		}
		if len(g.body) != 1 {
			t.Errorf("%d: %d requests", c.status, len(g.body))
		}
	}
}

func TestWebhookCheckSendsNothing(t *testing.T) {
	for status, fails := range map[int]bool{200: false, 404: false, 405: false, 401: true, 403: true, 407: true} {
		g := &gateway{status: status}
		seen, err := g.sender(t, WebhookConfig{Body: `{"to":"{{to}}","text":"{{text}}"}`}).Check(t.Context())
		if (err != nil) != fails || !fails && !strings.Contains(seen, "test message") || g.method != http.MethodHead || g.body[0] != "" {
			t.Errorf("%d: %s %q, got %q, %v", status, g.method, g.body, seen, err)
		}
	}
}

func TestWebhookSettings(t *testing.T) {
	header := func(name, value string) map[string]issuance.Secret {
		return map[string]issuance.Secret{name: issuance.NewSecret([]byte(value))}
	}
	good := WebhookConfig{URL: "https://sms.example.com/send", Body: `{"to": "{{to}}", "text": "{{text}}"}`}
	if _, err := NewWebhook(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		field  string
		change func(*WebhookConfig)
	}{
		"url":          {"sms.webhook.url", func(c *WebhookConfig) { c.URL = "sms.example.com" }},
		"method":       {"sms.webhook.method", func(c *WebhookConfig) { c.Method = "GET" }},
		"header line":  {"sms.webhook.headers", func(c *WebhookConfig) { c.Headers = header("X", "a\r\nY: b") }},
		"header name":  {"sms.webhook.headers", func(c *WebhookConfig) { c.Headers = header("X Y", "a") }},
		"content type": {"sms.webhook.headers", func(c *WebhookConfig) { c.Headers = header("Content-Type", "text/plain") }},
		"no text":      {"sms.webhook.body", func(c *WebhookConfig) { c.Body = "{{to}}" }},
		"no recipient": {"sms.webhook.body", func(c *WebhookConfig) { c.Body = "{{text}}" }},
		"unknown":      {"sms.webhook.body", func(c *WebhookConfig) { c.Body = "{{to}}{{text}}{{From}}" }},
		"no JSON":      {"sms.webhook.body", func(c *WebhookConfig) { c.Body = `{"to": {{to}}, "text": "{{text}}"}` }},
		"no XML": {"sms.webhook.body", func(c *WebhookConfig) {
			c.Body, c.Headers = "<sms><to>{{to}}</to>{{text}}", header("Content-Type", "text/xml")
		}},
		"no form": {"sms.webhook.body", func(c *WebhookConfig) {
			c.Body, c.Headers = "to={{to}}\ntext={{text}}", header("Content-Type", "application/x-www-form-urlencoded")
		}},
		"unknown spaced": {"sms.webhook.body", func(c *WebhookConfig) { c.Body = "{{to}}{{text}}{{ to }}" }},
	} {
		bad := good
		c.change(&bad)
		_, err := NewWebhook(bad)
		if e, ok := errors.AsType[*issuance.Error](err); !ok || e.Field != c.field || e.Hint == "" {
			t.Errorf("%s: got %v, want an error on %s", name, err, c.field)
		}
	}
}

func TestOutboxKeepsTheLast(t *testing.T) {
	o := new(Outbox)
	for i := range 250 {
		if _, err := o.Send(t.Context(), Message{ID: issuance.NoticeID(strings.Repeat("x", i))}); err != nil {
			t.Fatal(err)
		}
	}
	got := o.Messages()
	if len(got) != 200 || len(got[0].ID) != 249 || len(got[199].ID) != 50 {
		t.Errorf("%d messages, from %d to %d", len(got), len(got[0].ID), len(got[199].ID))
	}
	got[0] = Message{}
	if again := o.Messages(); len(again[0].ID) != 249 || len(again[199].ID) != 50 {
		t.Error("the caller's slice is the outbox's own")
	}
}

// TestADateIsReadByTheHousesClock: a provider that answers with a date to come back
// at is not asked before it by a machine whose clock is years ahead, nor years later.
func TestADateIsReadByTheHousesClock(t *testing.T) {
	house := time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return house }
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		g := &gateway{status: status, header: http.Header{"Retry-After": {house.Add(9 * time.Minute).Format(http.TimeFormat)}}}
		webhook := g.sender(t, WebhookConfig{Body: `{"to":"{{to}}","text":"{{text}}"}`, Now: now})
		server := httptest.NewServer(g)
		defer server.Close()
		twilio, err := NewTwilio(TwilioConfig{
			AccountSID: twiliotest.AccountSID, AuthToken: issuance.NewSecret([]byte(twiliotest.AuthToken)), From: twiliotest.From, BaseURL: server.URL, Now: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, sender := range map[string]Sender{"webhook": webhook, "Twilio": twilio} {
			_, err := sender.Send(t.Context(), Message{ID: "msg-1", Channel: issuance.SMS, To: "+41791234542", Text: issuance.NewSecret([]byte("a text"))})
			if got, ok := errors.AsType[*SendError](err); !ok || got.RetryAfter != 9*time.Minute {
				t.Errorf("%s, status %d: got %+v, want to wait 9 minutes", name, status, got)
			}
		}
	}
}
