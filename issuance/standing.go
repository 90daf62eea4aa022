package issuance

import (
	"context"
	"sync"
)

// Standing answers what is asked at each handshake and each request of a client: how
// a certificate stands, and the service that it was issued for. It remembers what it
// has read for as long as nothing has been committed since: whoever asks after a
// revocation was answered is told of it.
type Standing struct {
	store   Store[Snapshot, Tx]
	version func() uint64

	certificates remembered[Serial, Certificate]
	services     remembered[ServiceID, Service]
}

// NewStanding returns the Standing of store. version returns another number once
// something may have changed, before anybody is told that it has; 0 while the store
// cannot be read.
func NewStanding(store Store[Snapshot, Tx], version func() uint64) *Standing {
	return &Standing{store: store, version: version}
}

// Certificate returns the record of serial, as [Registrar.Certificate] does. Nobody
// may change what it points to.
func (s *Standing) Certificate(ctx context.Context, serial Serial) (Certificate, error) {
	return s.certificates.or(s.version(), serial, func() (c Certificate, err error) {
		err = s.store.View(ctx, func(tx Snapshot) error {
			c, err = issued(tx, serial)
			return err
		})
		return c, err
	})
}

// Service returns a service, which is disabled if its organisation is.
func (s *Standing) Service(ctx context.Context, id ServiceID) (Service, error) {
	return s.services.or(s.version(), id, func() (service Service, err error) {
		err = s.store.View(ctx, func(tx Snapshot) error {
			if service, err = tx.Service(id); err != nil {
				return err
			}
			o, err := tx.Organization(service.Organization)
			service.Disabled = service.Disabled || o.Disabled
			return err
		})
		return service, err
	})
}

// rememberedAtMost bounds what is remembered: some 3 kB each.
const rememberedAtMost = 4096

// remembered is what was read while the store had one version.
type remembered[K comparable, V any] struct {
	mu      sync.RWMutex
	version uint64
	values  map[K]V
}

// or returns what is remembered of key, or else what read returns, which is
// remembered unless it fails. version is the store's from before.
func (r *remembered[K, V]) or(version uint64, key K, read func() (V, error)) (V, error) {
	if value, ok := r.get(version, key); ok {
		return value, nil
	}
	value, err := read()
	if err == nil {
		r.keep(version, key, value)
	}
	return value, err
}

func (r *remembered[K, V]) get(version uint64, key K) (value V, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if version == 0 || version != r.version {
		return value, false
	}
	value, ok = r.values[key]
	return value, ok
}

// keep remembers what was read after the store had that version.
func (r *remembered[K, V]) keep(version uint64, key K, value V) {
	if version == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if version < r.version {
		return
	}
	if version > r.version || len(r.values) >= rememberedAtMost {
		r.version, r.values = version, make(map[K]V)
	}
	r.values[key] = value
}
