// Package safedir opens directories for files of ours. It refuses a directory in
// which somebody else could put a link in the place of a file, or replace one:
// written as root, such a file would go wherever that user wants.
package safedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// maxLinks is how many symbolic links a path may have, as in Linux.
const maxLinks = 40

// Open opens a directory that we or root own and that nobody else may write to, nor
// to one above it. The caller closes what it returns.
func Open(path string) (*os.Root, error) { return open(path, false) }

// OpenSticky is Open for a caller that only makes new files, under names that it
// opens with O_EXCL: a directory like /tmp, where others cannot take away what is
// ours, is allowed too.
func OpenSticky(path string) (*os.Root, error) { return open(path, true) }

// Check refuses a directory that Open refuses.
func Check(path string) error { return closed(Open(path)) }

// CheckSticky refuses a directory that OpenSticky refuses.
func CheckSticky(path string) error { return closed(OpenSticky(path)) }

func closed(root *os.Root, err error) error {
	if err != nil {
		return err
	}
	return root.Close()
}

func open(path string, sticky bool) (*os.Root, error) {
	path, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".") // of what was opened, not of what is there now
	if err == nil {
		err = check(path, info, sticky)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// Resolve follows the symbolic links of a path, whose last element need not exist.
// It refuses a path that somebody else could have led elsewhere.
func Resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at := filepath.VolumeName(path) + string(filepath.Separator)
	rest := elements(path[len(filepath.VolumeName(path)):])
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		info, err := step(at, next)
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(rest) == 1:
			return next, nil
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink == 0:
			at, rest = next, rest[1:]
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many symbolic links", path)
		}
		to, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(to) {
			at = filepath.VolumeName(to) + string(filepath.Separator)
			to = to[len(filepath.VolumeName(to)):]
		}
		rest = append(elements(to), rest[1:]...)
	}
	return at, nil
}

// step looks at next in the directory at, which must be safe.
func step(at, next string) (fs.FileInfo, error) {
	info, err := os.Lstat(at)
	if err == nil {
		err = check(at, info, true)
	}
	if err != nil {
		return nil, err
	}
	found, err := os.Lstat(next)
	if err == nil && !found.IsDir() && !ours(found) && info.Mode()&fs.ModeSticky != 0 {
		err = refuse(next, "belongs to another user")
	}
	return found, err
}

// check refuses a directory in which others may take the place of what is ours. In
// a sticky one they may only add.
func check(path string, info fs.FileInfo, sticky bool) error {
	switch {
	case !info.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
	case !ours(info):
		return refuse(path, "belongs to another user")
	case writableByOthers(info) && (!sticky || info.Mode()&fs.ModeSticky == 0):
		return refuse(path, fmt.Sprintf("can be written by other users (mode %#o)", info.Mode().Perm()))
	}
	return nil
}

func refuse(path, why string) error {
	return &issuance.Error{
		Kind: issuance.Conflict, Message: path + " " + why + ", who could redirect what is written there; nothing was written",
		Hint: "use a directory that belongs to root or to the user that runs this, without write permission for others, " +
			"and so all those above it; of a container's volume that all may write to, such as an emptyDir, mount a subdirectory " +
			"that this user created (subPath)",
	}
}

func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 128 && os.IsPathSeparator(uint8(r)) })
}

// File opens the file name in dir, and makes it if it is not there. It refuses what
// is not a regular file, such as a link.
func File(dir *os.Root, name string, flags int, mode fs.FileMode) (*os.File, error) {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dir.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, mode)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: remove it", filepath.Join(dir.Name(), name))
	}
	return dir.OpenFile(name, flags, mode)
}

// Sync makes the names in dir durable.
func Sync(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Private refuses an open file that is not ours or root's alone: one that others own,
// or may read or write.
func Private(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || !ours(info) || openToOthers(info):
		return fmt.Errorf("%s does not belong to root or the user that runs this alone (mode %#o)", f.Name(), info.Mode().Perm())
	}
	return nil
}
