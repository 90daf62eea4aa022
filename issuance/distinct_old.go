package issuance

import (
	"context"
	"errors"
	"slices"
)

// everything reads a listing to its end.
func everything[T any](list func(Page) ([]T, string, error)) (all []T, err error) {
	for page := (Page{Limit: MaxPage}); ; {
		some, next, err := list(page)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if page.After = next; next == "" {
			return all, nil
		}
	}
}

// Distinguish has the subjects of organisations, and of services of one organisation,
// differ that were registered under one name before anybody looked at that. The one that
// was first keeps its subjects. Names that an organisation had before names were kept, and
// that are only in its certificates, are not known.
func (r *Registrar) Distinguish(ctx context.Context) error {
	return r.update(ctx, func(w *work) error {
		all, err := everything(w.Organizations)
		if err != nil {
			return err
		}
		r.names.mu.Lock()
		r.names.read(all)
		r.names.mu.Unlock()
		return errors.Join(w.distinguishOld(all), w.distinguishOldServices())
	})
}

func (w *work) distinguishOld(all []Organization) error {
	slices.SortStableFunc(all, func(a, b Organization) int { return a.CreatedAt.Compare(b.CreatedAt) })
	first := make(map[string]OrgID)
	for _, o := range all {
		folded := foldName(o.Name)
		if found := first[folded]; o.Distinct {
			continue // it differs, and keeps nobody else from the name
		} else if found == "" {
			first[folded] = o.ID
			continue
		}
		o.Distinct = true
		if err := w.PutOrganization(o); err != nil {
			return err
		}
		w.auditDistinct(o.ID, string(o.ID), "organisation "+string(first[folded]))
	}
	return nil
}

func (w *work) distinguishOldServices() error {
	all, err := everything(func(p Page) ([]Service, string, error) { return w.Services(ServiceQuery{Page: p}) })
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b Service) int { return a.CreatedAt.Compare(b.CreatedAt) })
	type name struct {
		organization OrgID
		folded       string
	}
	first := make(map[name]ServiceID)
	for _, s := range all {
		named := name{s.Organization, foldName(s.Name)}
		if found := first[named]; s.Distinct {
			continue
		} else if found == "" {
			first[named] = s.ID
			continue
		}
		s.Distinct = true
		if err := w.PutService(s); err != nil {
			return err
		}
		w.auditDistinct(s.Organization, string(s.ID), "service "+string(first[named]))
	}
	return nil
}

func (w *work) auditDistinct(o OrgID, subject, other string) {
	w.Audit(System("policy.subjects"), ChangeVerb, AuditRecord{Organization: o, Subject: subject, Detail: map[string]string{
		"subject": "has the service's id: " + other + " has the same name",
	}})
}
