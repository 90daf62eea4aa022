package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// group is a command that only has others below it.
func group(name, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short}
	c.AddCommand(below...)
	return c
}

// send posts body to path and prints the record that comes back: as JSON, or as
// the one line that told says of it.
func send[T any](n *connection, c *cobra.Command, how func(context.Context, string, any, any) error, path string, body any, told func(T) string) error {
	var raw json.RawMessage
	if err := how(c.Context(), path, body, &raw); err != nil {
		return err
	}
	if n.json {
		return printJSON(c.OutOrStdout(), raw)
	}
	var record T
	if err := json.Unmarshal(raw, &record); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	say(c.OutOrStdout(), "%s", told(record))
	return nil
}

// verb is a command that does one thing to one record.
type verb[T any] struct {
	name  string
	short string
	arg   string
	path  func(context.Context, *client, string) (string, error) // of the record that the argument names
	// comment is whether the verb keeps one.
	comment bool
	// ask is what a person is asked before, "" for nothing; about is what the
	// person is shown of the record with it.
	ask   string
	about func(namer, T, *sheet)
	told  func(T) string
}

func verbCommand[T any](n *connection, v verb[T]) *cobra.Command {
	var comment string
	var sure bool
	c := &cobra.Command{
		Use: v.name + " " + strings.ToUpper(v.arg), Short: v.short, Args: args(strings.ToUpper(v.arg)),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			path, err := v.path(c.Context(), api, args[0])
			if err != nil {
				return err
			}
			if v.ask != "" && !sure {
				if err := ask(c, api, path, v.ask, v.about); err != nil {
					return err
				}
			}
			body := map[string]string{}
			if comment != "" {
				body["comment"] = comment
			}
			return send(n, c, api.post, path+"/"+v.name, body, v.told)
		},
	}
	if v.comment {
		commentFlag(c, &comment)
	}
	if v.ask != "" {
		sureFlag(c, &sure)
	}
	return c
}

// ask shows a person the record at path, and asks what is to be done to it.
func ask[T any](c *cobra.Command, api *client, path, what string, about func(namer, T, *sheet)) error {
	var record T
	if err := api.get(c.Context(), path, nil, &record); err != nil {
		return err
	}
	q := question{ask: what}
	about(api.names(c.Context()), record, &q.about)
	return confirm(c, q)
}

func commentFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "comment", "", "why, for the record")
}

// at returns the path of a record of the kind that a folder of the API has.
func at(folder string) func(context.Context, *client, string) (string, error) {
	return func(_ context.Context, _ *client, id string) (string, error) {
		return "api/v1/" + folder + "/" + url.PathEscape(id), nil
	}
}

// atSerial is at for a certificate, whose serial number people write in many ways.
func atSerial(_ context.Context, _ *client, s string) (string, error) {
	serial, err := issuance.ParseSerial(s)
	return "api/v1/certificates/" + string(serial), err
}

// atContact is at for a contact, who may be named by e-mail address too.
func atContact(ctx context.Context, api *client, name string) (string, error) {
	id, err := contactID(ctx, api, name, "")
	return "api/v1/contacts/" + url.PathEscape(id), err
}

// contactID returns the id of the contact with the id or e-mail address name;
// organization narrows the search, "" for everywhere.
func contactID(ctx context.Context, api *client, name, organization string) (string, error) {
	if !strings.Contains(name, "@") {
		return name, nil
	}
	found, err := api.contactsAt(ctx, name, organization)
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 1:
		return found[0].ID, nil
	case 0:
		return "", api.noContact(ctx, name, organization)
	}
	return "", issuance.Invalidf("contact", "the address "+name+" belongs to several contacts", "name one by its id: "+idsOf(found))
}

// contactsAt returns the contacts with an e-mail address; organization narrows the
// search, "" for everywhere.
func (api *client) contactsAt(ctx context.Context, address, organization string) ([]contactRecord, error) {
	q := url.Values{"email": {address}}
	if organization != "" {
		q.Set("organization", organization)
	}
	var found struct{ Items []contactRecord }
	err := api.get(ctx, "api/v1/contacts", q, &found)
	return found.Items, err
}

// noContact says why organization has no contact with an address: nobody has it, or
// somebody of another one.
func (api *client) noContact(ctx context.Context, address, organization string) error {
	if organization != "" {
		if others, err := api.contactsAt(ctx, address, ""); err != nil {
			return err
		} else if len(others) > 0 {
			return issuance.Invalidf("contact", address+" is not a contact of "+organization+", but "+idsOf(others),
				"`postern contact list --org "+organization+"` prints its contacts; add this person there to receive certificates for it")
		}
	}
	return issuance.Invalidf("contact", "there is no contact with the address "+address, "`postern contact list` prints those there are")
}

// idsOf names contacts: "con-1 (acme), con-2 (globex)".
func idsOf(contacts []contactRecord) string {
	var ids []string
	for _, c := range contacts {
		ids = append(ids, c.ID+" ("+c.Organization+")")
	}
	return strings.Join(ids, ", ")
}
