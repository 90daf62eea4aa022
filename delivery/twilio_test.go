package delivery

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

func fakeTwilio(t testing.TB, change func(*TwilioConfig)) (*Twilio, *twiliotest.Server) {
	t.Helper()
	server := twiliotest.New(t)
	c := TwilioConfig{AccountSID: twiliotest.AccountSID, AuthToken: issuance.NewSecret([]byte(twiliotest.AuthToken)), From: twiliotest.From, BaseURL: server.URL}
	if change != nil {
		change(&c)
	}
	sender, err := NewTwilio(c)
	if err != nil {
		t.Fatal(err)
	}
	return sender, server
}

func TestTwilioSendsAsSpecified(t *testing.T) {
	// The library would take these; nothing of them may show.
	for _, name := range []string{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_EDGE", "TWILIO_REGION"} {
		t.Setenv(name, "environment")
	}
	sender, server := fakeTwilio(t, nil)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "de"))
	sid, err := sender.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	requests, messages := server.Requests(), server.Messages()
	if len(requests) != 1 || len(messages) != 1 {
		t.Fatalf("%d requests, %d messages, want one each", len(requests), len(messages))
	}
	if sid != messages[0].SID {
		t.Errorf("provider id %q, want %q", sid, messages[0].SID)
	}
	want := url.Values{"To": {"+41791234542"}, "From": {twiliotest.From}, "Body": {string(m.Text.Reveal())}, "ValidityPeriod": {"1800"}}
	if diff := cmp.Diff(want, requests[0].Form); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if requests[0].Path != "/2010-04-01/Accounts/"+twiliotest.AccountSID+"/Messages.json" || requests[0].User != twiliotest.AccountSID {
		t.Errorf("request to %s as %s", requests[0].Path, requests[0].User)
	}
}

func TestTwilioMessagingServiceAndPath(t *testing.T) {
	sender, server := fakeTwilio(t, func(c *TwilioConfig) {
		c.From, c.MessagingServiceSID, c.BaseURL = "", "MG0123456789abcdef0123456789abcdef", c.BaseURL+"/gateway/"
	})
	server.Always(twiliotest.Fault{Status: 201, Accept: true})
	if _, err := sender.Send(t.Context(), mustRender(t, sampleTexts(t), sampleDispatch(issuance.PasswordNotice, "en"))); err != nil {
		t.Fatal(err)
	}
	got := server.Requests()[0]
	if got.Form.Has("From") || got.Form.Get("MessagingServiceSid") != "MG0123456789abcdef0123456789abcdef" || got.Form.Has("ValidityPeriod") {
		t.Errorf("parameters %v", got.Form)
	}
	if !strings.HasPrefix(got.Path, "/gateway/2010-04-01/") {
		t.Errorf("path %s", got.Path)
	}
}

func TestTwilioFaults(t *testing.T) {
	texts := sampleTexts(t)
	m := mustRender(t, texts, sampleDispatch(issuance.CodeNotice, "en"))
	leak := "Your message '83920174 is your code' was filtered"
	for _, c := range []struct {
		name  string
		fault twiliotest.Fault
		want  SendError
		says  string
	}{
		{"invalid number", twiliotest.InvalidNumber(), SendError{Permanent: true}, "correct the contact's mobile number"},
		{"authentication", twiliotest.Unauthenticated(), SendError{Pause: true}, "sms.twilio.auth_token"},
		{"401 without a code", twiliotest.Fault{Status: 401, Raw: "denied"}, SendError{Pause: true}, "401"},
		{"account suspended", twiliotest.Fault{Status: 403, Code: 20005, Text: "Account not active"}, SendError{Pause: true}, "console"},
		{"foreign sender", twiliotest.Fault{Status: 400, Code: 21660, Text: "Mismatch"}, SendError{Pause: true}, "sms.twilio.from"},
		{"a proxy's 403", twiliotest.Fault{Status: 403, Raw: "<html>blocked</html>", Server: "squid/5.7"}, SendError{Pause: true}, "not Twilio's (status 403, text/html, Server squid/5.7)"},
		{"a proxy's 407", twiliotest.Fault{Status: 407, Raw: "<html>who are you</html>"}, SendError{Pause: true}, "HTTPS_PROXY"},
		{"a captive portal's 200", twiliotest.Fault{Status: 200, Raw: "<html>log in</html>"}, SendError{Pause: true}, "not Twilio's (status 200"},
		{"another JSON's 422", twiliotest.Fault{Status: 422, JSON: `{"error": "unprocessable"}`}, SendError{Pause: true}, "not Twilio's (status 422, application/json)"},
		{"another JSON's 400 with its status for a code", twiliotest.Fault{Status: 400, JSON: `{"code": 400, "message": "Bad Request"}`}, SendError{Pause: true}, "not Twilio's"},
		{"another JSON's 400 with a word for a code", twiliotest.Fault{Status: 400, JSON: `{"code": "invalid", "message": "no"}`}, SendError{Pause: true}, "not Twilio's"},
		{"a list", twiliotest.Fault{Status: 400, JSON: `[]`}, SendError{Pause: true}, "not Twilio's"},
		{"nothing", twiliotest.Fault{Status: 403, JSON: ` `}, SendError{Pause: true}, "not Twilio's"},
		{"a proxy that repeats the code", twiliotest.Fault{Status: 403, Raw: "x", Server: "83920174"}, SendError{Pause: true}, "withheld"},
		{"a proxy that is busy", twiliotest.Fault{Status: 503, Raw: "<html>", Retry: time.Minute}, SendError{RetryAfter: time.Minute}, "not Twilio's"},
		{"another account's path", twiliotest.Fault{Status: 404, Code: 20404, Text: "not found"}, SendError{Pause: true}, "sms.twilio.base_url"},
		{"moved", twiliotest.Fault{Status: 302, Raw: "elsewhere"}, SendError{Pause: true}, "sms.twilio.base_url"},
		{"too many", twiliotest.TooMany(), SendError{RetryAfter: 7 * time.Second}, "sent again"},
		{"internal", twiliotest.Internal(), SendError{}, "sent again"},
		{"unavailable, later", twiliotest.Fault{Status: 503, Raw: "x", Retry: time.Minute}, SendError{RetryAfter: time.Minute}, "sent again"},
		{"not JSON", twiliotest.BadGateway(), SendError{}, "not Twilio's"},
		{"stopped", twiliotest.Fault{Status: 400, Code: 21610, Text: "Attempt to send to unsubscribed recipient"}, SendError{Permanent: true}, "START"},
		{"unknown code", twiliotest.Fault{Status: 400, Code: 29999, Text: "Something new"}, SendError{Permanent: true}, "Something new"},
		{"accepted, cut", twiliotest.CutAnswer(), SendError{}, "sent again"},
		{"accepted, unreadable", twiliotest.Fault{Status: 201, Raw: "<html>", Accept: true}, SendError{}, "could not be read"},
		{"accepted, nameless", twiliotest.Fault{Status: 200, Raw: "{}", Accept: true}, SendError{}, "could not be read"},
		{"quotes the text", twiliotest.Fault{Status: 400, Code: 30007, Text: leak}, SendError{Permanent: true}, "withheld"},
		{"quotes the code", twiliotest.Fault{Status: 500, Code: 20500, Text: "8392-0174"}, SendError{}, "withheld"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sender, server := fakeTwilio(t, nil)
			server.Script(c.fault)
			id, err := sender.Send(t.Context(), m)
			got, ok := errors.AsType[*SendError](err)
			if !ok || id != "" {
				t.Fatalf("got id %q, error %v, want a SendError", id, err)
			}
			if got.Permanent != c.want.Permanent || got.Pause != c.want.Pause || got.RetryAfter != c.want.RetryAfter {
				t.Errorf("got %+v, want %+v", *got, c.want)
			}
			if !strings.Contains(got.Message, c.says) || strings.Contains(got.Message, "\n") {
				t.Errorf("error %q does not say %q", got.Message, c.says)
			}
			if m.leaks(got.Message) || strings.Contains(got.Message, twiliotest.AuthToken) {
				t.Errorf("error %q shows a secret", got.Message)
			}
			// Whatever it was, what is sent again is the same, byte for byte.
			if _, err := sender.Send(t.Context(), m); err != nil {
				t.Fatalf("second try: %v", err)
			}
			requests := server.Requests()
			if requests[0].Body != requests[1].Body {
				t.Errorf("sent %q, then %q", requests[0].Body, requests[1].Body)
			}
		})
	}
}

func TestTwilioTimeoutAfterAcceptance(t *testing.T) {
	sender, server := fakeTwilio(t, func(c *TwilioConfig) { c.Timeout = 50 * time.Millisecond })
	server.Script(twiliotest.LostAnswer())
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en"))
	_, err := sender.Send(t.Context(), m)
	got, ok := errors.AsType[*SendError](err)
	if !ok || got.Permanent || got.Pause || !strings.Contains(got.Message, "in time") {
		t.Fatalf("got %v, want an error that passes", err)
	}
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	messages := server.Messages()
	if len(messages) != 2 || messages[0].Body != messages[1].Body || messages[0].To != messages[1].To {
		t.Errorf("accepted %+v, want the same twice", messages)
	}
}

func TestTwilioIsNotWaitedForAtShutdown(t *testing.T) {
	sender, server := fakeTwilio(t, nil)
	server.Always(twiliotest.LostAnswer())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sender.Send(ctx, mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en")))
	if got, ok := errors.AsType[*SendError](err); !ok || got.Permanent || got.Pause {
		t.Errorf("got %v, want an error that passes", err)
	}
}

func TestTwilioUnreachable(t *testing.T) {
	sender, _ := fakeTwilio(t, func(c *TwilioConfig) { c.BaseURL = "http://127.0.0.1:1" })
	_, err := sender.Send(t.Context(), mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en")))
	if got, ok := errors.AsType[*SendError](err); !ok || got.Permanent || got.Pause || !strings.Contains(got.Message, "cannot be reached") {
		t.Errorf("got %v, want an error that passes", err)
	}
}

func TestTwilioSettings(t *testing.T) {
	good := TwilioConfig{AccountSID: "AC1", AuthToken: issuance.NewSecret([]byte("t")), From: "+15005550006"}
	if _, err := NewTwilio(good); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*TwilioConfig){
		"sms.twilio.account_sid": func(c *TwilioConfig) { c.AccountSID = "../x" },
		"sms.twilio.auth_token":  func(c *TwilioConfig) { c.AuthToken = issuance.NewSecret([]byte("tok en\n")) },
		"sms.twilio.from":        func(c *TwilioConfig) { c.From = "" },
		"sms.twilio.base_url":    func(c *TwilioConfig) { c.BaseURL = "api.twilio.com" },
	} {
		c := good
		change(&c)
		_, err := NewTwilio(c)
		if e, ok := errors.AsType[*issuance.Error](err); !ok || e.Field != field || e.Hint == "" {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// closer notes that a body was closed: one that is not keeps its connection.
type closer struct {
	io.ReadCloser
	closed *bool
}

func (c closer) Close() error { *c.closed = true; return c.ReadCloser.Close() }

type closeWatch struct{ closed bool }

func (w *closeWatch) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		resp.Body = closer{resp.Body, &w.closed}
	}
	return resp, err
}

func TestTwilioClosesAnswers(t *testing.T) {
	watch := new(closeWatch)
	sender, server := fakeTwilio(t, func(c *TwilioConfig) { c.Transport = watch })
	server.Script(twiliotest.InvalidNumber())
	if _, err := sender.Send(t.Context(), mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en"))); err == nil || !watch.closed {
		t.Errorf("error %v, body closed: %v", err, watch.closed)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 12 ": 12 * time.Second, "-3": 0, "soon": 0, "99999999999": 0,
		"Sat, 21 Nov 2026 09:01:30 GMT": 90 * time.Second, "Sat, 21 Nov 2026 08:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {header}}, now); got != want {
			t.Errorf("Retry-After %q: got %v, want %v", header, got, want)
		}
	}
}
