package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/postern-ca/postern/cmd/postern/crlsync"
	"github.com/postern-ca/postern/cmd/postern/systemd"
	"github.com/postern-ca/postern/issuance"
)

// crlSyncPrefix is the prefix of the flags' environment variables.
const crlSyncPrefix = "POSTERN_CRL_SYNC_"

// crlSyncFlags are the flags of crl-sync in addition to the options of package crlsync.
type crlSyncFlags struct {
	crlsync.Options
	alert, alertFile, metrics, logLevel, logFormat string
	once                                           bool
}

// crlSync keeps a CRL bundle file fresh beside a web server.
func crlSync(o Options) *cobra.Command {
	var q crlSyncFlags
	c := &cobra.Command{
		Use: "crl-sync", Short: "Keep a CRL bundle file fresh beside nginx, HAProxy or Apache",
		Long: `Waits at --url for a newer bundle, verifies it up to the root in --ca, replaces
--out by it in one step, and runs --reload. The file is always whole; it is never
replaced by an older one. A reload that fails is tried again, after a restart too.

Every flag can be set as an environment variable: --warn-before as
` + crlSyncPrefix + `WARN_BEFORE.

With --once it fetches once and does not wait. Exit status then: 0 the file is
fresh, 1 it could not be refreshed, the reload failed, or it lapses within
--warn-before, 2 wrong usage.`,
		Example: `  postern crl-sync --url http://pki.example.com/pki/crl-bundle.pem --ca root.pem \
      --out /etc/nginx/crl-bundle.pem --check 'nginx -t' --reload 'systemctl reload nginx'`,
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.fromEnvironment(c, crlSyncPrefix); err != nil {
				return err
			}
			return q.run(c, o)
		},
	}
	q.flags(c.Flags())
	return c
}

func (q *crlSyncFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&q.URL, "url", "", "address of the bundle, for example http://pki.example.com/pki/crl-bundle.pem")
	f.StringVar(&q.ChainURL, "chain-url", "", "address of the issuing CAs' certificates (default chain.pem beside --url)")
	f.StringVar(&q.CA, "ca", "", "PEM file of the trusted root; if it also has issuing CAs, none are fetched")
	f.StringVar(&q.Out, "out", "", "file to keep")
	f.StringVar(&q.Reload, "reload", "", "shell command to run after each change")
	f.StringVar(&q.Check, "check", "", "shell command that must succeed before --reload is run")
	f.DurationVar(&q.CommandTimeout, "command-timeout", crlsync.DefaultCommandTimeout, "maximum time for each of the two commands")
	f.DurationVar(&q.MinReload, "min-reload-interval", crlsync.DefaultMinReload,
		"minimum time between reloads; changes in between share one")
	f.DurationVar(&q.WarnBefore, "warn-before", crlsync.DefaultWarnBefore, "warn when the file expires within this time")
	f.DurationVar(&q.Interval, "interval", crlsync.DefaultInterval,
		"time between requests to a server that does not wait for a change")
	f.DurationVar(&q.Wait, "wait", crlsync.DefaultWait, "how long the server should wait for a change; shorter "+
		"behind a proxy that gives up earlier")
	f.DurationVar(&q.Timeout, "timeout", crlsync.DefaultTimeout, "maximum time for a complete answer, in addition to --wait")
	f.Int64Var(&q.MaxSize, "max-size", crlsync.DefaultMaxSize, "maximum size of the file in bytes")
	f.StringVar(&q.alert, "alert", "", "URL to which changes of state are posted as JSON; other users can see it in "+
		"the process list: prefer --alert-file")
	f.StringVar(&q.alertFile, "alert-file", "", "file with the URL for --alert")
	f.StringVar(&q.metrics, "metrics", "", "address to serve Prometheus on, for example 127.0.0.1:9790")
	f.StringVar(&q.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&q.logFormat, "log-format", "text", "text or json")
	f.BoolVar(&q.once, "once", false, "fetch once; the exit status says whether the file is fresh")
}

// fromEnvironment sets the flags of c that were not given from variables: prefix
// and the flag's name in capitals.
func (o Options) fromEnvironment(c *cobra.Command, prefix string) (err error) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name := prefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := o.variable(name)
		if f.Changed || value == "" || err != nil {
			return
		}
		if c.Flags().Set(f.Name, value) != nil {
			err = Usagef(c, "%s: %q is not a value for --%s", name, value, f.Name)
		}
	})
	return err
}

func (q *crlSyncFlags) run(c *cobra.Command, o Options) error {
	if _, err := oneOf("text", "json")(q.logFormat); err != nil {
		return flagError(c, "log-format", err)
	}
	log, err := q.log(c.ErrOrStderr())
	if err != nil {
		return flagError(c, "log-level", err)
	}
	if err := q.readAlert(); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	if q.Metrics, err = crlsync.NewMetrics(registry); err != nil {
		return err
	}
	q.Log, q.Now, q.Environ = log, time.Now, o.Environ
	q.Client = q.client(o)
	q.Notify = func(state string) {
		if err := systemd.Notify(o.variable("NOTIFY_SOCKET"), state); err != nil {
			log.Warn("systemd could not be notified", "error", err)
		}
	}
	s, err := crlsync.New(q.Options)
	if issuance.KindOf(err) == issuance.Invalid {
		e, _ := errors.AsType[*issuance.Error](err)
		return flagError(c, strings.ReplaceAll(e.Field, "_", "-"), err)
	} else if err != nil {
		return err
	}
	if q.once {
		return s.Once(c.Context())
	}
	defer stayAtHangup(log)()
	stop, err := serveMetrics(q.metrics, registry, log)
	if err != nil {
		return err
	}
	return errors.Join(s.Run(c.Context()), stop())
}

// stayAtHangup keeps SIGHUP, which asks services to reload, from ending the
// program, until the function that it returns is called: each round reads all that
// may have changed. It says so in the log, once for each signal.
func stayAtHangup(log *slog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				log.Info("SIGHUP: there is nothing to reload; to change its settings, restart it")
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}

func (q *crlSyncFlags) log(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(q.logLevel)); err != nil {
		return nil, issuance.Invalidf("", fmt.Sprintf("%q is not a level", q.logLevel), "choose one of debug, info, warn, error")
	}
	o := &slog.HandlerOptions{Level: level}
	if q.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

// readAlert takes the webhook's address, which may be a secret.
func (q *crlSyncFlags) readAlert() error {
	if q.alert == "" && q.alertFile != "" {
		text, err := os.ReadFile(q.alertFile)
		if err != nil {
			return fmt.Errorf("reading the webhook's address: %w", err)
		}
		q.alert = strings.TrimSpace(string(text))
	}
	q.Alert = issuance.NewSecret([]byte(q.alert))
	return nil
}

// client returns a client that notices within half a minute that a connection on which
// it waits is dead, and that also trusts the root in --ca for https.
func (q *crlSyncFlags) client(o Options) *http.Client {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if text, err := os.ReadFile(q.CA); err == nil { // if not, the first round says so
		roots.AppendCertsFromPEM(text)
	}
	client := o.transport(roots)
	client.Timeout = 0 // each request has its own
	if t, ok := client.Transport.(*http.Transport); ok {
		alive := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
		t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: alive}).DialContext
		t.IdleConnTimeout = time.Minute
	}
	return client
}

// serveMetrics serves /metrics at address until stop is called; with "" nowhere.
func serveMetrics(address string, registry *prometheus.Registry, log *slog.Logger) (stop func() error, err error) {
	if address == "" {
		return func() error { return nil }, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("serving metrics", "address", listener.Addr().String())
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "error", err)
		}
	}()
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	}, nil
}
