package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
)

// restoreFlags are those of postern restore beside the settings.
type restoreFlags struct {
	identities     []string
	passphraseFile string
	accept         bool
	crls           []string
	holdAll        bool
}

// restoreCommand puts a backup in place, and takes over what happened since.
func restoreCommand() *cobra.Command {
	var (
		settings settings
		q        restoreFlags
	)
	c := &cobra.Command{
		Use:   "restore [FILE]",
		Short: "Put a backup in place, and take over what was revoked since it was made",
		Long: `With FILE (- for standard input), a backup that "postern backup" made, puts
everything in it into the data directory, which must have no database and no CA, and
says what it holds. It is decrypted with --identity, or with a passphrase: from a
file, POSTERN_BACKUP_PASSPHRASE, or the terminal. The seal key and the passphrase
of the CA's keys are put there only if the backup has them.

With --accept-loss, takes over what happened after the backup was made, as far as it
is known, and lets the server serve the database. Without it the server refuses
any database that is older than the high-water mark: it would call certificates
good that are revoked. What is known comes from the mark on this machine, and from
each --crl: the newest CRL, or the bundle that a web service has. Revocations are
taken over, also those of certificates that the backup does not know; change and
CRL numbers rise above all that was published; and every order, link, code and
password that was lost is listed. Where neither tells what was revoked,
--hold-all puts every active certificate on hold until staff release it.

The server must not run. Run it as the user that runs the server.`,
		Example: `  postern restore postern.age --data /var/lib/postern --identity key.txt
  postern restore --accept-loss --crl /etc/nginx/crl-bundle.pem`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !q.accept {
				return cli.Usagef(cmd, "name a backup, or use --accept-loss for the database that is there")
			}
			if len(args) == 1 {
				if err := q.place(cmd, &settings, args[0]); err != nil || !q.accept {
					return err
				}
			}
			return q.acceptLoss(cmd, &settings)
		},
	}
	settings.flags(c)
	f := c.Flags()
	f.StringArrayVar(&q.identities, "identity", nil,
		"file with the age identity (AGE-SECRET-KEY-1...) of a recipient; may be repeated")
	f.StringVar(&q.passphraseFile, "passphrase-file", "", "file with the passphrase that the backup was made with")
	f.BoolVar(&q.accept, "accept-loss", false,
		"take over what is known to have happened since, and let the server serve the database")
	f.StringArrayVar(&q.crls, "crl", nil, "CRL (DER or PEM) or bundle of CRLs that was published since; may be repeated")
	f.BoolVar(&q.holdAll, "hold-all", false, "put every active certificate on hold: where nobody knows what was revoked since")
	c.MarkFlagsMutuallyExclusive("identity", "passphrase-file")
	return c
}

// place puts the backup in the file called name in place.
func (q restoreFlags) place(cmd *cobra.Command, s *settings, name string) error {
	p, err := newPlacing(cmd, s)
	if err != nil {
		return err
	}
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("reading the backup: %w", err)
		}
		defer f.Close() //nolint:errcheck // nothing is written
		in = f
	}
	keys, err := q.keys(cmd, name)
	if err != nil {
		return err
	}
	about, err := p.stage(in, keys)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	holds(out, about)
	if err := p.put(out, about); err != nil {
		return err
	}
	if !q.accept {
		fmt.Fprint(out, "\nNext: put the seal key and the passphrase of the CA's keys "+
			"where the configuration says, if they are not there,\n"+
			"then `postern restore --accept-loss --crl FILE` with the newest CRL bundle that a web service has, then `postern serve`.\n")
	}
	return nil
}

// keys reads what opens the backup.
func (q restoreFlags) keys(cmd *cobra.Command, backup string) ([]age.Identity, error) {
	if len(q.identities) == 0 {
		if backup == "-" && q.passphraseFile == "" && os.Getenv("POSTERN_BACKUP_PASSPHRASE") == "" {
			return nil, issuance.Invalidf("identity", "is missing",
				"give --identity or --passphrase-file: the backup itself comes from standard input")
		}
		passphrase, err := cli.BackupPassphrase(os.Getenv("POSTERN_BACKUP_PASSPHRASE"), q.passphraseFile, cmd, false)
		if err != nil {
			return nil, err
		}
		key, err := age.NewScryptIdentity(string(passphrase.Reveal()))
		if err != nil {
			return nil, issuance.Invalidf("passphrase", "is empty", "give the passphrase that the backup was made with")
		}
		return []age.Identity{key}, nil
	}
	var all []age.Identity
	for _, name := range q.identities {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading an identity: %w", err)
		}
		found, err := age.ParseIdentities(f)
		if err = errors.Join(err, f.Close()); err != nil { // what age says may hold a part of the key
			return nil, issuance.Invalidf("identity", "there is no age identity in "+name, "use the file that age-keygen wrote")
		}
		all = append(all, found...)
	}
	return all, nil
}

// holds says what a backup holds.
func holds(out io.Writer, a backup.About) {
	c := a.Certificates
	fmt.Fprintf(out, "made          %s by postern %s\n", a.At().Format(time.RFC3339), a.Version)
	fmt.Fprintf(out, "CA            %s, root SHA-256 %s\n", a.TrustDomain, a.Root)
	fmt.Fprintf(out, "certificates  %d active, %d on hold, %d revoked, %d expired\n", c.Active, c.Held, c.Revoked, c.Expired)
	fmt.Fprintf(out, "last change   %d, audit record %d\n", a.HighWater.Change, a.HighWater.Audit)
	var numbers []string
	for issuer, n := range a.HighWater.CRLs {
		numbers = append(numbers, fmt.Sprintf("%s %d", issuer, n))
	}
	slices.Sort(numbers)
	fmt.Fprintf(out, "CRL numbers   %s\n", strings.Join(numbers, ", "))
	keys := "not in it: neither the seal key nor the passphrase of the CA's keys"
	if a.Keys {
		keys = "the seal key and the passphrase of the CA's keys are in it"
	}
	fmt.Fprintf(out, "keys          %s\n\n", keys)
}

// places reads where things go: of the configuration on this machine, if there is
// one, without asking that all it names is there.
func (s *settings) places(c *cobra.Command) (*config.Config, error) {
	return config.Places(s.options(c))
}

// configPath is where the configuration is, or will be put.
func (s *settings) configPath() string {
	for _, path := range []string{s.file, os.Getenv("POSTERN_CONFIG")} {
		if path != "" {
			return path
		}
	}
	return filepath.Clean(config.DefaultFile)
}
