package delivery

import (
	"cmp"
	"context"
	"crypto/x509"
	"net"
	"net/mail"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// TLSMode is how the connection to a mail server is protected.
type TLSMode string

// The modes. With StartTLS, nothing is sent to a server that does not offer it:
// there is no fallback.
const (
	StartTLS    TLSMode = "starttls" // RFC 3207, usually port 587
	ImplicitTLS TLSMode = "implicit" // RFC 8314, section 3.3, usually port 465
	NoTLS       TLSMode = "none"     // only for a relay on this host
)

// AuthMode is how Postern signs in to a mail server.
type AuthMode string

// The modes. PasswordAuth uses the best mechanism that the server offers:
// SCRAM-SHA-256, PLAIN or LOGIN.
const (
	PasswordAuth AuthMode = "password"
	XOAUTH2      AuthMode = "xoauth2" // an access token, for Exchange Online and Gmail
)

// SMTPConfig is a mail server and the sender of the mails.
type SMTPConfig struct {
	Host     string
	Port     int // 0: 587, 465 or 25, as TLS says
	TLS      TLSMode
	Hello    string   // the name sent in EHLO; "" for the local address as a literal
	Auth     AuthMode // "" for PasswordAuth
	Username string   // "" for no AUTH
	Password issuance.Secret
	Token    TokenSource    // of XOAUTH2
	From     string         // "Name <address>" or an address
	ReplyTo  string         // where answers go; "" for From
	Roots    *x509.CertPool // nil for the system's
}

// TokenSource returns an access token. refused says that the server did not accept
// the last one, so the same token would be useless. Its error is a [*SendError], or
// one that contains neither a token nor a secret. It may be called by several
// goroutines.
type TokenSource func(ctx context.Context, refused bool) (issuance.Secret, error)

// SMTP sends mail through a mail server (RFC 5321), with one connection per
// message.
type SMTP struct {
	config  SMTPConfig
	from    *mail.Address
	replyTo *mail.Address
	limits  map[phase]time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	refused atomic.Bool // the last access token was
}

// NewSMTP returns an error of kind [issuance.Invalid] that names the setting that
// is missing or invalid.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if err := c.checkServer(); err != nil {
		return nil, err
	}
	if err := c.checkSignIn(); err != nil {
		return nil, err
	}
	c.Port = cmp.Or(c.Port, ports()[c.TLS])
	from, err := mailbox(c.From)
	if err != nil {
		return nil, issuance.Invalidf("mail.from", "is not an e-mail address",
			"write it like Certificates <certificates@example.com>")
	}
	s := &SMTP{config: c, from: from, limits: phaseLimits(), dial: new(net.Dialer).DialContext}
	if c.ReplyTo != "" {
		if s.replyTo, err = mailbox(c.ReplyTo); err != nil {
			return nil, issuance.Invalidf("brand.support_email", "is not an e-mail address",
				"write it like support@example.com")
		}
	}
	return s, nil
}

// mailbox reads "Name <address>" or an address, and writes its domain in ASCII.
func mailbox(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err == nil {
		a.Address, err = ASCIIAddress(a.Address)
	}
	return a, err
}

// ports returns the usual port of each mode.
func ports() map[TLSMode]int {
	return map[TLSMode]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}
}

func (c SMTPConfig) checkServer() error {
	if c.Host == "" || strings.ContainsAny(c.Host, " \t\r\n/:") && net.ParseIP(c.Host) == nil {
		return issuance.Invalidf("mail.smtp.host", "is not a host name",
			"write it without a port, for example smtp.example.com")
	}
	if ports()[c.TLS] == 0 {
		return issuance.Invalidf("mail.smtp.tls", "is not a mode", "choose starttls, implicit or none")
	}
	if c.Port < 0 || c.Port > 65535 {
		return issuance.Invalidf("mail.smtp.port", "is not a port", "use 1 to 65535, or omit it")
	}
	if !IsHelloName(c.Hello) && c.Hello != "" {
		return issuance.Invalidf("mail.smtp.hello", "cannot be used in EHLO",
			"use the full name of this host, for example certs.example.com")
	}
	return nil
}

func (c SMTPConfig) checkSignIn() error {
	if c.TLS == NoTLS && c.Username != "" && !issuance.IsLoopback(c.Host) {
		return issuance.Invalidf("mail.smtp.tls", "none would send the password unencrypted",
			"choose starttls or implicit, or remove the username")
	}
	switch c.Auth {
	case "", PasswordAuth:
		if (c.Username == "") != c.Password.Empty() {
			return issuance.Invalidf("mail.smtp.password", "username and password belong together, but one of them is missing",
				"set both or neither")
		}
	case XOAUTH2:
		if c.Username == "" {
			return issuance.Invalidf("mail.smtp.username", "is not set, and XOAUTH2 needs it",
				"set the address of the mailbox that the token is for")
		}
		if c.Token == nil {
			return issuance.Invalidf("mail.smtp.password", "there is no access token and no way to get one",
				"set the token, or mail.smtp.oauth2")
		}
	default:
		return issuance.Invalidf("mail.smtp.auth", "is not a way to sign in", "choose password or xoauth2")
	}
	return nil
}

// IsHelloName reports whether s may be sent in EHLO (RFC 5321, section 4.1.1.1): a
// full host name in ASCII, or the literal of an address in square brackets.
func IsHelloName(s string) bool {
	if literal, ok := strings.CutPrefix(s, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		six, isSix := strings.CutPrefix(literal, "IPv6:")
		ip := net.ParseIP(six)
		return ok && ip != nil && isSix == (ip.To4() == nil)
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notLDH) {
			return false
		}
	}
	return len(labels) > 1 && len(s) <= 253 && net.ParseIP(s) == nil
}

// notLDH reports whether r is neither letter, digit nor hyphen.
func notLDH(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Send returns the Message-ID once the server has answered 250 to the text.
func (s *SMTP) Send(ctx context.Context, m Message) (string, error) {
	to, err := ASCIIAddress(m.To)
	if err != nil {
		return "", &SendError{Permanent: true, Message: "the recipient's address " + err.Error()}
	}
	m.To = to
	text, id, err := s.compose(m)
	if err != nil {
		return "", &SendError{Permanent: true, Message: "the mail could not be composed: " + m.quote(err.Error())}
	}
	t := smtpTry{SMTP: s, message: m}
	if err := t.exchange(ctx, text); err != nil {
		return "", t.refusal(ctx, err)
	}
	return id, nil
}
