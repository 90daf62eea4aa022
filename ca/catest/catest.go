// Package catest lets tests share one hierarchy from ca.Create, each with its own
// copy. It creates none itself. Never use it for a real CA: the keys it leaves
// behind are practically unprotected.
package catest

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Lighten encrypts the keys in dir, the directory of a hierarchy, again with the
// same passphrase, or for the first time, using a single iteration of PBKDF2. The
// 600,000 iterations of ca.Create take seconds at each opening under the race
// detector; ca.Open reads their number from the file.
func Lighten(dir string, passphrase []byte) error {
	keys, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil || len(keys) == 0 {
		return fmt.Errorf("looking for the keys in %s: found %d: %w", dir, len(keys), err)
	}
	for _, path := range keys {
		openssl := exec.Command("openssl", "pkcs8", "-topk8", "-in", path, "-passin", "env:PASSPHRASE", "-passout", "env:PASSPHRASE",
			"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "1")
		openssl.Env = append(os.Environ(), "PASSPHRASE="+string(passphrase))
		light, err := openssl.Output()
		if err != nil {
			return fmt.Errorf("openssl, encrypting %s again: %w", path, err)
		}
		if block, _ := pem.Decode(light); block == nil || block.Type != "ENCRYPTED PRIVATE KEY" {
			return fmt.Errorf("openssl made %.30q of %s", bytes.TrimSpace(light), path)
		}
		if err := os.WriteFile(path, light, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Tree is the files of a directory, kept in memory so that tests can copy them.
type Tree []entry

type entry struct {
	name string
	mode fs.FileMode
	data []byte
}

// Made returns the files that fill puts into a directory, which is then deleted.
func Made(fill func(dir string) error) (t Tree, err error) {
	dir, err := os.MkdirTemp("", "catest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := fill(dir); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var e entry
		if e.name, err = filepath.Rel(dir, path); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if e.mode = info.Mode(); !d.IsDir() {
			e.data, err = os.ReadFile(path)
		}
		t = append(t, e)
		return err
	})
	return t, err
}

// Copy writes the files to the directory to, with their original permissions, and
// creates the directory if it does not exist.
func (t Tree) Copy(to string) error {
	for _, e := range t {
		path := filepath.Join(to, e.name)
		var err error
		if e.mode.IsDir() {
			err = os.MkdirAll(path, e.mode.Perm())
		} else {
			err = os.WriteFile(path, e.data, e.mode.Perm())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
