package delivery

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

// TestSMTPCheckSignsInAndSendsNothing at a real mail server.
func TestSMTPCheckSignsInAndSendsNothing(t *testing.T) {
	server := smtptest.New(t)
	c := SMTPConfig{
		Host: "127.0.0.1", Port: server.Port, TLS: StartTLS, Username: smtptest.User, Password: issuance.NewSecret([]byte(smtptest.Password)),
		From: "certs@bank.example", Roots: server.Roots,
	}
	sender, err := NewSMTP(c)
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := sender.Check(t.Context()); err != nil || !strings.Contains(seen, "signed in as "+smtptest.User) {
		t.Errorf("got %q, %v", seen, err)
	}
	c.Password = issuance.NewSecret([]byte("wrong-password"))
	if sender, err = NewSMTP(c); err != nil {
		t.Fatal(err)
	}
	_, err = sender.Check(t.Context())
	if got, ok := errors.AsType[*SendError](err); !ok || !got.Pause || !strings.Contains(got.Message, "535") || !strings.Contains(got.Message, "mail.smtp.password") || strings.Contains(got.Message, "wrong-password") {
		t.Errorf("a wrong password: %v", err)
	}
	// What comes next at the server is the first mail.
	c.Password = issuance.NewSecret([]byte(smtptest.Password))
	if sender, err = NewSMTP(c); err != nil {
		t.Fatal(err)
	}
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := server.Next(); len(got.To) != 1 || got.To[0] != m.To {
		t.Errorf("the first mail is to %v", got.To)
	}
}

func TestCheckOfAMailServerSendsNothing(t *testing.T) {
	server := startFaultyServer(t, true)
	seen, err := server.sender(t, nil).Check(t.Context())
	if err != nil || seen == "" || len(server.takeTexts()) != 0 {
		t.Errorf("got %q, %v, or a mail", seen, err)
	}
	_, err = server.sender(t, func(c *SMTPConfig) { c.Password = issuance.NewSecret([]byte("wrong")) }).Check(t.Context())
	if e, ok := errors.AsType[*SendError](err); !ok || !e.Pause || (Message{Secret: issuance.NewSecret([]byte(smtptest.Password))}).leaks(e.Message) {
		t.Errorf("a wrong password: %v", err)
	}
}
