package admin

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

type contact struct {
	ID              issuance.ContactID `json:"id"`
	Organization    issuance.OrgID     `json:"organization"`
	Name            string             `json:"name"`
	Email           string             `json:"email"`
	Mobile          string             `json:"mobile"`
	Language        string             `json:"language"`
	MayOrder        bool               `json:"may_order"`
	MayReceive      bool               `json:"may_receive"`
	Disabled        bool               `json:"disabled"`
	CreatedAt       time.Time          `json:"created_at"`
	MobileChangedAt time.Time          `json:"mobile_changed_at,omitzero"`
	EmailChangedAt  time.Time          `json:"email_changed_at,omitzero"`
	LostAt          time.Time          `json:"lost_at,omitzero"`
	// Proposal is what waits for another person, in the answer to what proposed it.
	Proposal issuance.ProposalID `json:"proposal,omitempty"`
}

func viewContact(c issuance.Contact) contact {
	return contact{
		ID: c.ID, Organization: c.Organization, Name: c.Name, Email: c.Email, Mobile: c.Mobile, Language: c.Language,
		MayOrder: c.MayOrder, MayReceive: c.MayReceive, Disabled: c.Disabled, CreatedAt: c.CreatedAt,
		MobileChangedAt: c.MobileChangedAt,
		EmailChangedAt:  c.EmailChangedAt, LostAt: c.LostAt,
	}
}

func viewChanged(c issuance.ChangedContact) contact {
	v := viewContact(c.Contact)
	v.Proposal = c.Proposal
	return v
}

func (a *API) listContacts(c *call) (any, error) {
	q := c.listing("organization", "email")
	find, email := issuance.ContactQuery{Page: q.page()}, q.text("email")
	typed := q.party()
	if q.err != nil {
		return nil, q.err
	}
	return listOf(a.opts.Registrar.Read, c, func(tx issuance.Reader) ([]issuance.Contact, string, error) {
		who, err := a.opts.Registrar.Resolver(tx).Party(typed)
		if err != nil {
			return nil, "", err
		}
		find.Organization = who.Organization
		if email != "" {
			find.Email = a.opts.Registrar.Resolver(tx).Address(email)
		}
		found, next, err := tx.Contacts(find)
		if err == nil && len(found) == 0 && email != "" && find.After == "" {
			err = unknown("email", issuance.ContactNoun, email)
		}
		return found, next, err
	}, viewContact)
}

func (a *API) showContact(c *call) (any, error) {
	return shown(a.opts.Registrar.Read, c, issuance.ContactNoun, func(tx issuance.Reader) (issuance.Contact, error) {
		id, err := a.opts.Registrar.Resolver(tx).Contact(c.part("id"), "")
		if err != nil {
			return issuance.Contact{}, err
		}
		return tx.Contact(id)
	}, viewContact)
}

func (a *API) addContact(c *call) (any, error) {
	var q issuance.ContactRequest
	once, err := c.create(fields{
		"organization": text(&q.Organization), "name": text(&q.Name), "email": text(&q.Email), "mobile": text(&q.Mobile),
		"language": text(&q.Language), "may_order": flag(&q.MayOrder), "may_receive": flag(&q.MayReceive),
	})
	if err != nil {
		return nil, err
	}
	q.Once = once
	made, err := a.opts.Registrar.AddContact(c.r.Context(), c.by, q)
	return created{"/contacts/" + string(made.ID), viewContact(made)}, err
}

func (a *API) changeContact(c *call) (any, error) {
	var e edits[issuance.Contact]
	_, err := c.read(fields{
		"name":        editText(&e, func(c *issuance.Contact) *string { return &c.Name }),
		"email":       editText(&e, func(c *issuance.Contact) *string { return &c.Email }),
		"mobile":      editText(&e, func(c *issuance.Contact) *string { return &c.Mobile }),
		"language":    editText(&e, func(c *issuance.Contact) *string { return &c.Language }),
		"may_order":   editFlag(&e, func(c *issuance.Contact) *bool { return &c.MayOrder }),
		"may_receive": editFlag(&e, func(c *issuance.Contact) *bool { return &c.MayReceive }),
	})
	if err != nil {
		return nil, err
	}
	return a.editContact(c, e.apply)
}

func (a *API) disableContact(c *call) (any, error) { return a.switchContact(c, true) }

func (a *API) enableContact(c *call) (any, error) { return a.switchContact(c, false) }

func (a *API) switchContact(c *call, disabled bool) (any, error) {
	if err := c.readNothing(); err != nil {
		return nil, err
	}
	return a.editContact(c, func(p *issuance.Contact) { p.Disabled = disabled })
}

func (a *API) reportLoss(c *call) (any, error) {
	var comment string
	if _, err := c.read(fields{"comment": text(&comment)}); err != nil {
		return nil, err
	}
	lost, err := a.opts.Registrar.ReportLoss(c.r.Context(), c.by, issuance.ContactID(c.part("id")), comment)
	return viewed(lost, err, viewContact)
}

func (a *API) editContact(c *call, change func(*issuance.Contact)) (any, error) {
	changed, err := a.opts.Registrar.ChangeContact(c.r.Context(), c.by, issuance.ContactID(c.part("id")), change)
	return viewed(changed, err, viewChanged)
}
