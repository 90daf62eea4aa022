package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// helloStart begins a ClientHello of 512 bytes.
const helloStart = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

// slowHandshakes are clients that never get to a request.
func slowHandshakes() []slow {
	return []slow{
		{"silent", "", ""},
		{"half a ClientHello", helloStart, ""},
		{"a ClientHello, an byte at a time", helloStart, strings.Repeat("a", 1<<20)},
		{"plain HTTP", "GET / HTTP/1.1\r\n", ""},
	}
}

// TestSlowHandshakesAreCutOff: the time for headers is that for a handshake, too.
func TestSlowHandshakesAreCutOff(t *testing.T) {
	url := serveTLS(t, Options{ReadTimeout: 300 * time.Millisecond, HTTP2: true})
	var all sync.WaitGroup
	for _, c := range slowHandshakes() {
		all.Go(func() {
			if err := c.hold(strings.TrimPrefix(url, "https://")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestSlowHTTP2IsCutOff: with a stream whose body does not come, and as HTTP/1 inside TLS.
func TestSlowHTTP2IsCutOff(t *testing.T) {
	answered := make(chan error, 1)
	url := serveTLS(t, Options{ReadTimeout: 300 * time.Millisecond, HTTP2: true, Handler: http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			answered <- err
		})})
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	body, never := io.Pipe()
	defer never.Close()
	go func() {
		if answer, err := client.Post(url, "text/plain", body); err == nil {
			answer.Body.Close()
		}
	}()
	select {
	case err := <-answered:
		if err == nil {
			t.Error("the body was whole")
		}
	case <-time.After(20 * time.Second):
		t.Error("the stream is not cut off")
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-A:")
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil && err.(net.Error).Timeout() {
		t.Error("half a request inside TLS is not cut off")
	}
}

// serveTLS is serve over TLS, with a certificate of net/http/httptest's.
func serveTLS(t *testing.T, o Options) (url string) {
	t.Helper()
	lent := httptest.NewUnstartedServer(nil)
	lent.StartTLS()
	o.TLSConfig = &tls.Config{Certificates: lent.TLS.Certificates}
	lent.Close()
	if o.Handler == nil {
		o.Handler = http.NotFoundHandler()
	}
	plain, _ := serve(t, o)
	return strings.Replace(plain, "http://", "https://", 1)
}

// TestEveryListenerHasItsTimes: what a listener does not set is not unlimited.
func TestEveryListenerHasItsTimes(t *testing.T) {
	s, err := New(Options{Name: "test", Addr: "127.0.0.1:0", Handler: http.NotFoundHandler(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	for name, d := range map[string]time.Duration{
		"headers and handshake": s.http.ReadHeaderTimeout, "request": s.http.ReadTimeout, "answer": s.http.WriteTimeout, "idle": s.http.IdleTimeout,
	} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("the time for the %s is %v", name, d)
		}
	}
}
