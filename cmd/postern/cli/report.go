package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

func reports(n *connection) *cobra.Command {
	return group("report", "Open tasks, and what happened in a day or a month",
		reportCommand(n, report.Daily, "date", "the day, for example 2026-11-25 (default the last complete day)"),
		reportCommand(n, report.Monthly, "month", "the month, for example 2026-11 (default the last complete month)"))
}

func reportCommand(n *connection, kind report.Kind, name, usage string) *cobra.Command {
	var period string
	var limit int
	c := &cobra.Command{
		Use: string(kind), Short: "Print the " + string(kind) + " report now", Args: args(),
		Long: "Prints the " + string(kind) + " report now. Days and months are those of the server's reports.time_zone;\n" +
			"what is to do is so now, whichever period is asked for.",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > issuance.MaxPage {
				return Usagef(c, "--limit must be from 1 to %d", issuance.MaxPage)
			}
			api, err := n.client()
			if err != nil {
				return err
			}
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if period != "" {
				q.Set(name, period)
			}
			var raw json.RawMessage
			if err := api.get(c.Context(), "api/v1/reports/"+string(kind), q, &raw); err != nil {
				return err
			}
			return n.print(c, raw, func(w io.Writer) error { return printReport(w, raw) })
		},
	}
	c.Flags().StringVar(&period, name, "", usage)
	c.Flags().IntVar(&limit, "limit", issuance.Page{}.Size(), "maximum number of rows in each list")
	return c
}

func printReport(w io.Writer, raw json.RawMessage) error {
	var r report.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("reading the report: %w", err)
	}
	for line := range strings.Lines(r.Text()) {
		say(w, "%s", strings.TrimSuffix(line, "\n"))
	}
	return nil
}
