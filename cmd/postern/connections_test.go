package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// small is a server, a process of its own, that may open few files.
type small struct {
	t     *testing.T
	cfg   *config.Config
	pid   int
	token string
	log   *lockedBuffer
}

// startSmall starts `postern serve` with a limit of files, which is the soft limit
// of a shell below its hard one: the server raises it.
func startSmall(t *testing.T, files int) *small {
	t.Helper()
	path := stockConfig(t)
	cfg, err := config.Load(config.Options{Path: path})
	must(t, err)
	program, err := exec.LookPath("postern")
	must(t, err)
	s := &small{t: t, cfg: cfg, log: new(lockedBuffer)}
	limits := fmt.Sprintf("ulimit -Sn %d && ulimit -Hn %d && exec \"$0\" serve --log-level info --config \"$1\"", files/2, files)
	c := exec.Command("sh", "-c", limits, program, path)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	c.Stdout, c.Stderr = s.log, s.log
	must(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v: %s", err, s.log)
		}
	})
	for end := time.Now().Add(time.Minute); !strings.Contains(s.log.String(), "connections are limited"); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("the server ended with %v: %s", err, s.log)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the server does not start: %s", s.log)
		}
	}
	s.pid, s.token = c.Process.Pid, firstTokenIn(t, cfg.Data)
	return s
}

// get asks on a connection of its own, from 127.0.0.1.
func (s *small) get(address, token string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, body)
	}
	return body, err
}

// answers asks what must be answered whatever happens on the public listener.
func (s *small) answers(when string) {
	s.t.Helper()
	issuer := s.issuer()
	request, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: big.NewInt(7)}, issuer, nil)
	must(s.t, err)
	for name, ask := range map[string]func() error{
		"staff's tokens": func() error { _, err := s.get(s.cfg.Admin.URL+"/api/v1/tokens", s.token); return err },
		"the CRL":        func() error { _, err := s.get(s.cfg.Plain.URL+"/pki/crl-bundle.pem", ""); return err },
		"OCSP": func() error {
			answer, err := http.Post(s.cfg.Plain.URL+"/ocsp", "application/ocsp-request", bytes.NewReader(request))
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err == nil {
				_, err = ocsp.ParseResponse(body, issuer)
			}
			return err
		},
		"/healthz of staff":       func() error { _, err := s.get(s.cfg.Admin.URL+"/healthz", ""); return err },
		"/healthz of the public":  func() error { _, err := s.get(s.cfg.Public.URL+"/healthz", ""); return err },
		"the public chain of CAs": func() error { _, err := s.get(s.cfg.Public.URL+"/pki/chain.pem", ""); return err },
	} {
		if err := ask(); err != nil {
			s.t.Errorf("%s: %s: %v", when, name, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// issuer is the issuing CA, read from the disk: the server may not answer.
func (s *small) issuer() *x509.Certificate {
	files, err := filepath.Glob(filepath.Join(s.cfg.Data, caDirectory, "issuing-*.pem"))
	must(s.t, err)
	text, err := os.ReadFile(files[0])
	must(s.t, err)
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	must(s.t, err)
	return c
}

// hold opens n connections to a listener, each from the next of some loopback
// addresses, sends begin on each, and keeps them until the test ends.
func (s *small) hold(address string, n, addresses int, begin string) {
	s.t.Helper()
	u, err := url.Parse(address)
	must(s.t, err)
	for i := range n {
		from := &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%addresses/200), byte(1+i%addresses%200))}
		if addresses == 1 {
			from.IP = net.IPv4(127, 0, 0, 1)
		}
		conn, err := (&net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}).Dial("tcp4", net.JoinHostPort("127.0.0.1", u.Port()))
		if err != nil {
			s.t.Errorf("connection %d to %s: %v", i, address, err)
			return
		}
		s.t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, begin) // it may have been closed already
	}
}

func (s *small) files() int {
	s.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	must(s.t, err)
	return len(open)
}

// metric returns a measurement.
func (s *small) metric(name string) int {
	s.t.Helper()
	text, err := s.get(s.cfg.Admin.URL+"/metrics", s.token)
	must(s.t, err)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\d+)$`).FindSubmatch(text)
	if m == nil {
		s.t.Errorf("there is no measurement %s", name)
		return 0
	}
	n, err := strconv.Atoi(string(m[1]))
	must(s.t, err)
	return n
}

// TestIdleConnectionsShutNobodyOut floods a server that has few files with
// connections that say nothing, little, or one request.
func TestIdleConnectionsShutNobodyOut(t *testing.T) {
	t.Parallel()
	const limit = 256
	s := startSmall(t, limit)
	if !strings.Contains(s.log.String(), "files=255") { // Go leaves one of the hard limit
		t.Errorf("the soft limit was not raised, or is not said: %s", s.log)
	}
	s.answers("before")
	own := s.files()
	if own > leastOwnFiles-10 {
		t.Errorf("the server has %d files open when nothing happens, of the %d that it keeps for itself", own, leastOwnFiles)
	}
	half := "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "
	one := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	s.hold(s.cfg.Public.URL, 100, 1, "")
	s.answers("100 silent connections of one address")
	if n := s.metric(`postern_connections_closed_total{limit="address",listener="public",which="idle"}`); n < 70 {
		t.Errorf("%d connections were closed because of the address, want most of 100", n)
	}
	s.hold(s.cfg.Public.URL, 100, 1, one)
	s.answers("100 idle connections of one address")
	s.hold(s.cfg.Public.URL, 150, 75, half)
	s.hold(s.cfg.MTLS.URL, 150, 75, "\x16\x03\x01")
	s.answers("300 slow connections of 75 addresses")
	s.hold(s.cfg.Plain.URL, 150, 75, "")
	s.hold(s.cfg.Admin.URL, 100, 75, "")
	s.answers("250 silent connections of 75 addresses to every other listener")
	if n := s.files(); n >= limit {
		t.Errorf("%d files are open", n)
	}
	if strings.Contains(s.log.String(), "could not be accepted") {
		t.Errorf("connections could not be accepted: %s", s.log)
	}
	if n := strings.Count(s.log.String(), "because a limit is reached"); n < 3 || n > 20 {
		t.Errorf("that limits were reached is logged %d times: %s", n, s.log)
	}
}

// TestATrickleIsCutOff: on every listener, a client that sends a byte a second is
// cut off when the time for a handshake or the headers is over.
func TestATrickleIsCutOff(t *testing.T) {
	t.Parallel()
	s := startSmall(t, 1024)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cut := make(chan string)
	listeners := map[string]string{"public": s.cfg.Public.URL, "plain": s.cfg.Plain.URL, "admin": s.cfg.Admin.URL, "mtls": s.cfg.MTLS.URL}
	for name, address := range listeners {
		u, err := url.Parse(address)
		must(t, err)
		conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", u.Port()))
		must(t, err)
		context.AfterFunc(ctx, func() { conn.Close() })
		text := "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("a", 100)
		if name == "mtls" {
			text = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("a", 100)
		}
		go trickle(ctx, conn, text)
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			cut <- name
		}()
	}
	begun := time.Now()
	for range listeners {
		name := <-cut
		if took := time.Since(begun); ctx.Err() != nil || took < 5*time.Second {
			t.Errorf("%s: the connection ended after %v, want about ten seconds", name, took)
		}
	}
}

// trickle sends a byte a second.
func trickle(ctx context.Context, conn net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// TestTheSharesFitTheFiles: together they and what the server keeps are never more
// than there are, and waiting requests leave room for others.
func TestTheSharesFitTheFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files                              uint64
		own, public, ofOne, admin, waiting int
	}{
		{64, 48, 4, 2, 2, 1},
		{128, 48, 20, 10, 10, 5},
		{256, 48, 52, 26, 26, 13},
		{1024, 128, 224, 64, 112, 56},
		{16384, 256, 4032, 504, 2016, 256},
		{0, 256, 4096, 512, 2048, 256},
		{1 << 63, 256, 4096, 512, 2048, 256},
	} {
		r, err := newRoom(c.files)
		must(t, err)
		sum := r.own
		for _, n := range r.share {
			sum += n
		}
		if sum > r.files || c.files > 0 && uint64(r.files) > c.files {
			t.Errorf("of %d files, %d are used", c.files, sum)
		}
		got := []int{r.own, r.share["public"], r.ofOne("public"), r.share["admin"], r.waiters()}
		if want := []int{c.own, c.public, c.ofOne, c.admin, c.waiting}; !slices.Equal(got, want) {
			t.Errorf("of %d files: %v, want %v", c.files, got, want)
		}
		for _, name := range []string{"plain", "mtls", "auth"} {
			if most, ofOne := r.share[name], r.ofOne(name); most < 2 || ofOne > most {
				t.Errorf("of %d files, %s gets %d, an address %d", c.files, name, most, ofOne)
			}
		}
	}
	for files := uint64(1); files < 64; files++ {
		if r, err := newRoom(files); err == nil || !strings.Contains(err.Error(), "LimitNOFILE=") {
			t.Errorf("%d files are divided: %v, %v", files, r.share, err)
		}
	}
}

// TestWhoIsNotBelievedIsNotExempt: on staff's listener a trusted proxy has a limit, as
// anybody has, unless it ends their TLS.
func TestWhoIsNotBelievedIsNotExempt(t *testing.T) {
	t.Parallel()
	for _, proxied := range []bool{false, true} {
		h := &house{cfg: &config.Config{Public: config.Public{TrustedProxies: []string{"10.0.0.7"}}}}
		h.cfg.Admin.TLS.Proxy = proxied
		for name, want := range map[string]bool{"public": true, "plain": true, "mtls": true, "admin": proxied} {
			if got := len(h.connections(name).Exempt) == 1; got != want {
				t.Errorf("staff behind the proxy: %v; its address is exempt on %s: %v, want %v", proxied, name, got, want)
			}
		}
	}
}
