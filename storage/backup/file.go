package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/durable"
)

// unfinished is how the names of files begin that are being written.
const unfinished = ".postern-backup-"

// WriteFile has write write a new file, readable by its owner alone: it has its
// name once it is whole and durable, and replaces nothing. After an error there is
// nothing.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	if err := absent(path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, unfinished+"*") // O_EXCL, 0600
	if err != nil {
		return fmt.Errorf("making a file for the backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := name(f.Name(), path); err != nil {
		return err
	}
	return keepNames(dir)
}

// name gives a finished file its name, which nothing must have.
func name(temp, path string) error {
	if err := os.Link(temp, path); err == nil {
		return os.Remove(temp)
	} else if errors.Is(err, fs.ErrExist) {
		return absent(path)
	}
	// Network and memory-card file systems have no links.
	if err := absent(path); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("naming the backup: %w", err)
	}
	return nil
}

func absent(path string) error {
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking for %s: %w", path, err)
	}
	return &issuance.Error{
		Kind: issuance.Conflict, Code: issuance.CodeState, Message: path + " already exists",
		Hint: "choose another file; existing files are never replaced",
	}
}

// keepNames makes the names in dir durable, where the file system can.
func keepNames(dir string) error {
	err := durable.SyncDir(dir)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
