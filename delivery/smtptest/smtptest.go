// Package smtptest starts real mail servers for tests, Debian's aiosmtpd, Postfix
// and OpenSMTPD, on loopback ports, and delivers to the test alone.
package smtptest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed smtpd.py
var program []byte

// User and Password are what a Server demands that has AUTH.
const (
	User     = "postern"
	Password = "pLanTed-x7Qz0Rw4Kk"
)

// Mail is a mail as the server took it.
type Mail struct {
	From          string // of the envelope
	To            []string
	TLS           bool
	Authenticated bool
	Data          []byte // as on the wire, without its dots
}

// Server is a running mail server on 127.0.0.1.
type Server struct {
	Port  int
	Roots *x509.CertPool // that its certificate, for 127.0.0.1, verifies with

	tb    testing.TB
	mails chan Mail
	pair  tls.Certificate
	hop   int // port of what a relay hands its mails on to
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	const python = "/usr/bin/python3" // Debian's own, which has Debian's modules
	if out, err := exec.Command(python, "-c", "import aiosmtpd").CombinedOutput(); err != nil {
		tb.Fatalf("a mail server is needed: apt-get install python3-aiosmtpd (%v: %s)", err, out)
	}
	s := &Server{tb: tb, mails: make(chan Mail, keeps)}
	s.pair, s.Roots = Certificate(tb, "127.0.0.1")
	cert, key := s.certificate()
	dir := tb.TempDir()
	files := []struct {
		name string
		text []byte
	}{
		{"smtpd.py", program},
		{"cert.pem", []byte(cert)},
		{"key.pem", []byte(key)},
	}
	args := make([]string, 0, len(files)+2)
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.text, 0o600); err != nil {
			tb.Fatal(err)
		}
		args = append(args, path)
	}
	s.start(exec.Command(python, append(args, User, Password)...))
	return s
}

func (s *Server) start(cmd *exec.Cmd) {
	s.tb.Helper()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ended := make(chan struct{})
	s.tb.Cleanup(func() {
		stdin.Close()
		<-ended // all of its output is read
		_ = cmd.Wait()
		if s.tb.Failed() {
			s.tb.Logf("the mail server's standard error:\n%s", &complaints)
		}
	})
	lines := json.NewDecoder(stdout)
	var hello struct{ Port int }
	if err := lines.Decode(&hello); err != nil {
		close(ended)
		s.tb.Fatalf("the mail server does not start: %v", err)
	}
	s.Port = hello.Port
	go func() {
		defer close(ended)
		for {
			var m Mail
			if lines.Decode(&m) != nil {
				return
			}
			s.mails <- m
		}
	}()
}

// A server keeps this many mails that nobody has asked for yet; and this is how
// long Next waits before the test fails.
const (
	keeps    = 10_000
	patience = time.Minute
)

// Next waits for the next mail.
func (s *Server) Next() Mail {
	s.tb.Helper()
	select {
	case m := <-s.mails:
		return m
	case <-time.After(patience):
		s.tb.Fatal("no mail came")
		return Mail{}
	}
}
