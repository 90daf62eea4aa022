package delivery

import (
	"context"
	"errors"
	"net/textproto"
	"strings"

	"github.com/wneessen/go-mail/smtp"
)

// errNoMechanism is the error of a server that offers no AUTH we speak.
var errNoMechanism = errors.New("no common AUTH mechanism")

// authenticate signs in. What a server says to credentials is never shown,
// because some repeat the command they did not like.
func (t *smtpTry) authenticate(ctx context.Context, c *smtp.Client) error {
	t.enter(authenticating)
	mechanisms, err := t.mechanisms(ctx)
	if err != nil {
		return err
	}
	t.enter(authenticating) // the token may have taken its time
	err = c.Auth(&smtpAuth{mechanisms: mechanisms})
	answer, answered := errors.AsType[*textproto.Error](err)
	t.refused.Store(answered && answer.Code/100 == 5)
	return err
}

// mechanism is a way to sign in by its name in the protocol.
type mechanism struct {
	name string
	auth smtp.Auth
}

// mechanisms returns the ways to sign in, the best first.
func (t *smtpTry) mechanisms(ctx context.Context) ([]mechanism, error) {
	user, host := t.config.Username, t.config.Host
	if t.config.Auth == XOAUTH2 {
		token, err := t.config.Token(ctx, t.refused.Load())
		if err != nil {
			return nil, err
		}
		return []mechanism{{"XOAUTH2", smtp.XOAuth2Auth(user, string(token.Reveal()))}}, nil
	}
	password, clear := string(t.config.Password.Reveal()), t.config.TLS == NoTLS // to this host alone
	return []mechanism{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, password)},
		{"PLAIN", smtp.PlainAuth("", user, password, host, clear)},
		{"LOGIN", smtp.LoginAuth(user, password, host, clear)},
	}, nil
}

// mechanisms names the ways to sign in of a mode.
func (a AuthMode) mechanisms() string {
	if a == XOAUTH2 {
		return "XOAUTH2"
	}
	return "SCRAM-SHA-256, PLAIN or LOGIN"
}

// smtpAuth is the first of the mechanisms that the server offers.
type smtpAuth struct {
	smtp.Auth
	mechanisms []mechanism
}

func (a *smtpAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	offered := strings.Fields(strings.ToUpper(strings.Join(server.Auth, " ")))
	for _, m := range a.mechanisms {
		for _, o := range offered {
			if o == m.name {
				a.Auth = m.auth
				return a.Auth.Start(server)
			}
		}
	}
	return "", nil, errNoMechanism
}
