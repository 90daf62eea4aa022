package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/cmd/postern/config"
)

// writeConfig writes a configuration for loopback, and makes its CA.
func writeConfig(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	must(t, writeQuickstartConfig(dir, filepath.Join(dir, config.DefaultFile), make([]int, 4)))
	return filepath.Join(dir, config.DefaultFile)
}

// served is a server that runs until stop is called.
type served struct {
	out, log *lockedBuffer
	stop     func() int
	cfg      *config.Config
}

// serveAt runs `postern serve` and returns once systemd would know that it is ready.
func serveAt(t *testing.T, path string, states *net.UnixConn, more ...string) served {
	t.Helper()
	cfg, err := config.Load(config.Options{Path: path})
	must(t, err)
	s := served{out: new(lockedBuffer), log: new(lockedBuffer), cfg: cfg}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, cli.Options{Args: append([]string{"serve", "--config", path}, more...), In: strings.NewReader(""), Out: s.out, Err: s.log, Commands: commands()})
	}()
	s.stop = func() int { cancel(); return <-done }
	t.Cleanup(func() { cancel() })
	ready := make(chan string, 1)
	go func() {
		state := readState(states)
		for state == "WATCHDOG=1" { // of the server before
			state = readState(states)
		}
		ready <- state
	}()
	select {
	case state := <-ready:
		if state != "READY=1" {
			t.Fatalf("the first state is %q", state)
		}
	case code := <-done:
		t.Fatalf("serve ended with status %d: %s", code, s.log)
	}
	return s
}

// firstTokenIn returns the token that the first start put into a file, which only the
// user of the server may read.
func firstTokenIn(t *testing.T, data string) string {
	t.Helper()
	path := filepath.Join(data, "first.token")
	text, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Lstat(path)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v, want 0600", path, info.Mode())
	}
	return strings.TrimSpace(string(text))
}

func readState(c *net.UnixConn) string {
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil {
		return err.Error()
	}
	return string(buf[:n])
}

func TestServeTellsSystemdAndEndsCleanly(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	states, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	defer states.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "20000")
	path := writeConfig(t)

	var problems bytes.Buffer
	code := cli.Run(t.Context(), cli.Options{Args: []string{"serve", "--config", path}, In: strings.NewReader(""), Out: new(bytes.Buffer), Err: &problems, Commands: commands()})
	if code != cli.StatusFailed || !strings.Contains(problems.String(), "postern init") {
		t.Errorf("without a CA: status %d: %s", code, problems.String())
	}

	s := serveAt(t, path, states, "--init", "--log-level", "info")
	token := firstTokenIn(t, s.cfg.Data)
	if want := "first administrator's token in " + filepath.Join(s.cfg.Data, "first.token") + ", until "; !strings.HasPrefix(s.out.String(), want) {
		t.Errorf("the first start printed %q, want %q", s.out.String(), want)
	}
	for _, url := range []string{s.cfg.Admin.URL, s.cfg.Public.URL} {
		if code := cli.Run(t.Context(), cli.Options{Args: []string{"health", "--url", url}, Out: new(bytes.Buffer), Err: &problems, Commands: commands()}); code != 0 {
			t.Errorf("health of %s: status %d: %s", url, code, problems.String())
		}
	}
	problems.Reset()
	code = cli.Run(t.Context(), cli.Options{Args: []string{"serve", "--config", path}, Out: new(bytes.Buffer), Err: &problems, Commands: commands()})
	if code != cli.StatusFailed || !strings.Contains(problems.String(), "running server") {
		t.Errorf("a second server on the same data: status %d: %s", code, problems.String())
	}
	if code := s.stop(); code != 0 {
		t.Errorf("serve ended with status %d: %s", code, s.log)
	}
	beats, last := 0, readState(states)
	for ; last == "WATCHDOG=1"; last = readState(states) {
		beats++
	}
	if beats == 0 || last != "STOPPING=1" {
		t.Errorf("%d signs of life, then %q; want some, then STOPPING=1", beats, last)
	}
	if said := s.log.String() + s.out.String(); strings.Contains(said, token) || strings.Contains(said, "pst_") {
		t.Errorf("the token goes into the journal: %s", said)
	}

	t.Setenv("WATCHDOG_USEC", "")
	again := serveAt(t, path, states)
	if again.out.String() != "" {
		t.Errorf("the second start printed %q", again.out.String())
	}
	again.stop()
}

func TestInitNeverReplacesAndGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	path := writeConfig(t)
	cfg, err := config.Load(config.Options{Path: path})
	must(t, err)
	must(t, initialize(cfg, nil))
	before, err := os.ReadFile(filepath.Join(cfg.Data, caDirectory, "root.pem"))
	must(t, err)
	if err := initialize(cfg, nil); err == nil {
		t.Error("a second CA was made")
	}
	after, err := os.ReadFile(filepath.Join(cfg.Data, caDirectory, "root.pem"))
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the root was replaced")
	}
	// A database without its seal key: a new key would make its secrets worthless.
	must(t, os.WriteFile(filepath.Join(cfg.Data, databaseFile), nil, 0o600))
	must(t, os.Remove(cfg.Seal.KeyFile))
	if err := initialize(cfg, nil); err == nil || !strings.Contains(err.Error(), "seal key") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(cfg.Seal.KeyFile); err == nil {
		t.Error("a new seal key was made")
	}
}
