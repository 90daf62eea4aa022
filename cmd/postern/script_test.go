package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"postern": main})
}

// TestScripts runs the program as people do: testdata/script has a story for each
// part of the command line, most of them against a server of its own. The server is
// watched for races, the commands are not: hundreds of them start, and that would
// take most of the time.
func TestScripts(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"house": startHouse, "status": checkStatus, "outbox": readOutbox, "capture": capture, "mode": checkMode, "code": writeCodes,
		},
	})
}

// startHouse runs `postern quickstart` until the script ends, and sets
// POSTERN_SERVER, POSTERN_TOKEN and ORDER, an order that waits for approval. Unless
// it is asked for a new one, the house has its CA already; then it can be given keys
// of its configuration: house 'phone_region: NO'.
func startHouse(ts *testscript.TestScript, _ bool, args []string) {
	program, err := exec.LookPath("postern")
	ts.Check(err)
	if !slices.Equal(args, []string{"new"}) {
		stock, err := demoStock()
		ts.Check(err)
		ts.Check(os.MkdirAll(ts.MkAbs("stock"), 0o700))
		ts.Check(stock.Copy(ts.MkAbs("stock")))
		ts.Check(os.Rename(ts.MkAbs("stock/server"), ts.MkAbs("house")))
		if len(args) > 0 {
			_, err := quickstartConfig(ts.MkAbs("house"), make([]int, 4))
			ts.Check(err)
		}
		for _, arg := range args {
			configure(ts, ts.MkAbs("house/postern.yaml"), arg)
		}
	}
	c := exec.Command(program, "quickstart", "--free-ports", "--data", ts.MkAbs("house"))
	c.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
	var log strings.Builder
	c.Stderr = &log
	out, err := c.StdoutPipe()
	ts.Check(err)
	ts.Check(c.Start())
	ts.Defer(func() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
		if err := c.Wait(); err != nil {
			ts.Logf("%s", log.String())
		}
		ts.Check(err)
	})
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			ts.Fatalf("quickstart ended before it was ready: %s", log.String())
		}
		if m := regexp.MustCompile(`POSTERN_SERVER=(\S+) POSTERN_TOKEN=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			ts.Setenv("POSTERN_SERVER", m[1])
			ts.Setenv("POSTERN_TOKEN", m[2])
		}
		if m := regexp.MustCompile(`order approve (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			ts.Setenv("ORDER", m[1])
			break
		}
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // it ends with the program
}

// configure sets a key in a configuration file that shows it as a comment.
func configure(ts *testscript.TestScript, file, line string) {
	key, _, _ := strings.Cut(line, ":")
	text, err := os.ReadFile(file)
	ts.Check(err)
	shown := regexp.MustCompile(`(?m)^( +)# ` + regexp.QuoteMeta(key) + `:.*$`)
	if !shown.Match(text) {
		ts.Fatalf("%s has no # %s:", file, key)
	}
	ts.Check(os.WriteFile(file, shown.ReplaceAll(text, []byte("${1}"+line)), 0o600))
}

// checkStatus runs a command and compares its exit status: status 2 postern bogus.
// What it printed on standard error is in the file stderr.
func checkStatus(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("got exit status %d, want %d", got, want)
	}
}

// readOutbox waits until the outbox has a match for a pattern, and sets a variable
// to its first group: outbox LINK '(http://\S+/c/[\w-]+)'. After `outbox LINK`
// more of the same is looked for beside all that was in the variable already.
func readOutbox(ts *testscript.TestScript, _ bool, args []string) {
	name, pattern := args[0], regexp.MustCompile(args[1])
	old := strings.Fields(ts.Getenv("OLD_" + name))
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(ts.Getenv("POSTERN_SERVER") + "/outbox")
		ts.Check(err)
		text, err := io.ReadAll(answer.Body)
		ts.Check(errors.Join(err, answer.Body.Close()))
		for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(old, m[1]) {
				ts.Setenv(name, m[1])
				ts.Setenv("OLD_"+name, strings.Join(append(old, m[1]), " "))
				return
			}
		}
	}
	ts.Fatalf("nothing in the outbox matches %s", pattern)
}

// capture sets a variable to the first group that matches the last output.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("the output has no %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// checkMode compares a file's permissions: mode 600 client.key.
func checkMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// writeCodes writes lines into a file: code answers.txt 00000000 $CODE.
func writeCodes(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(args[1:], "\n")+"\n"), 0o600))
}
