package cli

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// health asks a server whether it is ready. It is for images that have no shell.
func health(o Options) *cobra.Command {
	var address, ca string
	c := &cobra.Command{
		Use: "health", Short: "Exit with 0 if a server is ready, 1 if not",
		Long: `Asks /readyz of a listener. It is the health check of images that have no shell.

--url names the listener; without it, POSTERN_SERVER, or ` + DefaultServer + `.`,
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			u, err := url.Parse(first(address, o.variable("POSTERN_SERVER"), DefaultServer))
			if err != nil || u.Host == "" {
				return issuance.Invalidf("url", "is not the address of a server", "write it like "+DefaultServer)
			}
			roots, err := rootsIn(first(ca, o.variable("POSTERN_CA")))
			if err != nil {
				return err
			}
			u = u.JoinPath("readyz")
			r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, u.String(), nil)
			if err != nil {
				return issuance.Invalidf("url", "is not the address of a server", "write it like "+DefaultServer)
			}
			asker := o.transport(roots)
			if t, ok := asker.Transport.(*http.Transport); ok && roots == nil && issuance.IsLoopback(u.Hostname()) {
				// Nothing secret is asked or answered, and on this machine the
				// certificate is mostly one of Postern's own authority.
				t.TLSClientConfig.InsecureSkipVerify = true
			}
			asker.Timeout = 10 * time.Second
			answer, err := asker.Do(r)
			if err != nil {
				return unreachable(u, err)
			}
			defer answer.Body.Close() //nolint:errcheck // nothing more is wanted of it
			text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
			if err != nil {
				return unreachable(u, err)
			}
			if answer.StatusCode != http.StatusOK {
				return &issuance.Error{
					Kind: issuance.Unavailable, Message: "not ready: " +
						strconv.Itoa(answer.StatusCode) + " " + strings.TrimSpace(string(text)),
					Hint: "see the server's log",
				}
			}
			say(c.OutOrStdout(), "ready")
			return nil
		},
	}
	c.Flags().StringVar(&address, "url", "", "address of a listener")
	c.Flags().StringVar(&ca, "ca", "", "PEM file of the root that its certificate comes from (POSTERN_CA)")
	return c
}
