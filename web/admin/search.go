package admin

import (
	"github.com/postern-ca/postern/issuance"
)

// found is what a search found.
type found struct {
	Organizations []organization `json:"organizations"`
	Contacts      []contact      `json:"contacts"`
	Services      []service      `json:"services"`
	Orders        []order        `json:"orders"`
	Certificates  []certificate  `json:"certificates"`
	Messages      []message      `json:"messages"`
	More          []string       `json:"more"` // the lists above that are not complete
}

// search answers with what q finds; with only=certificates, only certificates, and none
// for an organisation.
func (a *API) search(c *call) (any, error) {
	q := c.query("q", "only")
	typed, only := q.text("q"), oneOf(q, "only", "certificates")
	if q.err != nil {
		return nil, q.err
	}
	var answer found
	err := a.opts.Registrar.Read(c.r.Context(), func(tx issuance.Reader) (err error) {
		answer, err = a.find(tx, typed, only == "certificates")
		return err
	})
	return answer, err
}

func (a *API) find(tx issuance.Reader, typed string, certificatesOnly bool) (found, error) {
	look := a.opts.Registrar.Resolver(tx)
	f, err := issuance.Found{}, error(nil)
	if certificatesOnly {
		var more bool
		if f.Certificates, more, err = look.Certificates(typed); more {
			f.More = []issuance.Noun{issuance.CertificateNoun}
		}
	} else {
		f, err = look.Find(typed)
	}
	if err != nil {
		return found{}, err
	}
	certificates, err := withUses(tx, f.Certificates...)
	return found{
		Organizations: views(f.Organizations, viewOrganization), Contacts: views(f.Contacts, viewContact),
		Services: views(f.Services, viewService), Orders: views(f.Orders, viewOrder),
		Certificates: views(certificates, a.viewSeen), Messages: views(f.Notices, a.viewMessage),
		More: views(f.More, func(n issuance.Noun) string { return string(n) + "s" }),
	}, err
}

// views shows each record; none as an empty list.
func views[R, V any](records []R, view func(R) V) []V {
	out := make([]V, 0, len(records))
	for _, r := range records {
		out = append(out, view(r))
	}
	return out
}
