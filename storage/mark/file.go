package mark

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/durable"
)

// rotateAt is how large the file grows before it becomes the older part.
const rotateAt = 32 << 20

// olderSuffix follows the name of the file in that of its older part.
const olderSuffix = ".old"

// File is a mark that can be appended to. Its methods may be called from many
// goroutines.
type File struct {
	path   string
	limit  int64
	mu     sync.Mutex
	f      *os.File
	size   int64
	last   issuance.Progress
	exists bool
}

// Open opens the mark at path, or makes one that says nothing yet. It cuts off
// what a crash has torn; an error of kind Unavailable says that the file is
// damaged elsewhere. The caller must be the only one that writes it, and must Close it.
func Open(path string) (*File, error) {
	f := &File{path: path, limit: rotateAt}
	if err := f.open(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *File) open() (err error) {
	newest, err := load(f.path, false)
	if err != nil {
		return err
	}
	older, err := load(f.path+olderSuffix, false)
	if err != nil {
		return err
	}
	f.exists = newest.lines > 0 || older.lines > 0
	if f.last = newest.last; newest.lines == 0 {
		f.last = older.last
	}
	if f.f, err = create(f.path); err != nil {
		return err
	}
	return f.cut(newest.whole)
}

// create opens the file, which it makes if it is not there, private and never
// through a link.
func create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the high-water mark: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("making the name of the high-water mark durable: %w", err), f.Close())
	}
	return f, nil
}

// cut makes the file so long and goes on there.
func (f *File) cut(size int64) error {
	if err := f.f.Truncate(size); err != nil {
		return fmt.Errorf("cutting the high-water mark: %w", err)
	}
	f.size = size
	_, err := f.f.Seek(size, 0)
	return err
}

// Last returns what was noted last, without changes and traces; false if nothing
// ever was.
func (f *File) Last() (issuance.Progress, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.exists
}

// Append notes p, durably. After an error the mark is as it was before.
func (f *File) Append(p issuance.Progress) error {
	text, err := line(p)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size > f.limit {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	if _, err = f.f.Write(text); err == nil {
		err = f.f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the high-water mark: %w", err), f.cut(f.size))
	}
	f.size += int64(len(text))
	p.Changes, p.Traces = nil, nil
	f.last, f.exists = p, true
	return nil
}

// rotate makes the file the older part. After a crash between the two steps the
// older part is all there is, and says the same.
func (f *File) rotate() error {
	if err := os.Rename(f.path, f.path+olderSuffix); err != nil {
		return fmt.Errorf("putting the old part of the high-water mark aside: %w", err)
	}
	next, err := create(f.path)
	if err != nil {
		return errors.Join(err, os.Rename(f.path+olderSuffix, f.path))
	}
	err = f.f.Close()
	f.f, f.size = next, 0
	return err
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	return f.f.Close()
}
