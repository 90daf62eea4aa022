package crlsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// outputKept is how much of the end of a command's output is shown.
const outputKept = 2 << 10

// reloads runs the reload command whenever a reload is owed: after a change, after a
// failed reload, and after a start if the previous process was killed before its reload.
func (s *Sync) reloads(ctx context.Context) {
	if s.Reload == "" {
		return
	}
	for failures := 0; ctx.Err() == nil; {
		err := s.reloadIfOwed(ctx)
		s.reloaded(err)
		pause := reloadLongest // another process may have left one owed
		if err == nil {
			failures = 0
		} else {
			failures++
			pause = backoff(failures, reloadLongest)
		}
		again := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-s.wake: // there is a newer file
		case <-again.C:
		}
		again.Stop()
	}
}

// reloadIfOwed runs the commands if a reload is owed. It does not begin sooner
// than MinReload after the one before, so that what changes meanwhile shares it.
func (s *Sync) reloadIfOwed(ctx context.Context) error {
	if s.Reload == "" {
		return nil
	}
	if _, owed, err := s.place.owes(); err != nil || !owed {
		if err != nil {
			err = failf(reasonDisk, "checking for an outstanding reload: %w", err)
		}
		return err
	}
	s.mu.Lock()
	rest := s.MinReload - time.Since(s.reloadedAt)
	s.mu.Unlock()
	if rest > 0 && !sleep(ctx, rest) {
		return nil // it stays owed
	}
	return s.reload(ctx)
}

// reload runs the commands for the file as it is now, and forgets that they are owed
// unless the file has changed since. Without a file nothing can be loaded: a process
// that was killed before the first one arrived leaves a reload owed.
func (s *Sync) reload(ctx context.Context) error {
	var loaded string
	// The digest may be of a file that never came: a kill before the rename.
	err := s.place.locked(ctx, func() error {
		text, err := s.place.read(s.MaxSize)
		if err != nil || len(text) == 0 {
			return err
		}
		loaded = digest(text)
		if owed, ok, err := s.place.owes(); err != nil || ok && owed == loaded {
			return err
		}
		return s.place.owe(loaded)
	})
	if err != nil || loaded == "" {
		return err
	}
	defer func() {
		s.mu.Lock()
		s.reloadedAt = time.Now()
		s.mu.Unlock()
	}()
	for _, c := range []struct{ reason, command string }{{reasonCheck, s.Check}, {reasonReload, s.Reload}} {
		if c.command == "" {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err() // it stays owed; systemd waits for one command, not for two
		}
		if err := s.command(ctx, c.command); err != nil {
			s.Metrics.reloaded(resultFailed)
			return &failure{c.reason, err}
		}
	}
	s.Metrics.reloaded(resultDone)
	return s.place.locked(ctx, func() error {
		owed, ok, err := s.place.owes()
		if err == nil && ok && owed == loaded {
			err = s.place.forget(s.place.owed)
		}
		return err
	})
}

// command runs a shell command. It is not cut short when ctx ends: half a reload
// may be worse than none.
func (s *Sync) command(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.CommandTimeout)
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	apart(c)
	c.WaitDelay = time.Second // a daemon that it leaves behind may hold its output open
	// Our secrets and our line to systemd are not the command's.
	c.Env = slices.DeleteFunc(slices.Clone(s.Environ), func(pair string) bool {
		return strings.HasPrefix(pair, "POSTERN_") || strings.HasPrefix(pair, "NOTIFY_SOCKET=") || strings.HasPrefix(pair, "WATCHDOG_")
	})
	var output tail
	c.Stdout, c.Stderr = &output, &output
	err := c.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%q did not end within %v: %s", command, s.CommandTimeout, output.text())
	}
	return fmt.Errorf("%q: %w: %s", command, err, output.text())
}

// reloaded remembers and logs how a reload ended.
func (s *Sync) reloaded(err error) {
	if s.Reload == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		if s.reloadFails != nil {
			s.Log.Info("the outstanding reload has succeeded", "file", s.place.path)
		}
		s.reloadFails = nil
		return
	}
	if errors.Is(err, context.Canceled) {
		return // it was told to stop
	}
	s.reloadFails = err
	s.Metrics.failed(reasonOf(err))
	s.Log.Error("the server was not told about the new file; will try again", "file", s.place.path,
		"reason", reasonOf(err), "error", err)
}

// tail keeps the end of what is written.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept); n > 2*outputKept {
		t.kept = append(t.kept[:0], t.kept[n-outputKept:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	kept := bytes.TrimSpace(t.kept[max(0, len(t.kept)-outputKept):])
	if len(kept) == 0 {
		return "it printed nothing"
	}
	return strings.ToValidUTF8(string(kept), "?")
}
