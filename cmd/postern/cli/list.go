package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// listing is a command that lists the records at path as rows of a table.
type listing[T any] struct {
	short   string
	plural  string // as in "orders"
	path    string
	filters []filter
	head    []string
	row     func(namer, T) []string
	columns []string // of --csv: fields of the API's record, as in "requested_by.name"
}

// filter is a flag of a listing that narrows it.
type filter struct {
	name, parameter, usage string
	words                  []string                     // that it takes; none: any
	read                   func(string) (string, error) // nil: as it is
}

// value returns the API's parameter for s.
func (f filter) value(s string) (string, error) {
	switch {
	case f.words != nil:
		return choose(s, f.words)
	case f.read != nil:
		return f.read(s)
	}
	return s, nil
}

// listCommand returns the command that l describes.
func listCommand[T any](n *connection, l listing[T]) *cobra.Command {
	var p paging
	values := make([]string, len(l.filters))
	c := &cobra.Command{
		Use: "list", Short: l.short, Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{}
			for i, f := range l.filters {
				if values[i] == "" {
					continue
				}
				value, err := f.value(values[i])
				if err != nil {
					return flagError(c, f.name, err)
				}
				q.Set(f.parameter, value)
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			if p.csv && n.json {
				return Usagef(c, "--csv and --json cannot both be given")
			}
			return printList(c, n.json, l, api, q, p)
		},
	}
	for i, f := range l.filters {
		c.Flags().StringVar(&values[i], f.name, "", f.usage)
		if f.words != nil {
			complete(c, f.name, f.words...)
		}
	}
	c.Flags().IntVar(&p.limit, "limit", 100, "print at most this many")
	c.Flags().BoolVar(&p.all, "all", false, "print all of them")
	c.Flags().StringVar(&p.cursor, "cursor", "", "continue after an earlier list")
	c.Flags().BoolVar(&p.csv, "csv", false, "print CSV (RFC 4180); the columns are fields of --json; cells that a "+
		"spreadsheet would take for formulas begin with an apostrophe")
	return c
}

type paging struct {
	limit  int
	all    bool
	cursor string
	csv    bool
}

// page is a part of a listing.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// printList fetches and prints as much as p asks for.
func printList[T any](c *cobra.Command, asJSON bool, l listing[T], api *client, q url.Values, p paging) error {
	if p.limit < 1 && !p.all {
		return Usagef(c, "--limit must be 1 or more")
	}
	found, err := fetch(c.Context(), api, l.path, q, p)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), found)
	}
	if p.csv {
		if err := printCSV(c.OutOrStdout(), l.columns, found.Items); err != nil {
			return err
		}
	} else if err := printTable(c, l, api, found.Items); err != nil {
		return err
	}
	if found.Next != "" {
		say(c.ErrOrStderr(), "there are more: --all prints them, --cursor %s continues from here", found.Next)
	}
	return nil
}

// printTable prints items for people.
func printTable[T any](c *cobra.Command, l listing[T], api *client, items []json.RawMessage) error {
	if len(items) == 0 {
		say(c.ErrOrStderr(), "no %s", l.plural)
		return nil
	}
	t, contact := table{head: l.head}, api.names(c.Context())
	for _, raw := range items {
		var record T
		if err := json.Unmarshal(raw, &record); err != nil {
			return fmt.Errorf("reading the list of %s: %w", l.plural, err)
		}
		t.add(l.row(contact, record)...)
	}
	return t.print(c.OutOrStdout())
}

// fetch reads pages until p has enough.
func fetch(ctx context.Context, api *client, path string, q url.Values, p paging) (page, error) {
	found := page{Items: []json.RawMessage{}, Next: p.cursor}
	for {
		size := issuance.MaxPage
		if !p.all {
			size = min(size, p.limit-len(found.Items))
		}
		q.Set("limit", strconv.Itoa(size))
		if found.Next != "" {
			q.Set("cursor", found.Next)
		}
		var part page
		if err := api.get(ctx, path, q, &part); err != nil {
			return found, err
		}
		found.Items, found.Next = append(found.Items, part.Items...), part.Next
		if part.Next == "" || !p.all && len(found.Items) >= p.limit {
			return found, nil
		}
	}
}

// namer returns the name of the contact that has an id.
type namer func(id string) string

// names returns a namer that asks for each contact once. It returns the id if the name
// cannot be read: a list without one name is better than none.
func (c *client) names(ctx context.Context) namer {
	seen := map[string]string{"": ""}
	return func(id string) string {
		if name, ok := seen[id]; ok {
			return name
		}
		var found contactRecord
		if err := c.get(ctx, "api/v1/contacts/"+url.PathEscape(id), nil, &found); err != nil || found.Name == "" {
			found.Name = id
		}
		seen[id] = found.Name
		return found.Name
	}
}

// showing is a command that shows one record.
type showing[T any] struct {
	arg   string // as in "order"
	noun  string // what it is, if arg does not say so
	short string
	path  func(context.Context, *client, string) (string, error) // of the record that the argument names
	lines func(namer, T, *sheet)
	after func(*cobra.Command, *client, T) error // prints what goes with it; may be nil
}

func showCommand[T any](n *connection, s showing[T]) *cobra.Command {
	return &cobra.Command{
		Use: "show " + strings.ToUpper(s.arg), Short: s.short, Args: args(strings.ToUpper(s.arg)),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			path, err := s.path(c.Context(), api, args[0])
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.get(c.Context(), path, nil, &raw); err != nil {
				return err
			}
			return n.print(c, raw, func(w io.Writer) error {
				var record T
				if err := json.Unmarshal(raw, &record); err != nil {
					return fmt.Errorf("reading the %s: %w", first(s.noun, s.arg), err)
				}
				var lines sheet
				s.lines(api.names(c.Context()), record, &lines)
				if err := lines.print(w); err != nil || s.after == nil {
					return err
				}
				return s.after(c, api, record)
			})
		},
	}
}
