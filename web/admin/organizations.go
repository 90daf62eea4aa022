package admin

import (
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/postern-ca/postern/issuance"
)

type organization struct {
	ID        issuance.OrgID `json:"id"`
	Name      string         `json:"name"`
	Disabled  bool           `json:"disabled"`
	CreatedAt time.Time      `json:"created_at"`
}

func viewOrganization(o issuance.Organization) organization {
	return organization{ID: o.ID, Name: o.Name, Disabled: o.Disabled, CreatedAt: o.CreatedAt}
}

func (a *API) listOrganizations(c *call) (any, error) {
	q := c.listing()
	find := q.page()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.Organization, string,
		error,
	) {
		return tx.Organizations(find)
	}, viewOrganization)
}

func (a *API) showOrganization(c *call) (any, error) {
	return shown(a.opts.Registrar.Read, c, issuance.OrganizationNoun, func(tx issuance.Reader) (issuance.Organization, error) {
		id, err := a.opts.Registrar.Resolver(tx).Organization(c.part("id"))
		if err != nil {
			return issuance.Organization{}, err
		}
		return tx.Organization(id)
	}, viewOrganization)
}

func (a *API) addOrganization(c *call) (any, error) {
	var q issuance.OrganizationRequest
	once, err := c.create(fields{"id": text(&q.ID), "name": text(&q.Name)})
	if err != nil {
		return nil, err
	}
	q.Once, q.Name = once, norm.NFC.String(q.Name)
	o, err := a.opts.Registrar.AddOrganization(c.r.Context(), c.by, q)
	return created{"/organizations/" + string(o.ID), viewOrganization(o)}, err
}

func (a *API) changeOrganization(c *call) (any, error) {
	var e edits[issuance.Organization]
	if _, err := c.read(fields{"name": editText(&e, func(o *issuance.Organization) *string { return &o.Name })}); err != nil {
		return nil, err
	}
	return a.editOrganization(c, func(o *issuance.Organization) {
		e.apply(o)
		o.Name = norm.NFC.String(o.Name)
	})
}

func (a *API) disableOrganization(c *call) (any, error) { return a.switchOrganization(c, true) }

func (a *API) enableOrganization(c *call) (any, error) { return a.switchOrganization(c, false) }

func (a *API) switchOrganization(c *call, disabled bool) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	return a.editOrganization(c, func(o *issuance.Organization) { o.Disabled = disabled })
}

func (a *API) editOrganization(c *call, change func(*issuance.Organization)) (any, error) {
	o, err := a.opts.Registrar.ChangeOrganization(c.r.Context(), c.by, issuance.OrgID(c.part("id")), change)
	return viewed(o, err, viewOrganization)
}
