// Package local carries a request for a token from somebody on the server's machine to
// the running server: as a file in its data directory, which only the user who runs the
// server, and root, may write to. Whoever can do that could read the database and
// the keys as well, so the file is proof enough.
//
// No secret passes: the command makes the token's secret, and the server gets its digest.
//
// Each request has a name of its own, so that several do not meet. The command writes
// it; the server takes it by another name, which only one of the two can do or undo;
// the answer has the same name again. What a crash of either leaves is removed by the
// server after a minute.
package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// What the files in the data directory are called, before the name of the request: all
// are gone once the command has ended.
const (
	requestFile = "token.request."
	takenFile   = "token.taken."
	answerFile  = "token.answer."
	partFile    = "token.part." // one that is being written
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
	ID      staff.TokenID `json:"id,omitempty"`
	Problem string        `json:"problem,omitempty"`
	Hint    string        `json:"hint,omitempty"`
}

// refusal returns what the command is told of err, the rest of which is for the log.
func refusal(err error) (a answer, rest error) {
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		return answer{Problem: e.Error(), Hint: e.Hint}, nil
	}
	return answer{Problem: "the token could not be stored", Hint: "the server's log says why"}, err
}

// Serve answers the requests in dir. add adds a token, and may be called twice for one
// request.
func Serve(dir string, add func(by issuance.Actor, q Request) (staff.Token, error)) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var root *os.Root
	for _, at := range names {
		if !strings.HasPrefix(at.Name(), "token.") {
			continue
		}
		if root == nil {
			if root, err = safedir.Open(dir); err != nil {
				return err
			}
			defer root.Close()
		}
		err = errors.Join(err, serve(root, at.Name(), add))
	}
	return err
}

// serve does what is to be done with the file called name.
//
//  1. A request is taken: its command cannot take it back from now on.
//  2. Its token is added. A crash now leaves what was taken, which is answered by the
//     next call, with the same token.
//  3. The answer is written, and what was taken is removed.
func serve(root *os.Root, name string, add func(issuance.Actor, Request) (staff.Token, error)) error {
	id, isRequest := strings.CutPrefix(name, requestFile)
	if isRequest {
		switch err := root.Rename(name, takenFile+id); {
		case errors.Is(err, fs.ErrNotExist):
			return nil // taken back
		case err != nil:
			return err
		}
	} else if taken, isTaken := strings.CutPrefix(name, takenFile); isTaken {
		id = taken
	} else {
		return forget(root, name)
	}
	a, err := reply(root, takenFile+id, add)
	return errors.Join(err, write(root, answerFile+id, a), root.Remove(takenFile+id))
}

// reply returns the answer to the request in the file called name; the error is for the
// log.
func reply(root *os.Root, name string, add func(issuance.Actor, Request) (staff.Token, error)) (answer, error) {
	var q Request
	info, err := read(root, name, &q)
	if err != nil {
		err = fmt.Errorf("the server cannot take the request: %w", err)
		return answer{Problem: err.Error(), Hint: "run this as the user that runs the server"}, err
	}
	if err := fresh(info); err != nil {
		a, _ := refusal(err)
		return a, err
	}
	t, err := add(Actor("local", safedir.Owner(info)), q)
	if err != nil {
		return refusal(err)
	}
	return answer{ID: t.ID}, nil
}

// fresh refuses a request of another time: nobody can still wait for it.
func fresh(info fs.FileInfo) error {
	now := time.Now()
	if now.Sub(info.ModTime()).Abs() <= validFor {
		return nil
	}
	return &issuance.Error{
		Kind: issuance.Conflict, Message: "a request for a token was not answered: its file is of " +
			info.ModTime().UTC().Format(time.RFC3339) + ", and it is " + now.UTC().Format(time.RFC3339),
		Hint: "run this again; if it is refused again, set the clock of the machine that has the data directory",
	}
}

// forget removes a file that a crash left.
func forget(root *os.Root, name string) error {
	if !strings.HasPrefix(name, answerFile) && !strings.HasPrefix(name, partFile) {
		return nil
	}
	info, err := root.Lstat(name)
	if err == nil && fresh(info) != nil {
		err = root.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
