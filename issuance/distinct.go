package issuance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Subjects must not be the same for two entities, ever (RFC 5280, section 4.1.2.6).
// Whoever registers a name second gets one more attribute in its subjects, for good;
// whoever had it first keeps the subject that web services know.

// foldName returns what two names have in common that are the same to whoever compares
// subjects: case, and blanks beyond the first, do not count (RFC 5280, section 7.1), nor
// what nobody sees; wide Latin letters are taken for the narrow ones, and ß for ss. The
// other compatibility forms of RFC 4518, section 2.3 (ligatures, narrow kana, letters in
// circles) are taken for letters of their own. Both names must be in NFC.
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
	name = strings.NewReplacer("ß", "ss", "ẞ", "ss").Replace(name)
	return strings.Join(strings.Fields(strings.Map(fold, name)), " ")
}

// isNamed reports whether o's certificates have, or had, a name that is folded.
func (o Organization) isNamed(folded string) bool {
	return foldName(o.Name) == folded || slices.ContainsFunc(o.FormerNames, func(n string) bool { return foldName(n) == folded })
}

// namesakes finds organisations by what foldName makes of their names, so that not all of
// them are read for each new one. It may know of names that were not committed, or have
// been replaced: the record decides. The zero value is ready for use.
type namesakes struct {
	mu sync.Mutex
	of map[string]map[OrgID]bool // nil: not read yet
}

// find returns who may have, or have had, the name that is folded, and from then on id among them.
func (n *namesakes) find(w *work, folded string, id OrgID) ([]OrgID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		all, err := everything(w.Organizations)
		if err != nil {
			return nil, err
		}
		n.read(all)
	}
	found := slices.Sorted(maps.Keys(n.of[folded]))
	n.add(folded, id)
	return found, nil
}

func (n *namesakes) add(folded string, id OrgID) {
	if n.of[folded] == nil {
		n.of[folded] = make(map[OrgID]bool)
	}
	n.of[folded][id] = true
}

func (n *namesakes) read(all []Organization) {
	n.of = make(map[string]map[OrgID]bool)
	for _, o := range all {
		for _, name := range append([]string{o.Name}, o.FormerNames...) {
			n.add(foldName(name), o.ID)
		}
	}
}

// distinguish has o's subjects differ from those of every other organisation.
func (w *work) distinguish(o *Organization) error {
	folded := foldName(o.Name)
	found, err := w.r.names.find(w, folded, o.ID)
	if err != nil {
		return err
	}
	for _, id := range found {
		if other, err := w.Organization(id); err == nil {
			o.Distinct = o.Distinct || id != o.ID && other.isNamed(folded)
		} else if !errors.Is(err, ErrNotFound) {
			return err
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
