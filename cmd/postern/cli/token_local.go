package cli

import (
	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/cmd/postern/local"
)

// onHost is the flags of `token create --local`, which asks the server by a file in
// its data directory instead of the admin API.
type onHost struct {
	asked        bool
	data, config string
}

func (o *onHost) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.asked, "local", false, "on the server's machine, without a token")
	f.StringVar(&o.data, "data", "", "with --local: the server's data directory (default: as its configuration says)")
	f.StringVar(&o.config, "config", "", "with --local: the server's configuration (default "+config.DefaultFile+")")
}

// create makes the running server add a token, and prints it.
func (o *onHost) create(n *connection, c *cobra.Command, q local.Request) error {
	if q.Owner == "" {
		return Usagef(c, "--owner is missing: with --local, say whom the token is for")
	}
	dir := o.data
	if dir == "" {
		cfg, err := config.Load(config.Options{Path: o.config, Environ: n.options.Environ})
		if err != nil {
			return err
		}
		dir = cfg.Data
	}
	id, secret, err := local.Ask(c.Context(), dir, q)
	if err != nil {
		return err
	}
	t := tokenRecord{ID: string(id), Name: q.Name, Owner: q.Owner, Role: string(q.Role), Token: string(secret.Reveal())}
	if n.json {
		return printJSON(c.OutOrStdout(), map[string]string{
			"id": t.ID, "name": t.Name, "owner": t.Owner, "role": t.Role, "token": t.Token,
		})
	}
	say(c.ErrOrStderr(), "%s", added(t))
	say(c.OutOrStdout(), "%s", t.Token)
	return nil
}
