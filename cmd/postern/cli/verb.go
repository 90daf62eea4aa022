package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// group is a command that only has others below it.
func group(name, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short}
	c.AddCommand(below...)
	return c
}

// send posts body to path and prints the record that comes back: as JSON, or as
// the one line that told says of it.
func send[T any](
	n *connection, c *cobra.Command, how func(context.Context, string, any, any) error, path string, body any,
	told func(T) string,
) error {
	return sendAll(n, c, how, path, body, told, func(T) []string { return nil })
}

// sendAll is send for a result of several lines.
func sendAll[T any](n *connection, c *cobra.Command, how func(context.Context, string, any, any) error, path string, body any,
	told func(T) string, more func(T) []string,
) error {
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
	for _, line := range more(record) {
		say(c.OutOrStdout(), "%s", line)
	}
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
	// notes are what a person should know of the record first; at a terminal, they
	// are asked whether to go on.
	notes func(T) []string
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
			if v.notes != nil && !sure {
				if err := note(c, api, path, v.name, v.notes); err != nil {
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
	if v.ask != "" || v.notes != nil {
		sureFlag(c, &sure)
	}
	return c
}

// note shows what a person should know about the record at path before the verb name is
// applied to it, and asks on a terminal; elsewhere it only shows it.
func note[T any](c *cobra.Command, api *client, path, name string, notes func(T) []string) error {
	var record T
	if err := api.get(c.Context(), path, nil, &record); err != nil {
		return err
	}
	all := notes(record)
	for _, n := range all {
		say(c.ErrOrStderr(), "note: %s", n)
	}
	if len(all) == 0 || !isTerminal(c.InOrStdin()) {
		return nil
	}
	return confirm(c, question{ask: strings.ToUpper(name[:1]) + name[1:] + " it all the same?"})
}

// ask shows the record at path, and asks for confirmation.
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
