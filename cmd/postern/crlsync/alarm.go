package crlsync

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// State is the state of the file.
type State string

// The states, the worst last.
const (
	Fresh        State = "fresh"
	ReloadFailed State = "reload-failed" // a server may still have an older file in memory, or before it
	Lapsing      State = "lapsing"       // less than WarnBefore is left
	Lapsed       State = "lapsed"        // or there is none: servers refuse everybody
)

const (
	watchEvery    = time.Second
	alertTimeout  = 15 * time.Second
	alertLongest  = time.Minute // between two tries of a webhook that takes nothing
	alertAttempts = 3           // of Once
)

// alert is what is posted when the state changes.
type alert struct {
	State       State      `json:"state"`
	Previous    State      `json:"previous"`
	File        string     `json:"file"`
	Source      string     `json:"source"`
	Host        string     `json:"host"`
	At          time.Time  `json:"at"`
	LapsesAt    *time.Time `json:"lapses_at,omitempty"`
	SecondsLeft int64      `json:"seconds_left"`
	Reason      string     `json:"reason,omitempty"` // of the last failure, as in the metrics
	Error       string     `json:"error,omitempty"`
}

// state returns the state of the file, and how long it is still valid: 0 or less if it
// is not.
func (s *Sync) state() (State, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onDisk == nil {
		return Lapsed, 0
	}
	left := s.onDisk.Lapses().Sub(s.Now())
	switch {
	case left <= 0:
		return Lapsed, left
	case left < s.WarnBefore:
		return Lapsing, left
	case s.reloadFails != nil, s.outdated != nil:
		return ReloadFailed, left
	}
	return Fresh, left
}

// alarms reports each change of the state. It checks by itself, because a file lapses
// while nothing happens.
func (s *Sync) alarms(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		pause := watchEvery
		if s.announce(ctx) == nil {
			failures = 0
		} else {
			failures++
			pause = max(pause, backoff(failures, alertLongest))
		}
		sleep(ctx, pause)
	}
}

// announce logs a new state, and posts one that the webhook was not told about. The last
// one posted is stored beside the file, so that neither a restart nor a timer repeats an
// alarm.
func (s *Sync) announce(ctx context.Context) error {
	s.mu.Lock()
	settled, failure := s.settled, s.lastFailure
	if failure == nil {
		failure = cmp.Or(s.reloadFails, s.outdated)
	}
	s.mu.Unlock()
	if !settled {
		return nil // a file that is missing at the first start is no alarm yet
	}
	state, left := s.state()
	if state != s.logged {
		log := s.Log.Error
		if state == Fresh {
			log = s.Log.Info
		}
		log("state of the file", "file", s.place.path, "state", string(state), "before", string(s.logged),
			"lapses_in", left.Round(time.Second))
		s.logged = state
	}
	if s.Alert.Empty() {
		return nil
	}
	if s.told == "" {
		s.told = s.lastTold()
	}
	if state == s.told {
		return nil
	}
	if err := s.post(ctx, s.alert(state, failure)); err != nil {
		if ctx.Err() == nil {
			s.Metrics.failed(reasonAlert)
			s.Log.Error("the alarm could not be sent", "state", string(state), "error", err)
		}
		return err
	}
	s.told = state
	if err := s.remember(state); err != nil {
		s.Log.Warn("the alarm will be sent again after a restart", "error", err)
	}
	return nil
}

func (s *Sync) alert(state State, failure error) alert {
	a := alert{State: state, Previous: s.told, File: s.place.path, Source: s.URL, At: s.Now().UTC()}
	a.Host, _ = os.Hostname() // a machine without a name has none to tell
	if failure != nil {
		a.Reason, a.Error = reasonOf(failure), failure.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onDisk != nil {
		lapses := s.onDisk.Lapses().UTC()
		a.LapsesAt, a.SecondsLeft = &lapses, int64(lapses.Sub(a.At)/time.Second)
	}
	return a
}

// post sends a to the webhook. Its address may be a secret, so errors do not contain it.
func (s *Sync) post(ctx context.Context, a alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, alertTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, string(s.Alert.Reveal()), bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook address is not a URL")
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := s.Client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing of it is wanted
	if response.StatusCode >= 300 {
		return fmt.Errorf("the webhook answers with status %s", response.Status)
	}
	return nil
}

// lastTold returns the state that was last posted, Fresh if none was.
func (s *Sync) lastTold() State {
	text, _, err := s.place.noted(s.place.alerted)
	if state := State(text); err == nil && (state == ReloadFailed || state == Lapsing || state == Lapsed) {
		return state
	}
	return Fresh
}

func (s *Sync) remember(state State) error {
	if state != Fresh {
		return s.place.note(s.place.alerted, string(state))
	}
	return s.place.forget(s.place.alerted)
}
