package admin

import (
	"context"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// order is what staff see of an order. Of its link, codes and session, it has only the
// number of wrong codes and the time when the link expires.
type order struct {
	ID            issuance.OrderID      `json:"id"`
	State         issuance.OrderState   `json:"state"`
	Organization  issuance.OrgID        `json:"organization"`
	Service       issuance.ServiceID    `json:"service"`
	Contact       issuance.ContactID    `json:"contact"`
	Key           issuance.KeyAlgorithm `json:"key"`
	Target        issuance.Target       `json:"target"`
	Renews        issuance.Serial       `json:"renews"`
	RequestedBy   issuance.Actor        `json:"requested_by"`
	RequestedAt   time.Time             `json:"requested_at"`
	DecidedBy     issuance.Actor        `json:"decided_by,omitzero"`
	DecidedAt     time.Time             `json:"decided_at,omitzero"`
	Comment       string                `json:"comment"`
	Attempts      int                   `json:"attempts"`
	LinkExpiresAt time.Time             `json:"link_expires_at,omitzero"`
	Serial        issuance.Serial       `json:"serial"`
	FromCSR       bool                  `json:"from_csr"`
	IssuedAt      time.Time             `json:"issued_at,omitzero"`
	DownloadedAt  time.Time             `json:"downloaded_at,omitzero"`
	CompletedAt   time.Time             `json:"completed_at,omitzero"`
	UpdatedAt     time.Time             `json:"updated_at"`
	// Unusual is what an approver should know first. It is set where one order is shown
	// that waits for approval.
	Unusual []issuance.Unusual `json:"unusual,omitempty"`
}

func viewOrder(o issuance.Order) order {
	return order{
		ID: o.ID, State: o.State, Organization: o.Organization, Service: o.Service, Contact: o.Contact, Key: o.Key, Target: o.Target,
		Renews: o.Renews, RequestedBy: o.RequestedBy, RequestedAt: o.RequestedAt, DecidedBy: o.DecidedBy, DecidedAt: o.DecidedAt,
		Comment: o.Comment, Attempts: o.Attempts, LinkExpiresAt: o.Link.ExpiresAt, Serial: o.Serial, FromCSR: o.FromCSR,
		IssuedAt: o.IssuedAt, DownloadedAt: o.DownloadedAt, CompletedAt: o.CompletedAt, UpdatedAt: o.UpdatedAt,
	}
}

func (a *API) listOrders(c *call) (any, error) {
	q := c.listing("state", "organization", "service", "contact")
	find := issuance.OrderQuery{State: oneOf(q, "state", issuance.OrderStates()...), Page: q.page()}
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.Order, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Organization, find.Service, find.Contact = who.Organization, who.Service, who.Contact
		return tx.Orders(find)
	}, viewOrder)
}

func (a *API) showOrder(c *call) (any, error) {
	id := issuance.OrderID(c.part("id"))
	return shown(a.opts.Registrar.Read, c, issuance.OrderNoun, func(tx issuance.Reader) (order, error) {
		o, err := tx.Order(id)
		if err != nil {
			return order{}, err
		}
		view := viewOrder(o)
		if o.State == issuance.RequestedState {
			view.Unusual, err = issuance.UnusualOf(tx, o, a.opts.Now())
		}
		return view, err
	}, func(o order) order { return o })
}

func (a *API) requestOrder(c *call) (any, error) {
	var q issuance.OrderRequest
	var renews string
	once, err := c.create(fields{
		"service": text(&q.Service), "contact": text(&q.Contact), "key": text(&q.Key), "target": text(&q.Target),
		"renews": text(&renews), "another": flag(&q.Another), "comment": text(&q.Comment),
	})
	if err != nil {
		return nil, err
	}
	if renews != "" {
		if q.Renews, err = a.renewable(c, renews); err != nil {
			return nil, err
		}
	}
	q.Once = once
	o, err := a.opts.Registrar.Request(c.r.Context(), c.by, q)
	return created{"/orders/" + string(o.ID), viewOrder(o)}, err
}

// renewable returns the serial number of a certificate that exists.
func (a *API) renewable(c *call, s string) (issuance.Serial, error) {
	serial, err := issuance.ParseSerial(s)
	if err != nil {
		return "", issuance.Invalidf("renews", "is not a serial number", issuance.SerialHint)
	}
	if _, err := a.opts.Registrar.Certificate(c.r.Context(), serial); issuance.KindOf(err) == issuance.NotFound {
		return "", issuance.Invalidf("renews", "there is no certificate "+string(serial),
			"check it against the list of the service's certificates")
	} else if err != nil {
		return "", err
	}
	return serial, nil
}

// onOrder is the endpoint of a verb of the registrar on one order.
func (a *API) onOrder(
	verb func(context.Context, issuance.Actor, issuance.OrderID, string) (issuance.Order, error),
) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var comment string
		if _, err := c.read(fields{"comment": text(&comment)}); err != nil {
			return nil, err
		}
		o, err := verb(c.r.Context(), c.by, issuance.OrderID(c.part("id")), comment)
		return viewed(o, err, viewOrder)
	}
}
