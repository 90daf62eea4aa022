package delivery

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// startScript is a server that says lines, one after each line it hears, then
// hangs up; at "(silence)" it closes waits and hears on. It returns its port,
// and what it heard once it has hung up.
func startScript(t testing.TB, waits chan<- struct{}, lines ...string) (port int, heard func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ended := make(chan string, 1)
	go func() {
		var b strings.Builder
		defer func() { ended <- b.String() }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for i, line := range lines {
			if i > 0 {
				got, err := in.ReadString('\n')
				b.WriteString(got)
				if err != nil {
					return
				}
			}
			if line == "(silence)" {
				close(waits)
				_, _ = io.Copy(&b, in)
				return
			}
			_, _ = io.WriteString(conn, line)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, func() string { return <-ended }
}

func TestMailConnectionFaults(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	const offer = "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"
	for _, c := range []struct {
		name  string
		lines []string
		want  SendError
		says  string
	}{
		{"greeting 554", []string{"554 no\r\n"}, SendError{Pause: true}, "554"},
		{"greeting 421", []string{"421 busy\r\n"}, SendError{}, "421"},
		{"greeting cut", []string{""}, SendError{}, "sent again"},
		{"greeting cut short", []string{"220 ma"}, SendError{}, "sent again"},
		{"silence", []string{"(silence)"}, SendError{}, "in time"},
		{"silence after EHLO", []string{"220 mail.test\r\n", "(silence)"}, SendError{}, "in time"},
		{"no EHLO, and so no STARTTLS", []string{"220 mail.test\r\n", "502 what?\r\n", "250 mail.test\r\n", ""}, SendError{Pause: true}, "nothing was sent"},
		{"STARTTLS taken out", []string{"220 mail.test\r\n", "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n", ""}, SendError{Pause: true}, "nothing was sent"},
		{"STARTTLS 454", []string{"220 mail.test\r\n", offer, "454 TLS not available\r\n"}, SendError{}, "454"},
		{"STARTTLS 501", []string{"220 mail.test\r\n", offer, "501 no\r\n"}, SendError{Pause: true}, "501"},
		{"STARTTLS cut", []string{"220 mail.test\r\n", offer, ""}, SendError{}, "sent again"},
		{"cut in the handshake", []string{"220 mail.test\r\n", offer, "220 go\r\n"}, SendError{}, "sent again"},
		{"plain text slipped in after STARTTLS", []string{"220 mail.test\r\n", offer, "220 go\r\n250-mail.test\r\n250 AUTH PLAIN\r\n"}, SendError{}, "sent again"},
		{"nothing of SMTP", []string{"HTTP/1.1 200 OK\r\n\r\n"}, SendError{Pause: true}, "mail.smtp.port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			port, heard := startScript(t, make(chan struct{}), c.lines...)
			sender, err := NewSMTP(SMTPConfig{
				Host: "127.0.0.1", Port: port, TLS: StartTLS, Username: "postern", Password: issuance.NewSecret([]byte(smtptest.Password)),
				From: "a@bank.example",
			})
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(c.lines, "(silence)") {
				sender.limits[greeted], sender.limits[introducing] = 50*time.Millisecond, 50*time.Millisecond
			}
			checkRefusal(t, sender, m, c.want, c.says)
			if got := heard(); strings.Contains(got, "AUTH") || strings.Contains(got, "MAIL") {
				t.Errorf("before TLS the server heard %q", got)
			}
		})
	}
}

func TestMailIsNotWaitedForAtShutdown(t *testing.T) {
	waits := make(chan struct{})
	port, _ := startScript(t, waits, "220 mail.test\r\n", "(silence)")
	sender := mailSender(t, port, nil, nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := sender.Send(ctx, mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en")))
		ended <- err
	}()
	<-waits
	stop()
	select {
	case err := <-ended:
		if got, ok := errors.AsType[*SendError](err); !ok || got.Permanent || got.Pause {
			t.Errorf("got %v, want an error that passes", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it waits for a silent server")
	}
}

func TestMailImplicitTLS(t *testing.T) {
	certificate, roots := smtptest.Certificate(t, "127.0.0.1")
	kept := &faultyServer{}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &faultySession{server: kept, conn: c}, nil }))
	s.ErrorLog = log.New(io.Discard, "", 0)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	sender := mailSender(t, l.Addr().(*net.TCPAddr).Port, roots, func(c *SMTPConfig) { c.TLS = ImplicitTLS })
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	if _, err := sender.Send(t.Context(), m); err != nil || len(kept.takeTexts()) != 1 {
		t.Errorf("error %v, or no mail", err)
	}
}
