package issuance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
)

// Subjects must not be the same for two entities, ever (RFC 5280, section 4.1.2.6).
// Whoever registers a name second gets one more attribute in its subjects, for good;
// whoever had it first keeps the subject that web services know.

// foldName returns what two names have in common that are the same to whoever compares
// subjects (RFC 5280, section 7.1: case, and blanks beyond the first, do not count).
// Wide Latin letters are taken for the narrow ones. Both names must be in NFC.
func foldName(name string) string {
	fold := func(r rune) rune {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if unseen(r) || r == '\u00ad' {
			return -1
		}
		return least
	}
	return strings.Join(strings.Fields(strings.Map(fold, name)), " ")
}

// isNamed reports whether o's certificates have, or had, a name that is folded.
func (o Organization) isNamed(folded string) bool {
	return foldName(o.Name) == folded || slices.ContainsFunc(o.FormerNames, func(n string) bool { return foldName(n) == folded })
}

// distinguish has o's subjects differ from those of every other organisation.
func (w *work) distinguish(o *Organization) error {
	folded := foldName(o.Name)
	for page := (Page{Limit: MaxPage}); !o.Distinct; {
		all, next, err := w.Organizations(page)
		if err != nil {
			return err
		}
		o.Distinct = slices.ContainsFunc(all, func(other Organization) bool { return other.ID != o.ID && other.isNamed(folded) })
		if page.After = next; next == "" {
			return nil
		}
	}
	return nil
}

// distinguishService is distinguish for the services of one organisation. It may be
// called as long as s has no certificate.
func (w *work) distinguishService(s *Service) error {
	folded := foldName(s.Name)
	s.Distinct = false
	for page := (Page{Limit: MaxPage}); !s.Distinct; {
		all, next, err := w.Services(ServiceQuery{Organization: s.Organization, Page: page})
		if err != nil {
			return err
		}
		s.Distinct = slices.ContainsFunc(all, func(other Service) bool { return other.ID != s.ID && foldName(other.Name) == folded })
		if page.After = next; next == "" {
			return nil
		}
	}
	return nil
}

// Distinguish has the subjects of organisations differ that were registered under one
// name before anybody looked at that. The one that was first keeps its subjects.
func (r *Registrar) Distinguish(ctx context.Context) error {
	return r.update(ctx, func(w *work) error {
		first := make(map[string]Organization)
		var all []Organization
		for page := (Page{Limit: MaxPage}); ; {
			some, next, err := w.Organizations(page)
			if err != nil {
				return err
			}
			all = append(all, some...)
			if page.After = next; next == "" {
				break
			}
		}
		slices.SortStableFunc(all, func(a, b Organization) int { return a.CreatedAt.Compare(b.CreatedAt) })
		for _, o := range all {
			folded := foldName(o.Name)
			if _, found := first[folded]; !found {
				first[folded] = o
				continue
			}
			if o.Distinct {
				continue
			}
			o.Distinct = true
			if err := w.PutOrganization(o); err != nil {
				return err
			}
			w.Audit(System("policy.subjects"), ChangeVerb, AuditRecord{
				Organization: o.ID, Subject: string(o.ID),
				Detail: map[string]string{"subject": "has the service's id: organisation " + string(first[folded].ID) + " has the same name"},
			})
		}
		return nil
	})
}

// maxSerialNumber is ub-serial-number (RFC 5280, appendix A.1).
const maxSerialNumber = 64

// distinction returns what subjects of s have as their serialNumber (RFC 5280, section
// 4.1.2.4), which tells two entities of one name apart: the service's id, or as much of
// its digest if it is too long; "" if nothing is needed.
func distinction(o Organization, s Service) string {
	id := string(s.ID)
	switch {
	case !o.Distinct && !s.Distinct:
		return ""
	case len(id) <= maxSerialNumber:
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:20])
}
