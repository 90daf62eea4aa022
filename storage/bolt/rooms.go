package bolt

import (
	"context"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
)

// room is the store as one room of the house sees it: one transaction satisfies
// the ports of all.
type room[R, T any] struct {
	s     *Store
	read  func(*tx) R
	write func(*tx) T
}

func (r room[R, T]) View(ctx context.Context, f func(R) error) error {
	return r.s.view(ctx, func(t *tx) error { return f(r.read(t)) })
}

func (r room[R, T]) Update(ctx context.Context, f func(T) error) error {
	return r.s.update(ctx, func(t *tx) error { return f(r.write(t)) })
}

// registrar is the store as orders, certificates and the register see it.
func (s *Store) registrar() room[issuance.Snapshot, issuance.Tx] {
	return room[issuance.Snapshot, issuance.Tx]{s, func(t *tx) issuance.Snapshot { return t }, func(t *tx) issuance.Tx { return t }}
}

// View implements [issuance.Store] for the registrar. It reads from a snapshot,
// concurrently with writers. A long View delays the reuse of space, and
// [Store.Scrub].
func (s *Store) View(ctx context.Context, f func(issuance.Snapshot) error) error {
	return s.registrar().View(ctx, f)
}

// Update implements [issuance.Store] for the registrar. If ctx ends while the call
// is queued, f is not run; once f runs, ctx is ignored. A panic of f continues in
// the caller's goroutine, and changes nothing in the store.
func (s *Store) Update(ctx context.Context, f func(issuance.Tx) error) error {
	return s.registrar().Update(ctx, f)
}

// Feed returns the store's view for the publisher of CRLs and OCSP answers.
func (s *Store) Feed() issuance.Store[issuance.FeedReader, issuance.Feed] {
	return room[issuance.FeedReader, issuance.Feed]{
		s, func(t *tx) issuance.FeedReader { return t }, func(t *tx) issuance.Feed { return t },
	}
}

// History returns the store as those see it who note how far it has come, and who
// bring it back there.
func (s *Store) History() issuance.Store[issuance.HistoryReader, issuance.LossTx] {
	return room[issuance.HistoryReader, issuance.LossTx]{
		s, func(t *tx) issuance.HistoryReader { return t }, func(t *tx) issuance.LossTx { return t },
	}
}

// Staff returns the store's view for package staff.
func (s *Store) Staff() issuance.Store[staff.Reader, staff.Tx] {
	return room[staff.Reader, staff.Tx]{s, func(t *tx) staff.Reader { return t }, func(t *tx) staff.Tx { return t }}
}

// Reports returns the store's view for package report.
func (s *Store) Reports() issuance.Store[report.Reader, report.Tx] {
	return room[report.Reader, report.Tx]{s, func(t *tx) report.Reader { return t }, func(t *tx) report.Tx { return t }}
}
