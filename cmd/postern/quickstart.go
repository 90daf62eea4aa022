package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
)

// tokenFile is where quickstart keeps the administrator's token, so that it can
// print the sign-in again.
const tokenFile = "admin.token"

// quickstartCommand tries the product out without any account anywhere.
func quickstartCommand() *cobra.Command {
	var (
		data      string
		freePorts bool
	)
	c := &cobra.Command{
		Use:   "quickstart",
		Short: "Try Postern on this machine: a CA, a sample order, an outbox page",
		Long: `Creates a CA in the data directory, with a sample organisation, service, contact,
an order that waits for approval, and an administrator; then serves on loopback.
Mail and SMS are shown on an outbox page in the browser. Running it again continues
with the same data.

It is only for trials: the outbox shows every secret.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ports := []int{8080, 8081, 9443, 8444}
			if freePorts {
				ports = make([]int, len(ports))
			}
			return quickstart(cmd, data, ports)
		},
	}
	c.Flags().StringVar(&data, "data", "./postern-data", "directory for all data")
	c.Flags().BoolVar(&freePorts, "free-ports", false,
		"choose ports at random at the first start, instead of 8080, 8081, 9443 and 8444 as far as they are free")
	return c
}

func quickstart(cmd *cobra.Command, data string, ports []int) error {
	ctx := cmd.Context()
	cfg, err := quickstartConfig(data, ports)
	if err != nil {
		return err
	}
	if !initialized(cfg) {
		if err := initialize(cfg, time.Now); err != nil {
			return err
		}
	}
	h, err := open(ctx, cfg, newLog(cfg.Log, cmd.ErrOrStderr()), time.Now)
	if err != nil {
		return err
	}
	defer h.close()
	token, order, err := h.sample(ctx)
	if err != nil {
		return err
	}
	return h.run(ctx, func() {
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "contacts     %s\n", cfg.Public.URL)
		fmt.Fprintf(out, "outbox       %s/outbox\n", cfg.Admin.URL)
		fmt.Fprintf(out, "staff        %s\n", cfg.Admin.URL)
		fmt.Fprintf(out, "trust, CRL   %s/pki/\n", cfg.Plain.URL)
		fmt.Fprintf(out, "two-way TLS  %s/whoami\n", cfg.MTLS.URL)
		fmt.Fprintf(out, "sign-in      export POSTERN_SERVER=%s POSTERN_TOKEN=%s\n", cfg.Admin.URL, token.Reveal())
		if order != "" {
			fmt.Fprintf(out, "first order  %s order approve %s\n", startedAs(os.Args[0], os.Getenv("GOCACHE")), order)
		}
		fmt.Fprintf(out, "then call    curl --cacert %s --cert-type P12 --cert payments.p12:PASSWORD %s/whoami\n",
			quoteWord(filepath.Join(cfg.Data, caDirectory, ca.RootID+".pem")), cfg.MTLS.URL)
	})
}

// startedAs returns how people start the program again: as they started it, or by
// `go run`, whose program lies in a cache of Go's.
func startedAs(name, cache string) string {
	if strings.Contains(filepath.ToSlash(name), "/go-build") || cache != "" && strings.HasPrefix(name, cache) {
		return "go run ./cmd/postern"
	}
	return quoteWord(name)
}

// quoteWord returns s as one word of a shell.
func quoteWord(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quickstartConfig reads the configuration in data, or writes one: plain HTTP on
// loopback, mail and SMS to the outbox.
func quickstartConfig(data string, ports []int) (*config.Config, error) {
	path := filepath.Join(data, config.DefaultFile)
	if found, err := exists(path); err != nil {
		return nil, err
	} else if !found {
		if err := writeQuickstartConfig(data, path, ports); err != nil {
			return nil, err
		}
	}
	return config.Load(config.Options{Path: path})
}

func writeQuickstartConfig(data, path string, ports []int) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if _, err := passphrase(filepath.Join(data, passphraseFile)); err != nil {
		return err
	}
	cfg := config.Defaults()
	cfg.Data = "." // beside the file
	cfg.CA.TrustDomain, cfg.CA.Organization = "postern.example", "Postern Quickstart"
	cfg.Mail.Provider, cfg.SMS.Provider, cfg.Mail.From = "outbox", "outbox", "Postern <postern@postern.example>"
	cfg.Log.Level = "warn"
	cfg.Clock.MaxDowntime = quickstartDowntime
	if err := onLoopback(cfg, ports); err != nil {
		return err
	}
	text, err := config.Template(cfg, passphraseFile)
	if err != nil {
		return err
	}
	return writeNew(path, text, 0o600)
}

// quickstartDowntime is how long the machine of a quickstart may be off or asleep
// without anybody having to accept its clock: a laptop stays closed for a holiday.
const quickstartDowntime = 60 * 24 * time.Hour

// onLoopback gives the listeners the wanted ports (public, plain, admin, mtls), or
// free ones where those are taken or 0, on loopback and over plain HTTP. The ports
// stay, because addresses stand in certificates.
func onLoopback(cfg *config.Config, wanted []int) error {
	var ports []int
	for _, p := range wanted {
		free, err := freePort(p)
		for err == nil && slices.Contains(ports, free) { // nobody listens there yet
			free, err = freePort(0)
		}
		if err != nil {
			return err
		}
		ports = append(ports, free)
	}
	cfg.Public.Listen, cfg.Public.URL = on("http", ports[0])
	cfg.Plain.Listen, cfg.Plain.URL = on("http", ports[1])
	cfg.Admin.Listen, cfg.Admin.URL = on("http", ports[2])
	cfg.MTLS.Listen, cfg.MTLS.URL = on("https", ports[3])
	return nil
}

func on(scheme string, port int) (listen, url string) {
	return fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("%s://localhost:%d", scheme, port)
}

// freePort returns want if nothing listens there, and any free port otherwise:
// one below those that systems give to outgoing connections, which would take it
// away again before it is served.
func freePort(want int) (int, error) {
	var err error
	for range 100 {
		if want == 0 {
			want = 10000 + rand.IntN(20000)
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", want)); err == nil {
			return want, l.Close()
		}
		want = 0
	}
	return 0, fmt.Errorf("looking for a free port: %w", err)
}
