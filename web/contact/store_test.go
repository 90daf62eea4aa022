package contact

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// memory is a store in memory that has what the contact site's verbs use; a call
// of anything else panics.
type memory struct {
	mu  sync.Mutex
	now memoryTx
}

type memoryTx struct {
	issuance.Tx
	organizations map[issuance.OrgID]issuance.Organization
	services      map[issuance.ServiceID]issuance.Service
	contacts      map[issuance.ContactID]issuance.Contact
	proposals     map[issuance.ProposalID]issuance.Proposal
	orders        map[issuance.OrderID]issuance.Order
	certificates  map[issuance.Serial]issuance.Certificate
	notices       map[issuance.NoticeID]issuance.Notice
	secrets       map[issuance.SecretRef]issuance.Secret
	audit         *[]issuance.AuditRecord
	clock         *time.Time
}

// snapshot is the data for a reader.
type snapshot struct {
	issuance.LedgerReader
	memoryTx
}

func (s snapshot) Clock() (time.Time, error)              { return s.memoryTx.Clock() }
func (s snapshot) ClockMark() (issuance.ClockMark, error) { return s.memoryTx.ClockMark() }

func newMemory() *memory {
	return &memory{now: memoryTx{
		organizations: map[issuance.OrgID]issuance.Organization{},
		services:      map[issuance.ServiceID]issuance.Service{},
		contacts:      map[issuance.ContactID]issuance.Contact{},
		proposals:     map[issuance.ProposalID]issuance.Proposal{},
		orders:        map[issuance.OrderID]issuance.Order{},
		certificates:  map[issuance.Serial]issuance.Certificate{},
		notices:       map[issuance.NoticeID]issuance.Notice{},
		secrets:       map[issuance.SecretRef]issuance.Secret{},
		audit:         new([]issuance.AuditRecord),
		clock:         new(time.Time),
	}}
}

func (m *memory) View(_ context.Context, f func(issuance.Snapshot) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(snapshot{memoryTx: m.now})
}

func (m *memory) Update(_ context.Context, f func(issuance.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	audit, clock := slices.Clone(*m.now.audit), *m.now.clock
	next := memoryTx{
		organizations: maps.Clone(m.now.organizations), services: maps.Clone(m.now.services), contacts: maps.Clone(m.now.contacts),
		orders: maps.Clone(m.now.orders), certificates: maps.Clone(m.now.certificates), notices: maps.Clone(m.now.notices),
		secrets: maps.Clone(m.now.secrets), proposals: maps.Clone(m.now.proposals), audit: &audit, clock: &clock,
	}
	if err := f(next); err != nil {
		return err
	}
	m.now = next
	return nil
}

func found[K comparable, V any](m map[K]V, k K) (V, error) {
	v, ok := m[k]
	if !ok {
		return v, issuance.ErrNotFound
	}
	return v, nil
}

func (t memoryTx) Organization(id issuance.OrgID) (issuance.Organization, error) {
	return found(t.organizations, id)
}

func (t memoryTx) PutOrganization(o issuance.Organization) error {
	t.organizations[o.ID] = o
	return nil
}

func (t memoryTx) Service(id issuance.ServiceID) (issuance.Service, error) {
	return found(t.services, id)
}
func (t memoryTx) PutService(s issuance.Service) error { t.services[s.ID] = s; return nil }
func (t memoryTx) Contact(id issuance.ContactID) (issuance.Contact, error) {
	return found(t.contacts, id)
}
func (t memoryTx) PutContact(c issuance.Contact) error { t.contacts[c.ID] = c; return nil }

func (t memoryTx) Contacts(q issuance.ContactQuery) (out []issuance.Contact, cursor string, err error) {
	for _, c := range t.contacts {
		if c.Organization == q.Organization && c.Email == q.Email {
			out = append(out, c)
		}
	}
	return out, "", nil
}

func (t memoryTx) PutProposal(p issuance.Proposal) error { t.proposals[p.ID] = p; return nil }

func (t memoryTx) Proposal(id issuance.ProposalID) (issuance.Proposal, error) {
	return found(t.proposals, id)
}

func (t memoryTx) ProposalByStop(d issuance.Digest) (issuance.Proposal, error) {
	for _, p := range t.proposals {
		if p.StopMail == d || p.StopSMS == d {
			return p, nil
		}
	}
	return issuance.Proposal{}, issuance.ErrNotFound
}

func (t memoryTx) Order(id issuance.OrderID) (issuance.Order, error) {
	return found(t.orders, id)
}
func (t memoryTx) PutOrder(o issuance.Order) error { t.orders[o.ID] = o; return nil }

func (t memoryTx) DoneTo(issuance.OrderID, issuance.Verb) ([]issuance.AuditRecord, error) {
	return nil, nil
}

func (t memoryTx) OrderByLink(d issuance.Digest) (issuance.Order, error) {
	for _, o := range t.orders {
		if o.Link.Digest == d {
			return o, nil
		}
	}
	return issuance.Order{}, issuance.ErrNotFound
}

func (t memoryTx) Orders(q issuance.OrderQuery) (out []issuance.Order, cursor string, err error) {
	for _, o := range t.orders {
		if (q.State == "" || o.State == q.State) && (q.Service == "" || o.Service == q.Service) && (q.Contact == "" || o.Contact == q.Contact) {
			out = append(out, o)
		}
	}
	return out, "", nil
}

func (t memoryTx) DueOrders(now time.Time, limit int) (out []issuance.Order, err error) {
	for _, o := range t.orders {
		if !o.DueAt.IsZero() && !o.DueAt.After(now) && len(out) < limit {
			out = append(out, o)
		}
	}
	return out, nil
}

func (t memoryTx) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	return found(t.certificates, s)
}

func (t memoryTx) PutCertificate(c issuance.Certificate) error {
	t.certificates[c.Serial] = c
	return nil
}
func (t memoryTx) AppendRevocation(issuance.Revocation) error { return nil }

func (t memoryTx) Notice(id issuance.NoticeID) (issuance.Notice, error) { return found(t.notices, id) }

func (t memoryTx) PutNotice(n issuance.Notice) error { t.notices[n.ID] = n; return nil }

func (t memoryTx) Notices(q issuance.NoticeQuery) (out []issuance.Notice, cursor string, err error) {
	for _, n := range t.notices {
		if n.Order == q.Order {
			out = append(out, n)
		}
	}
	return out, "", nil
}

func (t memoryTx) DueNotices(c issuance.Channel, now time.Time, limit int) (out []issuance.Notice, err error) {
	for _, n := range t.notices {
		if n.Channel == c && n.State == issuance.Pending && !n.NextAt.After(now) && len(out) < limit {
			out = append(out, n)
		}
	}
	return out, nil
}

func (t memoryTx) Secret(r issuance.SecretRef) (issuance.Secret, error) { return found(t.secrets, r) }

func (t memoryTx) PutSecret(r issuance.SecretRef, s issuance.Secret) error {
	t.secrets[r] = s
	return nil
}
func (t memoryTx) DeleteSecret(r issuance.SecretRef) error { delete(t.secrets, r); return nil }

func (t memoryTx) AppendAudit(r issuance.AuditRecord) error {
	*t.audit = append(*t.audit, r)
	return nil
}

func (t memoryTx) Receipt(string) (issuance.Receipt, error) {
	return issuance.Receipt{}, issuance.ErrNotFound
}
func (t memoryTx) PutReceipt(issuance.Receipt) error         { return nil }
func (t memoryTx) Compromised(issuance.Digest) (bool, error) { return false, nil }
func (t memoryTx) CertificatesWith(k issuance.CertificateKey, _ int) (out []issuance.Certificate, _ error) {
	for _, c := range t.certificates {
		if k.Mark != "" && c.Mark() == k.Mark {
			out = append(out, c)
		}
	}
	return out, nil
}
func (t memoryTx) Clock() (time.Time, error)              { return *t.clock, nil }
func (t memoryTx) ClockMark() (issuance.ClockMark, error) { return issuance.ClockMark{}, nil }
func (t memoryTx) PutClockMark(issuance.ClockMark) error  { return nil }
func (t memoryTx) SetClock(now time.Time) error           { *t.clock = now; return nil }
