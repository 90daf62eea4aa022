package ca

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/postern-ca/postern/issuance"
)

// crlStore is as much of a Store as revocation needs, in memory. Like the real
// ones it commits an Update in one piece, and gives a View what was committed.
type crlStore struct {
	mu      sync.RWMutex
	certs   map[issuance.Serial]issuance.Certificate
	log     []issuance.Revocation
	numbers map[string]uint64
	down    error  // what every transaction returns, if it is set
	reading func() // called by look-ups of certificates, after they have read
	listing func() error
}

func newCRLStore() *crlStore {
	return &crlStore{
		certs:   make(map[issuance.Serial]issuance.Certificate),
		numbers: make(map[string]uint64),
	}
}

func (s *crlStore) View(ctx context.Context, f func(issuance.FeedReader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := errors.Join(s.down, ctx.Err()); err != nil {
		return err
	}
	return f(crlTx{s: s})
}

func (s *crlStore) Update(ctx context.Context, f func(issuance.Feed) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.down, ctx.Err()); err != nil {
		return err
	}
	return f(crlTx{s: s})
}

// change is Update for the tests, which put certificates too.
func (s *crlStore) change(ctx context.Context, f func(crlTx) error) error {
	return s.Update(ctx, func(issuance.Feed) error { return f(crlTx{s: s}) })
}

// fail makes every transaction fail with err, or none if it is nil.
func (s *crlStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// crlTx is a transaction of the feed.
type crlTx struct{ s *crlStore }

func (t crlTx) Certificate(serial issuance.Serial) (issuance.Certificate, error) {
	c, ok := t.s.certs[serial]
	if t.s.reading != nil {
		t.s.reading()
	}
	if !ok {
		return c, issuance.ErrNotFound
	}
	return c, nil
}

// Certificates lists by serial number, the highest first, as if each had been
// issued after those below it.
func (t crlTx) Certificates(q issuance.CertificateQuery) (list []issuance.Certificate, next string, err error) {
	if t.s.listing != nil {
		if err := t.s.listing(); err != nil {
			return nil, "", err
		}
	}
	for _, serial := range slices.Backward(slices.Sorted(maps.Keys(t.s.certs))) {
		c := t.s.certs[serial]
		if q.After != "" && string(serial) >= q.After || c.Status == issuance.Abandoned || q.Status != "" && c.Status != q.Status {
			continue
		}
		if len(list) == q.Size() {
			return list, string(list[len(list)-1].Serial), nil
		}
		list = append(list, t.s.certs[serial])
	}
	return list, "", nil
}

func (t crlTx) PutCertificate(c issuance.Certificate) error {
	t.s.certs[c.Serial] = c
	return nil
}

func (t crlTx) AppendRevocation(r issuance.Revocation) error {
	r.Seq = uint64(len(t.s.log)) + 1
	t.s.log = append(t.s.log, r)
	return nil
}

func (t crlTx) Revocations(issuer string, f func(issuance.Revocation) error) error {
	for _, serial := range slices.Sorted(maps.Keys(t.s.certs)) {
		c := t.s.certs[serial]
		if c.Issuer != issuer || c.Status != issuance.Held && c.Status != issuance.Revoked {
			continue
		}
		if err := f(c.Revocation()); err != nil {
			return err
		}
	}
	return nil
}

func (t crlTx) Changes(after uint64, limit int) ([]issuance.Revocation, error) {
	rest := t.s.log[min(after, uint64(len(t.s.log))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (t crlTx) LastChange() (uint64, error) { return uint64(len(t.s.log)), nil }

func (t crlTx) NextCRLNumber(issuer string) (uint64, error) {
	t.s.numbers[issuer]++
	return t.s.numbers[issuer], nil
}
