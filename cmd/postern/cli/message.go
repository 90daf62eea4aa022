package cli

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func messages(n *connection) *cobra.Command {
	return group("message", "Mails and SMS, and what became of them",
		listCommand(n, listing[messageRecord]{
			columns: []string{
				"id", "kind", "channel", "state", "order", "serial", "contact", "to", "language", "attempts", "next_at",
				"last_error", "created_at", "settled_at", "provider_id", "text",
			},
			short: "List messages, the newest first", plural: "messages", path: "api/v1/messages",
			filters: []filter{
				{name: "state", parameter: "state", usage: "pending, accepted, failed or dropped", words: words(issuance.Pending, issuance.Accepted, issuance.Failed, issuance.Dropped)},
				{name: "order", parameter: "order", usage: "of this order"},
			},
			head: messageHead(), row: messageRow,
		}),
		showCommand(n, showing[messageRecord]{
			arg: "message", short: "Show a message; never its secret", path: at("messages"),
			lines: func(contact namer, m messageRecord, s *sheet) {
				s.add("message", m.ID)
				s.add("kind", m.Kind)
				s.add("channel", m.Channel)
				s.add("state", m.State)
				s.add("to", m.To)
				s.add("contact", contact(m.Contact))
				s.add("order", m.Order)
				s.add("certificate", m.Serial)
				s.add("text", m.Text)
				s.add("tries", strconv.Itoa(m.Attempts))
				s.add("next try", when(m.NextAt))
				s.add("what went wrong", m.LastError)
				s.add("made", when(m.CreatedAt))
				s.add("settled", when(m.SettledAt))
				s.add("provider's id", m.ProviderID)
			},
		}),
		verbCommand(n, verb[messageRecord]{
			name: "retry", short: "Send a message again", arg: "message", path: at("messages"),
			told: func(m messageRecord) string { return "message " + m.ID + " to " + m.To + " is " + m.State },
		}))
}

func messageHead() []string {
	return []string{"KIND", "STATE", "TO", "TRIES", "MADE", "MESSAGE", "WHAT WENT WRONG"}
}

func messageRow(_ namer, m messageRecord) []string {
	return []string{m.Kind, m.State, m.To, strconv.Itoa(m.Attempts), when(m.CreatedAt), m.ID, m.LastError}
}

// printMessages prints those of an order below it.
func printMessages(c *cobra.Command, sent page) error {
	t := table{head: messageHead()}
	for _, raw := range sent.Items {
		var m messageRecord
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("reading the messages: %w", err)
		}
		t.add(messageRow(nil, m)...)
	}
	say(c.OutOrStdout(), "")
	return t.print(c.OutOrStdout())
}
