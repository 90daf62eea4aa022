package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

func organizations(n *connection) *cobra.Command {
	told := func(what string) func(organizationRecord) string {
		return func(o organizationRecord) string { return what + " organisation " + o.ID + ", " + o.Name }
	}
	return group("org", "Customers, whose services get certificates",
		listCommand(n, listing[organizationRecord]{
			columns: []string{"id", "name", "disabled", "created_at"},
			short:   "List organisations", plural: "organisations", path: "api/v1/organizations",
			head: []string{"ORGANISATION", "NAME", "DISABLED", "SINCE"},
			row: func(_ namer, o organizationRecord) []string {
				return []string{o.ID, o.Name, yes(o.Disabled), when(o.CreatedAt)}
			},
		}),
		showCommand(n, showing[organizationRecord]{
			arg: "organisation", short: "Show an organisation", path: at("organizations"), lines: aboutOrganization,
		}),
		addOrganization(n, told("added")), changeOrganization(n, told("changed")),
		verbCommand(n, verb[organizationRecord]{
			name: "disable", short: "Let nothing be ordered for an organisation, and refuse its certificates",
			arg: "organisation", path: at("organizations"),
			ask: "Disable this organisation? All certificates of all its services are refused from now on, until " +
				"it is enabled; their open orders are cancelled.",
			about: aboutOrganization, told: told("disabled"),
		}),
		verbCommand(n, verb[organizationRecord]{
			name: "enable", short: "Let certificates be ordered for an organisation again", arg: "organisation",
			path: at("organizations"), told: told("enabled"),
		}))
}

func aboutOrganization(_ namer, o organizationRecord, s *sheet) {
	s.add("organisation", o.ID)
	s.add("name", o.Name)
	s.add("disabled", yes(o.Disabled))
	s.add("added", when(o.CreatedAt))
}

func addOrganization(n *connection, told func(organizationRecord) string) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "add ORGANISATION --name NAME", Aliases: []string{"create"}, Short: "Add an organisation",
		Long: `Adds a customer. ORGANISATION is its short name, which never changes: 1 to 40 of a-z,
0-9 and hyphens. NAME is its legal name, which is in its certificates.`,
		Example: `  postern org add acme --name "Acme Ltd"`,
		Args:    args("ORGANISATION"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			return send(n, c, api.create, "api/v1/organizations", map[string]string{"id": args[0], "name": name}, told)
		},
	}
	c.Flags().StringVar(&name, "name", "", "legal name: O of its certificates")
	require(c, "name")
	return c
}

func changeOrganization(n *connection, told func(organizationRecord) string) *cobra.Command {
	c := &cobra.Command{
		Use: "change ORGANISATION --name NAME", Short: "Rename an organisation",
		Long: "Renames an organisation. Certificates that were issued before keep the name they have.",
		Args: args("ORGANISATION"),
		RunE: func(c *cobra.Command, args []string) error {
			return change(n, c, "api/v1/organizations/"+url.PathEscape(args[0]), told)
		},
	}
	c.Flags().String("name", "", "legal name: O of its certificates from now on")
	return c
}
