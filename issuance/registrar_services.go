package issuance

import (
	"context"
	"errors"
)

// ServiceRequest adds a service to the register, or changes one. The registrar sets
// the id, which consists of organisation and identifier.
type ServiceRequest struct {
	Service
	Identifier string // short name; "": derived from the name
	Once       Once   // of an addition
}

// check cleans q's fields and gives the service its id, or says which field cannot stand.
func (q *ServiceRequest) check() (err error) {
	if err := q.Service.check(); err != nil {
		return err
	}
	if q.Identifier == "" {
		if q.Identifier, err = MakeIdentifier(q.Name); err != nil {
			return err
		}
	}
	q.ID = ServiceID(string(q.Organization) + "." + q.Identifier)
	return checkShortName("identifier", q.Identifier)
}

// AddService registers a customer's client application.
func (r *Registrar) AddService(ctx context.Context, by Actor, q ServiceRequest) (Service, error) {
	if err := errors.Join(by.May(AddVerb, ServiceNoun), q.check()); err != nil {
		return Service{}, err
	}
	s := q.Service
	err := r.update(ctx, func(w *work) error {
		if made, err := w.Once(by, q.Once); err != nil {
			return err
		} else if made != "" {
			s, err = w.Service(ServiceID(made))
			return err
		}
		if err := resolve("organization", &q.Organization, r.Resolver(w).Organization); err != nil {
			return err
		}
		if err := q.check(); err != nil { // its id is new
			return err
		}
		s = q.Service
		if err := w.untaken(s); err != nil {
			return err
		}
		s.CreatedAt, s.Disabled = w.now, false
		if err := w.distinguishService(&s); err != nil {
			return err
		}
		if err := w.PutService(s); err != nil {
			return err
		}
		return w.added(by, q.Once, s.Organization, string(s.ID))
	})
	return s, err
}

// untaken refuses the id of another service.
func (w *work) untaken(s Service) error {
	_, err := w.Service(s.ID)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	e := taken("identifier", "service", string(s.ID))
	e.Hint = "give another identifier, or use the existing service"
	return e
}

// ChangeService replaces a service's environment, preferences and whether it is
// disabled. Its name and identifier can be replaced only before its first
// certificate, which contains them. Its orders move to the new id, and the old id
// becomes free.
func (r *Registrar) ChangeService(ctx context.Context, by Actor, id ServiceID, change func(*ServiceRequest)) (Service, error) {
	if err := by.May(ChangeVerb, ServiceNoun); err != nil {
		return Service{}, err
	}
	var s Service
	err := r.update(ctx, func(w *work) error {
		id, err := r.Resolver(w).Service(string(id), "")
		if err != nil {
			return err
		}
		old, err := w.Service(id)
		if err != nil {
			return err
		}
		q := ServiceRequest{Service: old, Identifier: old.ID.Identifier()}
		change(&q)
		q.Organization, q.CreatedAt, q.Distinct = old.Organization, old.CreatedAt, old.Distinct
		if err := q.check(); err != nil {
			return err
		}
		s = q.Service
		if err := w.rename(old, s); err != nil {
			return err
		}
		if s.Name != old.Name {
			if err := w.distinguishService(&s); err != nil {
				return err
			}
		}
		if err := w.PutService(s); err != nil {
			return err
		}
		detail := old.changes(s)
		if s.Disabled && !old.Disabled {
			if err := w.disabled(by, OrderQuery{Service: s.ID}, "the service was disabled", detail); err != nil {
				return err
			}
		}
		if s.Name != old.Name || s.ID != old.ID {
			if err := w.voidAll(by, OrderQuery{Service: s.ID}, "the service has another name"); err != nil {
				return err
			}
		}
		w.Audit(by, switched(old.Disabled, s.Disabled), AuditRecord{
			Organization: s.Organization, Subject: string(s.ID), Detail: detail,
		})
		return nil
	})
	return s, err
}

// changes tells which of a service's names are new.
func (s Service) changes(now Service) map[string]string {
	d := make(map[string]string)
	if s.Name != now.Name {
		d["name"] = s.Name + " -> " + now.Name
	}
	if s.ID != now.ID {
		d["identifier"] = s.ID.Identifier() + " -> " + now.ID.Identifier()
	}
	return d
}
