package smtptest

import (
	"crypto/x509"
	"io"
	"log"
	"net"
	"testing"

	"github.com/emersion/go-smtp"
)

// newHop returns a server whose mails are those that reach the next hop: what a
// real mail server has taken and handed on.
func newHop(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, mails: make(chan Mail, keeps)}
	s.pair, s.Roots = Certificate(tb, "127.0.0.1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.hop = l.Addr().(*net.TCPAddr).Port
	next := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &hopSession{server: s}, nil }))
	next.Domain, next.ErrorLog = "hop.test", log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = next.Serve(l)
	}()
	tb.Cleanup(func() {
		next.Close()
		<-done
	})
	return s
}

// Certificate returns what the server shows, which is its own CA.
func (s *Server) Certificate() *x509.Certificate { return s.pair.Leaf }

// certificate returns the server's certificate and key in PEM.
func (s *Server) certificate() (cert, key string) {
	s.tb.Helper()
	return pemOf(s.tb, s.pair)
}

type hopSession struct {
	server *Server
	mail   Mail
}

func (h *hopSession) Mail(from string, _ *smtp.MailOptions) error {
	h.mail = Mail{From: from}
	return nil
}

func (h *hopSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	h.mail.To = append(h.mail.To, to)
	return nil
}

func (h *hopSession) Data(r io.Reader) (err error) {
	if h.mail.Data, err = io.ReadAll(r); err == nil {
		h.server.mails <- h.mail
	}
	return err
}

func (h *hopSession) Reset()        {}
func (h *hopSession) Logout() error { return nil }
