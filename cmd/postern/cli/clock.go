package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

type clockRecord struct {
	Time, Clock, Recorded time.Time
	Doubt                 *struct {
		Since       time.Time
		Cause       string
		JumpSeconds int64 `json:"jump_seconds"`
	}
	Servers []struct {
		Server, Error string
		OffsetSeconds float64 `json:"offset_seconds"`
	}
}

const clockPath = "api/v1/clock"

func clock(n *connection) *cobra.Command {
	return group("clock", "The server's clock, and what to do when it has jumped", showClock(n), acceptClock(n))
}

func showClock(n *connection) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show whether the server's clock is in doubt and why", Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.get(c.Context(), clockPath, nil, &raw); err != nil {
				return err
			}
			return n.print(c, raw, func(w io.Writer) error {
				var r clockRecord
				if err := json.Unmarshal(raw, &r); err != nil {
					return fmt.Errorf("reading the answer: %w", err)
				}
				return r.sheet().print(w)
			})
		},
	}
}

// sheet is the state of the clock as people see it.
func (r clockRecord) sheet() *sheet {
	s := new(sheet)
	s.add("clock", r.Clock.UTC().Format(time.RFC3339))
	s.add("this computer's clock", time.Now().UTC().Format(time.RFC3339))
	if r.Doubt == nil {
		s.add("in doubt", "no")
	} else {
		s.add("in doubt", "since "+r.Doubt.Since.UTC().Format(time.RFC3339)+": "+r.Doubt.Cause)
		s.add("the server uses", r.Time.UTC().Format(time.RFC3339))
		s.add("stopped", "issuing, cleaning up, expiring and deleting; revocation continues")
	}
	for _, a := range r.Servers {
		said := "the clock is " + strconv.FormatFloat(-a.OffsetSeconds, 'f', 1, 64) + " s ahead of it"
		if a.Error != "" {
			said = a.Error
		}
		s.add("time server "+a.Server, said)
	}
	return s
}

func acceptClock(n *connection) *cobra.Command {
	var sure bool
	var typed string
	c := &cobra.Command{
		Use: "accept", Short: "Confirm that the server's clock is right",
		Long: `Confirms the time that the server's clock says, after it has jumped: the machine
was suspended, was off for long, or had a wrong clock before. Correct the clock
first if it is wrong.

What expires by that time expires: links, claim windows, certificates. What was
dated in the future is signed again. Revocations are never forgotten: who was
revoked stays so, also if the time turns out to be wrong and another is accepted.

With --yes, the clock of the computer that this command runs on has to agree
with the server's, or --time says the time.`,
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := n.client()
			if err != nil {
				return err
			}
			var r clockRecord
			if err := api.get(c.Context(), clockPath, nil, &r); err != nil {
				return err
			}
			confirmed := r.Clock.UTC().Format(time.RFC3339)
			switch {
			case typed != "":
				confirmed = typed
			case sure:
				confirmed = time.Now().UTC().Format(time.RFC3339)
			default:
				if err := confirm(c, question{about: *r.sheet(), ask: "Is it " + confirmed + " (UTC) now?"}); err != nil {
					return err
				}
			}
			return send(n, c, api.post, clockPath+"/accept", map[string]string{"time": confirmed}, func(r clockRecord) string {
				return "the clock is trusted; it is " + r.Time.UTC().Format(time.RFC3339)
			})
		},
	}
	sureFlag(c, &sure)
	c.Flags().StringVar(&typed, "time", "",
		"the current time, for example 2027-01-31T09:00:00Z; it must be the server's, give or take two minutes")
	return c
}
