package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// TestTheClockJumpsUnderARunningServer: it says so everywhere, issues nothing, revokes,
// and goes on when the clock is right again or a person has accepted it.
func TestTheClockJumpsUnderARunningServer(t *testing.T) {
	t.Parallel()
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	cfg.Reports.To = []string{"duty@postern.example"}
	must(t, cfg.Check())
	var jump atomic.Int64
	now := readings(time.Now)
	read := func() issuance.Reading {
		r := now()
		r.Wall = r.Wall.Add(time.Duration(jump.Load()))
		return r
	}
	h, err := openWith(t.Context(), cfg, newLog(config.Log{Level: "error"}, io.Discard), read, filepath.Join(cfg.Data, databaseFile))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	<-ready
	t.Cleanup(func() {
		stop()
		must(t, <-served)
		must(t, h.close())
	})
	s, err := newStory(ctx, h, demoOptions{data: cfg.Data, out: io.Discard, log: io.Discard})
	must(t, err)
	for _, step := range steps()[:9] {
		_, err := step.do(s, t.Context())
		must(t, err)
	}
	isReady := func(want bool) {
		t.Helper()
		must(t, s.await(t.Context(), func() error {
			status, _, said, err := s.do(t.Context(), s.client, http.MethodGet, cfg.Admin.URL+"/readyz", "", nil)
			if err == nil && (status == http.StatusOK) != want {
				err = fmt.Errorf("%d: %s", status, said)
			}
			return err
		}))
	}
	isReady(true)

	jump.Store(int64(3 * year))
	isReady(false)
	_, err = s.message(t.Context(), issuance.Mail, "clock is in doubt")
	must(t, err)
	_, _, metrics, err := s.do(t.Context(), s.client, http.MethodGet, cfg.Admin.URL+"/metrics", "", nil)
	if must(t, err); !strings.Contains(string(metrics), "\npostern_clock_doubted 1\n") {
		t.Error("no metric says that the clock is in doubt")
	}
	if _, err := s.placeOrder(t.Context()); err == nil {
		_, err = s.approve(t.Context())
		if err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("an approval: %v, want an error about the clock", err)
		}
	}
	if _, err = s.revoke(t.Context()); err != nil {
		t.Errorf("a revocation while the clock is in doubt: %v", err)
	}
	_, err = s.checkViews(t.Context())
	must(t, err)
	jump.Store(0)
	isReady(true)
	_, err = s.checkViews(t.Context())
	must(t, err)

	for _, to := range []time.Duration{3 * time.Minute, 0} {
		jump.Store(int64(to))
		isReady(false)
		var view struct{ Clock time.Time }
		must(t, s.api(t.Context(), http.MethodGet, "/clock", nil, &view))
		if err := s.api(t.Context(), http.MethodPost, "/clock/accept", map[string]any{"time": view.Clock.Add(time.Hour)}, &view); err == nil {
			t.Error("a time that the clock does not say was accepted")
		}
		must(t, s.api(t.Context(), http.MethodPost, "/clock/accept", map[string]any{"time": view.Clock}, &view))
		isReady(true)
		must(t, s.await(t.Context(), func() error { return datedBefore(h, time.Now().Add(to)) }))
	}
	_, err = s.approve(t.Context())
	must(t, err)
}

// datedBefore returns an error if a CRL is dated after at.
func datedBefore(h *house, at time.Time) error {
	b, err := h.publisher.Bundle()
	if err != nil {
		return err
	}
	for _, c := range b.CRLs {
		if c.ThisUpdate.After(at) {
			return fmt.Errorf("the CRL %s is dated %v", c.Name, c.ThisUpdate)
		}
	}
	return nil
}

// TestARealTimeServerIsAsked has a wrong clock beside chronyd, which is found at the
// start; when it is set right, the server goes on by itself. One that is set wrong it does not trust.
func TestARealTimeServerIsAsked(t *testing.T) {
	t.Parallel()
	server := startChrony(t)
	var servers *config.Clock
	w := walkHouses(t, func(c *config.Config) { servers = &c.Clock })(t)
	w.live, w.wrong = true, -25*day
	w.tick()
	_, err := w.registrar.AcceptClock(t.Context(), w.admin, w.read().Wall)
	must(t, err)
	must(t, w.clock.Sure())
	servers.Check = []string{server}
	w.restart()
	if w.clock.Sure() == nil {
		t.Fatal("nobody has asked the time server at the start")
	}
	later := func(wrong time.Duration) {
		w.wrong = wrong
		w.steady += 2 * time.Minute // servers are asked once a minute
		w.tick()
	}
	later(0)
	must(t, w.clock.Sure())
	later(3 * year)
	if w.clock.Sure() == nil {
		t.Error("a clock that is three years ahead is trusted")
	}
	v, err := w.registrar.ShowClock(t.Context())
	if err != nil || len(v.Servers) != 1 || v.Servers[0].Error != "" || (v.Servers[0].Offset+3*year).Abs() > time.Minute {
		t.Errorf("the time server says %+v, %v", v.Servers, err)
	}
}

// startChrony runs chronyd as a time server on loopback until the test ends, and
// returns its address once it answers.
func startChrony(t *testing.T) string {
	t.Helper()
	port := freeUDP(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "chrony.conf")
	text := fmt.Sprintf("port %d\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 5\ncmdport 0\nbindcmdaddress /\npidfile %s/pid\ndriftfile %s/drift\n", port, dir, dir)
	must(t, os.WriteFile(file, []byte(text), 0o600))
	c := exec.Command("chronyd", "-x", "-d", "-u", "root", "-f", file)
	out, err := os.Create(filepath.Join(dir, "out"))
	must(t, err)
	defer out.Close()
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatalf("chronyd (apt-get install chrony): %v", err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	server := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	h := &house{clock: &issuance.Clock{Read: readings(time.Now)}}
	h.clock.Begin(issuance.ClockMark{})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		a := h.askServer(server)
		if a.Error == "" {
			return server
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(out.Name())
			t.Fatalf("chronyd does not answer: %s\n%s", a.Error, said)
		}
	}
}

// freeUDP returns a port on loopback that nobody uses.
func freeUDP(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}
