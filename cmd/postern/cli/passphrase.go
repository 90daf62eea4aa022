package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/postern-ca/postern/issuance"
)

// leastPassphrase is the minimum length of a passphrase for a backup.
const leastPassphrase = 12

// BackupPassphrase returns the passphrase of a backup: from file if that is not empty,
// from the environment, or typed on the terminal, twice if it is a new one. It is never
// an argument, which others could see.
func BackupPassphrase(fromEnvironment, file string, c *cobra.Command, fresh bool) (issuance.Secret, error) {
	typed := fromEnvironment
	switch {
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return issuance.Secret{}, fmt.Errorf("reading the passphrase: %w", err)
		}
		typed = strings.TrimRight(string(text), "\r\n")
	case typed == "":
		var err error
		if typed, err = typedPassphrase(c, fresh); err != nil {
			return issuance.Secret{}, err
		}
	}
	if fresh && len(typed) < leastPassphrase {
		return issuance.Secret{}, issuance.Invalidf("passphrase",
			fmt.Sprintf("is shorter than %d characters", leastPassphrase), "use a longer passphrase: nothing else protects the backup")
	}
	return issuance.NewSecret([]byte(typed)), nil
}

func typedPassphrase(c *cobra.Command, twice bool) (string, error) {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", issuance.Invalidf("passphrase", "there is no terminal to ask for it",
			"use --passphrase-file, or set POSTERN_BACKUP_PASSPHRASE")
	}
	ask := func(question string) (string, error) {
		fmt.Fprint(c.ErrOrStderr(), question) //nolint:errcheck // the answer tells
		typed, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(c.ErrOrStderr()) //nolint:errcheck // the answer tells
		if err != nil {
			return "", fmt.Errorf("reading the passphrase: %w", err)
		}
		return string(typed), nil
	}
	first, err := ask("Passphrase of the backup: ")
	if err != nil || !twice {
		return first, err
	}
	again, err := ask("The same again: ")
	if err == nil && again != first {
		err = issuance.Invalidf("passphrase", "the two are not the same", "try again")
	}
	return first, err
}
