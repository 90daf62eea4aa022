package smtptest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// servers is where .ci/deps unpacks the mail servers: as packages they conflict
// with each other, and with the one that the machine may have.
const servers = "/usr/local/lib/mail-servers"

// jail is a directory that holds a mail server and all that it needs. It runs
// chrooted there, because both have paths, users and ports of the whole machine.
type jail struct {
	tb   testing.TB
	root string
}

// newJail fills a directory with a package, the libraries of its programs, and files.
func newJail(tb testing.TB, name, passwd, group string) *jail {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Fatalf("%s runs as root alone: run the tests as root", name)
	}
	if _, err := os.Stat(filepath.Join(servers, name)); err != nil {
		tb.Fatalf("%s is needed: run .ci/deps as root (%v)", name, err)
	}
	// Not in TempDir, whose parents others may not enter.
	root, err := os.MkdirTemp("", "mail-server-")
	if err != nil {
		tb.Fatal(err)
	}
	j := &jail{tb: tb, root: root}
	tb.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			tb.Error(err)
		}
	})
	j.must(os.Chmod(root, 0o755))
	j.run("cp", "-a", filepath.Join(servers, name)+"/.", root)
	j.write("etc/passwd", "root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"+passwd, 0o644)
	j.write("etc/group", "root:x:0:\nnogroup:x:65534:\n"+group, 0o644)
	j.write("etc/hosts", "127.0.0.1 localhost\n", 0o644)
	j.directory("tmp", 0o777, 0, 0)
	return j
}

func (j *jail) must(err error) {
	j.tb.Helper()
	if err != nil {
		j.tb.Fatal(err)
	}
}

func (j *jail) run(name string, args ...string) string {
	j.tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+j.path("usr/lib/postfix"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		j.tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func (j *jail) path(name string) string { return filepath.Join(j.root, name) }

func (j *jail) write(name, text string, mode os.FileMode) {
	j.tb.Helper()
	j.must(os.MkdirAll(filepath.Dir(j.path(name)), 0o755))
	j.must(os.WriteFile(j.path(name), []byte(text), mode))
}

func (j *jail) directory(name string, mode os.FileMode, uid, gid int) {
	j.tb.Helper()
	j.must(os.MkdirAll(j.path(name), 0o755))
	j.must(os.Chown(j.path(name), uid, gid))
	j.must(os.Chmod(j.path(name), mode))
}

// libraries brings in what the programs are linked with.
func (j *jail) libraries(programs ...string) {
	j.tb.Helper()
	for _, program := range programs {
		for _, m := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(j.run("ldd", j.path(program)), -1) {
			if strings.HasPrefix(m[1], j.root) {
				continue
			}
			text, err := os.ReadFile(m[1])
			j.must(err)
			j.write(m[1], string(text), 0o755)
		}
	}
}

// serve runs a program until the test ends, and waits until it listens on port.
func (j *jail) serve(port int, log string, args ...string) {
	j.tb.Helper()
	output, err := os.Create(j.path("output"))
	j.must(err)
	defer output.Close()
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: "/", Stdout: output, Stderr: output}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: j.root, Setsid: true}
	j.must(cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	j.tb.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if j.tb.Failed() {
			j.tb.Logf("the log of %s:\n%s", args[0], j.logs(log))
		}
	})
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address(port))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			j.tb.Fatalf("%s has ended:\n%s", args[0], j.logs(log))
		default:
		}
		if time.Since(begin) > patience {
			j.tb.Fatalf("%s does not listen: %v\n%s", args[0], err, j.logs(log))
		}
	}
}

// logs returns what the program wrote.
func (j *jail) logs(log string) string {
	text, err := os.ReadFile(j.path(log))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePort returns a port that nobody listens on.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
