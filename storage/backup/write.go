package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"filippo.io/age"
)

// Write writes a backup of members to w, encrypted to recipients. What was written
// when it returns an error is no backup, and [Extract] says so.
func Write(w io.Writer, recipients []age.Recipient, about About, members []Member) error {
	sealed, err := age.Encrypt(w, recipients...)
	if err != nil {
		return fmt.Errorf("encrypting the backup: %w", err)
	}
	about.Format = Format
	text, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	a := &archive{tar: tar.NewWriter(sealed)}
	for _, m := range append([]Member{Bytes(aboutMember, text)}, members...) {
		if err := a.add(m); err != nil {
			return fmt.Errorf("writing %s to the backup: %w", m.Name, err)
		}
	}
	if err := a.finish(); err != nil {
		return fmt.Errorf("finishing the backup: %w", err)
	}
	// Last of all: without it the backup is cut.
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("finishing the backup: %w", err)
	}
	return nil
}

// archive is a tar archive with the digests of what was added.
type archive struct {
	tar      *tar.Writer
	manifest manifest
}

func (a *archive) add(m Member) error {
	if !nameable(m.Name) {
		return fmt.Errorf("%q is not a name that a member may have", m.Name)
	}
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m.Name, Size: m.Size, Mode: 0o600}); err != nil {
		return err
	}
	digest := sha256.New()
	counted := &counter{w: io.MultiWriter(a.tar, digest)}
	if err := m.Write(counted); err != nil {
		return err
	}
	if counted.n != m.Size {
		return errShort
	}
	a.manifest.Members = append(a.manifest.Members, digested{m.Name, m.Size, hex.EncodeToString(digest.Sum(nil))})
	return nil
}

func (a *archive) finish() error {
	text, err := json.Marshal(a.manifest)
	if err != nil {
		return err
	}
	if err := a.add(Bytes(manifestMember, text)); err != nil {
		return err
	}
	return a.tar.Close()
}

// counter counts what was written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
