package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// The bounds of one slice of a scrub: writers wait no longer than it takes.
const (
	sliceTime = 2 * time.Millisecond
	runPages  = 32 // neighbours that are looked at together
)

// Scrub overwrites with zeros every page of the file that holds no data: bbolt
// never changes a page, it writes the new one elsewhere, and so the sealed bytes
// of a deleted secret stay in the file until their page happens to be used again.
// The store scrubs by itself, soon after a secret was deleted and after each
// opening; writers wait for a slice of the work at most, readers never.
//
// Why this is safe. Each slice runs inside of a write transaction, which is
// rolled back at its end, so that nothing commits meanwhile and there is one
// valid root: the last committed one.
//   - bbolt's list of free pages (which Tx.Page consults) has no page that this
//     root reaches. So whoever begins to read now reads no free page.
//   - The list also has pages that an older root reaches and that a reader who
//     began before the last commit may still read (bbolt calls them pending). A
//     slice therefore begins only when no such reader is open. The store counts
//     its readers itself: bbolt's own count (Stats.OpenTxN) is raised a moment
//     after a reader has its root, which is a moment too late.
//   - After a crash bbolt takes the newer of its two meta pages that is valid.
//     The last committed one is durable before its transaction ends, and the next
//     commit overwrites the other one. So no recovery looks at an older root,
//     and the older root's pages may go; bbolt itself overwrites them in
//     the next commit.
//   - What a free page contains is never read: it is written as a whole before it
//     is used. A kill between or in the middle of these writes leaves a file that
//     is as valid as before, and its next opening scrubs it again.
//   - Pages behind the last one in use, where a commit may have failed or been
//     killed, are treated like free ones: in the first scrub after an opening or a
//     failed commit. The file grows only in a commit.
//   - The zeros go through a second descriptor of the same file. The kernel keeps
//     one copy of each page for writes, reads and the map that bbolt reads from;
//     and bbolt's lock belongs to the descriptor that took it (flock), so that
//     closing another one does not release it.
//
// It cannot reach copies that a file system with snapshots or a flash disk keeps
// underneath; those hold what is sealed.
func (s *Store) Scrub(ctx context.Context) error {
	s.scrubbing.Lock()
	defer s.scrubbing.Unlock()
	tail := s.tail.Swap(false)
	zeroed, err := s.scrubPages(ctx, tail)
	if zeroed > 0 { // after an error, too: the next scrub will find zeros, and not sync them
		s.stats.syncs.Add(1)
		s.stats.zeroed.Add(uint64(zeroed))
		err = first(err, s.raw.Sync())
	}
	if err != nil && tail {
		s.tail.Store(true)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return failed("scrubbing", err)
}

// scrubPages scrubs slice by slice, with the tail of the file or without, and
// returns how many pages it has overwritten.
func (s *Store) scrubPages(ctx context.Context, tail bool) (zeroed int, err error) {
	for page := 2; page >= 0; { // 0 and 1 are the meta pages
		if err := s.usable(ctx); err != nil {
			return zeroed, err
		}
		next, n, err := s.scrubSlice(page, tail)
		zeroed += n
		wait := time.Millisecond // lets the committer in
		if errors.Is(err, errReaders) {
			wait = 10 * time.Millisecond
		} else if err != nil {
			return zeroed, err
		}
		page = next
		select {
		case <-ctx.Done():
			return zeroed, ctx.Err()
		case <-time.After(wait):
		}
	}
	return zeroed, nil
}

// errReaders says that an older reader is open.
var errReaders = errors.New("an older reader is open")

// scrubSlice looks at pages from the first on, and returns where the next slice
// begins, -1 at the end, and how many pages it has overwritten.
func (s *Store) scrubSlice(from int, tail bool) (next, zeroed int, err error) {
	b, err := s.beginWrite()
	if err != nil {
		return from, 0, err
	}
	defer b.Rollback()
	ended, old := false, debug.SetPanicOnFault(true)
	defer s.caught(&ended, old, &err)
	next, zeroed, err = s.scrubPart(b, from, tail)
	ended = true
	return next, zeroed, err
}

func (s *Store) scrubPart(b *bbolt.Tx, from int, tail bool) (next, zeroed int, err error) {
	if !s.readers.current(b.ID() - 1) { // a writer's id is one above the root it began with
		return from, 0, errReaders
	}
	size := s.db.Info().PageSize
	end := int(b.Size()) / size
	if tail {
		info, err := s.raw.Stat()
		if err != nil {
			return from, 0, err
		}
		end = int(info.Size()) / size
	}
	buf, blank := make([]byte, runPages*size), make([]byte, size)
	for began := time.Now(); from < end; from = next {
		if time.Since(began) > sliceTime {
			return from, zeroed, nil
		}
		n := 0
		if n, next, err = free(b, from, end); err != nil {
			return from, zeroed, err
		}
		overwritten, err := zero(s.raw, int64(from)*int64(size), buf[:n*size], blank)
		zeroed += overwritten
		if err != nil {
			return from, zeroed, err
		}
	}
	return -1, zeroed, nil
}

// free returns how many pages from the first on are free, up to runPages, and
// where to go on.
func free(b *bbolt.Tx, from, end int) (n, next int, err error) {
	for next = from; next < end && next < from+runPages; next++ {
		p, err := b.Page(next)
		if err != nil {
			return 0, from, err
		}
		if p != nil && p.Type != "free" { // nil: behind the last page in use
			return n, next + 1, nil
		}
		n++
	}
	return n, next, nil
}

// zero reads the pages at offset into buf, and overwrites those of them that are
// not blank yet. Blank is one page.
func zero(f *os.File, offset int64, buf, blank []byte) (zeroed int, err error) {
	if len(buf) == 0 {
		return 0, nil
	}
	if _, err := f.ReadAt(buf, offset); err != nil {
		return 0, err
	}
	for page := range slices.Chunk(buf, len(blank)) {
		if !bytes.Equal(page, blank) {
			if _, err := f.WriteAt(blank, offset); err != nil {
				return zeroed, fmt.Errorf("overwriting the page at %d: %w", offset, err)
			}
			zeroed++
		}
		offset += int64(len(blank))
	}
	return zeroed, nil
}

func (s *Store) markDeleted() {
	select {
	case s.deleted <- struct{}{}:
	default:
	}
}

// scrubAll scrubs in the background, until ctx ends.
func (s *Store) scrubAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.deleted:
		}
		timer := time.NewTimer(s.opts.ScrubAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			s.markDeleted() // for Close
			return
		case <-timer.C:
		}
		if err := s.Scrub(ctx); err != nil {
			if s.damaged.Load() != nil {
				return
			}
			s.markDeleted()
			if ctx.Err() == nil {
				s.opts.Log.Warn("deleted secrets are still in the database file; trying again", "error", err)
			}
		}
	}
}
