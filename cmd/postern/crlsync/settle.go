package crlsync

import "time"

// start looks at the file before anything was fetched.
func (s *Sync) start() {
	if err := s.look(); err != nil {
		s.settle(err)
	}
}

// lives records that the following goroutine is alive.
func (s *Sync) lives() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat = time.Now()
}

// settle remembers how a round ended, and logs a failure: a new one at once, a lasting
// one from time to time.
func (s *Sync) settle(err error) {
	state, left := s.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastFailure, s.settled = err, true
	if err == nil {
		s.lastSuccess = s.Now()
		if s.loggedReason != "" {
			s.Log.Info("the file is refreshed again", "file", s.place.path)
		}
		s.loggedReason = ""
		return
	}
	reason := reasonOf(err)
	s.Metrics.failed(reason)
	if reason == s.loggedReason && time.Since(s.loggedAt) < logAgain {
		return
	}
	s.loggedReason, s.loggedAt = reason, time.Now()
	log := s.Log.Warn
	if state != Fresh {
		log = s.Log.Error
	}
	log("the file was not refreshed", "file", s.place.path, "reason", reason, "error", err, "lapses_in", left.Round(time.Second))
}
