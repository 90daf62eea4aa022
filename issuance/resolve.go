package issuance

import (
	"errors"
	"strings"
)

// Resolver finds the one record that matches what people write: an id, a mail
// address, a phone number, a name. It never guesses: its errors are of kind
// NotFound if there is no match and Conflict if there are several.
type Resolver struct {
	tx     resolvable
	mobile func(typed string) (string, error) // E.164
}

// resolvable is what a Resolver reads: a Reader, or a transaction.
type resolvable interface {
	RegisterReader
	OrderReader
	CertificateReader
	NoticeReader
}

// Resolver returns the resolver for the transaction tx.
func (r *Registrar) Resolver(tx resolvable) Resolver { return Resolver{tx, r.cfg.ReadMobile} }

// Party says to whom records belong; "" stands for anybody.
type Party struct {
	Organization OrgID
	Service      ServiceID
	Contact      ContactID
	Order        OrderID
}

// Party returns p with ids in place of what was typed in its fields. An error names
// the field. What is not an id is looked up in the organisation that p names, or to
// which its service belongs.
func (v Resolver) Party(p Party) (Party, error) {
	if p.Organization != "" {
		if err := resolve("organization", &p.Organization, v.Organization); err != nil {
			return p, err
		}
	}
	in := p.Organization
	if p.Service != "" {
		find := func(s string) (ServiceID, error) { return v.Service(s, in) }
		if err := resolve("service", &p.Service, find); err != nil {
			return p, err
		}
		s, err := v.tx.Service(p.Service)
		if err != nil {
			return p, err
		}
		in = s.Organization
	}
	if p.Contact != "" {
		find := func(s string) (ContactID, error) { return v.Contact(s, in) }
		if err := resolve("contact", &p.Contact, find); err != nil {
			return p, err
		}
	}
	if p.Order == "" {
		return p, nil
	}
	return p, resolve("order", &p.Order, v.Order)
}

// resolve replaces what is typed in a field by the id that find returns for it.
func resolve[ID ~string](field string, id *ID, find func(string) (ID, error)) error {
	found, err := find(string(*id))
	if e, ok := err.(*Error); ok && (e.Kind == NotFound || e.Kind == Conflict) { //nolint:errorlint // a wrapped one is the store's
		in := *e
		return inField(field, &in)
	}
	*id = found
	return err
}

// Organization returns the id of the organisation with the id or name typed.
func (v Resolver) Organization(typed string) (OrgID, error) {
	found, err := v.organizations(typed)
	return one(OrganizationNoun, typed, found, err, func(o Organization) (OrgID, OrgID) { return o.ID, "" })
}

// Service returns the id of the service with the id, name (CN) or SPIFFE ID typed.
// If it is not an id, it is looked up in an organisation, or in all if that is "".
func (v Resolver) Service(typed string, in OrgID) (ServiceID, error) {
	found, err := v.services(typed, in)
	return one(ServiceNoun, typed, found, err, func(s Service) (ServiceID, OrgID) { return s.ID, s.Organization })
}

// Contact returns the id of the contact with the id, mail address or phone number
// typed. If it is not an id, it is looked up in an organisation, or in all if that
// is "".
func (v Resolver) Contact(typed string, in OrgID) (ContactID, error) {
	found, err := v.contacts(typed, in)
	if err == nil && len(found) == 0 && in != "" {
		if found, err = v.contacts(typed, ""); len(found) > 0 {
			return "", belongs(typed, found[0], in)
		}
	}
	return one(ContactNoun, typed, found, err, func(c Contact) (ContactID, OrgID) { return c.ID, c.Organization })
}

// Order returns the id of the order that is typed.
func (v Resolver) Order(typed string) (OrderID, error) {
	o, err := v.tx.Order(OrderID(word(typed)))
	if errors.Is(err, ErrNotFound) {
		err = NoSuch(OrderNoun, typed)
	}
	return o.ID, err
}

// one returns the id of the one record that was found under what is typed.
func one[R any, ID ~string](noun Noun, typed string, found []R, err error, whose func(R) (ID, OrgID)) (ID, error) {
	switch {
	case err != nil:
		return "", err
	case len(found) == 0 || word(typed) == "":
		return "", NoSuch(noun, typed)
	case len(found) == 1:
		id, _ := whose(found[0])
		return id, nil
	}
	var names []string
	for _, r := range found {
		id, org := whose(r)
		name := string(id)
		if noun == ContactNoun {
			name += " (" + string(org) + ")"
		}
		names = append(names, name)
	}
	return "", &Error{
		Kind: Conflict, Code: CodeSeveral, Message: Quoted(typed) + " means more than one " + string(noun),
		Hint: "name one by its id: " + strings.Join(names, ", "),
	}
}

// belongs says that a contact is one of another organisation than in.
func belongs(typed string, c Contact, in OrgID) *Error {
	return &Error{
		Kind: NotFound, Code: CodeNotFound,
		Message: Quoted(typed) + " is not a contact of " + string(in) + ", but " + string(c.ID) + " (" + string(c.Organization) + ")",
		Hint:    "choose a contact of " + string(in) + ", or add this person there", Next: Next{Verb: ListVerb, Noun: ContactNoun},
	}
}

// organizations returns those that are meant by what is typed.
func (v Resolver) organizations(typed string) ([]Organization, error) {
	o, err := v.tx.Organization(OrgID(word(typed)))
	if err == nil {
		return []Organization{o}, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return v.tx.OrganizationsNamed(strings.TrimSpace(typed), mostFound)
}

// services returns those that are meant by what is typed.
func (v Resolver) services(typed string, in OrgID) ([]Service, error) {
	id, spiffe := spiffeService(typed)
	if !spiffe {
		id = ServiceID(word(distinguished(typed)))
	}
	s, err := v.tx.Service(id)
	switch {
	case err == nil && spiffe:
		return v.named(s, typed)
	case err == nil:
		return []Service{s}, nil
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	name := commonName(typed)
	if name == "" {
		return nil, nil
	}
	found, _, err := v.tx.Services(ServiceQuery{Name: name, Organization: in, Page: Page{Limit: mostFound}})
	return found, err
}

// named returns s unless its certificates have SPIFFE IDs of another trust domain.
func (v Resolver) named(s Service, spiffe string) ([]Service, error) {
	newest, _, err := v.tx.Certificates(CertificateQuery{Service: s.ID, Page: Page{Limit: mostFound}})
	for _, c := range newest {
		if hasURI(c.DER, strings.TrimSpace(spiffe)) {
			return []Service{s}, nil
		}
	}
	if len(newest) > 0 || err != nil {
		return nil, err
	}
	return []Service{s}, nil
}

// contacts returns those that are meant by what is typed.
func (v Resolver) contacts(typed string, in OrgID) ([]Contact, error) {
	q := ContactQuery{Organization: in, Page: Page{Limit: mostFound}}
	if strings.Contains(typed, "@") {
		q.Email = address(typed)
	} else {
		c, err := v.tx.Contact(ContactID(word(typed)))
		if err == nil {
			return []Contact{c}, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if q.Mobile, err = v.mobile(typed); err != nil {
			return nil, nil // no phone number either
		}
	}
	found, _, err := v.tx.Contacts(q)
	return found, err
}
