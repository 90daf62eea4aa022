package cli

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func contacts(n *connection) *cobra.Command {
	told := func(what string) func(contactRecord) string {
		return func(p contactRecord) string { return what + " contact " + p.Name + " (" + p.ID + ")" }
	}
	return group("contact", "People who order and receive certificates",
		listCommand(n, listing[contactRecord]{
			columns: []string{
				"id", "organization", "name", "email", "mobile", "language", "may_order", "may_receive", "disabled",
				"created_at", "mobile_changed_at", "email_changed_at", "lost_at",
			},
			short: "List contacts", plural: "contacts", path: "api/v1/contacts",
			filters: []filter{
				{name: "org", parameter: "organization", usage: "of this organisation"},
				{name: "email", parameter: "email", usage: "with this address"},
			},
			head: []string{"NAME", "ORGANISATION", "EMAIL", "MOBILE", "MAY", "CONTACT"},
			row: func(_ namer, p contactRecord) []string {
				return []string{p.Name, p.Organization, p.Email, p.Mobile, p.may(), p.ID}
			},
		}),
		showCommand(n, showing[contactRecord]{
			arg: "contact", short: "Show a contact, named by id, mail address or phone number", path: at("contacts"),
			lines: aboutContact,
		}),
		addContact(n), changeContact(n),
		disableCommand(n, verb[contactRecord]{
			name: "disable", short: "Stop a contact from ordering and receiving certificates", arg: "contact", path: at("contacts"),
			ask:   "Disable this contact? Its open orders are cancelled, and what was not delivered is revoked.",
			about: aboutContact, told: told("disabled"),
		}, holder[contactRecord]{"contact", func(p contactRecord) string { return p.ID }, issuance.AffiliationChanged}),
		verbCommand(n, verb[contactRecord]{
			name: "enable", short: "Let a contact order and receive certificates again", arg: "contact", path: at("contacts"),
			told: func(p contactRecord) string { return p.orProposed(told("enabled")(p)) },
		}),
		verbCommand(n, verb[contactRecord]{
			name: "report-loss", arg: "contact", path: at("contacts"), comment: true, about: aboutContact,
			short: "Report that a contact's phone or mailbox is lost: everything that was sent there becomes invalid",
			ask: "Report this contact's phone or mailbox lost? The contact is disabled, " +
				"its open orders are cancelled, and what was not delivered is revoked.",
			told: told("reported the loss of the phone or mailbox of, and disabled,"),
		}))
}

func aboutContact(_ namer, p contactRecord, s *sheet) {
	s.add("contact", p.ID)
	s.add("name", p.Name)
	s.add("organisation", p.Organization)
	s.add("email", p.Email)
	s.add("mobile", p.Mobile)
	s.add("mobile changed", when(p.MobileChangedAt))
	s.add("email changed", when(p.EmailChangedAt))
	s.add("reported lost", when(p.LostAt))
	s.add("language", p.Language)
	s.add("may", p.may())
	s.add("added", when(p.CreatedAt))
}

// may says what the contact is authorised to do.
func (p contactRecord) may() string {
	switch {
	case p.Disabled:
		return "disabled"
	case p.MayOrder && p.MayReceive:
		return "order, receive"
	case p.MayOrder:
		return "order"
	case p.MayReceive:
		return "receive"
	}
	return ""
}

// orProposed says what was done, or that another person must confirm it.
func (p contactRecord) orProposed(done string) string {
	if p.Proposal == "" {
		return done
	}
	return "proposed a change of contact " + p.Name + " (" + p.ID +
		"), which another person must confirm: `postern proposal confirm " + word(p.Proposal) + "`"
}

// understood says where messages go: how an address and a number, which people write in
// many ways, were understood.
func (p contactRecord) understood() string {
	return "; mail goes to " + p.Email + ", SMS to " + p.Mobile
}

func contactFlags(c *cobra.Command) {
	c.Flags().String("name", "", "first and last name")
	c.Flags().String("email", "", "where the link is sent")
	c.Flags().String("mobile", "", "where codes and passwords are sent, for example +41 79 123 45 67; without a "+
		"country code it is one of the server's policy.phone_region")
	c.Flags().String("language", "", "of pages and messages: en, de or fr (default en)")
	complete(c, "language", issuance.Languages()...)
	c.Flags().Bool("may-order", true, "may order certificates; staff may order for a contact either way")
	c.Flags().Bool("may-receive", true, "may receive certificates; no order is approved for a contact who may not")
}

func addContact(n *connection) *cobra.Command {
	c := &cobra.Command{
		Use: "add --org ORGANISATION --name NAME --email EMAIL --mobile NUMBER", Aliases: []string{"create"},
		Short:   "Add a contact",
		Example: `  postern contact add --org acme --name "Anna Muster" --email anna@acme.example --mobile +41791234567`,
		Args:    args(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			body := changed(c)
			for _, name := range []string{"may_order", "may_receive"} {
				if _, given := body[name]; !given {
					body[name] = true
				}
			}
			return send(n, c, api.create, "api/v1/contacts", body,
				func(p contactRecord) string {
					return "added contact " + p.ID + ", " + p.Name + " of " + p.Organization + p.understood()
				})
		},
	}
	c.Flags().String("org", "", "organisation")
	contactFlags(c)
	require(c, "org", "name", "email", "mobile")
	return c
}

func changeContact(n *connection) *cobra.Command {
	c := &cobra.Command{
		Use: "change CONTACT", Short: "Change a contact, named by id, mail address or phone number", Args: args("CONTACT"),
		Long: `Changes a contact. A new e-mail or mobile voids what was approved for the old
one: open orders must be approved again. The old address and the old number are
told, and can stop the change within policy.cooling_off.

With policy.four_eyes, a new e-mail or mobile, and a right that is given, is a
proposal: another person makes it with ` + "`postern proposal confirm`" + `.`,
		RunE: func(c *cobra.Command, args []string) error {
			return change(n, c, "api/v1/contacts/"+url.PathEscape(args[0]), func(p contactRecord) string {
				told := "changed contact " + p.Name + " (" + p.ID + ")"
				if c.Flags().Changed("mobile") || c.Flags().Changed("email") {
					told += p.understood()
				}
				return p.orProposed(told)
			})
		},
	}
	contactFlags(c)
	return c
}
