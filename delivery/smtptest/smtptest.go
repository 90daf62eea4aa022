// Package smtptest starts a real mail server for tests, Debian's aiosmtpd, on a
// loopback port. It demands STARTTLS and AUTH, and delivers to the test alone.
package smtptest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed smtpd.py
var program []byte

// User and Password are what every Server demands.
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
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	const python = "/usr/bin/python3" // Debian's own, which has Debian's modules
	if out, err := exec.Command(python, "-c", "import aiosmtpd").CombinedOutput(); err != nil {
		tb.Fatalf("a mail server is needed: apt-get install python3-aiosmtpd (%v: %s)", err, out)
	}
	certificate, roots := Certificate(tb, "127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	files := []struct {
		name string
		text []byte
	}{
		{"smtpd.py", program},
		{"cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})},
		{"key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
	}
	args := make([]string, 0, len(files)+2)
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.text, 0o600); err != nil {
			tb.Fatal(err)
		}
		args = append(args, path)
	}
	s := &Server{Roots: roots, tb: tb, mails: make(chan Mail, keeps)}
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

// Certificate returns a self-signed server certificate for a name or an
// address, and the pool that it verifies with.
func Certificate(tb testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}
