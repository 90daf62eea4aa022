package local

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
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
	// grace is how long it waits for the answer to a request that the server has taken,
	// even if it is interrupted.
	grace = 5 * time.Second
)

// Ask has the server whose data directory is dir add a token, and returns its id and
// its secret. With an error there is no token, unless the error says that there may be.
func Ask(ctx context.Context, dir string, q Request) (staff.TokenID, issuance.Secret, error) {
	root, err := safedir.Open(dir)
	if err != nil {
		return "", issuance.Secret{}, mine(err)
	}
	defer root.Close()
	secret, name := staff.NewSecret(), rand.Text()
	q.Digest = issuance.DigestOf(secret)
	if err := write(root, requestFile+name, q); err != nil {
		return "", issuance.Secret{}, mine(err)
	}
	a, err := await(ctx, root, name)
	switch {
	case err != nil:
		return "", issuance.Secret{}, err
	case a.Problem != "":
		return "", issuance.Secret{}, &issuance.Error{Kind: issuance.Conflict, Message: a.Problem, Hint: a.Hint}
	}
	return a.ID, secret, nil
}

// mine says what to do if the data directory is not the user's.
func mine(err error) error {
	return &issuance.Error{
		Kind: issuance.Denied, Message: "the data directory cannot be used: " + err.Error(),
		Hint: "run this as the user that runs the server, for example with `runuser -u postern --` in front, " +
			"and name the server's data directory with --data or --config; its file system must keep the owner and mode of files",
	}
}

// await waits for the answer to a request. The request is gone afterwards.
func await(ctx context.Context, root *os.Root, name string) (answer, error) {
	waiting, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if a, err := answered(waiting, root, name); !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	switch err := root.Remove(requestFile + name); {
	case err == nil:
		return answer{}, untaken(ctx)
	case !errors.Is(err, fs.ErrNotExist):
		return answer{}, err
	}
	waiting, stop = context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer stop()
	a, err := answered(waiting, root, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = unanswered()
	}
	return a, err
}

// untaken says why a request was taken back, which the server has not seen.
func untaken(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &issuance.Error{
			Kind: issuance.Unavailable, Message: "interrupted before the server answered: no token was created", Hint: "run this again",
		}
	}
	return &issuance.Error{
		Kind: issuance.Unavailable, Message: "the server did not answer: it does not run, or has another data directory",
		Hint: "start it with `postern serve`, then run this again while it runs; if it runs, its log says why it did not answer",
	}
}

// unanswered says what to do about a request that the server has taken.
func unanswered() error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Message: "the server took the request and has not answered: there may be a token whose secret nobody has",
		Hint: "see the server's log, then run this again; revoke the other token if `postern token list` has it",
	}
}

// answered takes the answer to a request, for which it waits until ctx is done; then
// it is [fs.ErrNotExist].
func answered(ctx context.Context, root *os.Root, name string) (a answer, err error) {
	look := time.NewTicker(glance)
	defer look.Stop()
	for {
		if _, err = read(root, answerFile+name, &a); err == nil {
			return a, root.Remove(answerFile + name)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return answer{}, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return answer{}, err
		}
	}
}
