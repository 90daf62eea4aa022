package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/cmd/postern/systemd"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
)

// serveCommand runs the server.
func serveCommand() *cobra.Command {
	var (
		settings settings
		make     bool
	)
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Runs until it is told to stop (SIGINT, SIGTERM), then lets requests and messages
that are under way finish. Under systemd it says when it is ready.

The first start makes an administrator's token, printed once; further ones are
made with "postern token add".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return serve(cmd, cfg, make)
		},
	}
	settings.flags(c)
	c.Flags().BoolVar(&make, "init", false, "make the CA first if there is none, for containers set up by environment alone")
	return c
}

func serve(cmd *cobra.Command, cfg *config.Config, make bool) error {
	log := newLog(cfg.Log, cmd.ErrOrStderr())
	if !initialized(cfg) {
		if !make {
			return &issuance.Error{Kind: issuance.Conflict, Message: "there is no CA in " + cfg.Data, Hint: "make one with `postern init`, or name the right directory with --data"}
		}
		if err := initialize(cfg, time.Now); err != nil {
			return err
		}
	}
	h, err := open(cmd.Context(), cfg, log, time.Now)
	if err != nil {
		return err
	}
	defer h.close()
	token, err := h.firstToken(cmd.Context())
	if err != nil {
		return err
	}
	if !token.Empty() {
		fmt.Fprintf(cmd.OutOrStdout(), "administrator's token, shown once: %s\n", token.Reveal())
	}
	return h.runNotifying(cmd.Context())
}

// runNotifying is run that tells systemd when it is ready and when it stops.
func (h *house) runNotifying(ctx context.Context) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	tell := func(state string) {
		if err := systemd.Notify(socket, state); err != nil {
			h.log.Warn("systemd was not told", "error", err)
		}
	}
	err := h.run(ctx, func() {
		h.log.Info("serving", "public", h.listeners.public.Addr().String(), "plain", h.listeners.plain.Addr().String(),
			"admin", h.listeners.admin.Addr().String(), "mtls", h.listeners.mtls.Addr().String())
		if s := h.listeners.auth; s != nil {
			h.log.Info("serving proxies", "auth", s.Addr().String())
		}
		tell("READY=1")
		context.AfterFunc(ctx, func() { tell("STOPPING=1") })
		go h.watchdog(ctx, os.Getenv("WATCHDOG_USEC"), tell)
	})
	return errors.Join(err, h.close())
}

// watchdog tells systemd twice in each of its intervals (sd_watchdog_enabled(3))
// that the store can be read. If it cannot for a whole interval, systemd restarts us.
func (h *house) watchdog(ctx context.Context, microseconds string, tell func(string)) {
	n, err := strconv.Atoi(microseconds)
	if err != nil || n <= 0 {
		return
	}
	tick := time.NewTicker(time.Duration(n) * time.Microsecond / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if h.registrar.Read(ctx, func(tx issuance.Reader) error { _, err := tx.Clock(); return err }) == nil {
				tell("WATCHDOG=1")
			}
		}
	}
}

// firstToken makes an administrator's token if nobody has a live one, and
// returns it; otherwise it returns an empty secret.
func (h *house) firstToken(ctx context.Context) (issuance.Secret, error) {
	some, err := h.staff.HasAdministrator(ctx)
	if err != nil || some {
		return issuance.Secret{}, err
	}
	_, secret, err := h.staff.AddToken(ctx, issuance.System("setup"), staff.TokenRequest{Name: "first administrator", Role: issuance.RoleAdministrator})
	return secret, err
}

// settings are the flags of every command that reads the configuration.
type settings struct {
	file string
	keys map[string]*string
}

// flags adds --config, and a flag for each key that is often set for one run.
func (s *settings) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.file, "config", "", "the configuration (default "+config.DefaultFile+", if it is there)")
	s.keys = make(map[string]*string)
	for _, k := range []struct{ name, key, usage string }{
		{"data", "data", "the directory that everything is kept in"},
		{"log-level", "log.level", "debug, info, warn or error"},
		{"log-format", "log.format", "text or json"},
	} {
		s.keys[k.name] = c.Flags().String(k.name, "", k.usage+"; instead of "+k.key)
	}
}

// load reads the configuration with the flags that were set.
func (s *settings) load(c *cobra.Command) (*config.Config, error) {
	o := config.Options{Path: s.file, Environ: os.Environ()}
	for name, key := range map[string]string{"data": "data", "log-level": "log.level", "log-format": "log.format"} {
		if c.Flags().Changed(name) {
			o.Flags = append(o.Flags, config.Flag{Name: "--" + name, Key: key, Value: *s.keys[name]})
		}
	}
	return config.Load(o)
}

// configCommand checks and shows the configuration.
func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check or show the configuration", Args: cobra.NoArgs}
	var check, show settings
	checkC := &cobra.Command{
		Use: "check", Short: "Say what is wrong with a configuration, with file, line and key", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				check.file = args[0]
			}
			cfg, err := check.load(cmd)
			if err != nil {
				return err
			}
			name := cfg.File()
			if name == "" {
				name = "the configuration"
			}
			fmt.Fprintln(cmd.OutOrStdout(), name+" is sound")
			return nil
		},
	}
	check.flags(checkC)
	showC := &cobra.Command{
		Use: "show", Short: "Print the effective configuration, without its secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := show.load(cmd)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(cfg.Effective())
			return err
		},
	}
	show.flags(showC)
	c.AddCommand(checkC, showC)
	return c
}
