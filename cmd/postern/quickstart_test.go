package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// quick is what quickstart printed: all that a newcomer knows.
type quick struct{ contacts, box, server, token, first string }

func readQuickstart(t *testing.T, printed string) quick {
	t.Helper()
	word := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(printed)
		if m == nil {
			t.Fatalf("quickstart did not print %s:\n%s", pattern, printed)
		}
		return m[1]
	}
	return quick{
		contacts: word(`contacts +(\S+)`), box: word(`outbox +(\S+)`), server: word(`POSTERN_SERVER=(\S+)`),
		token: word(`POSTERN_TOKEN=(\S+)`), first: word(`order approve (\S+)`),
	}
}

// startQuickstart runs quickstart in dir until the test ends, and returns what it printed.
func startQuickstart(t *testing.T, dir string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	logged := new(lockedBuffer)
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, cli.Options{Args: []string{"quickstart", "--free-ports", "--data", dir}, In: strings.NewReader(""), Out: write, Err: logged, Commands: commands()})
		write.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 {
			t.Errorf("quickstart ended with status %d: %s", code, logged)
		}
	})
	var printed strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(printed.String(), "then call") {
		n, err := read.Read(buf)
		printed.Write(buf[:n])
		if err != nil {
			t.Fatalf("quickstart ended: %v: %s", err, logged)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	return printed.String()
}

// postern runs the command line against the server of q and returns what it printed.
func (q quick) postern(t *testing.T, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	if code := cli.Run(t.Context(), cli.Options{
		Args: args, Environ: []string{"POSTERN_SERVER=" + q.server, "POSTERN_TOKEN=" + q.token},
		In: strings.NewReader(""), Out: &out, Err: &problems,
	}); code != 0 {
		t.Fatalf("postern %s: status %d: %s", strings.Join(args, " "), code, problems.String())
	}
	return out.String()
}

func (q quick) approve(t *testing.T) { q.postern(t, "order", "approve", q.first) }

// order returns the first order as staff see it.
func (q quick) order(t *testing.T) (o map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(q.postern(t, "order", "show", q.first, "--json")), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// outbox returns what was sent, the newest first.
func (q quick) outbox(t *testing.T) []sent {
	t.Helper()
	answer, err := http.Get(q.box + ".json")
	must(t, err)
	defer answer.Body.Close()
	var box struct{ Items []sent }
	must(t, json.NewDecoder(answer.Body).Decode(&box))
	return box.Items
}

// waitFor returns the first submatch of pattern in the newest message that has it.
func (q quick) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, m := range q.outbox(t) {
			if found := regexp.MustCompile(pattern).FindStringSubmatch(m.Text); found != nil {
				return found[1]
			}
		}
	}
	t.Fatalf("no message with %s arrived", pattern)
	return ""
}

func (q quick) link(t *testing.T) string {
	t.Helper()
	return q.waitFor(t, `(`+regexp.QuoteMeta(q.contacts)+`/c/\S+)`)
}

// settled waits until no message is on its way: what a provider takes changes its order.
func (q quick) settled(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var pending struct{ Items []any }
		must(t, json.Unmarshal([]byte(q.postern(t, "message", "list", "--state", "pending", "--json")), &pending))
		if len(pending.Items) == 0 {
			return
		}
	}
	t.Fatal("messages stay on their way")
}

func (q quick) code(t *testing.T) string { t.Helper(); return q.waitFor(t, `#(\d{8})`) }

func TestQuickstartGoesOnWithTheSameData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var first quick
	t.Run("first", func(t *testing.T) {
		first = readQuickstart(t, startQuickstart(t, dir))
	})
	t.Run("again", func(t *testing.T) {
		if again := readQuickstart(t, startQuickstart(t, dir)); again != first {
			t.Errorf("the second start printed %+v, the first %+v", again, first)
		}
	})
}

// TestQuickstartEndsWithACall follows what quickstart prints to its end: the
// certificate is used, with the command that was printed.
func TestQuickstartEndsWithACall(t *testing.T) {
	t.Parallel()
	printed := startQuickstart(t, dataDir(t))
	q := readQuickstart(t, printed)
	q.approve(t)
	link, code := q.link(t), q.code(t)
	file := filepath.Join(t.TempDir(), "payments.p12")
	var problems bytes.Buffer
	if status := cli.Run(t.Context(), cli.Options{
		Args: []string{"claim", "--target", "openssl", "--out", file, link}, In: strings.NewReader(code + "\n"), Out: io.Discard, Err: &problems,
	}); status != 0 {
		t.Fatalf("claiming: status %d: %s", status, problems.String())
	}
	password := q.waitFor(t, `((?:[a-z2-9]{4}-){5}[a-z2-9]{4})`)
	command := regexp.MustCompile(`(?m)^then call +(curl .*)$`).FindStringSubmatch(printed)
	if command == nil {
		t.Fatalf("no call is printed:\n%s", printed)
	}
	out, err := exec.Command("sh", "-c", strings.NewReplacer("payments.p12", file, "PASSWORD", password).Replace(command[1])).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"organization":"acme"`) {
		t.Errorf("%s: %v: %s", command[1], err, out)
	}
	if !strings.Contains(printed, "first order  "+quoteWord(os.Args[0])+" order approve ") && !strings.Contains(printed, "first order  go run ./cmd/postern order approve ") {
		t.Errorf("the first order is approved by a program that is not there:\n%s", printed)
	}
}

func TestStartedAs(t *testing.T) {
	for name, want := range map[string]string{
		"postern": "postern", "./postern": "./postern", "/opt/my tools/postern": "'/opt/my tools/postern'",
		"/tmp/go-build123/b001/exe/postern": "go run ./cmd/postern", "/home/anna/.cache/go-build/ab/abcdef-d/postern": "go run ./cmd/postern",
		"/cache/ab/abcdef-d/postern": "go run ./cmd/postern",
	} {
		if got := startedAs(name, "/cache"); got != want {
			t.Errorf("%s is started again as %s, want %s", name, got, want)
		}
	}
}
