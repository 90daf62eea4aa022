package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"time"
)

// rareRetry is how long a message waits that its server refused, though it
// should not have: what it dislikes, people must mend.
const rareRetry = time.Hour

// refusal says what an error in t's phase means.
func (t *smtpTry) refusal(ctx context.Context, err error) *SendError {
	server := "mail server " + t.config.Host
	if known, ok := errors.AsType[*SendError](err); ok { // of the token
		return known
	}
	said, answered := errors.AsType[*textproto.Error](err)
	if !answered {
		return t.fault(ctx, server, err)
	}
	text := fmt.Sprintf("%s answered %d to %s", server, said.Code, t.phase)
	if t.phase != authenticating {
		text += ": " + t.message.quote(said.Msg)
	}
	return newAnswer(t.phase, said).judge().refusal(text)
}

// refusal returns the error of a message that was refused, as text says.
func (r ruling) refusal(text string) *SendError {
	switch r.means {
	case pauses:
		return &SendError{Pause: true, Message: text + "; " + r.advice}
	case hopeless:
		return &SendError{Permanent: true, Message: text + "; " + r.advice}
	case rarely:
		return &SendError{RetryAfter: rareRetry, Message: text + "; " + r.advice}
	}
	return &SendError{Message: text + "; it is sent again, the same"}
}

// fault says what it means that no answer came, or none that ends the exchange.
func (t *smtpTry) fault(ctx context.Context, server string, err error) *SendError {
	var network net.Error
	switch {
	case t.phase == ending:
		return &SendError{Unknown: true, Message: server + " had the whole mail and did not say whether it takes it: " +
			"it may have arrived. It is sent again, but rarely, with the same Message-ID"}
	case ctx.Err() != nil:
		return unreachable(server, ctx.Err())
	case errors.Is(err, errNoMechanism):
		return &SendError{Pause: true, Message: server + " offers no AUTH by " + t.config.Auth.mechanisms() +
			"; check mail.smtp.auth, mail.smtp.host and mail.smtp.port"}
	case certificateFault(err) != "", errors.As(err, &network), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), t.secured():
		return reaching(server, "mail.smtp.ca", err)
	}
	// The network did its part: the two do not get on, and nothing was sent.
	return &SendError{Pause: true, Message: server + " does not do TLS as mail.smtp.tls (" + string(t.config.TLS) +
		") demands; nothing was sent. Check mail.smtp.tls and mail.smtp.port"}
}

// secured reports whether t has come past the question of TLS.
func (t *smtpTry) secured() bool {
	switch t.phase {
	case connecting, greeted, introducing, securing:
		return false
	}
	return true
}

// certificateFault says what is wrong with a server's certificate, "" if that is not the trouble.
func certificateFault(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "it comes from a CA that is not trusted here"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return invalid.Error()
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "it cannot be verified"
	}
	return ""
}
