package main_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"regexp"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// mailbox is a mail server that keeps what it accepts.
type mailbox struct {
	port int

	mu   sync.Mutex
	kept map[string][][]byte // by Message-ID: each time it came
	link map[string]string   // by recipient: the link in the newest invitation
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	b := &mailbox{kept: map[string][][]byte{}, link: map[string]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.port = l.Addr().(*net.TCPAddr).Port
	s := smtp.NewServer(b)
	s.Domain, s.ErrorLog = "mail.test", quiet{}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return b
}

// quiet takes the complaints of the mail server: its clients are killed.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{b: b}, nil }

type mailSession struct {
	b  *mailbox
	to string
}

func (s *mailSession) Reset()                                    { s.to = "" }
func (s *mailSession) Logout() error                             { return nil }
func (s *mailSession) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

// Data accepts a mail that was sent as a whole.
func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	id, text, err := readMail(raw)
	if err != nil {
		return err
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.kept[id] = append(s.b.kept[id], raw)
	if link := regexp.MustCompile(`http://\S+/c/[A-Za-z0-9_-]+`).FindString(text); link != "" {
		s.b.link[s.to] = link
	}
	return nil
}

// readMail returns the Message-ID and the plain text of a mail.
func readMail(raw []byte) (id, text string, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "", "", err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextPart()
	if err != nil {
		return "", "", err
	}
	plain, err := io.ReadAll(part)
	return m.Header.Get("Message-Id"), string(plain), err
}

// linkFor returns the newest link that was mailed to an address, "" for none.
func (b *mailbox) linkFor(to string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.link[to]
}
