package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

// mailSettings writes a postern.yaml whose mail goes to server, and the files
// that it names, and loads it.
func mailSettings(t *testing.T, server *smtptest.Server, smtp, password string) (*config.Config, string) {
	t.Helper()
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, text := range map[string]string{
		"mail-ca.pem": string(ca), "smtp.password": password,
		"postern.yaml": fmt.Sprintf(`
public: {url: https://certs.bank.example}
plain: {url: http://pki.bank.example}
ca: {trust_domain: bank.example, passphrase: correct horse}
mail:
  from: Bank <%s>
  smtp: {host: 127.0.0.1, port: %d, username: %s, password_file: smtp.password, %s}
sms: {provider: outbox}
`, smtptest.Sender, server.Port, smtptest.User, smtp),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(config.Options{Path: filepath.Join(dir, "postern.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	return cfg, filepath.Join(dir, "smtp.password")
}

func sendByConfig(t *testing.T, cfg *config.Config) error {
	t.Helper()
	sender, err := newSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sender.Send(t.Context(), delivery.Message{
		ID: "msg-1", To: "anna@acme.example", Subject: "Your certificate", Text: issuance.NewSecret([]byte("Hello")), Date: time.Now(),
	})
	return err
}

// TestMailByConfiguration: a server with a CA of its own, which demands a full
// name in EHLO, needs one key, and the name is that of the contacts' site.
func TestMailByConfiguration(t *testing.T) {
	t.Parallel()
	server := smtptest.NewPostfix(t)
	cfg, _ := mailSettings(t, server, "ca: mail-ca.pem", smtptest.Password)
	if err := sendByConfig(t, cfg); err != nil {
		t.Fatal(err)
	}
	if data := string(server.Next().Data); !regexp.MustCompile(`Received: from certs\.bank\.example \(`).MatchString(data) {
		t.Errorf("EHLO did not say the host of public.url:\n%s", data)
	}
	cfg, _ = mailSettings(t, server, "tls: starttls", smtptest.Password)
	if e, ok := errors.AsType[*delivery.SendError](sendByConfig(t, cfg)); !ok || !e.Pause || !strings.Contains(e.Message, "mail.smtp.ca") {
		t.Errorf("without the CA: %v", e)
	}
}

// TestMailByATokenInAFile: another program keeps the token fresh, and no restart is needed.
func TestMailByATokenInAFile(t *testing.T) {
	t.Parallel()
	server := smtptest.NewPostfix(t)
	cfg, file := mailSettings(t, server, "ca: mail-ca.pem, auth: xoauth2, hello: other.bank.example", "expired-t0ken")
	if e, ok := errors.AsType[*delivery.SendError](sendByConfig(t, cfg)); !ok || !e.Pause || !strings.Contains(e.Message, "535 to AUTH") {
		t.Fatalf("an expired token: %v", e)
	}
	if err := os.WriteFile(file, []byte(smtptest.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sendByConfig(t, cfg); err != nil {
		t.Fatal(err)
	}
	if data := string(server.Next().Data); !strings.Contains(data, "Received: from other.bank.example (") {
		t.Errorf("EHLO did not say mail.smtp.hello:\n%s", data)
	}
}
