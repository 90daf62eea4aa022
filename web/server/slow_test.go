package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// slow is a client that keeps a connection and says little: at once begin, then
// more, an byte at a time.
type slow struct{ name, begin, more string }

func slowClients() []slow {
	return []slow{
		{"silent", "", ""},
		{"half a request line", "GET /oc", ""},
		{"half the headers", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n", ""},
		{"headers, an byte at a time", "GET / HTTP/1.1\r\nHost: a\r\nX-A: ", strings.Repeat("b", 1<<20)},
		{"new headers for ever", "GET / HTTP/1.1\r\nHost: a\r\n", strings.Repeat("X-A: b\r\n", 1<<16)},
		{"half a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n0", ""},
		{"a body, an byte at a time", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", strings.Repeat("0", 1<<20)},
		{"chunks, an byte at a time", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\n0\r\n", 1<<18)},
		{"rubbish", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", ""},
	}
}

// hold talks to address until the server hangs up.
func (c slow) hold(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, c.begin); err != nil {
		return err
	}
	go func() {
		for i := range len(c.more) {
			time.Sleep(10 * time.Millisecond)
			if _, err := io.WriteString(conn, c.more[i:i+1]); err != nil {
				return
			}
		}
	}()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err = io.Copy(io.Discard, conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("%s: the server still holds on", c.name)
	}
	return nil // a reset is an end, too
}

// TestSlowClientsHoldNothing has hundreds of clients of every slow kind at once.
// The limits end them all, other clients are answered meanwhile, and nothing of
// them is left.
func TestSlowClientsHoldNothing(t *testing.T) {
	const each = 40
	url, _ := serve(t, Options{ReadTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		fmt.Fprint(w, "answer")
	})})
	address := strings.TrimPrefix(url, "http://")
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for _, c := range slowClients() {
		for range each {
			all.Go(func() {
				if err := c.hold(address); err != nil {
					t.Error(err)
				}
			})
		}
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	answered := 0
	for going := true; going; answered++ {
		select {
		case <-over:
			going = false
		default:
		}
		if status, _, body := get(t, url); status != http.StatusOK || body != "answer" {
			t.Errorf("meanwhile another client is answered %d %q", status, body)
		}
	}
	if answered < 10 {
		t.Errorf("meanwhile other clients were answered %d times", answered)
	}
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
		}
	}
}

// TestASlowReaderIsCutOff asks for much and reads nothing.
func TestASlowReaderIsCutOff(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := serve(t, Options{WriteTimeout: 300 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 1<<30))
		ended <- err
	})})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("all of it was written, to nobody")
		}
	case <-time.After(30 * time.Second):
		t.Error("the server goes on writing to a client that does not read")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
