package admin

import (
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/postern-ca/postern/issuance"
)

type service struct {
	ID           issuance.ServiceID    `json:"id"`
	Organization issuance.OrgID        `json:"organization"`
	Name         string                `json:"name"`
	Identifier   string                `json:"identifier"`
	Environment  issuance.Environment  `json:"environment"`
	Key          issuance.KeyAlgorithm `json:"key"`
	Target       issuance.Target       `json:"target"`
	Disabled     bool                  `json:"disabled"`
	CreatedAt    time.Time             `json:"created_at"`
}

func viewService(s issuance.Service) service {
	return service{
		ID: s.ID, Organization: s.Organization, Name: s.Name, Identifier: s.ID.Identifier(), Environment: s.Environment,
		Key: s.Key, Target: s.Target, Disabled: s.Disabled, CreatedAt: s.CreatedAt,
	}
}

func (a *API) listServices(c *call) (any, error) {
	q := c.listing("organization")
	find := issuance.ServiceQuery{Page: q.page()}
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.Service, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Organization = who.Organization
		return tx.Services(find)
	}, viewService)
}

func (a *API) showService(c *call) (any, error) {
	return shown(a.opts.Registrar.Read, c, issuance.ServiceNoun, func(tx issuance.Reader) (issuance.Service, error) {
		id, err := a.opts.Registrar.Resolver(tx).Service(c.part("id"), "")
		if err != nil {
			return issuance.Service{}, err
		}
		return tx.Service(id)
	}, viewService)
}

func (a *API) addService(c *call) (any, error) {
	var q issuance.ServiceRequest
	once, err := c.create(fields{
		"organization": text(&q.Organization), "name": text(&q.Name), "identifier": text(&q.Identifier),
		"environment": text(&q.Environment), "key": text(&q.Key), "target": text(&q.Target),
	})
	if err != nil {
		return nil, err
	}
	q.Once, q.Name = once, norm.NFC.String(q.Name)
	s, err := a.opts.Registrar.AddService(c.r.Context(), c.by, q)
	return created{"/services/" + string(s.ID), viewService(s)}, err
}

func (a *API) changeService(c *call) (any, error) {
	var e edits[issuance.ServiceRequest]
	_, err := c.read(fields{
		"name":        editText(&e, func(s *issuance.ServiceRequest) *string { return &s.Name }),
		"identifier":  editText(&e, func(s *issuance.ServiceRequest) *string { return &s.Identifier }),
		"environment": editText(&e, func(s *issuance.ServiceRequest) *issuance.Environment { return &s.Environment }),
		"key":         editText(&e, func(s *issuance.ServiceRequest) *issuance.KeyAlgorithm { return &s.Key }),
		"target":      editText(&e, func(s *issuance.ServiceRequest) *issuance.Target { return &s.Target }),
	})
	if err != nil {
		return nil, err
	}
	return a.editService(c, func(s *issuance.ServiceRequest) {
		e.apply(s)
		s.Name = norm.NFC.String(s.Name)
	})
}

func (a *API) disableService(c *call) (any, error) { return a.switchService(c, true) }

func (a *API) enableService(c *call) (any, error) { return a.switchService(c, false) }

func (a *API) switchService(c *call, disabled bool) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	return a.editService(c, func(s *issuance.ServiceRequest) { s.Disabled = disabled })
}

func (a *API) editService(c *call, change func(*issuance.ServiceRequest)) (any, error) {
	s, err := a.opts.Registrar.ChangeService(c.r.Context(), c.by, issuance.ServiceID(c.part("id")), change)
	return viewed(s, err, viewService)
}
