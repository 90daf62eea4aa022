package crlsync

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
	"github.com/postern-ca/postern/issuance"
)

const (
	backoffFirst  = 250 * time.Millisecond
	backoffLast   = 10 * time.Second // a server that is back is seen this soon
	reloadLongest = time.Minute      // between two tries of a reload that fails
	logAgain      = time.Minute      // while a failure lasts
)

// Sync follows one address and keeps one file. Create it with [New], then call either
// Run or Once, once.
type Sync struct {
	Options
	place place
	wake  chan struct{} // a reload may be owed

	// Of the goroutine that follows.
	patience crlfile.Patience
	etag     string          // of the bundle that the file had when its digest was sum; "" for none
	sum      string          // of the file when it was last looked at; "" for not yet
	known    crlfile.Anchors // the root with the issuing CAs that were fetched
	mountsAt time.Time       // when it was looked for servers that see an old file

	// Of the goroutine that tells people.
	logged State // the state that the log was told; "" for none yet
	told   State // the one that the webhook was told; "" for not known yet

	mu           sync.Mutex      // guards what follows
	onDisk       *crlfile.Bundle // nil if there is no file, or none that can be read
	lastSuccess  time.Time
	lastFailure  error // nil after a success
	settled      bool  // a round has ended, well or not
	reloadFails  error // nil if none is owed or the last one was done
	outdated     error // says who sees an old file for ever; nil: nobody is known to
	reloadedAt   time.Time
	loggedReason string
	loggedAt     time.Time
	beat         time.Time // when the following goroutine last showed that it lives
}

// New checks o and the directory of the file.
func New(o Options) (*Sync, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Client == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("crlsync: Client, Now and Log are needed")
	}
	place, err := newPlace(o.Out)
	if err != nil {
		return nil, err
	}
	s := &Sync{Options: o, place: place, wake: make(chan struct{}, 1), beat: time.Now(), patience: crlfile.Patience{Most: o.Wait}}
	if err := s.Metrics.follow(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Run follows until ctx ends, and then lets a running reload finish. Failures are not
// returned: they are logged, counted and tried again.
func (s *Sync) Run(ctx context.Context) error {
	s.start()
	var all sync.WaitGroup
	all.Go(func() { s.reloads(ctx) })
	all.Go(func() { s.watch(ctx) })
	all.Go(func() { s.alarms(ctx) })
	for failures := 0; ctx.Err() == nil; {
		pause, err := s.round(ctx)
		if ctx.Err() != nil {
			break
		}
		s.settle(err)
		if err != nil {
			failures++
			pause = max(pause, backoff(failures, backoffLast))
		} else {
			failures = 0
		}
		sleep(ctx, pause)
	}
	all.Wait()
	return nil
}

// Once fetches once, runs the reload command if one is owed, reports a changed state,
// and returns an [*issuance.Error] unless the file is fresh.
func (s *Sync) Once(ctx context.Context) error {
	s.start()
	_, err := s.round(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.settle(err)
	reloadErr := s.reloadIfOwed(ctx) // perhaps from a run before this
	s.reloaded(reloadErr)
	for try := 1; s.announce(ctx) != nil && try < alertAttempts; try++ {
		sleep(ctx, backoff(try, alertLongest))
	}
	state, left := s.state()
	switch {
	case err != nil:
		return s.unwell("was not refreshed: "+err.Error(), err)
	case s.outdated != nil:
		return s.unwell("is new, but "+s.outdated.Error(), s.outdated)
	case reloadErr != nil:
		return s.unwell("is new, but the server was not told: "+reloadErr.Error(), reloadErr)
	case state != Fresh:
		return s.unwell("expires in "+left.Round(time.Second).String()+", and there is no newer one", nil)
	}
	return nil
}

// unwell returns an error for people: what is wrong, what to do, and how long the file
// is still valid.
func (s *Sync) unwell(message string, cause error) error {
	_, left := s.state()
	next := "the file expires in " + left.Round(time.Second).String()
	if left <= 0 {
		next = "there is no usable file"
	}
	if do := hint(cause); do != "" {
		next = do + "; " + next
	}
	return &issuance.Error{Kind: issuance.Unavailable, Message: s.place.path + " " + message, Hint: next}
}

// backoff returns the pause after so many failures in a row: longer each time and partly
// random, so that many machines do not come back at the same moment.
func backoff(failures int, last time.Duration) time.Duration {
	d := min(backoffFirst<<min(failures-1, 16), last)
	return d/2 + rand.N(d/2)
}
