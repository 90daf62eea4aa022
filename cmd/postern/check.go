package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// configCommand checks and shows the configuration.
func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check or show the configuration", Args: cobra.NoArgs}
	c.AddCommand(checkCommand(), showCommand())
	return c
}

func checkCommand() *cobra.Command {
	var (
		settings settings
		connect  bool
	)
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Report errors in a configuration, with file, line and key",
		Long: `Reads the configuration and does everything that "postern serve" does first,
with the CA but on an empty database of its own, so that it can be run beside the
server. It changes nothing.

--connect also signs in at the mail server and at the SMS provider, and sends
nothing. A gateway behind sms.webhook has no sign-in: it gets a HEAD request.
"postern message test" sends a message through the running server.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				settings.file = args[0]
			}
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return check(cmd, cfg, connect)
		},
	}
	settings.flags(c)
	c.Flags().BoolVar(&connect, "connect", false, "sign in at the mail server and the SMS provider; sends nothing")
	return c
}

func check(cmd *cobra.Command, cfg *config.Config, connect bool) error {
	out := cmd.OutOrStdout()
	configured, err := newSenders(cfg, new(delivery.Outbox), time.Now)
	if err != nil {
		return err
	}
	if _, err := newTexts(cfg); err != nil {
		return err
	}
	made := initialized(cfg)
	if made {
		if err := rehearse(cmd.Context(), cfg); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, cmp.Or(cfg.File(), "the configuration")+" is valid")
	if !made {
		fmt.Fprintln(out, "there is no CA in "+cfg.Data+" yet: `postern init` or `postern serve --init` creates one")
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+w.String())
	}
	if connect {
		return signIn(cmd.Context(), out, configured)
	}
	return nil
}

// rehearse does what serve does before it serves, and undoes it: with the CA of
// cfg, on a database and on ports of its own. What it says names the key at fault.
func rehearse(ctx context.Context, cfg *config.Config) (err error) {
	trial := *cfg
	for _, listen := range []*string{
		&trial.Public.Listen, &trial.Plain.Listen, &trial.Admin.Listen, &trial.MTLS.Listen, &trial.Auth.Listen,
	} {
		if *listen != "" {
			*listen = "127.0.0.1:0"
		}
	}
	trial.CA.CRLShards = 0 // a number that is new would be written down beside the CA
	dir, err := os.MkdirTemp("", "postern-check-")
	if err != nil {
		return fmt.Errorf("making a directory to try the configuration in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h, err := openWith(ctx, &trial, slog.New(slog.DiscardHandler), readings(time.Now), filepath.Join(dir, databaseFile))
	if err != nil {
		return cfg.Locate(err)
	}
	return h.close()
}

// signInTimeout is how long a provider has to let the server in.
const signInTimeout = 30 * time.Second

// signIn says of each channel whether its provider lets the server in.
func signIn(ctx context.Context, out io.Writer, configured senders) error {
	var faults []error
	for _, channel := range []issuance.Channel{issuance.Mail, issuance.SMS} {
		seen, err := tryIn(ctx, configured[channel])
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", channel, err))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", channel, seen)
	}
	return errors.Join(faults...)
}

func tryIn(ctx context.Context, s delivery.Sender) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	return s.Check(ctx)
}

func showCommand() *cobra.Command {
	var settings settings
	c := &cobra.Command{
		Use: "show", Short: "Print the effective configuration, without its secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(cfg.Effective())
			return err
		},
	}
	settings.flags(c)
	return c
}
