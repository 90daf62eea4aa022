package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAConnectionInTheMiddleOfARequestEnds has a client begin a request before it is
// revoked, and end it after the server has the new CRL: that one may be answered,
// and no other on this connection.
func TestAConnectionInTheMiddleOfARequestEnds(t *testing.T) {
	t.Parallel()
	for name, server := range crlServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFrontier(t)
			if server.greets {
				f.greeting = "hello, " + samplePayments
			}
			reload := server.start(f, f.page(server.page, "crl", server.replace(f)))
			if !server.alone {
				f.follow(reload)
			}
			c := f.connect()
			c.send(askForGreeting)
			if got := c.answer(); !strings.Contains(got, f.greeting) {
				t.Fatalf("a valid certificate was answered with %q", got)
			}
			half := len(askForGreeting) - 4 // all but the end of the last line
			c.send(askForGreeting[:half])
			f.status("revoke", "keyCompromise")
			f.await("a new connection is refused", func() bool {
				in, _ := f.visitor(&f.identity, tls.VersionTLS13, true).call(t.Context(), nil)
				return !in
			})
			c.send(askForGreeting[half:])
			first := c.answer()
			c.send(askForGreeting)
			if second := c.answer(); strings.Contains(second, f.greeting) {
				t.Errorf("after the revocation two requests were answered: %q, %q", first, second)
			}
		})
	}
}

const askForGreeting = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n"

// handmade is a connection whose requests are written by hand.
type handmade struct {
	conn   *tls.Conn
	reader *bufio.Reader
}

func (f *frontier) connect() *handmade {
	f.t.Helper()
	conn, err := tls.Dial("tcp", f.address, &tls.Config{
		InsecureSkipVerify: true, // the server's certificate is not what is tested
		ServerName:         "api.example.com",
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &f.identity, nil
		},
	})
	must(f.t, err)
	f.t.Cleanup(func() { conn.Close() })
	must(f.t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	return &handmade{conn, bufio.NewReader(conn)}
}

// send writes a part of a request; the server may have closed the connection.
func (h *handmade) send(text string) { _, _ = io.WriteString(h.conn, text) }

// answer returns the body of the next answer, "" if none comes.
func (h *handmade) answer() string {
	r, err := http.ReadResponse(h.reader, nil)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	return string(body)
}
