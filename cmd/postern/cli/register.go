package cli

import (
	"net/url"
	"strings"

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
		return func(s serviceRecord) string { return what + " service " + s.ID }
	}
	return group("service", "Client applications, which get certificates",
		listCommand(n, listing[serviceRecord]{
			columns: []string{"id", "organization", "name", "environment", "key", "target", "disabled", "created_at"},
			short:   "List services", plural: "services", path: "api/v1/services",
			filters: []filter{{name: "org", parameter: "organization", usage: "of this organisation"}},
			head:    []string{"SERVICE", "ENVIRONMENT", "KEY", "TARGET", "DISABLED"},
			row: func(_ namer, s serviceRecord) []string {
				return []string{s.ID, s.Environment, s.Key, s.Target, yes(s.Disabled)}
			},
		}),
		showCommand(n, showing[serviceRecord]{
			arg: "service", short: "Show a service", path: at("services"),
			lines: aboutService,
		}),
		addService(n), changeService(n),
		disableCommand(n, verb[serviceRecord]{
			name: "disable", short: "Let no more be ordered for a service, and refuse its certificates", arg: "service", path: at("services"),
			ask: "Disable this service? Its certificates are refused from now on, until it is enabled.", about: aboutService, told: told("disabled"),
		}, holder[serviceRecord]{"service", func(s serviceRecord) string { return s.ID }, issuance.CessationOfOperation}),
		verbCommand(n, verb[serviceRecord]{name: "enable", short: "Let certificates be ordered for a service again", arg: "service", path: at("services"), told: told("enabled")}))
}

func aboutService(_ namer, s serviceRecord, l *sheet) {
	l.add("service", s.ID)
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
		Use: "add ORGANISATION.NAME", Aliases: []string{"create"}, Short: "Add a service",
		Long: `Adds a client application of a customer. NAME is its short name, for good: it
stands in every certificate.`,
		Example: "  postern service add acme.payments --environment test",
		Args:    args("ORGANISATION.NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			organization, name, ok := strings.Cut(args[0], ".")
			if !ok {
				return Usagef(c, "%q has no dot: write organisation and name, as in acme.payments", args[0])
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			body := changed(c)
			body["organization"], body["name"] = organization, name
			return send(n, c, api.create, "api/v1/services", body, func(s serviceRecord) string { return "added service " + s.ID })
		},
	}
	serviceFlags(c)
	return c
}

func changeService(n *connection) *cobra.Command {
	c := &cobra.Command{
		Use: "change SERVICE", Short: "Change where a service runs and what it prefers", Args: args("SERVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			return change(n, c, "api/v1/services/"+url.PathEscape(args[0]), func(s serviceRecord) string { return "changed service " + s.ID })
		},
	}
	serviceFlags(c)
	return c
}

// change patches the record at path with the flags that were given.
func change[T any](n *connection, c *cobra.Command, path string, told func(T) string) error {
	body := changed(c)
	if len(body) == 0 {
		return Usagef(c, "there is nothing to change: give what is new as flags")
	}
	api, err := n.client()
	if err != nil {
		return err
	}
	return send(n, c, api.patch, path, body, told)
}
