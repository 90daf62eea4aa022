package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// phase is how far an exchange with a mail server has come, and how that is
// called in errors.
type phase string

const (
	connecting     phase = "the connection"
	greeted        phase = "the greeting"
	introducing    phase = "EHLO"
	securing       phase = "STARTTLS"
	authenticating phase = "AUTH"
	mailing        phase = "MAIL FROM"
	addressing     phase = "RCPT TO"
	announcing     phase = "DATA"
	writing        phase = "the text"
	ending         phase = "the mail"
	leaving        phase = "QUIT"
)

// phaseLimits returns how long each phase may take: what RFC 5321, section
// 4.5.3.2, asks for, and what mail servers give where it is silent. A server may
// look for viruses while it owes the last answer: who hangs up before it has
// said 250 sends the mail twice.
func phaseLimits() map[phase]time.Duration {
	return map[phase]time.Duration{
		connecting: 30 * time.Second, greeted: 5 * time.Minute, introducing: 5 * time.Minute, securing: 5 * time.Minute,
		authenticating: 5 * time.Minute, mailing: 5 * time.Minute, addressing: 5 * time.Minute,
		announcing: 2 * time.Minute, writing: 3 * time.Minute, ending: 10 * time.Minute, leaving: 10 * time.Second,
	}
}

// SMTPTimeout is the time that a courier allows for one try. It is longer than any
// exchange in which every phase keeps to its limit.
func SMTPTimeout() (sum time.Duration) {
	limits := phaseLimits()
	for _, limit := range limits {
		sum += limit
	}
	return sum + limits[introducing] // a second EHLO follows STARTTLS
}

// smtpTry is one try to send one message.
type smtpTry struct {
	*SMTP
	message Message
	phase   phase
	conn    net.Conn
}

// enter begins a phase: its time runs from now.
func (t *smtpTry) enter(p phase) {
	t.phase = p
	if t.conn != nil {
		_ = t.conn.SetDeadline(time.Now().Add(t.limits[p])) // fails on a closed connection alone
	}
}

// exchange signs in and hands the server the message, of which text is the whole
// mail; none if text is nil.
func (t *smtpTry) exchange(ctx context.Context, text []byte) error {
	if err := t.connect(ctx); err != nil {
		return err
	}
	defer t.conn.Close()
	// It is cut when ctx is done, whatever it waits for.
	defer context.AfterFunc(ctx, func() { t.conn.Close() })()
	c, err := t.signIn(ctx)
	if err != nil {
		return err
	}
	if text != nil {
		if err := t.hand(c, text); err != nil {
			return err
		}
	}
	// All is done; how the server takes the goodbye changes nothing.
	t.enter(leaving)
	_ = c.Quit()
	return nil
}

// connect opens the connection, and TLS where that comes first.
func (t *smtpTry) connect(ctx context.Context) (err error) {
	t.enter(connecting)
	ctx, cancel := context.WithTimeout(ctx, t.limits[connecting])
	defer cancel()
	address := net.JoinHostPort(t.config.Host, strconv.Itoa(t.config.Port))
	if t.conn, err = t.dial(ctx, "tcp", address); err != nil || t.config.TLS != ImplicitTLS {
		return err
	}
	secure := tls.Client(t.conn, t.tls())
	if err := secure.HandshakeContext(ctx); err != nil {
		t.conn.Close()
		return err
	}
	t.conn = secure
	return nil
}

func (t *smtpTry) tls() *tls.Config {
	return &tls.Config{ServerName: t.config.Host, RootCAs: t.config.Roots, MinVersion: tls.VersionTLS12}
}

// signIn hears the greeting, says EHLO, starts TLS and authenticates.
func (t *smtpTry) signIn(ctx context.Context) (*smtp.Client, error) {
	t.enter(greeted)
	c, err := smtp.NewClient(t.conn, t.config.Host)
	if err != nil {
		return nil, err
	}
	c.SkipSMTPUTF8(true)
	t.enter(introducing)
	if err := c.Hello(t.hello()); err != nil {
		return nil, err
	}
	if t.config.TLS == StartTLS {
		t.enter(securing)
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return nil, errNoSTARTTLS
		}
		if err := c.StartTLS(t.tls()); err != nil { // with its EHLO
			return nil, err
		}
	}
	if t.config.Username == "" {
		return c, nil
	}
	return c, t.authenticate(ctx, c)
}

// errNoSTARTTLS is the error of a server that does not offer what it must.
var errNoSTARTTLS = errors.New("no STARTTLS")

// hello returns the name for EHLO. An end without one gives its address (RFC
// 5321, section 4.1.4): a bare host name or localhost is refused by many.
func (t *smtpTry) hello() string {
	if t.config.Hello != "" {
		return t.config.Hello
	}
	local, _, err := net.SplitHostPort(t.conn.LocalAddr().String())
	ip := net.ParseIP(local)
	switch {
	case err != nil || ip == nil:
		return "[127.0.0.1]"
	case ip.To4() != nil:
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// hand gives the server the message. The client writes its arguments as they are:
// the brackets of RFC 5321, section 4.1.2, are ours to write.
func (t *smtpTry) hand(c *smtp.Client, text []byte) error {
	t.enter(mailing)
	if err := c.Mail("<" + t.from.Address + ">"); err != nil {
		return err
	}
	t.enter(addressing)
	if err := c.Rcpt("<" + t.message.To + ">"); err != nil {
		return err
	}
	t.enter(announcing)
	w, err := c.Data()
	if err != nil {
		return err
	}
	t.enter(writing)
	if _, err := w.Write(text); err != nil {
		return err
	}
	t.enter(ending)
	return w.Close()
}
