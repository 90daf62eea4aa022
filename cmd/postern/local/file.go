package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/postern-ca/postern/cmd/postern/safedir"
)

// read reads a file that belongs to us or to root alone.
func read(root *os.Root, name string, into any) (fs.FileInfo, error) {
	f, err := existing(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return f.Stat()
}

// existing opens a file that is there, and is no link and nobody else's.
func existing(root *os.Root, name string) (*os.File, error) {
	if _, err := root.Lstat(name); err != nil {
		return nil, err
	}
	f, err := safedir.File(root, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if err := safedir.Private(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// write writes a file, whole or not at all, that belongs to us alone. Its name is its
// request's own, so that a rename replaces nothing.
func write(root *os.Root, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	part := partFile + rand.Text()
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, safedir.Private(f), f.Close()); err == nil {
		err = root.Rename(part, name)
	}
	if err != nil {
		err = errors.Join(err, root.Remove(part))
	}
	return err
}
