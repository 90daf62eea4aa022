package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// reveal shows what is sealed in an audit record.
func reveal(n *connection) *cobra.Command {
	return &cobra.Command{
		Use: "reveal NUMBER", Short: "Show what an audit record has sealed",
		Long: `Shows the e-mail addresses and mobile numbers of an audit record in the clear,
which lists show masked with "(sealed)" behind. NUMBER is what a list shows as #NUMBER.
It is for administrators and auditors, and leaves an audit record itself.`,
		Args: args("NUMBER"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			var raw json.RawMessage
			path := "api/v1/audit/" + url.PathEscape(strings.TrimPrefix(args[0], "#")) + "/reveal"
			if err := api.post(c.Context(), path, map[string]string{}, &raw); err != nil {
				return err
			}
			return n.print(c, raw, func(w io.Writer) error {
				var r auditRecord
				if err := json.Unmarshal(raw, &r); err != nil {
					return fmt.Errorf("reading the audit record: %w", err)
				}
				var lines sheet
				aboutAudit(r, &lines)
				return lines.print(w)
			})
		},
	}
}

func aboutAudit(r auditRecord, s *sheet) {
	s.add("record", "#"+strconv.FormatUint(r.Seq, 10))
	s.add("at", when(r.At))
	s.add("who", who(r.Actor))
	s.add("from", r.Address)
	s.add("did", r.Verb)
	s.add("to", first(r.Order, r.Serial, r.Subject, r.Organization))
	for _, name := range slices.Sorted(maps.Keys(r.Revealed)) {
		s.add(name, r.Revealed[name])
	}
}
