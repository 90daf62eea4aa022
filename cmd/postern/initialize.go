package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// passphraseFile is where init puts the passphrase of the CA's keys that it makes.
const passphraseFile = "ca.passphrase"

// initialize makes the data directory, the passphrase, the seal key and the CA,
// each only if it is not there: after a crash it goes on where it stopped. It
// refuses a data directory that has a database but not the keys to it.
func initialize(cfg *config.Config, now func() time.Time) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := safedir.Check(cfg.Data); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	database, err := exists(filepath.Join(cfg.Data, databaseFile))
	if err != nil {
		return err
	}
	sealed, err := exists(cfg.Seal.KeyFile)
	if err != nil {
		return err
	}
	if database && !sealed {
		return &issuance.Error{
			Kind: issuance.Conflict, Code: issuance.CodeState,
			Message: "there is a database in " + cfg.Data + ", but not its seal key " + cfg.Seal.KeyFile,
			Hint:    "restore the key from your copy: a new key cannot open the database",
		}
	}
	if cfg.CA.Passphrase.Empty() {
		if cfg.CA.Passphrase, err = passphrase(filepath.Join(cfg.Data, passphraseFile)); err != nil {
			return err
		}
	}
	if !sealed {
		if _, err := seal.Create(cfg.Seal.KeyFile); err != nil {
			return err
		}
	}
	if err := newDatabase(cfg); err != nil {
		return err
	}
	return ca.Create(ca.CreateOptions{
		Dir: filepath.Join(cfg.Data, caDirectory), TrustDomain: cfg.CA.TrustDomain, OrganizationName: cfg.CA.Organization,
		Passphrase: cfg.CA.Passphrase, URLs: ca.URLs{Base: cfg.Plain.URL}, Now: now,
	})
}

// newDatabase makes the database, which the server will not do: without one it
// would forget every revocation. One that has records belongs to another CA.
func newDatabase(cfg *config.Config) error {
	key, err := seal.Load(cfg.Seal.KeyFile)
	if err != nil {
		return err
	}
	if made := initialized(cfg); made {
		return nil // ca.Create says what there is
	}
	store, err := bolt.Open(bolt.Options{Path: filepath.Join(cfg.Data, databaseFile), Key: key})
	if err != nil {
		return err
	}
	err = store.View(context.Background(), func(tx issuance.Snapshot) error {
		records, _, err := tx.Audit(issuance.AuditQuery{Page: issuance.Page{Limit: 1}})
		if err == nil && len(records) > 0 {
			err = &issuance.Error{
				Kind: issuance.Conflict, Code: issuance.CodeState,
				Message: "there is a database in " + cfg.Data + " with the records of another CA",
				Hint:    "restore its CA to " + filepath.Join(cfg.Data, caDirectory) + ", or name another directory",
			}
		}
		return err
	})
	return errors.Join(err, store.Close())
}

// passphrase returns what is in the file at path, which it makes if it is not there.
func passphrase(path string) (issuance.Secret, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		return issuance.NewSecret([]byte(strings.TrimRight(strings.TrimPrefix(string(text), config.ByteOrderMark), "\r\n"))), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return issuance.Secret{}, fmt.Errorf("reading the passphrase: %w", err)
	}
	secret := issuance.NewSecret([]byte(rand.Text() + rand.Text()))
	return secret, writeNew(path, append(secret.Reveal(), '\n'), 0o600)
}

// writeNew writes a file that must not be there yet: whole or not at all.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	if found, err := exists(path); found || err != nil {
		return errors.Join(err, fmt.Errorf("%s already exists; it was not changed", path))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename, refuses to replace
	}
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// initCommand writes a commented postern.yaml and makes the CA.
func initCommand() *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a commented postern.yaml and create the CA",
		Long: `Writes postern.yaml, with every key and what it does, and creates the seal key and
the CA: a root for 20 years and an issuing CA for 10, their keys encrypted with a
passphrase. Existing files are never replaced.

The root's key is needed only to renew the root's CRL once in half a year and to
make another issuing CA: move DATA/ca/root.key to where no network reaches.`,
		Example: "  postern init --domain example.com --url https://certs.example.com --pki-url http://pki.example.com",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", config.DefaultFile, "the file to write")
	f.StringVar(&o.data, "data", "./postern-data", "directory for all data")
	f.StringVar(&o.domain, "domain", "", "a domain of yours: it is part of every certificate's SPIFFE ID")
	f.StringVar(&o.organization, "organization", "", "operator of the CA: O of its certificates")
	f.StringVar(&o.url, "url", "", "the address that contacts use, for example https://certs.example.com")
	f.StringVar(&o.pki, "pki-url", "", "the address of CRLs and OCSP, for example http://pki.example.com")
	for _, name := range []string{"domain", "url", "pki-url"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // a flag of that name was defined above
		}
	}
	return c
}

type initOptions struct{ file, data, domain, organization, url, pki string }

func (o initOptions) run(cmd *cobra.Command) error {
	if found, err := exists(o.file); err != nil {
		return err
	} else if found {
		return &issuance.Error{
			Kind: issuance.Conflict, Message: o.file + " already exists; it was not changed",
			Hint: "choose another with --config, or run `postern config check`",
		}
	}
	cfg := config.Defaults()
	cfg.Data, cfg.Public.URL, cfg.Plain.URL, cfg.CA.TrustDomain = o.data, o.url, o.pki, o.domain
	if filepath.Dir(o.file) != "." { // names in a file are relative to it, those on the command line are not
		var err error
		if cfg.Data, err = filepath.Abs(o.data); err != nil {
			return fmt.Errorf("finding the data directory: %w", err)
		}
	}
	if o.organization != "" {
		cfg.CA.Organization = o.organization
	}
	// Mail and SMS are for the operator to fill in; what was given here is checked now.
	trial := *cfg
	trial.Mail.Provider, trial.SMS.Provider = "outbox", "outbox"
	trial.CA.Passphrase = issuance.NewSecret([]byte("not yet made"))
	if err := trial.Check(); err != nil {
		return err
	}
	cfg.Seal.KeyFile, cfg.CA.Organization = trial.Seal.KeyFile, trial.CA.Organization
	if err := initialize(cfg, time.Now); err != nil {
		return err
	}
	text, err := config.Template(cfg, filepath.Join(cfg.Data, passphraseFile))
	if err != nil {
		return err
	}
	if err := writeNew(o.file, text, 0o640); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "CA          %s\n", filepath.Join(cfg.Data, caDirectory))
	fmt.Fprintf(out, "seal key    %s\n", cfg.Seal.KeyFile)
	fmt.Fprintf(out, "passphrase  %s\n", filepath.Join(cfg.Data, passphraseFile))
	fmt.Fprintf(out, "settings    %s\n", o.file)
	fmt.Fprintf(out, "\nNext: set mail and sms in %s, then `postern config check` and `postern serve`.\n", o.file)
	fmt.Fprintf(out, "Keep a copy of the seal key and the passphrase elsewhere: without them a backup cannot be opened.\n")
	return nil
}
