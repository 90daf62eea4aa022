package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/cmd/postern/config"
)

// demoCommand tells the whole story in the terminal.
func demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play the whole story of an order in the terminal, against a real server",
		Long: `Starts a server on loopback ports that it picks itself and goes through an order:
approval, e-mail, code, a wrong code, download, password, the file opened with it,
a two-way TLS call, revocation, the same call refused, renewal. One line a step
with what was really seen; exit status 1 at the first step that does not hold.

With --keep the files stay in DIR/demo: client.p12, password.txt, chain.pem,
root.pem and crl-bundle.pem, and renewed.p12 with renewed-password.txt.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.keep && o.data == "" {
				return cli.Usagef(cmd, "--keep needs a directory to keep the files in: add --data DIR")
			}
			o.out, o.log = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return o.run(cmd.Context())
		},
	}
	c.Flags().StringVar(&o.data, "data", "", "the directory to work in (default a temporary one, deleted afterwards)")
	c.Flags().BoolVar(&o.keep, "keep", false, "keep the files of the story in DIR/demo")
	return c
}

type demoOptions struct {
	data     string
	keep     bool
	out, log io.Writer
	// change is called before each step, by tests that break it on purpose.
	change func(step string, s *story)
}

func (o demoOptions) run(ctx context.Context) (err error) {
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "postern-demo-"); err != nil {
			return fmt.Errorf("making a directory for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.data)) }()
	}
	cfg, err := demoConfig(o.data)
	if err != nil {
		return err
	}
	h, err := open(ctx, cfg, newLog(cfg.Log, o.log), time.Now)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	ready := make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served, h.close())
	}()
	<-ready
	s, err := newStory(ctx, h, o)
	if err != nil {
		return err
	}
	return s.tell(ctx)
}

// demoConfig makes a CA in dir/server, unless it is there from an earlier demo,
// and returns a configuration with TLS on free loopback ports.
func demoConfig(dir string) (*config.Config, error) {
	cfg := config.Defaults()
	cfg.Data = filepath.Join(dir, "server")
	cfg.CA.TrustDomain, cfg.CA.Organization, cfg.Brand.Name = "postern.example", "Postern Demo", "Postern Demo"
	cfg.Mail.Provider, cfg.SMS.Provider, cfg.Mail.From = "outbox", "outbox", "Postern <postern@postern.example>"
	cfg.Log.Level = "error"
	if err := onLoopback(cfg, []int{0, 0, 0, 0}); err != nil {
		return nil, err
	}
	cfg.Public.Listen, cfg.Public.URL = secure(cfg.Public.Listen)
	cfg.Admin.Listen, cfg.Admin.URL = secure(cfg.Admin.Listen)
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the demo: %w", err)
	}
	var err error
	if cfg.CA.Passphrase, err = passphrase(filepath.Join(cfg.Data, passphraseFile)); err != nil {
		return nil, err
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if !initialized(cfg) {
		err = initialize(cfg, time.Now)
	}
	return cfg, err
}

// secure gives a loopback listener an https address.
func secure(listen string) (string, string) {
	_, port, _ := net.SplitHostPort(listen)
	return listen, "https://localhost:" + port
}
