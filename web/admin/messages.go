package admin

import (
	"context"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// message is a notice without its secret, which is rendered when the message is sent and
// not kept.
type message struct {
	ID         issuance.NoticeID    `json:"id"`
	Kind       issuance.NoticeKind  `json:"kind"`
	Channel    issuance.Channel     `json:"channel"`
	State      issuance.NoticeState `json:"state"`
	Order      issuance.OrderID     `json:"order"`
	Serial     issuance.Serial      `json:"serial"`
	Contact    issuance.ContactID   `json:"contact"`
	To         string               `json:"to"`
	Language   string               `json:"language"`
	Attempts   int                  `json:"attempts"`
	NextAt     time.Time            `json:"next_at,omitzero"`
	LastError  string               `json:"last_error"`
	CreatedAt  time.Time            `json:"created_at"`
	SettledAt  time.Time            `json:"settled_at,omitzero"`
	ProviderID string               `json:"provider_id"`
	Text       string               `json:"text"` // of an alert; of a report its id
	// ChannelPaused is why its channel sends nothing, while the message waits.
	ChannelPaused string `json:"channel_paused,omitempty"`
}

// Channels is how messages are sent. All fields must be set.
type Channels struct {
	// Retry sends a message again at once, and returns it with the result.
	Retry func(ctx context.Context, by issuance.Actor, id issuance.NoticeID) (issuance.Notice, error)
	// Test sends a test message to an address or number. If the provider does not accept
	// it, the result says so; that is not an error.
	Test func(ctx context.Context, by issuance.Actor, to string) (Tested, error)
	// Paused returns why a channel sends nothing, "" if it is not paused.
	Paused func(issuance.Channel) string
}

func (c Channels) complete() bool { return c.Retry != nil && c.Test != nil && c.Paused != nil }

// Tested is the result of a test message.
type Tested struct {
	Channel    issuance.Channel `json:"channel"`
	To         string           `json:"to"`
	Accepted   bool             `json:"accepted"` // by the provider
	ProviderID string           `json:"provider_id"`
	Problem    string           `json:"problem"` // why it was not accepted, and what to do; no secrets
}

func (a *API) viewMessage(n issuance.Notice) message {
	m := viewMessage(n)
	if n.State == issuance.Pending {
		m.ChannelPaused = a.opts.Channels.Paused(n.Channel)
	}
	return m
}

func viewMessage(n issuance.Notice) message {
	return message{
		ID: n.ID, Kind: n.Kind, Channel: n.Channel, State: n.State, Order: n.Order, Serial: n.Serial, Contact: n.Contact, To: n.To,
		Language: n.Language, Attempts: n.Attempts, NextAt: n.NextAt, LastError: n.LastError, CreatedAt: n.CreatedAt,
		SettledAt: n.SettledAt, ProviderID: n.ProviderID, Text: n.Text,
	}
}

func (a *API) listMessages(c *call) (any, error) {
	q := c.listing("state", "order")
	find := issuance.NoticeQuery{
		State: oneOf(q, "state", issuance.Pending, issuance.Accepted, issuance.Failed, issuance.Dropped),
		Page:  q.page(),
	}
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.Notice, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Order = who.Order
		return tx.Notices(find)
	}, a.viewMessage)
}

func (a *API) showMessage(c *call) (any, error) {
	id := issuance.NoticeID(c.part("id"))
	return shown(a.opts.Registrar.Read, c, issuance.MessageNoun, func(tx issuance.Reader) (issuance.Notice,
		error,
	) {
		return tx.Notice(id)
	}, a.viewMessage)
}

func (a *API) retryMessage(c *call) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	n, err := a.opts.Channels.Retry(c.r.Context(), c.by, issuance.NoticeID(c.part("id")))
	return viewed(n, err, a.viewMessage)
}

func (a *API) testMessage(c *call) (any, error) {
	var to string
	if _, err := c.read(fields{"to": text(&to)}); err != nil {
		return nil, err
	}
	tested, err := a.opts.Channels.Test(c.r.Context(), c.by, to)
	if err != nil {
		return nil, err
	}
	return tested, nil
}
