package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/issuance"
)

// private serves h over TLS with a certificate of a CA that nobody knows, in sms-ca.pem.
func private(t *testing.T, dir string, h http.Handler) (address string) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	must(t, os.WriteFile(filepath.Join(dir, "sms-ca.pem"), text, 0o600))
	return server.URL
}

// smsByConfig sends an SMS with the settings below sms of a postern.yaml in dir.
func smsByConfig(t *testing.T, dir, settings string) error {
	t.Helper()
	path := filepath.Join(dir, "postern.yaml")
	must(t, os.WriteFile(path, []byte(`
public: {url: https://certs.bank.example}
plain: {url: http://pki.bank.example}
ca: {trust_domain: bank.example, passphrase: correct horse}
mail: {from: certs@bank.example, provider: outbox}
sms: `+settings+"\n"), 0o600))
	cfg, err := config.Load(config.Options{Path: path})
	must(t, err)
	sender, err := smsSender(cfg, nil, time.Now)
	must(t, err)
	_, err = sender.Send(t.Context(), delivery.Message{
		ID: "msg-1", Channel: issuance.SMS, To: "+41791234567", Text: issuance.NewSecret([]byte("Hello")), Date: time.Now(),
	})
	return err
}

// TestSMSByConfiguration: Twilio with an API key, and any gateway, behind a
// certificate of a private CA, need no more than the keys of the template.
func TestSMSByConfiguration(t *testing.T) {
	dir, fake := t.TempDir(), twiliotest.New(t)
	taken := 0
	for provider, settings := range map[string]string{
		"twilio": fmt.Sprintf("base_url: %q, account_sid: %s, api_key: %s, api_key_secret: %s, from: %q",
			private(t, dir, fake), twiliotest.AccountSID, twiliotest.APIKey, twiliotest.APIKeySecret, twiliotest.From),
		"webhook": fmt.Sprintf(`url: %q, body: '{"to":"{{to}}","text":"{{text}}"}'`,
			private(t, dir, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { taken++ }))),
	} {
		with := func(more string) error {
			return smsByConfig(t, dir, fmt.Sprintf("{provider: %s, %s: {%s%s}}", provider, provider, settings, more))
		}
		if err := with(""); err == nil || !strings.Contains(err.Error(), "sms."+provider+".ca") {
			t.Errorf("%s without the CA: %v", provider, err)
		}
		if err := with(", ca: sms-ca.pem"); err != nil {
			t.Errorf("%s: %v", provider, err)
		}
	}
	if got := fake.Requests(); taken != 1 || len(got) != 1 || got[0].User != twiliotest.APIKey {
		t.Errorf("the gateway took %d SMS, Twilio %+v; want one each", taken, got)
	}
}
