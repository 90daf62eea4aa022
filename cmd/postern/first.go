package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postern-ca/postern/cmd/postern/local"
	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// firstTokenFile is where the first start puts the administrator's token.
const firstTokenFile = "first.token"

// firstTokenEvery is how soon the file is gone once its token was replaced or expired;
// localEvery how soon a request by `postern token create --local` is answered.
const (
	firstTokenEvery = 5 * time.Second
	localEvery      = time.Second
)

// firstToken makes the first administrator's token, if there has never been a token,
// in a file that only the user of the server can read. It returns the file's path,
// "" if there was nothing to do.
//
//  1. The file is written. A crash now leaves one whose token opens nothing: the next
//     start writes another.
//  2. The token is stored. From now on no other is made.
func (h *house) firstToken(ctx context.Context) (path string, t staff.Token, err error) {
	if some, err := h.staff.HasTokens(ctx); err != nil || some {
		return "", t, err
	}
	dir, err := safedir.Open(h.cfg.Data)
	if err != nil {
		return "", t, fmt.Errorf("writing the first administrator's token: %w", err)
	}
	defer dir.Close()
	secret := staff.NewSecret()
	if err := writeFirst(dir, secret); err != nil {
		return "", t, fmt.Errorf("writing the first administrator's token: %w", err)
	}
	t, _, err = h.staff.AddFirst(ctx, secret)
	return filepath.Join(h.cfg.Data, firstTokenFile), t, err
}

func writeFirst(dir *os.Root, secret issuance.Secret) error {
	info, err := dir.Lstat(firstTokenFile)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return &issuance.Error{
			Kind: issuance.Conflict, Message: filepath.Join(dir.Name(), firstTokenFile) + " is not a regular file; nothing was written",
			Hint: "find out who put it there, and remove it",
		}
	case err == nil:
		err = dir.Remove(firstTokenFile) // of a start that was interrupted
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return err
	}
	f, err := dir.OpenFile(firstTokenFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(secret.Reveal(), '\n'))
	return errors.Join(err, f.Sync(), f.Close(), safedir.Sync(dir))
}

// sayFirst tells where the first token is, and nothing of it.
func (h *house) sayFirst(out io.Writer, path string, t staff.Token) {
	fmt.Fprintf(out, "first administrator's token in %s, until %s\n", path, t.ExpiresAt.Format(time.RFC3339))
}

// warnWithoutAdministrator logs that nobody can administer the server.
func (h *house) warnWithoutAdministrator(ctx context.Context) error {
	some, err := h.staff.HasAdministrator(ctx, issuance.Secret{})
	if err == nil && !some {
		h.log.Warn("there is no valid administrator's token", "hint", "create one on this machine with `postern token create --local`")
	}
	return err
}

// removeFirst removes the file of the first token once there is another
// administrator's, or it has expired.
func (h *house) removeFirst(ctx context.Context) error {
	if _, err := os.Lstat(filepath.Join(h.cfg.Data, firstTokenFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, err := safedir.Open(h.cfg.Data)
	if err != nil {
		return err
	}
	defer dir.Close()
	text, err := dir.ReadFile(firstTokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	secret := issuance.NewSecret([]byte(strings.TrimSpace(string(text))))
	works, err := h.staff.Works(ctx, secret)
	if err != nil {
		return err
	}
	others, err := h.staff.HasAdministrator(ctx, secret)
	if err != nil || works && !others {
		return err
	}
	if err := dir.Remove(firstTokenFile); err != nil {
		return err
	}
	h.log.Info("the file of the first administrator's token was removed", "replaced", others, "valid", works)
	return h.warnWithoutAdministrator(ctx)
}

// answerLocal answers who asks for a token on this machine.
func (h *house) answerLocal(ctx context.Context) error {
	return local.Serve(h.cfg.Data, func(by issuance.Actor, q local.Request) (staff.Token, error) {
		t, err := h.staff.AddLocal(ctx, by, staff.TokenRequest{
			Name: q.Name, Owner: q.Owner, Role: q.Role, Lifetime: q.Lifetime,
		}, q.Digest)
		if err == nil {
			h.log.Warn("a token was created on this machine", "token", t.ID, "role", t.Role, "owner", t.Person(), "by", by.Name)
		}
		return t, err
	})
}
