package delivery

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

func TestTwilioByAPIKey(t *testing.T) {
	sender, server := fakeTwilio(t, func(c *TwilioConfig) {
		c.AuthToken, c.APIKey, c.APIKeySecret = issuance.Secret{}, twiliotest.APIKey, issuance.NewSecret([]byte(twiliotest.APIKeySecret))
	})
	if _, err := sender.Send(t.Context(), mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en"))); err != nil {
		t.Fatal(err)
	}
	got := server.Requests()[0]
	if got.User != twiliotest.APIKey || got.Path != "/2010-04-01/Accounts/"+twiliotest.AccountSID+"/Messages.json" {
		t.Errorf("request to %s as %s", got.Path, got.User)
	}
	for field, change := range map[string]func(*TwilioConfig){
		"sms.twilio.api_key":        func(c *TwilioConfig) { c.APIKey = "SK/.." },
		"sms.twilio.api_key_secret": func(c *TwilioConfig) { c.APIKeySecret = issuance.Secret{} },
	} {
		c := sender.config
		change(&c)
		_, err := NewTwilio(c)
		if e, ok := errors.AsType[*issuance.Error](err); !ok || e.Field != field || e.Hint == "" {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestTwilioCheckSendsNothing(t *testing.T) {
	sender, server := fakeTwilio(t, nil)
	seen, err := sender.Check(t.Context())
	if err != nil || !strings.Contains(seen, "signed in") || !strings.Contains(seen, twiliotest.AccountSID) {
		t.Errorf("got %q, %v", seen, err)
	}
	if len(server.Messages()) != 0 || server.Requests()[0].Method != http.MethodGet {
		t.Errorf("it sent %v by %v", server.Messages(), server.Requests())
	}
	for name, c := range map[string]struct {
		fault twiliotest.Fault
		says  string
	}{
		"wrong token":    {twiliotest.Unauthenticated(), "Twilio refused the sign-in (status 401, code 20003)"},
		"a proxy's page": {twiliotest.Fault{Status: 403, Raw: "<html>"}, "the answer to the sign-in was not Twilio's"},
		"another 200":    {twiliotest.Fault{Status: 200, JSON: `{"ok": true}`}, "the answer to the sign-in was not Twilio's"},
	} {
		server.Script(c.fault)
		if _, err := sender.Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// privately serves h over TLS with a certificate of a CA that nobody knows.
func privately(t *testing.T, h http.Handler) (address string, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return server.URL, roots
}

func TestProvidersWithAPrivateCA(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en"))
	fake := twiliotest.New(t)
	address, roots := privately(t, fake)
	gatewayAddress, gatewayRoots := privately(t, &gateway{status: 202})
	for name, make := range map[string]func(*x509.CertPool) (Sender, error){
		"sms.twilio.ca": func(pool *x509.CertPool) (Sender, error) {
			return NewTwilio(TwilioConfig{AccountSID: twiliotest.AccountSID, AuthToken: issuance.NewSecret([]byte(twiliotest.AuthToken)), From: twiliotest.From, BaseURL: address, Roots: pool})
		},
		"sms.webhook.ca": func(pool *x509.CertPool) (Sender, error) {
			return NewWebhook(WebhookConfig{URL: gatewayAddress, Body: `{"to":"{{to}}","text":"{{text}}"}`, Roots: pool})
		},
	} {
		sender, err := make(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sender.Send(t.Context(), m)
		if got, ok := errors.AsType[*SendError](err); !ok || !got.Pause || !strings.Contains(got.Message, name) {
			t.Errorf("%s, not set: got %v", name, err)
		}
		pool := roots
		if name == "sms.webhook.ca" {
			pool = gatewayRoots
		}
		if sender, err = make(pool); err != nil {
			t.Fatal(err)
		}
		if _, err := sender.Send(t.Context(), m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := sender.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forwarding is a proxy that answers each CONNECT with a status.
func forwarding(t *testing.T, status string) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
			conn.Close()
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("u", "planted")}
}

func TestAProxyThatDoesNotConnect(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.CodeNotice, "en"))
	for status, pause := range map[string]bool{"407 Proxy Authentication Required": true, "403 Forbidden": true, "503 Busy": false, "200 but TLS breaks": false} {
		transport := newTransport(nil)
		transport.Proxy = http.ProxyURL(forwarding(t, status))
		sender, _ := fakeTwilio(t, func(c *TwilioConfig) { c.BaseURL, c.Transport = "https://api.twilio.invalid", transport })
		_, err := sender.Send(t.Context(), m)
		got, ok := errors.AsType[*SendError](err)
		if !ok || got.Permanent || got.Pause != pause || strings.Contains(got.Message, "planted") {
			t.Errorf("%s: got %+v", status, err)
		}
		if ok && pause && !strings.Contains(got.Message, "the proxy 127.0.0.1:") {
			t.Errorf("%s: %q does not say whose answer it was", status, got.Message)
		}
	}
}
