package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// find is the command that searches for records.
func find(n *connection) *cobra.Command {
	return &cobra.Command{
		Use: "find ANYTHING", Short: "Find records by number, name, address, fingerprint or file",
		Long: `Finds certificates, and who they belong to, by whatever you have: a serial number in any
notation, or the last eight digits that the SMS with the password shows; a SHA-256 or SHA-1
fingerprint; a CN, service or SPIFFE ID; a file in PEM or DER, - for standard input; a mail
address or phone number; an organisation; the id of an order, message or contact.`,
		Example: "  postern find payments\n  postern find '+41 79 123 45 67'\n  postern find client.pem",
		Args:    atLeast("ANYTHING"),
		RunE: func(c *cobra.Command, args []string) error {
			arg := strings.Join(args, " ") // fingerprints and names have blanks
			typed, err := inHand(arg, c.InOrStdin())
			if err != nil {
				return err
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.get(c.Context(), "api/v1/search", url.Values{"q": {typed}}, &raw); err != nil {
				return err
			}
			var found foundRecords
			if err := json.Unmarshal(raw, &found); err != nil {
				return fmt.Errorf("reading what was found: %w", err)
			}
			if found.empty() {
				return nowhere(arg)
			}
			return n.print(c, raw, func(w io.Writer) error { return found.print(w, api.names(c.Context())) })
		},
	}
}

func (f foundRecords) empty() bool {
	return len(f.Organizations)+len(f.Contacts)+len(f.Services)+len(f.Orders)+len(f.Certificates)+len(f.Messages) == 0
}

// print writes a table for each kind of record.
func (f foundRecords) print(w io.Writer, contact namer) error {
	organizations, contacts, services := table{head: []string{"ORGANISATION", "NAME"}},
		table{head: []string{"NAME", "ORGANISATION", "EMAIL", "MOBILE", "MAY", "CONTACT"}},
		table{head: []string{"SERVICE", "ENVIRONMENT", "DISABLED"}}
	orders, certificates, messages := table{head: orderHead()}, table{head: certificateHead()}, table{head: messageHead()}
	for _, o := range f.Organizations {
		organizations.add(o.ID, o.Name)
	}
	for _, p := range f.Contacts {
		contacts.add(p.Name, p.Organization, p.Email, p.Mobile, p.may(), p.ID)
	}
	for _, s := range f.Services {
		services.add(s.ID, s.Environment, yes(s.Disabled))
	}
	for _, c := range f.Certificates {
		certificates.add(certificateRow(contact, c)...)
	}
	for _, o := range f.Orders {
		orders.add(orderRow(contact, o)...)
	}
	for _, m := range f.Messages {
		messages.add(messageRow(nil, m)...)
	}
	return printTables(w, f.More, []titled{
		{"organizations", "organisations", organizations},
		{"contacts", "contacts", contacts},
		{"services", "services", services},
		{"certificates", "certificates", certificates},
		{"orders", "orders", orders},
		{"messages", "messages", messages},
	})
}

// titled is a table with the name that the API has for it, and that people have.
type titled struct {
	list, title string
	table       table
}

// printTables writes those that have rows.
func printTables(w io.Writer, more []string, tables []titled) error {
	cut := map[string]string{}
	for _, name := range more {
		cut[name] = " (there are more)"
	}
	between := ""
	for _, t := range tables {
		if len(t.table.rows) == 0 {
			continue
		}
		if _, err := io.WriteString(w, between+strings.ToUpper(t.title[:1])+t.title[1:]+cut[t.list]+":\n"); err != nil {
			return err
		}
		if err := t.table.print(w); err != nil {
			return err
		}
		between = "\n"
	}
	return nil
}
