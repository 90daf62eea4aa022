package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/durable"
)

// load opens the file, looks for damage, and brings it up to date.
func (s *Store) load(steps []migration) (err error) {
	defer func() {
		if err != nil && s.damaged.Load() != nil {
			err = damagedError(s.opts.Path, "is damaged", hintRestore)
		}
	}()
	ended, old := false, debug.SetPanicOnFault(true)
	defer s.caught(&ended, old, &err)
	err = s.loadMapped(steps)
	ended = true
	return err
}

func (s *Store) loadMapped(steps []migration) (err error) {
	s.stuck.Store(true) // a panic in here leaves bbolt as it is
	if s.db, err = openFile(s.opts); err != nil {
		s.db = nil
		return err
	}
	s.stuck.Store(false)
	if s.raw, err = os.OpenFile(s.opts.Path, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("opening the database to scrub it: %w", err)
	}
	if err := sound(s.raw, checkedAtMost); err != nil {
		return s.damage(err)
	}
	if err := prepare(s.db, s.opts.Log, steps); err != nil {
		return err
	}
	if err := migrate(s.db, steps, s.opts); err != nil {
		return err
	}
	return checkKey(s.db, s.opts)
}

// openFile opens the bbolt file, with mode 0600, and makes its name durable.
func openFile(o Options) (*bbolt.DB, error) {
	info, err := os.Stat(o.Path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		o.Log.Warn("the database was readable by other users; its mode is corrected", "mode", info.Mode().Perm().String())
		if err := os.Chmod(o.Path, 0o600); err != nil {
			return nil, fmt.Errorf("making the database private: %w", err)
		}
	}
	db, err := openBolt(o)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, &issuance.Error{
			Kind: issuance.Unavailable, Code: issuance.CodeState, Message: "another postern process is using this file",
			Hint: "commands talk to the running server; to run the server here, stop the other one first",
		}
	case err != nil:
		return nil, fmt.Errorf("opening the database: %w", err)
	case fresh:
		if err := durable.SyncDir(filepath.Dir(o.Path)); err != nil {
			db.Close()
			return nil, fmt.Errorf("making the database's name durable: %w", err)
		}
	}
	return db, nil
}

// openBolt opens the file. If bbolt panics over it, its lock is given back.
func openBolt(o Options) (*bbolt.DB, error) {
	var file *os.File
	over := false
	defer func() {
		if !over && file != nil {
			unlock(file)
			file.Close()
		}
	}()
	db, err := bbolt.Open(o.Path, 0o600, &bbolt.Options{
		Timeout: o.LockTimeout, FreelistType: bbolt.FreelistMapType, InitialMmapSize: virtual,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			if !over { // later ones are snapshots'
				file = f
			}
			return f, err
		},
	})
	over = true
	return db, err
}
