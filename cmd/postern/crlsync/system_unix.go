//go:build unix

package crlsync

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// tryLock locks a file for this process until it is closed, and reports whether
// it could. The kernel lets go of it when the process is killed.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// keepOwner gives file the owner and group of old, if it has others.
func keepOwner(file *os.File, old fs.FileInfo) error {
	now, err := file.Stat()
	if err != nil {
		return err
	}
	is, isUnix := now.Sys().(*syscall.Stat_t)
	was, wasUnix := old.Sys().(*syscall.Stat_t)
	if !isUnix || !wasUnix || is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	return file.Chown(int(was.Uid), int(was.Gid))
}

// apart has a command and all that it starts end together.
func apart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
