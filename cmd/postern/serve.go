package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/cmd/postern/systemd"
	"github.com/postern-ca/postern/issuance"
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

SIGHUP has it read certificates, secrets, log.level, and the keys below mail and
sms again (but for provider and countries); the log says which other keys have
changed and need a restart. Files of certificates and secrets are also read again
by themselves when they change.

The first start writes an administrator's token to DATA/first.token. It expires after
a day, and the file is removed once there is another administrator's token: add one
with "postern token add", or with "postern token create --local" on this machine.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (*config.Config, error) { return settings.load(cmd) }
			return serve(cmd, load, make)
		},
	}
	settings.flags(c)
	c.Flags().BoolVar(&make, "init", false,
		"create the CA first if there is none, for containers configured only by environment variables")
	return c
}

func serve(cmd *cobra.Command, load func() (*config.Config, error), make bool) error {
	// From now on: who asks to reload while the server starts must not stop it.
	reload := hangups()
	defer signal.Stop(reload)
	cfg, err := load()
	if err != nil {
		return err
	}
	log, level := newLevelLog(cfg.Log, cmd.ErrOrStderr())
	for _, w := range cfg.Warnings() {
		log.Warn(w.Message, "key", w.Key, "hint", w.Hint)
	}
	if !initialized(cfg) {
		if !make {
			return &issuance.Error{
				Kind: issuance.Conflict, Message: "there is no CA in " + cfg.Data,
				Hint: "create one with `postern init`, or choose the right directory with --data",
			}
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
	h.reload.load, h.reload.level = load, level
	path, token, err := h.firstToken(cmd.Context())
	if err != nil {
		return err
	}
	if path != "" {
		h.sayFirst(cmd.OutOrStdout(), path, token)
	} else if err := h.warnWithoutAdministrator(cmd.Context()); err != nil {
		return err
	}
	return h.runNotifying(cmd.Context(), reload)
}

// hangups returns where SIGHUP arrives.
func hangups() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// runNotifying is run that reloads when it is asked to, and tells systemd when it
// is ready, reloads, and stops.
func (h *house) runNotifying(ctx context.Context, reload <-chan os.Signal) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	tell := func(state string) {
		if err := systemd.Notify(socket, state); err != nil {
			h.log.Warn("systemd could not be notified", "error", err)
		}
	}
	err := h.run(ctx, func() {
		h.log.Info("serving", "public", h.listeners.public.Addr().String(), "plain", h.listeners.plain.Addr().String(),
			"admin", h.listeners.admin.Addr().String(), "mtls", h.listeners.mtls.Addr().String())
		h.room.say(h.log)
		if s := h.listeners.auth; s != nil {
			h.log.Info("serving proxies", "auth", s.Addr().String())
		}
		tell("READY=1")
		context.AfterFunc(ctx, func() { tell("STOPPING=1") })
		go h.reloadWhen(ctx, reload, tell)
		go h.watchdog(ctx, os.Getenv("WATCHDOG_USEC"), tell)
	})
	return errors.Join(err, h.close())
}

// reloadWhen reloads at each signal. What cannot be read leaves the server as it was.
func (h *house) reloadWhen(ctx context.Context, signals <-chan os.Signal, tell func(string)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			tell(systemd.Reloading())
			if err := h.reload.all(ctx); err != nil {
				h.log.Error("reloading failed; the server continues as before", "error", err)
			} else {
				h.log.Info("reloaded")
			}
			tell("READY=1")
		}
	}
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
		{"data", "data", "directory for all data"},
		{"log-level", "log.level", "debug, info, warn or error"},
		{"log-format", "log.format", "text or json"},
	} {
		s.keys[k.name] = c.Flags().String(k.name, "", k.usage+"; instead of "+k.key)
	}
}

// load reads the configuration with the flags that were set.
func (s *settings) load(c *cobra.Command) (*config.Config, error) { return config.Load(s.options(c)) }

func (s *settings) options(c *cobra.Command) config.Options {
	o := config.Options{Path: s.file, Environ: os.Environ()}
	for name, key := range map[string]string{"data": "data", "log-level": "log.level", "log-format": "log.format"} {
		if c.Flags().Changed(name) {
			o.Flags = append(o.Flags, config.Flag{Name: "--" + name, Key: key, Value: *s.keys[name]})
		}
	}
	return o
}
