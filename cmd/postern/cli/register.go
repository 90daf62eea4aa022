package cli

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// require marks flags that must be given; the caller has defined them.
func require(c *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := c.MarkFlagRequired(f); err != nil {
			panic(err)
		}
	}
}

func services(n *connection) *cobra.Command {
	told := func(what string) func(serviceRecord) string {
		return func(s serviceRecord) string { return what + " service " + s.called() }
	}
	return group("service", "Client applications, which get certificates",
		listCommand(n, listing[serviceRecord]{
			columns: []string{"id", "organization", "name", "identifier", "environment", "key", "target", "disabled", "created_at"},
			short:   "List services", plural: "services", path: "api/v1/services",
			filters: []filter{{name: "org", parameter: "organization", usage: "of this organisation"}},
			head:    []string{"SERVICE", "NAME", "ENVIRONMENT", "KEY", "TARGET", "DISABLED"},
			row: func(_ namer, s serviceRecord) []string {
				return []string{s.ID, s.Name, s.Environment, s.Key, s.Target, yes(s.Disabled)}
			},
		}),
		showCommand(n, showing[serviceRecord]{
			arg: "service", short: "Show a service", path: at("services"),
			lines: aboutService,
		}),
		addService(n), changeService(n),
		disableCommand(n, verb[serviceRecord]{
			name: "disable", short: "Stop orders for a service, and refuse its certificates", arg: "service", path: at("services"),
			ask: "Disable this service? Its certificates are refused from now on, until it is enabled; its open " +
				"orders are cancelled.", about: aboutService, told: told("disabled"),
		}, holder[serviceRecord]{"service", func(s serviceRecord) string { return s.ID }, issuance.CessationOfOperation}),
		verbCommand(n, verb[serviceRecord]{
			name: "enable", short: "Allow orders for a service again", arg: "service",
			path: at("services"), told: told("enabled"),
		}))
}

func aboutService(_ namer, s serviceRecord, l *sheet) {
	l.add("service", s.ID)
	l.add("name", s.Name)
	l.add("identifier", s.Identifier)
	l.add("organisation", s.Organization)
	l.add("environment", s.Environment)
	l.add("key", s.Key)
	l.add("target", s.Target)
	l.add("disabled", yes(s.Disabled))
	l.add("added", when(s.CreatedAt))
}

func serviceFlags(c *cobra.Command) {
	c.Flags().String("environment", "", "production or test (default production)")
	c.Flags().String("key", "", "preferred key: P-256, P-384, RSA-2048, RSA-3072, RSA-4096 or Ed25519 (default P-256)")
	c.Flags().String("target", "", "where files are mostly opened: modern, compatible, windows, java, openssl, ... (default modern)")
	complete(c, "environment", words(issuance.Production, issuance.Test)...)
	complete(c, "key", words(issuance.KeyAlgorithms()...)...)
	complete(c, "target", words(issuance.Targets()...)...)
}

func addService(n *connection) *cobra.Command {
	c := &cobra.Command{
		Use: "add ORGANISATION.NAME | ORGANISATION --name NAME", Aliases: []string{"create"}, Short: "Add a service",
		Long: `Adds a client application of a customer. NAME is what people call it, up to 64
characters; certificates carry it. The identifier stands for it in commands, URLs and
SPIFFE ID: --id, or what is made from the name ("my page" gives my-page). Both can be
changed until the first certificate.`,
		Example: `  postern service add acme.payments --environment test
  postern service add acme --name "my page"
  postern service add acme --name "Моя страница" --id my-page`,
		Args: args("ORGANISATION.NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := newService(c, args[0])
			if err != nil {
				return err
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			return send(n, c, api.create, "api/v1/services", body, func(s serviceRecord) string { return "added service " + s.called() })
		},
	}
	nameFlags(c, "made from the name")
	serviceFlags(c)
	return c
}

func changeService(n *connection) *cobra.Command {
	c := &cobra.Command{
		Use: "change SERVICE", Short: "Change a service's name, where it runs and what it prefers", Args: args("SERVICE"),
		Long: `Changes a service. Its name and identifier can be changed until its first
certificate, which carries them; its orders go with it.`,
		RunE: func(c *cobra.Command, args []string) error {
			return change(n, c, "api/v1/services/"+url.PathEscape(args[0]),
				func(s serviceRecord) string { return "changed service " + s.called() })
		},
	}
	nameFlags(c, "stays")
	serviceFlags(c)
	return c
}

// change patches the record at path with the flags that were given.
func change[T any](n *connection, c *cobra.Command, path string, told func(T) string) error {
	body := changed(c)
	if len(body) == 0 {
		return Usagef(c, "nothing to change: set the new values with flags")
	}
	api, err := n.client()
	if err != nil {
		return err
	}
	return send(n, c, api.patch, path, body, told)
}
