package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// TestTheWayIn is how the first administrator gets a token of their own, and a way
// back in on the server's machine.
func TestTheWayIn(t *testing.T) {
	states, path := notified(t), stockConfig(t)
	s := serveAt(t, path, states, "--log-level", "info")
	file := filepath.Join(s.cfg.Data, firstTokenFile)
	o := operator{t, append(os.Environ(), "POSTERN_SERVER="+s.cfg.Admin.URL)}

	first := firstTokenIn(t, s.cfg.Data)
	said := o.run(0, "token", "add", "--token-file", file, "--name", "laptop", "--role", "administrator", "--owner", "olga@example.com")
	o.environ = append(o.environ, "POSTERN_TOKEN="+tokenIn(t, said))
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			break
		} else if time.Now().After(end) {
			t.Fatal("the first token's file stays, although there is another administrator's token")
		}
	}
	if said := s.log.String() + s.out.String(); strings.Contains(said, first) || strings.Contains(said, "pst_") {
		t.Errorf("a token goes into the journal: %s", said)
	}

	// On the server's machine, without a token.
	local := []string{"token", "create", "--local", "--config", path, "--name", "console", "--role", "officer"}
	o.says("--owner is missing", o.run(cli.StatusUsage, local...))
	o.says("need --local", o.run(cli.StatusUsage, "token", "create", "--config", path, "--name", "x", "--role", "officer"))
	made := tokenIn(t, o.run(0, append(local, "--owner", "otto@example.com")...))
	o.says("console", o.run(0, "token", "list", "--token", made))
	audit := o.run(0, "audit", "list", "--limit", "1")
	o.says("on the server's machine (system)", audit)
	o.says("owner=otto@example.com", audit)
	if left, _ := filepath.Glob(filepath.Join(s.cfg.Data, "token.*")); len(left) > 0 {
		t.Errorf("what the command and the server wrote to each other stays: %v", left)
	}
	if strings.Contains(s.log.String(), made) || !strings.Contains(s.log.String(), "a token was created on this machine") {
		t.Errorf("the log has %s", s.log)
	}

	// Another start makes no token, and says nothing.
	s.stop()
	if last := readState(states); last != "STOPPING=1" {
		t.Fatalf("the last state is %q", last)
	}
	again := serveAt(t, path, states)
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) || again.out.String() != "" {
		t.Errorf("the second start printed %q; its file: %v", again.out.String(), err)
	}
	again.stop()
}

// tokenIn returns the token that a command printed.
func tokenIn(t *testing.T, said string) string {
	t.Helper()
	for word := range strings.FieldsSeq(said) {
		if strings.HasPrefix(word, "pst_") {
			return word
		}
	}
	t.Fatalf("there is no token in %q", said)
	return ""
}

// TestTheFirstTokenFollowsNoLink: a link in its place is refused, and stays as it was.
// A file that an interrupted start left behind is replaced.
func TestTheFirstTokenFollowsNoLink(t *testing.T) {
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	h, err := open(t.Context(), cfg, newLog(cfg.Log, io.Discard), time.Now)
	must(t, err)
	defer h.close()
	file, target := filepath.Join(h.cfg.Data, firstTokenFile), filepath.Join(t.TempDir(), "target")
	must(t, os.WriteFile(target, []byte("untouched"), 0o600))
	must(t, os.Symlink(target, file))
	if _, _, err := h.firstToken(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "untouched" {
		t.Errorf("the link was followed: %q, %v", text, err)
	}
	if some, err := h.staff.HasTokens(t.Context()); some || err != nil {
		t.Errorf("a token was made: %v, %v", some, err)
	}
	must(t, os.Remove(file))
	must(t, os.WriteFile(file, []byte("pst_of-a-start-that-was-killed\n"), 0o644))
	_, _, err = h.firstToken(t.Context())
	must(t, err)
	if token := firstTokenIn(t, h.cfg.Data); strings.Contains(token, "killed") {
		t.Error("the file of the interrupted start is still there")
	}
	if path, _, err := h.firstToken(t.Context()); path != "" || err != nil {
		t.Errorf("it is made again: %q, %v", path, err)
	}
}
