package admin

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// message is a notice without the secret that it carries: that is rendered when
// it is sent, and stands nowhere.
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
	}, viewMessage)
}

func (a *API) showMessage(c *call) (any, error) {
	id := issuance.NoticeID(c.part("id"))
	return shown(a.opts.Registrar.Read, c, issuance.MessageNoun, func(tx issuance.Reader) (issuance.Notice, error) { return tx.Notice(id) }, viewMessage)
}

func (a *API) retryMessage(c *call) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	n, err := a.opts.Registrar.RetryNotice(c.r.Context(), c.by, issuance.NoticeID(c.part("id")))
	return viewed(n, err, viewMessage)
}
