package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/postern-ca/postern/issuance"
)

// TLSMode is how the connection to a mail server is protected.
type TLSMode string

// The modes. With StartTLS a server that does not offer it gets nothing: there
// is no falling back.
const (
	StartTLS    TLSMode = "starttls" // RFC 3207, usually port 587
	ImplicitTLS TLSMode = "implicit" // RFC 8314, section 3.3, usually port 465
	NoTLS       TLSMode = "none"     // for a relay on this host alone
)

// SMTPConfig is a mail server and who writes by it.
type SMTPConfig struct {
	Host     string
	Port     int // 0: 587, 465 or 25, as TLS says
	TLS      TLSMode
	Username string // "" for no AUTH
	Password issuance.Secret
	From     string         // "Name <address>" or an address
	ReplyTo  string         // where answers go; "" for From
	Timeout  time.Duration  // of the whole exchange; 0 for 30 seconds
	Roots    *x509.CertPool // nil for the system's
}

// SMTP sends mail by a mail server (RFC 5321), one connection a message.
type SMTP struct {
	config  SMTPConfig
	from    *mail.Address
	replyTo *mail.Address
}

// NewSMTP returns an error of kind [issuance.Invalid] that names the setting
// that is missing or cannot be right.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if c.Host == "" || strings.ContainsAny(c.Host, " \t\r\n/:") && net.ParseIP(c.Host) == nil {
		return nil, issuance.Invalidf("mail.smtp.host", "is not the name of a host", "give it without port, as in smtp.example.com")
	}
	ports := map[TLSMode]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}
	port, ok := ports[c.TLS]
	if !ok {
		return nil, issuance.Invalidf("mail.smtp.tls", "is not a mode", "choose starttls, implicit or none")
	}
	if c.Port == 0 {
		c.Port = port
	}
	if c.Port < 1 || c.Port > 65535 {
		return nil, issuance.Invalidf("mail.smtp.port", "is not a port", "give 1 to 65535, or leave it out")
	}
	if c.TLS == NoTLS && c.Username != "" {
		return nil, issuance.Invalidf("mail.smtp.tls", "none would send the password in the clear", "choose starttls or implicit, or take the username out")
	}
	if (c.Username == "") != c.Password.Empty() {
		return nil, issuance.Invalidf("mail.smtp.password", "username and password belong together, and one of them is missing", "set both or neither")
	}
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, issuance.Invalidf("mail.from", "is not an e-mail address", "write it like Certificates <certificates@example.com>")
	}
	s := &SMTP{config: c, from: from}
	if c.ReplyTo != "" {
		if s.replyTo, err = mail.ParseAddress(c.ReplyTo); err != nil {
			return nil, issuance.Invalidf("brand.support_email", "is not an e-mail address", "write it like support@example.com")
		}
	}
	if c.Timeout == 0 {
		s.config.Timeout = 30 * time.Second
	}
	return s, nil
}

// Send returns the Message-ID once the server has answered 250 to the text.
func (s *SMTP) Send(ctx context.Context, m Message) (string, error) {
	text, id, err := s.compose(m)
	if err != nil {
		return "", &SendError{Permanent: true, Message: "the mail could not be written: " + m.quote(err.Error())}
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	t := smtpTry{SMTP: s, message: m}
	if err := t.send(ctx, text); err != nil {
		return "", t.refusal(ctx, err)
	}
	return id, nil
}

// compose returns the mail as it goes over the wire. All that a library would
// draw at random is made from the notice, so that a second try is the same mail.
func (s *SMTP) compose(m Message) (text []byte, id string, err error) {
	sum := sha256.Sum256([]byte(m.ID))
	boundary := hex.EncodeToString(sum[:15])
	_, domain, _ := strings.Cut(s.from.Address, "@")
	id = string(m.ID) + "@" + domain

	g := gomail.NewMsg(gomail.WithBoundary(boundary), gomail.WithNoDefaultUserAgent())
	g.FromMailAddress(s.from)
	if s.replyTo != nil {
		g.ReplyToMailAddress(s.replyTo)
	}
	if err := g.To(m.To); err != nil {
		return nil, "", errors.New("the recipient's address cannot stand in a mail")
	}
	g.Subject(oneLine(m.Subject, 200))
	g.SetDateWithValue(m.Date.UTC())
	g.SetMessageIDWithValue(id)
	// RFC 3834, section 5, and the same for Exchange: no out-of-office replies.
	g.SetGenHeader("Auto-Submitted", "auto-generated")
	g.SetGenHeader("X-Auto-Response-Suppress", "All")
	g.SetBodyString(gomail.TypeTextPlain, string(m.Text.Reveal()))
	if !m.HTML.Empty() {
		g.AddAlternativeString(gomail.TypeTextHTML, string(m.HTML.Reveal()))
	}
	var b bytes.Buffer
	_, err = g.WriteTo(&b)
	return b.Bytes(), id, err
}

// stage is how far an exchange with a mail server has come.
type stage string

const (
	connecting     stage = "the connection"
	authenticating stage = "AUTH"
	mailing        stage = "MAIL FROM"
	addressing     stage = "RCPT TO"
	writing        stage = "DATA"
)

// smtpTry is one try to send one message.
type smtpTry struct {
	*SMTP
	message Message
	stage   stage
}

func (t *smtpTry) send(ctx context.Context, text []byte) error {
	t.stage = connecting
	c, conn, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	t.stage = mailing
	if err := c.Mail(t.from.Address); err != nil {
		return err
	}
	t.stage = addressing
	if err := c.Rcpt(t.message.To); err != nil {
		return err
	}
	t.stage = writing
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// It is accepted; how the server takes the goodbye changes nothing.
	_ = c.Quit()
	return nil
}

// dial connects, says EHLO, starts TLS and authenticates. The connection is cut
// when ctx is done, whatever it waits for.
func (t *smtpTry) dial(ctx context.Context) (*smtp.Client, net.Conn, error) {
	var conn net.Conn
	config := &tls.Config{ServerName: t.config.Host, RootCAs: t.config.Roots, MinVersion: tls.VersionTLS12}
	options := []gomail.Option{
		gomail.WithPort(t.config.Port), gomail.WithTimeout(t.config.Timeout), gomail.WithTLSConfig(config), gomail.WithoutSMTPUTF8(),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (_ net.Conn, err error) {
			if t.config.TLS == ImplicitTLS {
				conn, err = (&tls.Dialer{Config: config}).DialContext(dialing, network, address)
			} else {
				conn, err = (&net.Dialer{}).DialContext(dialing, network, address)
			}
			if err == nil {
				context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		}),
	}
	switch t.config.TLS {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case ImplicitTLS:
		options = append(options, gomail.WithSSL())
	case NoTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if t.config.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&smtpAuth{try: t}))
	}
	c, err := gomail.NewClient(t.config.Host, options...)
	if err != nil {
		return nil, nil, err
	}
	client, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil && conn != nil {
		conn.Close()
	}
	return client, conn, err
}

// errNoMechanism is the error of a server that offers no AUTH we speak.
var errNoMechanism = errors.New("no common AUTH mechanism")

// smtpAuth picks the best mechanism that the server offers, and remembers that
// it came to this: what a server says to credentials is never shown, because
// some repeat the command they did not like.
type smtpAuth struct {
	smtp.Auth
	try *smtpTry
}

func (a *smtpAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	a.try.stage = authenticating
	user, password, host := a.try.config.Username, string(a.try.config.Password.Reveal()), a.try.config.Host
	offered := strings.Fields(strings.ToUpper(strings.Join(server.Auth, " ")))
	for _, mechanism := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, password)},
		{"PLAIN", smtp.PlainAuth("", user, password, host, false)},
		{"LOGIN", smtp.LoginAuth(user, password, host, false)},
	} {
		for _, o := range offered {
			if o == mechanism.name {
				a.Auth = mechanism.auth
				return a.Auth.Start(server)
			}
		}
	}
	return "", nil, errNoMechanism
}

// refusal says what an error at t's stage means. What a server says before it
// has heard of the recipient concerns the whole channel.
func (t *smtpTry) refusal(ctx context.Context, err error) *SendError {
	server := "mail server " + t.config.Host
	answer, answered := errors.AsType[*textproto.Error](err)
	if !answered {
		return t.fault(ctx, server, err)
	}
	said := fmt.Sprintf("%s answered %d to %s", server, answer.Code, t.stage)
	if t.stage != authenticating {
		said += ": " + t.message.quote(answer.Msg)
	}
	switch {
	case answer.Code/100 != 5:
		return &SendError{Message: said + "; it is sent again, the same"}
	case t.stage == authenticating, answer.Code == 530, answer.Code == 534, answer.Code == 535, answer.Code == 538:
		return &SendError{Pause: true, Message: said + "; check mail.smtp.username, mail.smtp.password and mail.smtp.tls"}
	case t.stage == connecting:
		return &SendError{Pause: true, Message: said + "; check mail.smtp.host, mail.smtp.port and mail.smtp.tls"}
	case t.stage == mailing:
		return &SendError{Pause: true, Message: said + "; check mail.from"}
	case t.stage == addressing:
		return &SendError{Permanent: true, Message: said + "; correct the contact's e-mail address"}
	}
	return &SendError{Permanent: true, Message: said}
}

// fault says what it means that no answer came, or none that ends the exchange.
func (t *smtpTry) fault(ctx context.Context, server string, err error) *SendError {
	if ctx.Err() != nil {
		return unreachable(server, ctx.Err())
	}
	var network net.Error
	switch {
	case errors.Is(err, errNoMechanism):
		return &SendError{Pause: true, Message: server + " offers no AUTH by SCRAM-SHA-256, PLAIN or LOGIN; check mail.smtp.host and mail.smtp.port"}
	case certificateFault(err) != "", errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), t.stage != connecting:
		return unreachable(server, err)
	}
	// The network did its part: the two do not get on, and nothing was sent.
	return &SendError{Pause: true, Message: server + " does not do TLS as mail.smtp.tls (" + string(t.config.TLS) + ") demands; nothing was sent. Check mail.smtp.tls and mail.smtp.port"}
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
