package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// Options says which file to open, and how. Path and Key are required; the other
// fields have good defaults.
type Options struct {
	Path string
	Key  *seal.Ring
	Log  *slog.Logger // nil: slog.Default()
	// Existing refuses a file that does not exist, is empty or belongs to another
	// program. It is for callers with data elsewhere that belongs to the file, who
	// must not start with a new one.
	Existing bool

	// LockTimeout is how long Open waits for another process to close the
	// file; 0 means one second.
	LockTimeout time.Duration
	// ScrubAfter is how long after a secret was deleted the file is scrubbed;
	// 0 means one second.
	ScrubAfter time.Duration
}

func (o *Options) check() error {
	if o.Path == "" {
		return issuance.Invalidf("storage.path", "is empty", "name the database file")
	}
	if o.Key == nil {
		return issuance.Invalidf("seal.key_file", "there is no key", "name the file with the seal key")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.LockTimeout, time.Second}, {&o.ScrubAfter, time.Second}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	return nil
}

// Store keeps everything in one file, and is an [issuance.Store] for each room. Its methods may be called from many
// goroutines.
type Store struct {
	opts    Options
	db      *bbolt.DB
	raw     *os.File // the same file, to scrub it
	tables  tables
	queue   queue
	readers readers
	stats   counters
	memo    *memo
	version atomic.Uint64         // grows with each commit
	broken  atomic.Pointer[error] // why nothing can be trusted any more
	damaged atomic.Pointer[error] // why nothing is written any more; what can be read, is
	stuck   atomic.Bool           // bbolt panicked with its locks held
	failing atomic.Pointer[error] // why the last commit failed

	scrubbing sync.Mutex
	syncing   sync.Mutex    // held while something is committed
	deleted   chan struct{} // holds one: a secret was deleted since the last scrub
	tail      atomic.Bool   // there may be something behind the last page in use
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// virtual is how much address space the file is mapped into from the start, so
// that a growing file need not be mapped anew, for which all readers must
// finish. It takes no memory.
const virtual = 1 << 30

// Open opens the file, creates it if it does not exist, and migrates an older
// schema. It refuses a file that another process uses, one from a newer program,
// one that was sealed with other keys, and one with damage that can be seen at
// once. The caller must Close the store.
func Open(o Options) (*Store, error) { return open(o, migrations()) }

func open(o Options, steps []migration) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := inspect(o); err != nil {
		return nil, err
	}
	s := &Store{opts: o, tables: newTables(), memo: newMemo(), deleted: make(chan struct{}, 1)}
	if err := s.load(steps); err != nil {
		if s.db != nil && !s.stuck.Load() {
			s.db.Close()
		}
		if s.raw != nil {
			s.raw.Close()
		}
		return nil, err
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.queue.wake = make(chan struct{}, 1)
	s.readers.open = make(map[int]int)
	s.tail.Store(true) // the process before may have been killed in a commit,
	s.markDeleted()    // or before it scrubbed
	s.version.Store(1)
	s.running.Go(s.commitAll)
	s.running.Go(func() { s.scrubAll(ctx) })
	s.running.Go(func() { s.probeAll(ctx) })
	return s, nil
}

// Close waits for running calls, answers queued ones, scrubs deleted secrets and
// closes the file. Later calls return an error.
func (s *Store) Close() error {
	s.queue.close()
	s.stop()
	s.running.Wait()
	select {
	case <-s.deleted:
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Scrub(ctx); err != nil {
			s.opts.Log.Warn("deleted secrets were not overwritten; this is done when the database is opened next", "error", err)
		}
	default:
	}
	if s.stuck.Load() { // whoever closes it waits for the locks
		return s.raw.Close()
	}
	return errors.Join(s.db.Close(), s.raw.Close())
}

func (s *Store) view(ctx context.Context, f func(*tx) error) (err error) {
	if err := s.usable(ctx); err != nil {
		return err
	}
	ended, old := false, debug.SetPanicOnFault(true)
	defer s.caught(&ended, old, &err)
	b, err := s.begin(false)
	if err != nil {
		ended = true
		return failed("reading", err)
	}
	t := &tx{b: b, s: s}
	defer func() {
		t.over = true
		s.readers.end(b)
	}()
	err = f(t)
	ended = true
	return err
}

// begin begins a transaction of bbolt's. If bbolt panics, it leaves its locks as
// they are: nothing can be begun after that, and nobody is to wait for it.
func (s *Store) begin(writable bool) (b *bbolt.Tx, err error) {
	begun := false
	defer func() {
		if !begun {
			s.stuck.Store(true)
			why := damagedError(s.opts.Path, "can no longer be read", hintRunning)
			s.broken.Store(&why)
		}
	}()
	if writable {
		b, err = s.db.Begin(true)
	} else {
		b, err = s.readers.begin(s.db)
	}
	begun = true
	return b, err
}

// Copy is the database as it is at one moment.
type Copy struct {
	issuance.HistoryReader
	issuance.Reader
	Size int64 // bytes that WriteTo writes

	tx *tx
}

// WriteTo writes the whole database file to w. What it writes can be opened with
// the same key file.
func (c Copy) WriteTo(w io.Writer) (int64, error) { return c.tx.b.WriteTo(w) }

// Clock is in both readers.
func (c Copy) Clock() (time.Time, error) { return c.tx.Clock() }

// Copy gives f the database as it is at this moment, while others read and write:
// they do not wait, but the file grows by what they write until f returns.
func (s *Store) Copy(ctx context.Context, f func(Copy) error) error {
	return s.view(ctx, func(t *tx) error { return f(Copy{t, t, t.b.Size(), t}) })
}

// Snapshot writes the whole database to w, as it is at this moment.
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	return s.Copy(ctx, func(c Copy) error {
		_, err := c.WriteTo(w)
		return err
	})
}

// Settle waits until what was read before is durable: bbolt lets readers see a
// commit when it is written, a moment before it is synced.
func (s *Store) Settle(ctx context.Context) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	return s.usable(ctx)
}

func (s *Store) usable(ctx context.Context) error {
	if why := s.broken.Load(); why != nil {
		return *why
	}
	return ctx.Err()
}

// Version returns a number that grows with each commit, before any caller of Update
// is told of it: what was read after Version was called is still true while Version
// returns the same. It is 0 once nothing can be read any more.
func (s *Store) Version() uint64 {
	if s.broken.Load() != nil {
		return 0
	}
	return s.version.Load()
}

// writable is usable for what changes the file.
func (s *Store) writable(ctx context.Context) error {
	if why := s.damaged.Load(); why != nil {
		return *why
	}
	return s.usable(ctx)
}

func failed(doing string, err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return errClosed()
	}
	return fmt.Errorf("%s the database: %w", doing, err)
}

func errClosed() error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "the store is closed",
		Hint: "the server is stopping; try again when it is running",
	}
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
