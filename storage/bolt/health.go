package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The codes of errors of a disk that takes no more.
const (
	CodeDiskFull   issuance.Code = "disk-full"
	CodeDiskFailed issuance.Code = "disk-failed"
)

// Health returns nil, or an error that says why the file cannot be written: it is
// damaged, or the last commit failed and none has succeeded since.
func (s *Store) Health() error {
	if err := s.writable(context.Background()); err != nil {
		return err
	}
	if why := s.failing.Load(); why != nil {
		return *why
	}
	return nil
}

// Free returns the free space of the file's disk, in bytes.
func (s *Store) Free() (uint64, error) { return freeSpace(filepath.Dir(s.opts.Path)) }

// uncommitted notes that a commit failed, and returns what people read about it.
func (s *Store) uncommitted(cause error) error {
	name := filepath.Base(s.opts.Path)
	err := fmt.Errorf("committing: %w", cause)
	switch {
	case s.broken.Load() != nil:
	case errors.Is(cause, syscall.ENOSPC), errors.Is(cause, syscall.EDQUOT):
		err = &issuance.Error{
			Kind: issuance.Unavailable, Code: CodeDiskFull, Message: "no space left on the disk that holds " + name,
			Hint: "free some space, or enlarge the disk; nothing that was acknowledged is lost, and writing resumes automatically",
		}
	case errors.Is(cause, syscall.EIO), errors.Is(cause, syscall.EROFS):
		err = &issuance.Error{
			Kind: issuance.Unavailable, Code: CodeDiskFailed, Message: "the disk that holds " + name + " is not writable",
			Hint: "check the system log and replace the disk, or mount it writable; nothing that was acknowledged is lost",
		}
	}
	s.stats.failed.Add(1)
	if s.failing.Swap(&err) == nil {
		s.opts.Log.Error("a commit failed; the store is not ready until one succeeds", "file", s.opts.Path, "error", cause)
	}
	return err
}

// committed notes that a commit succeeded.
func (s *Store) committed() {
	if s.failing.Load() != nil && s.failing.Swap(nil) != nil {
		s.opts.Log.Info("commits succeed again", "file", s.opts.Path)
	}
}

// How often a store whose last commit failed tries one, and how much it writes.
const (
	probeEvery = time.Second
	probeSize  = 64 << 10
	probeKey   = "probe"
)

// probeAll tries to commit while the last commit failed, until ctx ends: nobody
// else may come to write as long as the server calls itself not ready.
func (s *Store) probeAll(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.failing.Load() != nil {
			s.probe(ctx)
		}
	}
}

func (s *Store) probe(ctx context.Context) {
	for _, do := range []func(*tx) error{
		func(t *tx) error { return t.put(metaBucket, []byte(probeKey), make([]byte, probeSize)) },
		func(t *tx) error { return t.delete(metaBucket, []byte(probeKey)) },
	} {
		if err := s.update(ctx, do); err != nil {
			return // it was counted, and logged the first time
		}
	}
}
