package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// unshared returns a command that runs a shell script which may mount things that
// nobody else sees. It needs no root: in a user namespace of its own everybody may.
func unshared(t *testing.T, script string) []string {
	t.Helper()
	for _, flags := range []string{"-rm", "-m"} { // the second as root, where user namespaces are forbidden
		if exec.Command("unshare", flags, "mount", "--bind", "/tmp", "/tmp").Run() == nil {
			return []string{"unshare", flags, "sh", "-euc", script}
		}
	}
	t.Fatal("this test mounts files: it needs user namespaces (util-linux's unshare -rm), or root with CAP_SYS_ADMIN")
	return nil
}

// syncOf is the command line of crl-sync for a file.
func (f *frontier) syncOf(out string) string {
	return "postern crl-sync --url " + f.h.cfg.Plain.URL + "/pki/crl-bundle.pem --ca " + f.path("root.pem") + " --out " + f.path(out)
}

// TestAFileThatIsMountedAloneIsRefused: a single file that is mounted into a
// container cannot be replaced by another.
func TestAFileThatIsMountedAloneIsRefused(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	f.keep("out of host.pem", nil)
	f.keep("out of container.pem", nil)
	command := unshared(t, "mount --bind 'out of host.pem' 'out of container.pem'; "+strings.Replace(f.syncOf(""), "--out "+f.path(""), "--out 'out of container.pem'", 1)+" --once")
	c := exec.Command(command[0], command[1:]...)
	c.Dir = f.dir
	said, err := c.CombinedOutput()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != 2 || !strings.Contains(string(said), "is mounted as a single file") || !strings.Contains(string(said), "mount its directory") {
		t.Errorf("%v: %s", err, said)
	}
	// What Docker makes of a file that is not there when it is mounted.
	must(t, os.Mkdir(f.path("missing.pem"), 0o755))
	said, err = exec.Command("sh", "-c", f.syncOf("missing.pem")+" --once").CombinedOutput()
	if err == nil || !strings.Contains(string(said), "Docker creates a directory") {
		t.Errorf("%v: %s", err, said)
	}
}

// TestAFileThatIsMountedLater has somebody mount the file while crl-sync runs.
func TestAFileThatIsMountedLater(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	command := unshared(t, f.syncOf("out.pem")+" & until [ -s out.pem ]; do sleep 0.05; done; mount --bind out.pem out.pem; touch mounted; wait")
	p := f.begin(command[0], command[1:]...)
	f.await("the mount", func() bool { _, err := os.Stat(f.path("mounted")); return err == nil })
	f.status("revoke", "keyCompromise")
	f.await("advice", func() bool {
		return strings.Contains(p.said(), "reason=mount") && strings.Contains(p.said(), "mount the directory "+f.dir+" instead")
	})
}

// TestAReaderThatMountsTheFileAloneIsNoticed has a server, in a mount namespace of its
// own as in a container, see the file alone: after the next change it would be
// called fresh, and the server would have the old one for ever.
func TestAReaderThatMountsTheFileAloneIsNoticed(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	p := f.begin("sh", "-c", "exec "+f.syncOf("out.pem")+" --interval 100ms --wait 1s")
	f.await("the file", func() bool { _, err := os.Stat(f.path("out.pem")); return err == nil })
	f.keep("seen.pem", nil)
	command := unshared(t, "mount --bind out.pem seen.pem; touch mounted; exec sleep 600")
	reader := f.beginIn(nil, command[0], command[1:]...)
	f.await("the mount", func() bool { _, err := os.Stat(f.path("mounted")); return err == nil })
	if said := p.said(); strings.Contains(said, "reason=mount") {
		t.Errorf("before a change: %s", said)
	}
	f.status("revoke", "keyCompromise")
	f.await("advice", func() bool {
		return strings.Contains(p.said(), "(sleep), at "+f.path("seen.pem")+", mounts only the file") && strings.Contains(p.said(), "state=reload-failed")
	})
	_ = reader.cmd.Process.Kill()
	<-reader.done
	said, err := exec.Command("sh", "-c", f.syncOf("out.pem")+" --once").CombinedOutput()
	if err != nil {
		t.Errorf("the reader is gone, and --once fails: %v: %s", err, said)
	}
}
