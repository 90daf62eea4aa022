package bolt

import (
	"errors"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
)

// tables is every table of the store.
type tables struct {
	organizations table[issuance.Organization]
	contacts      table[issuance.Contact]
	proposals     table[issuance.Proposal]
	services      table[issuance.Service]
	orders        table[issuance.Order]
	certificates  table[issuance.Certificate]
	notices       table[issuance.Notice]
	tokens        table[staff.Token]
	audit         table[issuance.AuditRecord]
	receipts      table[issuance.Receipt]
	usages        table[issuance.Usage]
	reports       table[report.Stored]
}

func newTables() tables {
	return tables{
		organizations: table[issuance.Organization]{
			name: "organizations",
			key:  func(r issuance.Organization) []byte { return []byte(r.ID) },
			index: func(r issuance.Organization) [][]byte {
				return [][]byte{entry(byName, []byte(r.ID), strings.ToLower(r.Name))}
			},
		},
		contacts: table[issuance.Contact]{
			name:  "contacts",
			key:   func(r issuance.Contact) []byte { return []byte(r.ID) },
			index: contactIndex,
		},
		proposals: table[issuance.Proposal]{
			name: "proposals", key: func(r issuance.Proposal) []byte { return []byte(r.ID) }, index: proposalIndex,
		},
		services: table[issuance.Service]{
			name:  "services",
			key:   func(r issuance.Service) []byte { return []byte(r.ID) },
			index: serviceIndex,
		},
		orders: table[issuance.Order]{
			name: ordersBucket, key: func(r issuance.Order) []byte { return []byte(r.ID) }, index: orderIndex,
		},
		certificates: table[issuance.Certificate]{name: "certificates", key: serialKey, index: certificateIndex},
		notices: table[issuance.Notice]{
			name: "notices", key: func(r issuance.Notice) []byte { return []byte(r.ID) }, index: noticeIndex,
		},
		tokens: table[staff.Token]{
			name:  "tokens",
			key:   func(r staff.Token) []byte { return []byte(r.ID) },
			index: func(r staff.Token) [][]byte { return [][]byte{entry(byDigest, nil, r.Digest)} },
		},
		audit: table[issuance.AuditRecord]{name: "audit", key: auditKey, index: auditIndex, forget: true},
		receipts: table[issuance.Receipt]{
			name:  "receipts",
			key:   func(r issuance.Receipt) []byte { return []byte(r.Key) },
			index: func(r issuance.Receipt) [][]byte { return [][]byte{entry[string](byTime, oldest(r.At, r.Key))} },
		},
		usages: table[issuance.Usage]{
			name:   "usages",
			key:    func(r issuance.Usage) []byte { return []byte(r.Serial) },
			index:  usageIndex,
			forget: true, // all that are in use change every few seconds: they would push out what is read
		},
		reports: table[report.Stored]{
			name: "reports", key: func(r report.Stored) []byte { return []byte(r.ID) },
			index: func(report.Stored) [][]byte { return nil }, forget: true,
		},
	}
}

// The tags of the index entries. They stand in the file: a number never gets
// another meaning.
const (
	byAll          tag = 1
	byOrganization tag = 2
	byService      tag = 3
	byContact      tag = 4
	byOrder        tag = 5
	byState        tag = 6
	byDue          tag = 7
	byDigest       tag = 8
	byEmail        tag = 9
	byTime         tag = 10
	byExpiry       tag = 11 // this and byNeed: in the bucket for ends
	byNeed         tag = 12
	byRenewal      tag = 13
	byRefusal      tag = 14
	byVerb         tag = 15
	byName         tag = 16 // from here to byHolder: in the buckets for finding
	byMobile       tag = 17
	bySHA256       tag = 18
	bySHA1         tag = 19
	byEnding       tag = 20
	byHolder       tag = 21
	byKey          tag = 22 // in the bucket for keys
	byRevocation   tag = 23 // in the bucket for finding
)

// The tables of what belongs to orders, in entries beside them.
const (
	auditBeside       byte = 'a'
	certificateBeside byte = 'c'
	noticeBeside      byte = 'n'
)

func serialKey(r issuance.Certificate) []byte { return []byte(r.Serial) }

func contactIndex(r issuance.Contact) [][]byte {
	return [][]byte{
		entry(byOrganization, []byte(r.ID), r.Organization),
		entry(byEmail, []byte(r.ID), strings.ToLower(r.Email)),
		entry(byMobile, []byte(r.ID), r.Mobile),
	}
}

// serviceIndex has the identifier and, where it is another, the name that it was
// made of. The identifier is part of the key: its entry stays whatever the name becomes.
func serviceIndex(r issuance.Service) [][]byte {
	name, identifier := strings.ToLower(r.Name), r.ID.Identifier()
	if name == identifier {
		name = "" // and no entry: one is enough
	}
	return [][]byte{
		entry(byOrganization, []byte(r.ID), string(r.Organization)),
		entry(byName, []byte(r.ID), name),
		entry(byName, []byte(r.ID), identifier),
	}
}

// matching returns the prefixes of the lists whose value is set.
type matching struct{ prefixes [][]byte }

func matchOrder(m *matching, table byte, id issuance.OrderID) {
	if id != "" {
		m.prefixes = append(m.prefixes, besideOrderPrefix(table, id))
	}
}

func match[S ~string](m *matching, t tag, value S) {
	if value != "" {
		m.prefixes = append(m.prefixes, prefix(t, value))
	}
}

func (t *tx) Organization(id issuance.OrgID) (issuance.Organization, error) {
	return t.s.tables.organizations.get(t, []byte(id))
}

func (t *tx) PutOrganization(r issuance.Organization) error {
	return t.s.tables.organizations.put(t, r)
}

func (t *tx) Organizations(p issuance.Page) ([]issuance.Organization, string, error) {
	return t.s.tables.organizations.list(t, query{Page: p})
}

func (t *tx) OrganizationsNamed(name string, limit int) ([]issuance.Organization, error) {
	return t.s.tables.organizations.take(t, query{prefixes: [][]byte{prefix(byName, strings.ToLower(name))}}, limit)
}

func (t *tx) Contact(id issuance.ContactID) (issuance.Contact, error) {
	return t.s.tables.contacts.get(t, []byte(id))
}

func (t *tx) PutContact(r issuance.Contact) error { return t.s.tables.contacts.put(t, r) }

func (t *tx) Contacts(q issuance.ContactQuery) ([]issuance.Contact, string, error) {
	var m matching
	match(&m, byOrganization, q.Organization)
	match(&m, byEmail, strings.ToLower(q.Email))
	match(&m, byMobile, q.Mobile)
	return t.s.tables.contacts.list(t, query{prefixes: m.prefixes, Page: q.Page})
}

func (t *tx) Service(id issuance.ServiceID) (issuance.Service, error) {
	return t.s.tables.services.get(t, []byte(id))
}

func (t *tx) PutService(r issuance.Service) error { return t.s.tables.services.put(t, r) }

func (t *tx) DeleteService(id issuance.ServiceID) error {
	old, err := t.Service(id)
	if errors.Is(err, issuance.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return t.s.tables.services.remove(t, old)
}

func (t *tx) Services(q issuance.ServiceQuery) ([]issuance.Service, string, error) {
	var m matching
	match(&m, byOrganization, q.Organization)
	match(&m, byName, strings.ToLower(q.Name))
	return t.s.tables.services.list(t, query{prefixes: m.prefixes, Page: q.Page})
}

func (t *tx) Token(id staff.TokenID) (staff.Token, error) {
	return t.s.tables.tokens.get(t, []byte(id))
}

func (t *tx) TokenByDigest(d issuance.Digest) (staff.Token, error) {
	return t.s.tables.tokens.find(t, entry(byDigest, nil, d))
}

func (t *tx) PutToken(r staff.Token) error { return t.s.tables.tokens.put(t, r) }

func (t *tx) Tokens(p issuance.Page) ([]staff.Token, string, error) {
	return t.s.tables.tokens.list(t, query{Page: p})
}
