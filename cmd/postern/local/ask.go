package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

const (
	// glance is how often the command looks for the answer.
	glance = 50 * time.Millisecond
	// patience is how long it waits: the server looks for requests every second.
	patience = 20 * time.Second
)

// Ask has the server whose data directory is dir add a token, and returns its id and
// its secret.
func Ask(ctx context.Context, dir string, q Request) (staff.TokenID, issuance.Secret, error) {
	root, err := safedir.Open(dir)
	if err != nil {
		return "", issuance.Secret{}, mine(dir, err)
	}
	defer root.Close()
	secret := staff.NewSecret()
	q.Digest = issuance.DigestOf(secret)
	if err := place(root, q); err != nil {
		return "", issuance.Secret{}, mine(dir, err)
	}
	a, err := await(ctx, root, q.Digest)
	switch {
	case err != nil:
		return "", issuance.Secret{}, err
	case a.Problem != "":
		return "", issuance.Secret{}, &issuance.Error{Kind: issuance.Conflict, Message: a.Problem, Hint: a.Hint}
	}
	return a.ID, secret, nil
}

// place writes the request. One that nobody can still wait for is replaced.
func place(root *os.Root, q Request) error {
	info, err := root.Lstat(requestFile)
	if err == nil && time.Since(info.ModTime()).Abs() > validFor {
		err = root.Remove(requestFile)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return write(root, requestFile, q)
}

// mine says what to do if the data directory is not the user's.
func mine(dir string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &issuance.Error{
			Kind: issuance.Conflict, Message: "another request for a token is in " + filepath.Join(dir, requestFile),
			Hint: "wait for a minute, and run this again",
		}
	}
	return &issuance.Error{
		Kind: issuance.Denied, Message: "the data directory cannot be used: " + err.Error(),
		Hint: "run this as the user that runs the server, for example with `runuser -u postern --` in front, " +
			"and name the server's data directory with --data or --config",
	}
}

// await waits for the answer about digest. The request is gone afterwards.
func await(ctx context.Context, root *os.Root, digest issuance.Digest) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(glance)
	defer look.Stop()
	for {
		a, err := answered(root, digest)
		if !errors.Is(err, fs.ErrNotExist) {
			return a, err
		}
		select {
		case <-look.C:
			continue
		case <-ctx.Done():
		}
		if err := root.Remove(requestFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return answer{}, err
		}
		if a, err := answered(root, digest); err == nil { // at the last moment
			return a, nil
		}
		return answer{}, &issuance.Error{
			Kind: issuance.Unavailable, Message: "the server did not answer: it does not run, or has another data directory",
			Hint: "start it with `postern serve`, then run this again while it runs",
		}
	}
}

// answered takes the answer about digest.
func answered(root *os.Root, digest issuance.Digest) (a answer, err error) {
	if _, err := read(root, answerFile, &a); err != nil {
		return a, err
	}
	if a.Digest != digest { // to a command that was killed
		return answer{}, fs.ErrNotExist
	}
	return a, root.Remove(answerFile)
}
