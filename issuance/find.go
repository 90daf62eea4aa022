package issuance

import (
	"errors"
	"slices"
)

// mostFound is how many records of each kind are found at most.
const mostFound = 50

// Found is what matches something that people look for, and what belongs to it: at
// most fifty records of each kind, the newest first if they have a time.
type Found struct {
	Organizations []Organization
	Contacts      []Contact
	Services      []Service
	Orders        []Order
	Certificates  []Certificate
	Notices       []Notice
	More          []Noun // there are more of these
}

// Find looks up the input as everything that it may be: a certificate's serial
// number or its last digits, fingerprint, CN or SPIFFE ID, a service, a contact's
// address or number, an organisation, an order, a message. It also returns the
// certificates and orders of each match, and the records of an organisation. It is
// not an error if nothing is found.
func (v Resolver) Find(typed string) (Found, error) {
	f := finding{v: v}
	for _, look := range []func() error{
		func() error { return f.find(typed) },
		func() error { return f.organizations(typed) },
		func() error { return f.notice(typed) },
		f.around,
	} {
		if err := look(); err != nil {
			return Found{}, err
		}
	}
	return f.Found, nil
}

// Certificates looks only for certificates, but not for those of organisations.
func (v Resolver) Certificates(typed string) (found []Certificate, more bool, err error) {
	f := finding{v: v}
	err = f.find(typed)
	return f.Found.Certificates, slices.Contains(f.More, CertificateNoun), err
}

// finding is one look for something.
type finding struct {
	Found
	v Resolver
}

// find looks for what certificates hang on.
func (f *finding) find(typed string) error {
	if word(typed) == "" {
		return Invalidf("q", "is empty", "give a serial number, fingerprint, name, mail address, phone number or id")
	}
	services, err := f.v.services(typed, "")
	contacts, err2 := f.v.contacts(typed, "")
	if len(services) == mostFound {
		f.More = append(f.More, ServiceNoun)
	}
	if len(contacts) == mostFound {
		f.More = append(f.More, ContactNoun)
	}
	order, err3 := f.v.tx.Order(OrderID(word(typed)))
	if err := errors.Join(f.numbered(typed), err, err2, ignoreNotFound(err3)); err != nil {
		return err
	}
	f.Services, f.Contacts = services, contacts
	if err3 == nil {
		f.Orders = []Order{order}
	}
	return f.owned()
}

// numbered finds certificates by their numbers.
func (f *finding) numbered(typed string) error {
	if serial, err := ParseSerial(typed); err == nil {
		c, err := f.v.tx.Certificate(serial)
		if err == nil && c.Status != Abandoned {
			f.add(c)
		}
		if err := ignoreNotFound(err); err != nil {
			return err
		}
	}
	for _, k := range certificateKeys(typed) {
		found, err := f.v.tx.CertificatesWith(k, mostFound+1)
		if err != nil {
			return err
		}
		f.add(found...)
	}
	return nil
}

// owned finds the certificates of what was found.
func (f *finding) owned() error {
	var queries []CertificateQuery
	for _, s := range f.Services {
		queries = append(queries, CertificateQuery{Service: s.ID})
	}
	for _, c := range f.Contacts {
		queries = append(queries, CertificateQuery{Contact: c.ID})
	}
	for _, o := range f.Orders {
		queries = append(queries, CertificateQuery{Order: o.ID})
	}
	for _, q := range queries {
		if err := f.certificates(q); err != nil {
			return err
		}
	}
	return nil
}

func (f *finding) certificates(q CertificateQuery) error {
	q.Limit = mostFound + 1
	found, _, err := f.v.tx.Certificates(q)
	f.add(found...)
	return err
}

// add adds certificates, each once.
func (f *finding) add(found ...Certificate) {
	for _, c := range found {
		merge(f, CertificateNoun, &f.Found.Certificates, c, func(c Certificate) string { return string(c.Serial) })
	}
}

// merge adds r to list, unless it is there or the list is full.
func merge[R any](f *finding, noun Noun, list *[]R, r R, id func(R) string) {
	switch {
	case slices.ContainsFunc(*list, func(other R) bool { return id(other) == id(r) }):
	case len(*list) < mostFound:
		*list = append(*list, r)
	case !slices.Contains(f.More, noun):
		f.More = append(f.More, noun)
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
