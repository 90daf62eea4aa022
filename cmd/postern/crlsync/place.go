package crlsync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
)

const (
	lockEvery   = 20 * time.Millisecond // between two tries to lock
	lockLongest = 30 * time.Second
)

// place is the file that is kept, and its companions: their names begin with a dot, so
// that servers that read a whole directory ignore them. Every file is opened in a
// directory that was checked: as root, the program must not write where somebody else's
// link leads.
type place struct {
	path    string
	dir     string
	name    string // of the file in dir, and so the others
	temp    string // the next file, while it is written
	lock    string // held while the file is compared and replaced
	owed    string // has the digest of a file that the reload command was not run for
	alerted string // has the state that people were last told
}

// newPlace follows symbolic links, which a rename would replace. It refuses a
// directory in which others may put some.
func newPlace(out string) (place, error) {
	path, err := safedir.Resolve(out)
	if err != nil {
		return place{}, badPlace("looking for "+out, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return place{}, failf(reasonDisk, "%s is not a file; Docker creates a directory when the file to mount is missing: "+
			"remove it, and mount the parent directory", path)
	}
	dir, name := filepath.Split(path)
	beside := func(kind string) string { return "." + name + "." + kind }
	p := place{
		path: path, dir: filepath.Clean(dir), name: name, temp: beside("new"), lock: beside("lock"),
		owed: beside("reload-owed"), alerted: beside("alerted"),
	}
	if p.mounted() {
		return place{}, issuance.Invalidf("out", path+" is mounted as a single file, so it cannot be replaced",
			"mount its directory instead of the file")
	}
	return p, p.in(func(*os.Root) error { return nil })
}

// badPlace returns an error that is already worded for people unchanged.
func badPlace(doing string, err error) error {
	if _, worded := errors.AsType[*issuance.Error](err); worded {
		return &failure{reasonDisk, err}
	}
	return failf(reasonDisk, "%s: %w", doing, err)
}

// in runs f with the directory, which is checked each time: somebody may have replaced
// it, or changed its owner.
func (p place) in(f func(*os.Root) error) (err error) {
	dir, err := safedir.Open(p.dir)
	if err != nil {
		return badPlace("opening the directory", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return f(dir)
}

// locked runs f while no other process is in locked for the same file.
func (p place) locked(ctx context.Context, f func() error) (err error) {
	var file *os.File
	if err := p.in(func(dir *os.Root) (err error) {
		file, err = openLock(dir, p.lock)
		return err
	}); err != nil {
		return badPlace("opening the lock", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }() // which unlocks
	limit := time.Now().Add(lockLongest)
	for {
		held, err := tryLock(file)
		switch {
		case err != nil:
			return failf(reasonLock, "locking %s: %w", p.lock, err)
		case held:
			return f()
		case time.Now().After(limit):
			return failf(reasonLock, "another process has held %s for %v", p.lock, lockLongest)
		}
		if !sleep(ctx, lockEvery) {
			return ctx.Err()
		}
	}
}

// openLock opens a file that nobody else can open: anybody who can read a file can lock
// it, and the CRLs would lapse meanwhile.
func openLock(dir *os.Root, name string) (*os.File, error) {
	file, err := safedir.File(dir, name, os.O_RDONLY, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 { // of an earlier version
		err = file.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// read returns what the file has, nil if there is none or it has more than limit bytes.
func (p place) read(limit int64) (text []byte, err error) {
	err = p.in(func(dir *os.Root) (err error) {
		text, err = readAtMost(dir, p.name, limit)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &failure{reasonDisk, err}
	}
	return text, nil
}

// readAtMost reads a file, nothing if it has more than limit bytes.
func readAtMost(dir *os.Root, name string, limit int64) ([]byte, error) {
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if int64(len(text)) > limit {
		return nil, err
	}
	return text, err
}

// replace makes text the file's content, or leaves it as it is. The caller holds
// the lock. With owed, a reload is owed from before the file changes, so that none
// is forgotten.
func (p place) replace(text []byte, owed bool) error {
	err := p.in(func(dir *os.Root) error {
		err := p.replaceIn(dir, text, owed)
		if err != nil {
			dir.Remove(p.temp) //nolint:errcheck // what is left of it is removed the next time
		}
		return err
	})
	switch {
	case errors.Is(err, syscall.EBUSY):
		return failf(reasonMount, "%s is mounted as a single file, so it cannot be replaced: mount the "+
			"directory %s instead: %w", p.path, p.dir, err)
	case err != nil:
		return badPlace("replacing "+p.path, err)
	}
	return nil
}

// replaceIn does it in an order of steps that makes a kill harmless.
func (p place) replaceIn(dir *os.Root, text []byte, owed bool) error {
	// 1. The new content is on the disk, in a file that nobody has open.
	if err := dir.Remove(p.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := dir.OpenFile(p.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := writeSynced(file, text, func() error { return p.like(dir, file) }); err != nil {
		return err
	}
	// 2. So is what is to be done once it is there.
	if owed {
		if err := note(dir, p.owed, digest(text)); err != nil {
			return err
		}
	}
	// 3. It takes the place of the old, for whoever opens the file from now on,
	// and after a power failure too.
	if err := dir.Rename(p.temp, p.name); err != nil {
		return err
	}
	return safedir.Sync(dir)
}

// like gives a new file the mode and owner of the one that it will replace.
func (p place) like(dir *os.Root, file *os.File) error {
	old, err := dir.Lstat(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return file.Chmod(0o644) // CRLs are public
	}
	if err != nil {
		return err
	}
	if err := keepOwner(file, old); err != nil {
		return fmt.Errorf("keeping the file's owner: %w", err)
	}
	return file.Chmod(old.Mode().Perm())
}

// owe remembers that the reload command is to be run for the file with this digest.
func (p place) owe(digest string) error { return p.note(p.owed, digest) }

// owes returns the digest that owe remembered; ok is false if nothing is owed.
func (p place) owes() (digest string, ok bool, err error) { return p.noted(p.owed) }

// note keeps a line in a file beside the one that is kept.
func (p place) note(name, line string) error {
	return p.in(func(dir *os.Root) error { return note(dir, name, line) })
}

// noted returns the line that note kept; ok is false if there is none.
func (p place) noted(name string) (line string, ok bool, err error) {
	err = p.in(func(dir *os.Root) error {
		text, err := dir.ReadFile(name)
		line = strings.TrimSpace(string(text))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return line, err == nil, err
}

// forget removes what note kept.
func (p place) forget(name string) error {
	return p.in(func(dir *os.Root) error {
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func note(dir *os.Root, name, line string) error {
	file, err := safedir.File(dir, name, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return writeSynced(file, []byte(line+"\n"), func() error { return nil })
}

// writeSynced writes text, finishes, has it on the disk and closes the file.
func writeSynced(file *os.File, text []byte, finish func() error) (err error) {
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := finish(); err != nil {
		return err
	}
	return file.Sync()
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// sleep waits and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
