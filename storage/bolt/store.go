package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// Options says which file to serve, and how. Path and Key are needed; the
// defaults of the others are good.
type Options struct {
	Path string
	Key  *seal.Ring
	Log  *slog.Logger // nil: slog.Default()

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
	broken  atomic.Pointer[error] // why nothing can be trusted any more

	scrubbing sync.Mutex
	deleted   chan struct{} // holds one: a secret was deleted since the last scrub
	tail      atomic.Bool   // there may be something behind the last page in use
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// virtual is how much address space the file is mapped into from the start, so
// that a growing file need not be mapped anew, for which all readers must
// finish. It takes no memory.
const virtual = 1 << 30

// Open opens the file, makes it if it is not there, and brings an older schema
// up to date. It refuses a file that another process serves, one of a newer
// program, and one that was sealed with other keys. The caller must Close the store.
func Open(o Options) (*Store, error) { return open(o, migrations()) }

func open(o Options, steps []migration) (_ *Store, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	db, err := openFile(o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	if err := prepare(db, o.Log, steps); err != nil {
		return nil, err
	}
	if err := migrate(db, steps); err != nil {
		return nil, err
	}
	if err := checkKey(db, o.Key); err != nil {
		return nil, err
	}
	raw, err := os.OpenFile(o.Path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the database to scrub it: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{opts: o, db: db, raw: raw, tables: newTables(), memo: newMemo(), stop: stop, deleted: make(chan struct{}, 1)}
	s.queue.wake = make(chan struct{}, 1)
	s.readers.open = make(map[int]int)
	s.tail.Store(true) // the process before may have been killed in a commit,
	s.markDeleted()    // or before it scrubbed
	s.running.Go(s.commitAll)
	s.running.Go(func() { s.scrubAll(ctx) })
	return s, nil
}

// openFile opens the bbolt file, with mode 0600, and makes its name durable.
func openFile(o Options) (*bbolt.DB, error) {
	info, err := os.Stat(o.Path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		o.Log.Warn("the database could be read by others; its mode is mended", "mode", info.Mode().Perm().String())
		if err := os.Chmod(o.Path, 0o600); err != nil {
			return nil, fmt.Errorf("closing the database to others: %w", err)
		}
	}
	db, err := bbolt.Open(o.Path, 0o600, &bbolt.Options{
		Timeout: o.LockTimeout, FreelistType: bbolt.FreelistMapType, InitialMmapSize: virtual,
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, &issuance.Error{
			Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "another postern serves this file",
			Hint: "every command talks to the running server; stop it first if this is to be the server",
		}
	case err != nil:
		return nil, fmt.Errorf("opening the database: %w", err)
	case fresh:
		if err := syncDir(filepath.Dir(o.Path)); err != nil {
			db.Close()
			return nil, fmt.Errorf("making the database's name durable: %w", err)
		}
	}
	return db, nil
}

// Close waits for what runs, answers what is queued, scrubs what was deleted and
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
			s.opts.Log.Warn("the database was not scrubbed; that is done when it is opened next", "error", err)
		}
	default:
	}
	return errors.Join(s.db.Close(), s.raw.Close())
}

func (s *Store) view(ctx context.Context, f func(*tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	b, err := s.readers.begin(s.db)
	if err != nil {
		return failed("reading", err)
	}
	t := &tx{b: b, s: s}
	defer func() {
		t.over = true
		s.readers.end(b)
	}()
	return f(t)
}

// Snapshot writes the whole database to w, as it is at this moment, while others
// read and write. What it writes can be opened with the same key file.
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	b, err := s.readers.begin(s.db)
	if err != nil {
		return failed("copying", err)
	}
	defer s.readers.end(b)
	if _, err := b.WriteTo(w); err != nil {
		return failed("copying", err)
	}
	return nil
}

func (s *Store) usable(ctx context.Context) error {
	if why := s.broken.Load(); why != nil {
		return *why
	}
	return ctx.Err()
}

func failed(doing string, err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return errClosed()
	}
	return fmt.Errorf("%s the database: %w", doing, err)
}

func errClosed() error {
	return &issuance.Error{Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "the store is closed", Hint: "the server is stopping; try again when it runs"}
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
