package delivery

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// memory is a store of what the courier's registrar needs, and no more: any
// other method of Tx panics. The real stores have tests of their own.
type memory struct {
	mu      sync.Mutex
	data    memoryData
	failing int // this many updates return an error
}

type memoryData struct {
	issuance.Tx
	notices map[issuance.NoticeID]issuance.Notice
	orders  map[issuance.OrderID]issuance.Order
	secrets map[issuance.SecretRef]issuance.Secret
	clock   time.Time
}

func newMemory() *memory {
	return &memory{data: memoryData{
		notices: map[issuance.NoticeID]issuance.Notice{}, orders: map[issuance.OrderID]issuance.Order{}, secrets: map[issuance.SecretRef]issuance.Secret{},
	}}
}

func (s *memory) View(_ context.Context, f func(issuance.Snapshot) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(&snapshot{memoryData: &s.data})
}

// snapshot is the data for a reader.
type snapshot struct {
	issuance.LedgerReader
	*memoryData
}

func (s snapshot) Clock() (time.Time, error)              { return s.clock, nil }
func (s snapshot) ClockMark() (issuance.ClockMark, error) { return s.memoryData.ClockMark() }

func (s *memory) Update(ctx context.Context, f func(issuance.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.failing > 0 {
		s.failing--
		return errors.New("the disk is full")
	}
	before := s.data
	s.data.notices, s.data.orders, s.data.secrets = maps.Clone(before.notices), maps.Clone(before.orders), maps.Clone(before.secrets)
	if err := f(&s.data); err != nil {
		s.data = before
		return err
	}
	return nil
}

func (d *memoryData) DueNotices(c issuance.Channel, now time.Time, limit int) ([]issuance.Notice, error) {
	due := d.pending(c)
	due = slices.DeleteFunc(due, func(n issuance.Notice) bool { return n.NextAt.After(now) })
	return due[:min(limit, len(due))], nil
}

func (d *memoryData) NextNotice(c issuance.Channel) (time.Time, error) {
	if due := d.pending(c); len(due) > 0 {
		return due[0].NextAt, nil
	}
	return time.Time{}, nil
}

func (d *memoryData) pending(c issuance.Channel) (out []issuance.Notice) {
	for _, n := range d.notices {
		if n.State == issuance.Pending && n.Channel == c {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b issuance.Notice) int { return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (d *memoryData) Notice(id issuance.NoticeID) (issuance.Notice, error) {
	return found(d.notices, id)
}

func (d *memoryData) Order(id issuance.OrderID) (issuance.Order, error) { return found(d.orders, id) }

func (d *memoryData) Secret(ref issuance.SecretRef) (issuance.Secret, error) {
	return found(d.secrets, ref)
}
func (d *memoryData) PutNotice(n issuance.Notice) error         { d.notices[n.ID] = n; return nil }
func (d *memoryData) PutOrder(o issuance.Order) error           { d.orders[o.ID] = o; return nil }
func (d *memoryData) DeleteSecret(ref issuance.SecretRef) error { delete(d.secrets, ref); return nil }
func (d *memoryData) AppendAudit(issuance.AuditRecord) error    { return nil }
func (d *memoryData) Clock() (time.Time, error)                 { return d.clock, nil }
func (d *memoryData) ClockMark() (issuance.ClockMark, error)    { return issuance.ClockMark{}, nil }
func (d *memoryData) PutClockMark(issuance.ClockMark) error     { return nil }
func (d *memoryData) SetClock(t time.Time) error                { d.clock = t; return nil }
func (d *memoryData) Contact(issuance.ContactID) (issuance.Contact, error) {
	return issuance.Contact{Name: "Anna Muster", Email: "anna@acme.example", Mobile: "+41791234542", MayReceive: true}, nil
}

func (d *memoryData) Organization(issuance.OrgID) (issuance.Organization, error) {
	return issuance.Organization{ID: "acme", Name: "Acme AG"}, nil
}

func (d *memoryData) Service(issuance.ServiceID) (issuance.Service, error) {
	return issuance.Service{ID: "acme.payments", Name: "payments"}, nil
}

func (d *memoryData) Certificate(s issuance.Serial) (issuance.Certificate, error) {
	return issuance.Certificate{Serial: s, Status: issuance.Active}, nil
}

func found[K comparable, V any](m map[K]V, key K) (V, error) {
	v, ok := m[key]
	if !ok {
		return v, issuance.ErrNotFound
	}
	return v, nil
}

const (
	plantedPassword = "pLan-tEd1-pLan-tEd2-pLan-tEd3"
	plantedToken    = "pLanTedTokenpLanTedTokenpLanTedTokenpLanTed"
)

// queue keeps an order with a notice of kind, due now, and returns its id.
func (s *memory) queue(t testing.TB, kind issuance.NoticeKind, now time.Time) issuance.NoticeID {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	number := fmt.Sprintf("%04d", len(s.data.notices))
	n := issuance.Notice{
		ID: issuance.NoticeID("msg-" + number), Kind: kind, Channel: kind.Channel(), State: issuance.Pending, Order: issuance.OrderID("ord-" + number),
		To: "+41791234542", Language: "en", Counter: 1, NextAt: now, CreatedAt: now, GiveUpAt: now.Add(12 * time.Hour),
	}
	o := issuance.Order{ID: n.Order, State: issuance.InvitedState, Link: issuance.Link{Number: 1, ExpiresAt: now.Add(7 * 24 * time.Hour)}}
	o.Code = issuance.OneTimeCode{Counter: 1, Live: true, Notice: n.ID, MadeAt: []time.Time{now}}
	s.data.secrets[issuance.SecretRef{Kind: issuance.SeedSecret, Owner: string(o.ID)}] = NewSeed()
	s.data.secrets[issuance.SecretRef{Kind: issuance.LinkSecret, Owner: string(o.ID)}] = issuance.NewSecret([]byte(plantedToken))
	switch kind {
	case issuance.PasswordNotice:
		o.State, o.Serial, n.Serial = issuance.DownloadedState, "3f9a0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b", "3f9a0c1e5b7d2f4a6c8e0b1d3f5a7c9e1b"
		s.data.secrets[issuance.SecretRef{Kind: issuance.PasswordSecret, Owner: string(o.ID)}] = issuance.NewSecret([]byte(plantedPassword))
	case issuance.InvitationNotice:
		n.To = "anna@acme.example"
	}
	s.data.notices[n.ID], s.data.orders[o.ID] = n, o
	return n.ID
}

func (s *memory) notice(t testing.TB, id issuance.NoticeID) issuance.Notice {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.data.notices[id]
	if !ok {
		t.Fatalf("no notice %s", id)
	}
	return n
}

// states counts the notices by state.
func (s *memory) states() map[issuance.NoticeState]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[issuance.NoticeState]int{}
	for _, n := range s.data.notices {
		out[n.State]++
	}
	return out
}

type noSigner struct{ issuance.Signer }

// registrarOn is a registrar that can do the courier's verbs on s.
func registrarOn(t testing.TB, s issuance.Store[issuance.Snapshot, issuance.Tx], log *slog.Logger) *issuance.Registrar {
	t.Helper()
	r, err := issuance.New(issuance.Config{
		Desk:  &issuance.Desk{Now: time.Now, Log: log, Alerts: []string{"staff@bank.example"}},
		Store: s, Signer: noSigner{}, Policy: issuance.DefaultPolicy(),
		NewKey:  func(issuance.KeyAlgorithm) (crypto.Signer, error) { return nil, errors.ErrUnsupported },
		KeyOf:   func(crypto.PublicKey) (issuance.KeyAlgorithm, error) { return "", errors.ErrUnsupported },
		ReadCSR: func([]byte) (crypto.PublicKey, error) { return nil, errors.ErrUnsupported }, Pack: Pack,
		NewPassword: NewPassword, NewSeed: NewSeed, Code: Code, CheckCode: CheckCode, ReadMobile: ReadMobile(nil, ""), ASCIIAddress: ASCIIAddress, Workers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
