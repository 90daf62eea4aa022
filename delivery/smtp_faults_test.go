package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

// faultyServer is a mail server that refuses or hangs up at one stage, once.
type faultyServer struct {
	port  int
	roots *x509.CertPool

	mu    sync.Mutex
	stage string // hello, auth, mail, rcpt, data, text
	code  int    // of the refusal; 0 cuts the connection
	text  string
	kept  []string // whole texts that came, accepted or not
}

func startFaultyServer(t testing.TB, starttls bool) *faultyServer {
	t.Helper()
	certificate, roots := smtptest.Certificate(t, "127.0.0.1")
	f := &faultyServer{roots: roots}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		if err := f.meet(c, "hello"); err != nil {
			return nil, err
		}
		return &faultySession{server: f, conn: c}, nil
	}))
	s.Domain, s.ErrorLog = "mail.test", log.New(io.Discard, "", 0)
	if starttls {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.port = l.Addr().(*net.TCPAddr).Port
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return f
}

// script sets the one fault.
func (f *faultyServer) script(stage string, code int, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stage, f.code, f.text = stage, code, text
}

// meet returns the fault of stage, if it has one. EHLO's stays for the HELO that follows.
func (f *faultyServer) meet(c *smtp.Conn, stage string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stage != stage {
		return nil
	}
	if stage != "hello" {
		f.stage = ""
	}
	if f.code == 0 {
		c.Conn().Close()
		return errors.New("cut")
	}
	return &smtp.SMTPError{Code: f.code, EnhancedCode: smtp.NoEnhancedCode, Message: f.text}
}

// takeTexts returns the texts that came, and forgets them.
func (f *faultyServer) takeTexts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	texts := f.kept
	f.kept = nil
	return texts
}

type faultySession struct {
	server *faultyServer
	conn   *smtp.Conn
}

func (s *faultySession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *faultySession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if err := s.server.meet(s.conn, "auth"); err != nil {
			return err
		}
		if user != smtptest.User || password != smtptest.Password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *faultySession) Mail(string, *smtp.MailOptions) error { return s.server.meet(s.conn, "mail") }

func (s *faultySession) Rcpt(string, *smtp.RcptOptions) error { return s.server.meet(s.conn, "rcpt") }
func (s *faultySession) Reset()                               {}
func (s *faultySession) Logout() error                        { return nil }

func (s *faultySession) Data(r io.Reader) error {
	if err := s.server.meet(s.conn, "data"); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	s.server.kept = append(s.server.kept, string(b))
	s.server.mu.Unlock()
	return s.server.meet(s.conn, "text")
}

func (f *faultyServer) sender(t testing.TB, change func(*SMTPConfig)) *SMTP {
	t.Helper()
	return mailSender(t, f.port, f.roots, change)
}

func TestMailFaultsAtEveryStage(t *testing.T) {
	server := startFaultyServer(t, true)
	sender := server.sender(t, nil)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	link := "spam: https://certs.bank.example/c/" + string(m.Secret.Reveal())
	passes, pauses, hopeless := SendError{}, SendError{Pause: true}, SendError{Permanent: true}
	for _, c := range []struct {
		stage string
		code  int
		text  string
		want  SendError
		says  string
	}{
		{"hello", 421, "busy", passes, "sent again"},
		{"hello", 554, "go away", pauses, "mail.smtp.hello"},
		{"hello", 0, "", passes, "sent again"},
		{"auth", 454, "later", passes, "454 to AUTH"},
		{"auth", 535, "5.7.8 password " + smtptest.Password + " is wrong", pauses, "mail.smtp.password"},
		{"auth", 0, "", passes, "sent again"},
		{"mail", 451, "later", passes, "later"},
		{"mail", 550, "sender unknown", pauses, "mail.from"},
		{"mail", 530, "authenticate first", pauses, "mail.smtp.username"},
		{"mail", 0, "", passes, "sent again"},
		{"rcpt", 450, "mailbox\r\n250 busy", passes, "sent again"},
		{"rcpt", 452, "too many", passes, "sent again"},
		{"rcpt", 550, "no such user", hopeless, "no such user; correct the contact's e-mail address"},
		{"rcpt", 535, "session expired", pauses, "mail.smtp.username"},
		{"rcpt", 0, "", passes, "sent again"},
		{"data", 451, "later", passes, "later"},
		{"rcpt", 554, "relay access denied", pauses, "relay"},
		{"data", 554, "no", passes, "554 to the mail"},
		{"data", 0, "", SendError{Unknown: true}, "may have arrived"}, // the dot is written without waiting
		{"text", 452, "disk full", passes, "disk full"},
		{"text", 554, link, passes, "withheld"},
		{"text", 550, "5.1.1 nobody here", hopeless, "nobody here; correct the contact's e-mail address"},
		{"text", 0, "", SendError{Unknown: true}, "may have arrived"},
	} {
		t.Run(fmt.Sprint(c.stage, " ", c.code), func(t *testing.T) {
			server.takeTexts()
			server.script(c.stage, c.code, c.text)
			checkRefusal(t, sender, m, c.want, c.says)
			server.script("", 0, "")
			if _, err := sender.Send(t.Context(), m); err != nil {
				t.Fatalf("second try: %v", err)
			}
			texts := server.takeTexts()
			if n := len(texts); n == 0 || texts[0] != texts[n-1] {
				t.Errorf("%d texts came, and not the same ones", n)
			}
		})
	}
}

func TestMailIsNotSentWithoutSTARTTLS(t *testing.T) {
	server := startFaultyServer(t, false)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	for name, change := range map[string]func(*SMTPConfig){
		"with AUTH":    nil,
		"without AUTH": func(c *SMTPConfig) { c.Username, c.Password = "", issuance.Secret{} },
	} {
		t.Run(name, func(t *testing.T) {
			checkRefusal(t, server.sender(t, change), m, SendError{Pause: true}, "nothing was sent")
		})
	}
	if n := len(server.takeTexts()); n != 0 {
		t.Errorf("%d mails went out in the clear", n)
	}
	// It is not the server: told to, the same sender does without TLS.
	plain := server.sender(t, func(c *SMTPConfig) { c.TLS, c.Username, c.Password = NoTLS, "", issuance.Secret{} })
	if _, err := plain.Send(t.Context(), m); err != nil || len(server.takeTexts()) != 1 {
		t.Errorf("without TLS: %v, or no mail", err)
	}
}
