package delivery

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

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
