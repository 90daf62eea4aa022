package crlsync_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheProgram builds the real program, and has the system do its worst to it.
func TestTheProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "postern")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // other users run it too
	for name, test := range map[string]func(*testing.T, string){
		"killed at any moment":                    killedAtAnyMoment,
		"killed between the file and the reload":  killedBeforeTheReload,
		"an error of the disk keeps the old file": errorOfTheDisk,
		"without permission the old file is kept": withoutPermission,
	} {
		t.Run(name, func(t *testing.T) { test(t, program) })
	}
}

// traced runs a command under strace, which has some system calls fail or kill.
func (b *beside) traced(calls, fault string, c *exec.Cmd) *exec.Cmd {
	b.t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		b.t.Fatal("this test needs strace: install it with your system's packages")
	}
	args := []string{"-f", "-qq", "-o", filepath.Join(b.dir, "trace"), "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + fault}
	if !strings.HasPrefix(fault, "signal=") { // quicker, but the signal of the first call is lost
		args = append(args, "--seccomp-bpf")
	}
	traced := exec.Command(strace, append(args, c.Args...)...)
	traced.Env = c.Env
	return traced
}

// command runs crl-sync of the real program for b.
func (b *beside) command(program string, more ...string) *exec.Cmd {
	c := exec.Command(program, append([]string{"crl-sync", "--url", b.options.URL, "--ca", b.options.CA, "--out", b.out}, more...)...)
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	return c
}

// killedAtAnyMoment kills the program again and again while the server
// changes the bundle all the time and somebody reads the file all the time. The
// file is always whole, never goes back, and in the end it is the newest, and loaded.
func killedAtAnyMoment(t *testing.T, program string) {
	const kills = 110
	b := newBeside(t)
	// Long enough that writing it takes a while.
	serials := make([]int64, 2000)
	for i := range serials {
		serials[i] = int64(i + 1)
	}
	var served atomic.Int64
	publish := func() []byte {
		return b.origin.serve(b.origin.lists(t, list{Number: served.Add(1), Serials: serials}))
	}
	publish()
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for ; ; publish() {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	var reads, changes, newest int64
	look := func() {
		text, err := os.ReadFile(b.out)
		if os.IsNotExist(err) && newest == 0 {
			return
		}
		must(t, err)
		limit := served.Load()
		got := b.whole(text)
		if got < newest || got > limit+1 {
			t.Errorf("the file has number %d after %d, and %d is served", got, newest, limit)
		}
		if reads++; got != newest {
			changes++
		}
		newest = got
	}
	loaded := filepath.Join(b.dir, "loaded")
	// Each with a file of its own: a reload that was begun outlives who was killed,
	// and the next one may come meanwhile.
	reload := fmt.Sprintf("cp %s %s.$$ && mv %[2]s.$$ %[2]s", b.out, loaded)
	for kill := range kills {
		c := b.command(program, "--reload", reload, "--min-reload-interval", "0", "--log-level", "error")
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		must(t, c.Start())
		asked := b.origin.questions()
		if kill%5 > 0 { // mostly not before it begins to work; then come writes and reloads
			for limit := time.Now().Add(patience); b.origin.questions() == asked && time.Now().Before(limit); {
				look()
			}
		}
		longest := 60 * time.Millisecond
		if changes < int64(kill)/10 { // a busy machine gets less far in that time
			longest *= 10
		}
		for end := time.Now().Add(rand.N(longest)); time.Now().Before(end); {
			look()
		}
		must(t, c.Process.Kill())
		c.Wait() //nolint:errcheck // it was killed
		look()
		if said.Len() > 0 {
			t.Errorf("it complains: %s", &said)
		}
		if t.Failed() {
			break
		}
	}
	close(stop)
	others.Wait()
	t.Logf("%d kills: the file was read %d times, %d of them another one; %d lists served", kills, reads, changes, served.Load())
	if changes < kills/10 {
		t.Errorf("the file changed %d times only: the kills came too early to show anything", changes)
	}
	last := publish()
	must(t, b.command(program, "--reload", reload, "--once").Run())
	if b.read("crl-bundle.pem") != string(last) || b.read("loaded") != string(last) {
		t.Error("after the kills the newest file is not there, or not loaded")
	}
	entries, err := os.ReadDir(b.dir)
	must(t, err)
	for _, e := range entries {
		switch name := e.Name(); {
		case slices.Contains([]string{"root.pem", "crl-bundle.pem", ".crl-bundle.pem.lock"}, name), strings.HasPrefix(name, "loaded"):
		default:
			t.Errorf("%s is left", name)
		}
	}
}

// killedBeforeTheReload stops at the one moment at which a reload would be
// forgotten: as the new file takes its place.
func killedBeforeTheReload(t *testing.T, program string) {
	b := newBeside(t)
	want := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	reload := "cp " + b.out + " " + filepath.Join(b.dir, "loaded")
	c := b.command(program, "--reload", reload, "--once")
	killed := b.traced("rename,renameat,renameat2", "signal=SIGKILL", c)
	if err := killed.Run(); err == nil {
		t.Fatal("it was not killed")
	}
	if b.read("crl-bundle.pem") != "" && b.read("crl-bundle.pem") != string(want) {
		t.Error("the file is not whole")
	}
	if b.read(".crl-bundle.pem.reload-owed") == "" {
		t.Error("no reload is owed before the file changes")
	}
	// The file is there, and was not loaded: as after a kill just behind the rename.
	must(t, os.Rename(filepath.Join(b.dir, ".crl-bundle.pem.new"), b.out))
	must(t, b.command(program, "--reload", reload, "--once").Run())
	if b.read("loaded") != string(want) {
		t.Error("the reload was forgotten")
	}
}

// TestAFullDiskKeepsTheOldFile fills a file system of 1 MB.
func TestAFullDiskKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	small := filepath.Join(b.dir, "small")
	must(t, os.Mkdir(small, 0o755))
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m,mode=0755"); err != nil {
		t.Fatalf("mounting a small file system; this test needs root: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(small, 0)) })
	b.out = filepath.Join(small, "crl-bundle.pem")
	b.options.Out, b.options.Reload = b.out, "true"
	old := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	must(t, b.once())
	fill, err := os.Create(filepath.Join(small, "fill"))
	must(t, err)
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	must(t, fill.Close())
	serials := make([]int64, 500)
	for i := range serials {
		serials[i] = int64(i + 1)
	}
	next := b.origin.serve(b.origin.lists(t, list{Number: 2, Serials: serials}))
	if err := b.once(); err == nil || b.metric(`postern_crl_sync_failures_total{reason="disk"}`) != "1" {
		t.Errorf("a full disk: %v", err)
	}
	if text, err := os.ReadFile(b.out); err != nil || string(text) != string(old) {
		t.Errorf("the file has changed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(small, ".crl-bundle.pem.new")); !os.IsNotExist(err) {
		t.Error("the part that was written fills the disk")
	}
	must(t, os.Remove(fill.Name()))
	must(t, b.once())
	if text, err := os.ReadFile(b.out); err != nil || string(text) != string(next) {
		t.Errorf("it does not heal: %v", err)
	}
}

// errorOfTheDisk has each step of the writing fail.
func errorOfTheDisk(t *testing.T, program string) {
	b := newBeside(t)
	old := b.origin.lists(t, list{Number: 1})
	b.write("crl-bundle.pem", old)
	next := b.origin.serve(b.origin.lists(t, list{Number: 2}))
	for _, fault := range [][2]string{
		{"fsync", "error=EIO:when=1"}, {"fsync", "error=EIO:when=2"}, {"rename,renameat,renameat2", "error=ENOSPC"}, {"fchmod,fchmodat", "error=EPERM"},
	} {
		traced := b.traced(fault[0], fault[1], b.command(program, "--reload", "true", "--once"))
		out, err := traced.CombinedOutput()
		if traced.ProcessState.ExitCode() != 1 || !bytes.Contains(out, []byte("reason=disk")) {
			t.Errorf("%s: %v: %s", fault, err, out)
		}
		if b.read("crl-bundle.pem") != string(old) {
			t.Errorf("%s: the file has changed", fault)
		}
	}
	must(t, b.command(program, "--once").Run())
	if b.read("crl-bundle.pem") != string(next) {
		t.Error("it does not heal")
	}
}

// withoutPermission runs as a user who may not write, and as one
// who may write but not keep the file's owner.
func withoutPermission(t *testing.T, program string) {
	b := newBeside(t)
	old := b.origin.lists(t, list{Number: 1})
	b.write("crl-bundle.pem", old)
	b.origin.serve(b.origin.lists(t, list{Number: 2}))
	if os.Getuid() != 0 {
		t.Fatal("this test needs root: it becomes another user")
	}
	must(t, os.Chmod(filepath.Dir(b.dir), 0o755))
	for owner, says := range map[int]string{0: "permission denied", 65534: "keeping the file's owner"} {
		must(t, os.Chown(b.dir, owner, -1))
		c := b.command(program, "--once")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := c.CombinedOutput()
		if c.ProcessState.ExitCode() != 1 || !bytes.Contains(out, []byte(says)) {
			t.Errorf("in a directory of %d: %v: %s", owner, err, out)
		}
		if b.read("crl-bundle.pem") != string(old) {
			t.Errorf("in a directory of %d the file has changed", owner)
		}
	}
}
