package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

func messages(n *connection) *cobra.Command {
	return group("message", "Mails and SMS, and their delivery",
		listCommand(n, listing[messageRecord]{
			columns: []string{
				"id", "kind", "channel", "state", "order", "serial", "contact", "to", "language", "attempts", "next_at",
				"last_error", "created_at", "settled_at", "provider_id", "text", "channel_paused",
			},
			short: "List messages, the newest first", plural: "messages", path: "api/v1/messages",
			filters: []filter{
				{
					name: "state", parameter: "state", usage: "pending, accepted, failed or dropped",
					words: words(issuance.Pending, issuance.Accepted, issuance.Failed, issuance.Dropped),
				},
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
				s.add("last error", m.LastError)
				s.add("channel paused", m.ChannelPaused)
				s.add("made", when(m.CreatedAt))
				s.add("settled", when(m.SettledAt))
				s.add("provider's id", m.ProviderID)
			},
		}),
		verbCommand(n, verb[messageRecord]{
			name: "retry", short: "Send a message again now, and report the result", arg: "message", path: at("messages"),
			told: toldRetry,
		}),
		testMessage(n))
}

// toldRetry says what happened to a message that was sent again.
func toldRetry(m messageRecord) string {
	what := "message " + m.ID + " to " + m.To
	switch m.State {
	case string(issuance.Accepted):
		return what + " was accepted" + byProvider(m.ProviderID)
	case string(issuance.Failed):
		return what + " failed: " + m.LastError
	case string(issuance.Dropped):
		return what + " is no longer needed: " + m.LastError
	}
	switch {
	case m.ChannelPaused != "":
		return what + " is waiting because its channel is paused: " + m.ChannelPaused
	case m.LastError != "":
		return what + " was not accepted yet: " + m.LastError + "; next try " + when(m.NextAt)
	}
	return what + " is on its way; `postern message show " + m.ID + "` shows the result"
}

func byProvider(id string) string {
	if id == "" {
		return ""
	}
	return "; the provider's id is " + id
}

// testMessage makes the running server send a test message.
func testMessage(n *connection) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "test --to ADDRESS-OR-NUMBER", Short: "Send a test message by mail or SMS", Args: args(),
		Long: `Has the running server send a test message at once, by mail to an address or by
SMS to a mobile number, and says whether the provider took it. Nothing is kept of
it but a record in the audit. To see whether the server is let in without sending
anything: postern config check --connect.`,
		Example: "  postern message test --to ops@example.com\n  postern message test --to +41791234567",
		RunE:    func(c *cobra.Command, _ []string) error { return sendTest(n, c, to) },
	}
	c.Flags().StringVar(&to, "to", "", "e-mail address, or mobile number in international form")
	if err := c.MarkFlagRequired("to"); err != nil {
		panic(err) // a flag of that name was defined above
	}
	return c
}

func sendTest(n *connection, c *cobra.Command, to string) error {
	api, err := n.client()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := api.post(c.Context(), "api/v1/messages/test", map[string]string{"to": to}, &raw); err != nil {
		return err
	}
	var t testedRecord
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if n.json {
		err = printJSON(c.OutOrStdout(), raw)
	} else if t.Accepted {
		say(c.OutOrStdout(), "the test message by %s to %s was accepted%s", t.Channel, t.To, byProvider(t.ProviderID))
	}
	if err == nil && !t.Accepted {
		err = errors.New("the test message by " + t.Channel + " to " + t.To + " was not accepted: " + t.Problem)
	}
	return err
}

func messageHead() []string {
	return []string{"KIND", "STATE", "TO", "TRIES", "CREATED", "MESSAGE", "LAST ERROR"}
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
