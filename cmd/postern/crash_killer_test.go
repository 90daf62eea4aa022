package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// killer runs a program and kills it with SIGKILL at a call that makes data
// durable: the program has stopped at the call, which never happens. Calls of
// all its threads count together; strace counts those of each thread apart, so
// that it cannot be told to kill at the n-th.
type killer struct {
	pid atomic.Int64 // of the program that runs, 0 if none does

	mu    sync.Mutex
	armed death
	count int // calls of that kind since it was armed
}

// death says at which call to kill: the n-th fdatasync (a step of a commit), or
// the n-th fsync (of the file as a whole, after secrets in it were scrubbed).
// The zero value is none.
type death struct {
	call uint64 // unix.SYS_FDATASYNC or unix.SYS_FSYNC
	at   int    // counted from 1
}

// arm has the program killed at d, counted from now, and returns what it was
// armed with and what did not come.
func (k *killer) arm(d death) (old death) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, k.armed, k.count = k.armed, d, 0
	return old
}

// due counts a call and returns the death whose turn it is now, if it is one's.
func (k *killer) due(call uint64) (d death) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if call != k.armed.call {
		return death{}
	}
	if k.count++; k.count == k.armed.at {
		d, k.armed = k.armed, death{}
	}
	return d
}

// What the system calls of ptrace(2) and wait(2) need and package syscall has not.
const (
	threadStops   = syscall.WALL | unix.WNOTHREAD // of the children of this thread alone
	syscallStop   = syscall.SIGTRAP | 0x80
	getSyscall    = 0x420e // PTRACE_GET_SYSCALL_INFO
	entering      = 1      // PTRACE_SYSCALL_INFO_ENTRY
	tracerOptions = syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
)

// run runs cmd, which must have files for its output, until it ends or is
// killed, and returns the death it died, if it did, and otherwise its status. No
// other goroutine may be on this thread: the caller locks it.
func (k *killer) run(cmd *exec.Cmd) (died death, status syscall.WaitStatus, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return died, status, err
	}
	pid := cmd.Process.Pid
	k.pid.Store(int64(pid))
	defer k.pid.Store(0)
	if _, err := syscall.Wait4(pid, &status, threadStops, nil); err != nil {
		return died, status, fmt.Errorf("waiting for the program to start: %w", err)
	}
	if err := errors.Join(syscall.PtraceSetOptions(pid, tracerOptions), syscall.PtraceSyscall(pid, 0)); err != nil {
		return died, status, fmt.Errorf("tracing the program: %w", err)
	}
	for {
		thread, err := wait(&status)
		if err != nil {
			return died, status, err
		}
		if thread == pid && (status.Exited() || status.Signaled()) {
			return died, status, cmd.Process.Release()
		}
		if !status.Stopped() || died != (death{}) {
			continue
		}
		if call, ok := enters(thread, status); ok {
			if died = k.due(call); died != (death{}) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					return died, status, err
				}
				continue
			}
		}
		// ESRCH: it was killed meanwhile, which the next wait tells.
		if err := syscall.PtraceSyscall(thread, passOn(status)); err != nil && err != syscall.ESRCH {
			return died, status, fmt.Errorf("letting the program go on: %w", err)
		}
	}
}

func wait(status *syscall.WaitStatus) (thread int, err error) {
	for {
		thread, err = syscall.Wait4(-1, status, threadStops, nil)
		if err != syscall.EINTR {
			return thread, err
		}
	}
}

// enters returns the number of the system call that thread is about to make, if
// that is why it stopped.
func enters(thread int, status syscall.WaitStatus) (call uint64, ok bool) {
	if status.StopSignal() != syscallStop {
		return 0, false
	}
	var info struct { // struct ptrace_syscall_info, the same on all architectures
		op   uint8
		_    [23]byte
		call uint64
		_    [64]byte
	}
	_, _, e := syscall.Syscall6(syscall.SYS_PTRACE, getSyscall, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return info.call, e == 0 && info.op == entering
}

// passOn returns the signal that a stopped thread is to get: none for the stops
// that tracing makes.
func passOn(status syscall.WaitStatus) int {
	switch s := status.StopSignal(); s {
	case syscall.SIGTRAP, syscallStop, syscall.SIGSTOP:
		return 0
	default:
		return int(s)
	}
}

// end asks the program that runs to end, as an operator does.
func (k *killer) end() error {
	if pid := k.pid.Load(); pid != 0 {
		return syscall.Kill(int(pid), syscall.SIGTERM)
	}
	return os.ErrProcessDone
}
