package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"

	"filippo.io/age"

	"github.com/postern-ca/postern/issuance"
)

// maxText bounds what is read into memory of a backup's own members.
const maxText = 16 << 20

// Extract reads a backup to its end and writes its files, durably and with mode
// 0600, below dir, which must be empty. An error of kind Denied says that none of
// the identities opens it; one of kind Invalid that it is truncated, altered or no
// backup. After an error what is in dir is not to be used.
func Extract(r io.Reader, identities []age.Identity, dir *os.Root) (About, error) {
	opened, err := age.Decrypt(r, identities...)
	if err != nil {
		return About{}, undecryptable(err)
	}
	e := &extraction{dir: dir, tar: tar.NewReader(opened)}
	if err := e.all(); err != nil {
		return e.about, err
	}
	// age knows that the file is whole only at its end.
	if rest, err := io.Copy(io.Discard, io.LimitReader(opened, maxText)); err != nil {
		return e.about, damagedError(err.Error())
	} else if rest >= maxText {
		return e.about, damagedError("there is something after its end")
	}
	return e.about, nil
}

func undecryptable(err error) error {
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return &issuance.Error{
			Kind: issuance.Denied, Code: issuance.CodeInvalid, Message: "none of the keys opens this backup",
			Hint: "give the identity of one of its recipients with --identity, or the passphrase that it was made with",
		}
	}
	return damagedError("it is not a whole age file: " + err.Error())
}

type extraction struct {
	dir   *os.Root
	tar   *tar.Reader
	about About
	found manifest
	last  bool // the manifest was read
}

// all extracts every member, and holds them against the manifest.
func (e *extraction) all() error {
	for {
		head, err := e.tar.Next()
		switch {
		case errors.Is(err, io.EOF) && e.last:
			return nil
		case errors.Is(err, io.EOF):
			return damagedError("it has no manifest")
		case err != nil:
			return damagedError(err.Error())
		case e.last:
			return damagedError(head.Name + " stands after the manifest")
		case head.Typeflag != tar.TypeReg || !nameable(head.Name):
			return damagedError(strconv.Quote(head.Name) + " is not a file of a backup")
		}
		if err := e.member(head); err != nil {
			return err
		}
	}
}

func (e *extraction) member(head *tar.Header) error {
	switch first := len(e.found.Members) == 0; {
	case first != (head.Name == aboutMember):
		return damagedError("it does not begin with what it holds")
	case head.Name == aboutMember:
		text, err := e.text(head)
		if err != nil {
			return err
		}
		return e.readAbout(text)
	case head.Name == manifestMember:
		text, err := e.text(head)
		if err != nil {
			return err
		}
		return e.compare(text)
	}
	return e.file(head)
}

func (e *extraction) readAbout(text []byte) error {
	if err := json.Unmarshal(text, &e.about); err != nil {
		return damagedError("what it holds cannot be read")
	}
	if e.about.Format != Format {
		return &issuance.Error{
			Kind: issuance.Invalid, Code: issuance.CodeInvalid,
			Message: fmt.Sprintf("this backup has format %d, but this program reads format %d", e.about.Format, Format),
			Hint:    "use the version of postern that made it: " + e.about.Version,
		}
	}
	return nil
}

// text reads a member that is kept in memory, and remembers its digest.
func (e *extraction) text(head *tar.Header) ([]byte, error) {
	if head.Size > maxText {
		return nil, damagedError(head.Name + " is too long")
	}
	text, err := io.ReadAll(e.tar)
	if err != nil {
		return nil, damagedError(err.Error())
	}
	sum := sha256.Sum256(text)
	e.found.Members = append(e.found.Members, digested{head.Name, head.Size, hex.EncodeToString(sum[:])})
	return text, nil
}

// compare holds what was extracted against the manifest.
func (e *extraction) compare(text []byte) error {
	var said manifest
	if err := json.Unmarshal(text, &said); err != nil {
		return damagedError("its manifest cannot be read")
	}
	found := e.found.Members[:len(e.found.Members)-1] // without the manifest
	if len(said.Members) != len(found) {
		return damagedError(fmt.Sprintf("it has %d files instead of %d", len(found), len(said.Members)))
	}
	for i, want := range said.Members {
		if found[i] != want {
			return damagedError(strconv.Quote(found[i].Name) + " is not what was written")
		}
	}
	e.last = true
	return nil
}

// file writes a member below the directory.
func (e *extraction) file(head *tar.Header) (err error) {
	if dir := path.Dir(head.Name); dir != "." {
		if err := e.dir.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("making a directory for the backup's files: %w", err)
		}
	}
	f, err := e.dir.OpenFile(head.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return damagedError(strconv.Quote(head.Name) + " is in it twice")
	} else if err != nil {
		return fmt.Errorf("writing %s: %w", head.Name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	digest := sha256.New()
	// What the disk refuses is not the backup's fault.
	in := &source{r: e.tar}
	if _, err := io.Copy(io.MultiWriter(f, digest), in); in.err != nil {
		return damagedError(in.err.Error())
	} else if err != nil {
		return fmt.Errorf("writing %s: %w", head.Name, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing %s: %w", head.Name, err)
	}
	e.found.Members = append(e.found.Members, digested{head.Name, head.Size, hex.EncodeToString(digest.Sum(nil))})
	return nil
}

// source remembers what reading failed with.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
