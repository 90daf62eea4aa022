package crlsync

import (
	"context"
	"strings"
	"time"
)

// watch tells systemd that there is a file to start servers with, its state, and, as
// long as rounds continue, that the process is alive.
func (s *Sync) watch(ctx context.Context) {
	defer s.Notify("STOPPING=1")
	for ready, told := false, ""; ; {
		state, left := s.state()
		if !ready && left > 0 {
			ready = true
			s.Notify("READY=1")
		}
		if now := s.status(state); now != told {
			told = now
			s.Notify("STATUS=" + told)
		}
		if s.silence() < s.longest() {
			s.Notify("WATCHDOG=1")
		}
		if !sleep(ctx, watchEvery) {
			return
		}
	}
}

// silence is how long the following goroutine has shown no activity.
func (s *Sync) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.beat)
}

// longest is the longest normal silence: while it waits for an answer, is asked again,
// fetches the chain twice, waits for the lock, or pauses.
func (s *Sync) longest() time.Duration {
	return s.Wait + 4*s.Timeout + lockLongest + max(s.Interval, time.Minute) + backoffLast
}

// status is one line for people.
func (s *Sync) status(state State) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := string(state) + ": there is no file"
	if s.onDisk != nil {
		status = string(state) + ", lapses " + s.onDisk.Lapses().UTC().Format(time.RFC3339) + ": " +
			strings.Join(numbers(s.onDisk), "; ")
	}
	if s.lastFailure != nil {
		status += "; not refreshed: " + reasonOf(s.lastFailure)
	}
	return status
}
