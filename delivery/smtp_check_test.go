package delivery

import (
	"errors"
	"testing"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

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
