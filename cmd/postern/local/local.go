// Package local carries a request for a token from somebody on the server's machine to
// the running server: as a file in its data directory, which only the user who runs the
// server, and root, may write to. Whoever can do that could read the database and
// the keys as well, so the file is proof enough.
//
// No secret passes: the command makes the token's secret, and the server gets its digest.
package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"time"

	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// The files in the data directory: both are gone once the command has ended.
const (
	requestFile = "token.request"
	answerFile  = "token.answer"
)

const (
	// validFor is how old a request may be: what a command that was killed left behind
	// must not become a token some day.
	validFor = time.Minute
	maxBytes = 16 << 10
)

// Request asks for a token.
type Request struct {
	Name     string          `json:"name"`
	Owner    string          `json:"owner"`
	Role     issuance.Role   `json:"role"`
	Lifetime time.Duration   `json:"lifetime"`
	Digest   issuance.Digest `json:"digest"` // of the secret
}

// answer is what came of a request.
type answer struct {
	Digest  issuance.Digest `json:"digest"`
	ID      staff.TokenID   `json:"id,omitempty"`
	Problem string          `json:"problem,omitempty"`
	Hint    string          `json:"hint,omitempty"`
}

// Serve answers the request in dir, if there is one. add adds the token, and may be
// called twice for one request.
func Serve(dir string, add func(by issuance.Actor, q Request) (staff.Token, error)) error {
	if _, err := os.Lstat(dir + string(os.PathSeparator) + requestFile); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	root, err := safedir.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var q Request
	info, err := read(root, requestFile, &q)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // taken back
	}
	// A crash after add leaves the request: it is answered again, with the same token.
	if err == nil {
		err = reply(root, info, q, add)
	}
	return errors.Join(err, root.Remove(requestFile))
}

func reply(root *os.Root, info fs.FileInfo, q Request, add func(issuance.Actor, Request) (staff.Token, error)) error {
	if age := time.Since(info.ModTime()); age > validFor {
		return fmt.Errorf("a request for a token is %s old; it was not answered", age.Round(time.Second))
	}
	t, err := add(issuance.Actor{Role: issuance.RoleSystem, ID: "local", Name: userOf(info) + " on the server's machine"}, q)
	a := answer{Digest: q.Digest, ID: t.ID}
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		a.Problem, a.Hint = e.Error(), e.Hint
		err = nil
	} else if err != nil {
		a.Problem = "the token could not be stored; the server's log says why"
	}
	if old := root.Remove(answerFile); old != nil && !errors.Is(old, fs.ErrNotExist) {
		err = errors.Join(err, old)
	}
	return errors.Join(err, write(root, answerFile, a))
}

// userOf returns who owns a file, as people call them.
func userOf(info fs.FileInfo) string {
	id := safedir.Owner(info)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

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

// write writes a file that must not be there yet, whole or not at all.
func write(root *os.Root, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	part := name + ".new"
	if err := root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Link(part, name) // unlike a rename, refuses to replace
	}
	return errors.Join(err, root.Remove(part))
}
