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

	"github.com/postern-ca/postern/issuance"
)

const (
	lockEvery   = 20 * time.Millisecond // between two tries to lock
	lockLongest = 30 * time.Second
)

// place is the file that is kept, and what lies beside it: names with a dot in
// front, which servers that read a whole directory leave alone.
type place struct {
	path    string
	dir     string
	temp    string // the next file, while it is written
	lock    string // held while the file is compared and replaced
	owed    string // has the digest of a file that the reload command was not run for
	alerted string // has the state that people were last told
}

// newPlace follows symbolic links, which a rename would replace.
func newPlace(out string) (place, error) {
	path, err := filepath.EvalSymlinks(out)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = filepath.EvalSymlinks(filepath.Dir(out))
		path = filepath.Join(path, filepath.Base(out))
	}
	if err != nil {
		return place{}, failf(reasonDisk, "looking for %s: %w", out, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return place{}, failf(reasonDisk, "%s is not a file; Docker creates a directory when the file to mount is missing: "+
			"remove it, and mount the parent directory", path)
	}
	dir, name := filepath.Split(path)
	beside := func(kind string) string { return filepath.Join(dir, "."+name+"."+kind) }
	p := place{
		path: path, dir: filepath.Clean(dir), temp: beside("new"), lock: beside("lock"),
		owed: beside("reload-owed"), alerted: beside("alerted"),
	}
	if p.mounted() {
		return place{}, issuance.Invalidf("out", path+" is mounted as a single file, so it cannot be replaced",
			"mount its directory instead of the file")
	}
	return p, nil
}

// locked runs f while no other process is in locked for the same file.
func (p place) locked(ctx context.Context, f func() error) (err error) {
	file, err := openLock(p.lock)
	if err != nil {
		return failf(reasonDisk, "opening the lock: %w", err)
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

// openLock opens a file that nobody else can open: whoever can read a file can
// lock it, and the CRLs would lapse meanwhile.
func openLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
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
func (p place) read(limit int64) ([]byte, error) {
	file, err := os.Open(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &failure{reasonDisk, err}
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, &failure{reasonDisk, err}
	}
	if int64(len(text)) > limit {
		return nil, nil
	}
	return text, nil
}

// replace makes text the file's content, or leaves it as it is. The caller holds
// the lock. With owed, a reload is owed from before the file changes, so that none
// is forgotten. The order of the steps is what makes a kill harmless.
func (p place) replace(text []byte, owed bool) (err error) {
	defer func() {
		if err != nil {
			os.Remove(p.temp) //nolint:errcheck // what is left of it is overwritten the next time
			if errors.Is(err, syscall.EBUSY) {
				err = failf(reasonMount, "%s is mounted as a single file, so it cannot be replaced: mount the "+
					"directory %s instead: %w", p.path, p.dir, err)
				return
			}
			err = failf(reasonDisk, "replacing %s: %w", p.path, err)
		}
	}()
	// 1. The new content is on the disk.
	if err := os.Remove(p.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(p.temp, text, p.like); err != nil {
		return err
	}
	// 2. So is what is to be done once it is there.
	if owed {
		if err := p.owe(digest(text)); err != nil {
			return err
		}
	}
	// 3. It takes the place of the old, for whoever opens the file from now on,
	// and after a power failure too.
	if err := os.Rename(p.temp, p.path); err != nil {
		return err
	}
	return syncDir(p.dir)
}

// like gives a new file the mode and owner of the one that it will replace.
func (p place) like(file *os.File) error {
	old, err := os.Stat(p.path)
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
func (p place) owe(digest string) error {
	return writeSynced(p.owed, []byte(digest+"\n"), nil)
}

// owes returns the digest that owe remembered; ok is false if nothing is owed.
func (p place) owes() (digest string, ok bool, err error) {
	text, err := os.ReadFile(p.owed)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return strings.TrimSpace(string(text)), err == nil, err
}

// writeSynced writes a file and has it on the disk; finish may be nil.
func writeSynced(path string, text []byte, finish func(*os.File) error) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(text); err != nil {
		return err
	}
	if finish != nil {
		if err := finish(file); err != nil {
			return err
		}
	}
	return file.Sync()
}

func syncDir(path string) (err error) {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return dir.Sync()
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
