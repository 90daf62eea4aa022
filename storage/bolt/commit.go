package bolt

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// call is one caller's Update. Its function runs in the caller's own goroutine,
// to which the committer hands the transaction and from which it gets it back:
// so a panic, with its stack, happens where it belongs.
type call struct {
	ctx   context.Context
	f     func(*tx) error
	state atomic.Int32
	steps chan step
	ran   chan outcome
}

const (
	queued int32 = iota
	taken
	withdrawn
)

// step is the transaction to run in, or, if that is nil, the end with its error.
type step struct {
	tx  *tx
	err error
}

// outcome is how a run ended; it was aborted if the function did not return, and
// torn if that was because the file is damaged.
type outcome struct {
	err           error
	aborted, torn bool
}

func (o outcome) failed() bool { return o.aborted || o.err != nil }

// update queues f for the committer, and answers once it is committed.
func (s *Store) update(ctx context.Context, f func(*tx) error) error {
	if err := s.writable(ctx); err != nil {
		return err
	}
	c := &call{ctx: ctx, f: f, steps: make(chan step, 1), ran: make(chan outcome, 1)}
	if !s.queue.push(c) {
		return errClosed()
	}
	cancelled := ctx.Done()
	for {
		select {
		case next := <-c.steps:
			if next.tx == nil {
				return next.err
			}
			c.run(next.tx)
		case <-cancelled:
			if c.state.CompareAndSwap(queued, withdrawn) {
				return ctx.Err()
			}
			cancelled = nil
		}
	}
}

func (c *call) run(t *tx) {
	out := outcome{aborted: true}
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		t.over = true
		if out.aborted && ofTheFile() {
			out = outcome{err: t.s.damage(recover()), torn: true}
		}
		c.ran <- out
	}()
	out = outcome{err: c.f(t)}
}

// commitAll is the committer: the only goroutine that writes records.
func (s *Store) commitAll() {
	debug.SetPanicOnFault(true)
	for {
		batch := s.queue.next()
		if len(batch) == 0 {
			return
		}
		began := time.Now()
		s.commit(slices.DeleteFunc(batch, func(c *call) bool { return !c.take() }))
		s.queue.took = time.Since(began)
	}
}

// take reports whether c is to run. If its context has ended, it is answered.
func (c *call) take() bool {
	if !c.state.CompareAndSwap(queued, taken) {
		return false
	}
	err := c.ctx.Err()
	if err != nil {
		c.steps <- step{err: err}
	}
	return err == nil
}

// commit runs the calls of batch, commits them together and answers them. A
// call that fails after it wrote takes the whole transaction back; the others
// then run again without it. Nobody is answered before the commit: an error,
// too, may come of what another call of the batch has written.
func (s *Store) commit(batch []*call) {
	var out []*call
	var failures []error
	for len(batch) > 0 {
		culprit, answers, err := s.try(batch)
		if culprit < 0 {
			for i, c := range batch {
				c.steps <- step{err: first(err, answers[i].err)}
			}
			break
		}
		if !answers[culprit].aborted { // nobody waits after a panic
			out, failures = append(out, batch[culprit]), append(failures, answers[culprit].err)
		}
		batch = slices.Delete(batch, culprit, culprit+1)
	}
	for i, c := range out {
		c.steps <- step{err: failures[i]}
	}
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// try runs the calls in one transaction and commits it, unless none has written.
// If one failed after it wrote, try returns its index and has changed nothing.
func (s *Store) try(batch []*call) (culprit int, answers []outcome, err error) {
	b, err := s.beginWrite()
	if err != nil {
		return -1, make([]outcome, len(batch)), err
	}
	wrote, deleted := false, false
	for i, c := range batch {
		t := &tx{b: b, s: s}
		c.steps <- step{tx: t}
		o := <-c.ran
		answers = append(answers, o)
		if o.aborted || o.torn || o.failed() && t.writes > 0 {
			b.Rollback()
			return i, answers, nil
		}
		wrote, deleted = wrote || t.writes > 0, deleted || t.deleted
	}
	s.stats.operations.Add(uint64(len(batch)))
	if !wrote {
		b.Rollback()
		return -1, answers, nil
	}
	err = s.sync(b)
	if err != nil { // what it has written of secrets is in the file
		s.tail.Store(true)
	}
	if deleted || err != nil {
		s.markDeleted()
	}
	return -1, answers, err
}

// sync commits b. If that fails before bbolt has written the page that makes a
// transaction valid, nothing has changed, as on a full disk. If it fails after,
// nobody knows what is on the disk: then the store refuses all that comes, until
// the process starts again and reads what is really there.
func (s *Store) sync(b *bbolt.Tx) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	defer s.version.Add(1) // also if nobody knows whether it was committed
	id := b.ID()
	err := s.commitFile(b)
	if err == nil {
		s.stats.commits.Add(1)
		s.stats.syncs.Add(2) // bbolt: one for the pages, one for the page that makes them valid
		s.committed()
		return nil
	}
	_ = b.Rollback() // bbolt does not give its lock back in each case
	if s.damaged.Load() != nil {
		return err
	}
	again, e := s.beginWrite()
	if e == nil {
		defer again.Rollback()
	}
	if e != nil || again.ID() != id {
		err = fmt.Errorf("the database must be opened again: %w", err)
		s.broken.Store(&err)
	}
	return s.uncommitted(err)
}

// commitFile commits b, unless the file is damaged where it would be written.
func (s *Store) commitFile(b *bbolt.Tx) (err error) {
	ended := false
	defer s.caught(&ended, true, &err)
	err = b.Commit()
	ended = true
	return err
}

// beginWrite begins a transaction that writes, unless nothing is written any more.
func (s *Store) beginWrite() (b *bbolt.Tx, err error) {
	if err := s.writable(context.Background()); err != nil {
		return nil, err
	}
	ended, old := false, debug.SetPanicOnFault(true)
	defer s.caught(&ended, old, &err)
	b, err = s.begin(true)
	ended = true
	if err != nil {
		return nil, failed("writing", err)
	}
	return b, nil
}
