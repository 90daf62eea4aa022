package crlsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
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

// Sync follows one address and keeps one file. [New] makes it; then either Run or
// Once is called, once.
type Sync struct {
	Options
	place place
	wake  chan struct{} // a reload may be owed

	// Of the goroutine that follows.
	etag   string // of the bundle that the file had when its digest was sum; "" for none
	sum    string
	chains []byte // what was fetched of the issuing CAs' certificates, in PEM

	// Of the goroutine that tells people.
	logged State // the state that the log was told; "" for none yet
	told   State // the one that the webhook was told; "" for not known yet

	mu           sync.Mutex // guards what follows
	onDisk       *crlfile.Bundle
	lastSuccess  time.Time
	lastFailure  error // nil after a success
	settled      bool  // a round has ended, well or not
	reloadFails  error // nil if none is owed or the last one was done
	reloadedAt   time.Time
	loggedReason string
	loggedAt     time.Time
	beat         time.Time // when the following goroutine last showed that it lives
}

// New checks o and looks for the place of the file.
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
	s := &Sync{Options: o, place: place, wake: make(chan struct{}, 1), beat: time.Now()}
	if err := s.Metrics.follow(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Run follows until ctx ends, and then lets a reload that runs come to its end.
// Nothing that happens on the way is an error: it is logged, counted and tried again.
func (s *Sync) Run(ctx context.Context) error {
	s.look()
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
			pause = backoff(failures, backoffLast)
		} else {
			failures = 0
		}
		sleep(ctx, pause)
	}
	all.Wait()
	return nil
}

// Once fetches once, runs the reload command if one is owed, tells of a changed
// state, and returns an [*issuance.Error] unless the file is fresh.
func (s *Sync) Once(ctx context.Context) error {
	s.look()
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
	case reloadErr != nil:
		return s.unwell("is new, but the server was not told: "+reloadErr.Error(), reloadErr)
	case state != Fresh:
		return s.unwell("lapses in "+left.Round(time.Second).String()+", and there is no newer one", nil)
	}
	return nil
}

// unwell returns an error for people: what is wrong, what to do, and how long the
// file is good yet.
func (s *Sync) unwell(message string, cause error) error {
	_, left := s.state()
	next := "the file lapses in " + left.Round(time.Second).String()
	if left <= 0 {
		next = "there is no file that a server could use"
	}
	if do := hint(cause); do != "" {
		next = do + "; " + next
	}
	return &issuance.Error{Kind: issuance.Unavailable, Message: s.place.path + " " + message, Hint: next}
}

// backoff returns the pause after so many failures in a row: longer each time, by
// chance, so that many machines do not come back in one moment.
func backoff(failures int, last time.Duration) time.Duration {
	d := min(backoffFirst<<min(failures-1, 16), last)
	return d/2 + rand.N(d/2)
}

// round asks once, and keeps what comes if it is newer. It returns how long to
// wait before the next question: not at all where the server waits.
func (s *Sync) round(ctx context.Context) (time.Duration, error) {
	s.lives()
	text, err := s.place.read(s.MaxSize)
	if err != nil {
		return 0, err
	}
	if s.etag != "" && digest(text) != s.sum {
		s.etag = "" // somebody else changed the file: it must be seen again
	}
	a, err := s.get(ctx, s.URL, s.etag)
	if err != nil {
		return 0, err
	}
	s.lives()
	pause := max(s.Interval*9/10+rand.N(s.Interval/5+1), a.retry)
	if a.same {
		if a.waited {
			pause = 0
		}
		return pause, nil
	}
	bundle, check, err := s.verify(ctx, a.text)
	if err != nil {
		return 0, err
	}
	changed, err := s.put(ctx, a.text, bundle, check)
	if err != nil {
		return 0, err
	}
	first := s.etag == ""
	s.etag, s.sum = a.etag, digest(a.text)
	s.seen(bundle)
	if a.etag != "" && (first || changed) {
		pause = 0 // now it can be asked to wait
	}
	return pause, nil
}

// verify verifies a bundle. One with a CA that is not known yet has the chain
// fetched again: Postern may have got a new issuing CA.
func (s *Sync) verify(ctx context.Context, text []byte) (*crlfile.Bundle, crlfile.Check, error) {
	for again := false; ; again = true {
		anchors, pinned, err := s.anchors(ctx, again)
		if err != nil {
			return nil, crlfile.Check{}, err
		}
		check := crlfile.Check{CAs: anchors.CAs(), Now: s.Now()}
		bundle, err := check.Verify(text)
		if err == nil || pinned || again || crlfile.CodeOf(err) != crlfile.CodeIssuer {
			return bundle, check, err
		}
	}
}

// anchors reads the root and, if it stands alone (it is pinned otherwise), adds the
// issuing CAs that the server has, which the root must have signed.
func (s *Sync) anchors(ctx context.Context, again bool) (a crlfile.Anchors, pinned bool, err error) {
	text, err := os.ReadFile(s.CA)
	if err != nil {
		return a, false, failf(reasonCA, "reading the root: %w", err)
	}
	if a, err = crlfile.ParseAnchors(text); err != nil || a.Issuers() > 0 {
		return a, true, err
	}
	if s.chains != nil && !again {
		if wider, err := a.With(s.chains); err == nil {
			return wider, false, nil
		}
	}
	chain, err := s.get(ctx, s.ChainURL, "")
	if err != nil {
		return a, false, fmt.Errorf("fetching the chain: %w", err)
	}
	// A CA that was there once stays needed until it expires, whoever leaves it out.
	both := append(bytes.Clone(s.chains), chain.text...)
	wider, err := a.With(both)
	if err != nil {
		both = chain.text // the root was replaced, perhaps
		if wider, err = a.With(both); err != nil {
			return a, false, err
		}
	}
	if !bytes.Contains(s.chains, chain.text) {
		s.chains = both
	}
	return wider, false, nil
}

// put makes text the file's content if it is another and none of its CRLs older.
func (s *Sync) put(ctx context.Context, text []byte, bundle *crlfile.Bundle, check crlfile.Check) (changed bool, err error) {
	err = s.place.locked(ctx, func() error {
		old, err := s.place.read(s.MaxSize)
		if err != nil || bytes.Equal(old, text) {
			return err
		}
		// A file that cannot be read holds nothing up: it must be replaced.
		check.Previous, _ = crlfile.Parse(old)
		if err := check.Follows(bundle); err != nil {
			s.seen(check.Previous) // it may be another process that put it there
			return err
		}
		changed = true
		return s.place.replace(text, s.Reload != "")
	})
	if err != nil || !changed {
		return false, err
	}
	s.Metrics.wrote()
	s.Log.Info("the file was replaced", "file", s.place.path, "crls", numbers(bundle), "lapses", bundle.Lapses().UTC())
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true, nil
}

// numbers lists the CRLs of a bundle for the log.
func numbers(b *crlfile.Bundle) (list []string) {
	for _, l := range b.Lists {
		list = append(list, fmt.Sprintf("%s %v, %d revoked", l.Name(), l.Number, len(l.RevokedCertificateEntries)))
	}
	return list
}

// look reads what is on the disk before anything was fetched.
func (s *Sync) look() {
	text, err := s.place.read(s.MaxSize)
	if err != nil {
		s.settle(err)
		return
	}
	if bundle, err := crlfile.Parse(text); err == nil {
		s.seen(bundle)
	}
}

// seen remembers what the file has now.
func (s *Sync) seen(b *crlfile.Bundle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisk = b
	s.Metrics.has(b)
}

// lives shows that following goes on.
func (s *Sync) lives() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat = time.Now()
}

// settle remembers how a round ended, and logs a failure: a new one at once, one
// that lasts from time to time.
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
