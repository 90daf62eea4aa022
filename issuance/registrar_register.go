package issuance

import (
	"context"
	"errors"
	"slices"
	"time"
)

// OrganizationRequest and ContactRequest add to the register. The registrar sets
// the ids and times.
type (
	OrganizationRequest struct {
		Organization
		Once Once
	}
	ContactRequest struct {
		Contact
		Once Once
	}
)

// AddOrganization registers a customer.
func (r *Registrar) AddOrganization(ctx context.Context, by Actor, q OrganizationRequest) (Organization, error) {
	o := q.Organization
	if err := errors.Join(by.May(AddVerb, OrganizationNoun), o.check()); err != nil {
		return Organization{}, err
	}
	err := r.update(ctx, func(w *work) error {
		if made, err := w.Once(by, q.Once); err != nil {
			return err
		} else if made != "" {
			o, err = w.Organization(OrgID(made))
			return err
		}
		if _, err := w.Organization(o.ID); err == nil {
			return taken("id", "organisation", string(o.ID))
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		o.CreatedAt, o.Disabled, o.FormerNames, o.Distinct = w.now, false, nil, false
		if err := w.distinguish(&o); err != nil {
			return err
		}
		if err := w.PutOrganization(o); err != nil {
			return err
		}
		return w.added(by, q.Once, o.ID, string(o.ID))
	})
	return o, err
}

// ChangeOrganization replaces an organisation's name, which certificates contain
// from then on, and whether it is disabled. The id does not change. Another name
// voids what was approved for the old one.
func (r *Registrar) ChangeOrganization(
	ctx context.Context, by Actor, id OrgID, change func(*Organization),
) (Organization, error) {
	if err := by.May(ChangeVerb, OrganizationNoun); err != nil {
		return Organization{}, err
	}
	var o Organization
	err := r.update(ctx, func(w *work) (err error) {
		if o, err = w.Organization(id); errors.Is(err, ErrNotFound) {
			return NoSuch(OrganizationNoun, string(id))
		} else if err != nil {
			return err
		}
		old := o
		change(&o)
		o.ID, o.CreatedAt, o.FormerNames, o.Distinct = old.ID, old.CreatedAt, old.FormerNames, old.Distinct
		if err := o.check(); err != nil {
			return err
		}
		if o.Name != old.Name {
			o.FormerNames = append(slices.Clone(old.FormerNames), old.Name)
			if err := w.distinguish(&o); err != nil {
				return err
			}
		}
		if err := w.PutOrganization(o); err != nil {
			return err
		}
		detail := old.changes(o)
		if o.Disabled && !old.Disabled {
			if err := w.disabled(by, OrderQuery{Organization: o.ID}, "the organisation was disabled", detail); err != nil {
				return err
			}
		}
		if o.Name != old.Name {
			if err := w.voidAll(by, OrderQuery{Organization: o.ID}, "the organisation has another name"); err != nil {
				return err
			}
		}
		w.Audit(by, switched(old.Disabled, o.Disabled), AuditRecord{Organization: o.ID, Subject: string(o.ID), Detail: detail})
		return nil
	})
	return o, err
}

// changes tells what is new.
func (o Organization) changes(now Organization) map[string]string {
	d := make(map[string]string)
	if o.Name != now.Name {
		d["name"] = o.Name + " -> " + now.Name
	}
	return d
}

// switched is the verb of a change: what it did to whether a record is disabled,
// if anything.
func switched(was, is bool) Verb {
	switch {
	case is && !was:
		return DisableVerb
	case was && !is:
		return EnableVerb
	}
	return ChangeVerb
}

// AddContact registers a person at a customer.
func (r *Registrar) AddContact(ctx context.Context, by Actor, q ContactRequest) (Contact, error) {
	c := q.Contact
	c.ID = ""
	if err := errors.Join(by.May(AddVerb, ContactNoun), r.checkContact(&c)); err != nil {
		return Contact{}, err
	}
	err := r.update(ctx, func(w *work) error {
		if made, err := w.Once(by, q.Once); err != nil {
			return err
		} else if made != "" {
			c, err = w.Contact(ContactID(made))
			return err
		}
		if err := resolve("organization", &c.Organization, r.Resolver(w).Organization); err != nil {
			return err
		}
		if err := w.onlyContact(c); err != nil {
			return err
		}
		c.ID, c.CreatedAt, c.Disabled = ContactID(NewID("con-", w.now)), w.now, false
		c.MobileChangedAt, c.EmailChangedAt, c.LostAt = time.Time{}, time.Time{}, time.Time{}
		if err := w.PutContact(c); err != nil {
			return err
		}
		if err := w.auditSealed(by, AddVerb, AuditRecord{Organization: c.Organization, Subject: string(c.ID), Detail: map[string]string{
			"email": c.MaskedEmail(), "mobile": c.MaskedMobile(),
		}}, map[string]string{"email": c.Email, "mobile": c.Mobile}); err != nil {
			return err
		}
		return w.Made(by, q.Once, string(c.ID))
	})
	return c, err
}

// onlyContact refuses an address that another contact of the organisation has.
func (w *work) onlyContact(c Contact) error {
	same, _, err := w.Contacts(ContactQuery{Organization: c.Organization, Email: c.Email})
	if err != nil {
		return err
	}
	for _, other := range same {
		if other.ID != c.ID {
			return taken("email", "contact", c.Email)
		}
	}
	return nil
}

func (r *Registrar) checkContact(c *Contact) (err error) {
	if c.Email, err = r.cfg.ASCIIAddress(c.Email); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	c.Mobile, err = r.cfg.ReadMobile(c.Mobile)
	return err
}

// checkChanged checks and cleans what is new in c: what was good when it was added
// must not keep a contact from being disabled.
func (r *Registrar) checkChanged(c *Contact, old Contact) (err error) {
	if c.Email != old.Email {
		if c.Email, err = r.cfg.ASCIIAddress(c.Email); err != nil {
			return err
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.Mobile != old.Mobile {
		c.Mobile, err = r.cfg.ReadMobile(c.Mobile)
	}
	return err
}

// contact is Contact with an error that people can act on.
func (l reading) contact(id ContactID) (Contact, error) {
	c, err := l.Contact(id)
	if errors.Is(err, ErrNotFound) {
		return c, NoSuch(ContactNoun, string(id))
	}
	return c, err
}

// added audits an addition to the register and gives its receipt.
func (w *work) added(by Actor, once Once, org OrgID, id string) error {
	w.Audit(by, AddVerb, AuditRecord{Organization: org, Subject: id})
	return w.Made(by, once, id)
}

func taken(field, what, id string) *Error {
	return &Error{
		Kind: Conflict, Code: CodeState, Field: field, Message: what + " " + Quoted(id) + " already exists",
		Hint: "choose another, or use the existing one",
	}
}
