package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
)

type backupFlags struct {
	out            string
	recipients     []string
	recipientsFile string
	passphrase     bool
	passphraseFile string
	keys           bool
}

func backups(n *connection) *cobra.Command {
	var q backupFlags
	c := &cobra.Command{
		Use: "backup --out FILE", Short: "Create an encrypted backup while the server runs", Args: args(),
		Long: `Has the running server write a backup: its database as it is at this moment, the
CA's directory with its encrypted keys, the configuration and the files that it
names. Not the seal key and not the passphrase of the CA's keys, unless --keys
says so: keep those elsewhere. For administrators.

It is encrypted with age (age-encryption.org/v1): to --recipient, which age-keygen
makes; with a passphrase, from a file, POSTERN_BACKUP_PASSPHRASE or the terminal,
which does not leave this program; or to backup.recipients of the server's
configuration. "postern restore" reads it.

FILE must not exist; it has its name once it is whole and on the disk. With - the
backup goes to standard output.`,
		Example: `  postern backup --out postern.age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  postern backup --out - --passphrase-file backup.passphrase | ssh vault 'cat > postern.age'`,
		RunE: func(c *cobra.Command, _ []string) error { return q.run(n, c) },
	}
	f := c.Flags()
	f.StringVar(&q.out, "out", "", "file to write, - for standard output")
	f.StringArrayVar(&q.recipients, "recipient", nil, "age public key of somebody who may decrypt it; may be repeated")
	f.StringVar(&q.recipientsFile, "recipients-file", "", "file with age public keys, one per line")
	f.BoolVar(&q.passphrase, "passphrase", false,
		"encrypt with a passphrase, typed on the terminal or from POSTERN_BACKUP_PASSPHRASE")
	f.StringVar(&q.passphraseFile, "passphrase-file", "", "encrypt with the passphrase in this file")
	f.BoolVar(&q.keys, "keys", false, "include the seal key and the passphrase of the CA's keys: whoever can decrypt it can sign")
	if err := c.MarkFlagRequired("out"); err != nil {
		panic(err) // a flag of that name was defined above
	}
	c.MarkFlagsMutuallyExclusive("passphrase", "passphrase-file", "recipient")
	c.MarkFlagsMutuallyExclusive("passphrase", "passphrase-file", "recipients-file")
	return c
}

func (q *backupFlags) run(n *connection, c *cobra.Command) error {
	api, err := n.client()
	if err != nil {
		return err
	}
	if q.out == "-" && isTerminal(c.OutOrStdout()) {
		return flagError(c, "out", issuance.Invalidf("",
			"a backup is not text, and standard output is a terminal", "redirect it, or name a file"))
	}
	fetch, err := q.fetch(n.options, api, c)
	if err != nil {
		return err
	}
	if q.out == "-" {
		return fetch(c.OutOrStdout())
	}
	if err := backup.WriteFile(q.out, fetch); err != nil {
		return err
	}
	if info, err := os.Stat(q.out); err == nil && !n.json {
		say(c.ErrOrStderr(), "%s: %d bytes", q.out, info.Size())
	}
	return nil
}

// fetch returns a function that writes the backup, encrypted as the flags say.
func (q *backupFlags) fetch(o Options, api *client, c *cobra.Command) (func(io.Writer) error, error) {
	ctx := c.Context()
	if q.passphrase || q.passphraseFile != "" {
		passphrase, err := BackupPassphrase(o.variable("POSTERN_BACKUP_PASSPHRASE"), q.passphraseFile, c, true)
		if err != nil {
			return nil, err
		}
		return func(w io.Writer) error { return q.fetchSealed(ctx, api, w, passphrase) }, nil
	}
	to, err := q.to()
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error { return api.backup(ctx, w, to, q.keys) }, nil
}

// to are the recipients that flags name.
func (q *backupFlags) to() ([]string, error) {
	to := q.recipients
	if q.recipientsFile != "" {
		text, err := os.ReadFile(q.recipientsFile)
		if err != nil {
			return nil, fmt.Errorf("reading the recipients: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				to = append(to, line)
			}
		}
		if len(to) == 0 {
			return nil, issuance.Invalidf("recipients-file", "no recipient found in "+q.recipientsFile,
				"put age public keys in it, one per line")
		}
	}
	if len(to) > 0 {
		if _, err := backup.ParseRecipients("recipient", to); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// fetchSealed lets the server encrypt to a key that exists only during the transfer, and
// encrypts with the passphrase here, so that the passphrase is never sent.
func (q *backupFlags) fetchSealed(ctx context.Context, api *client, w io.Writer, passphrase issuance.Secret) error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("making a key for the transfer: %w", err)
	}
	lock, err := age.NewScryptRecipient(string(passphrase.Reveal()))
	if err != nil {
		return fmt.Errorf("encrypting with the passphrase: %w", err)
	}
	out, err := age.Encrypt(w, lock)
	if err != nil {
		return fmt.Errorf("encrypting with the passphrase: %w", err)
	}
	in, arriving := io.Pipe()
	go func() { arriving.CloseWithError(api.backup(ctx, arriving, []string{key.Recipient().String()}, q.keys)) }()
	defer in.Close() //nolint:errcheck // it only tells the other end
	opened, err := age.Decrypt(in, key)
	if err != nil {
		return notReceived(err)
	}
	if _, err := io.Copy(out, opened); err != nil {
		return notReceived(err)
	}
	return out.Close()
}

// notReceived returns err, or what the server said, if that is the reason.
func notReceived(err error) error {
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		return e
	}
	return fmt.Errorf("receiving the backup: %w", err)
}

// backup writes what the server sends while it arrives. It returns an error unless all
// of it arrived.
func (c *client) backup(ctx context.Context, w io.Writer, to []string, keys bool) error {
	body := map[string]any{"keys": keys}
	if len(to) > 0 {
		body["recipients"] = to
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath("api/v1/backup").String(), bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+string(c.token.Reveal()))
	r.Header.Set("Content-Type", "application/json")
	unhurried := *c.http
	unhurried.Timeout = 0 // it may be large; the server cuts what stalls
	answer, err := unhurried.Do(r)
	if err != nil {
		return unreachable(c.base, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to its end
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/octet-stream" {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
		return problem(c.base, answer, said)
	}
	if _, err := io.Copy(w, answer.Body); err != nil {
		return &issuance.Error{
			Kind: issuance.Unavailable, Message: "the backup is incomplete: " + err.Error(),
			Hint: "try again; the part that arrived cannot be used",
		}
	}
	return nil
}
