package bolt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// BenchmarkUpdate changes one small record an operation. "bare" is the same work
// with bbolt's own Batch, and its own defaults.
func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, options(b))
			defer closeStore(b, s)
			before := s.Stats()
			b.ReportAllocs()
			share(b, callers, func(i int) error {
				return s.Update(context.Background(), func(tx issuance.Tx) error {
					return tx.PutReceipt(issuance.Receipt{Key: fmt.Sprint(i), Request: "digest", Made: "order", At: time.Now()})
				})
			})
			report(b, s.Stats().Commits-before.Commits)
		})
		b.Run(fmt.Sprintf("bare/callers=%d", callers), func(b *testing.B) {
			db, commits := bare(b)
			before := commits()
			b.ReportAllocs()
			share(b, callers, func(i int) error {
				return db.Batch(func(tx *bbolt.Tx) error {
					return tx.Bucket([]byte("b")).Put(binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, 150))
				})
			})
			report(b, commits()-before)
		})
	}
}

// bare returns a plain bbolt database and what counts its commits.
func bare(b *testing.B) (db *bbolt.DB, commits func() uint64) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }); err != nil {
		b.Fatal(err)
	}
	return db, func() (id uint64) {
		if err := db.View(func(tx *bbolt.Tx) error { id = uint64(tx.ID()); return nil }); err != nil {
			b.Fatal(err)
		}
		return id
	}
}

// share does b.N operations from several callers.
func share(b *testing.B, callers int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
				if err := f(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
}

func report(b *testing.B, commits uint64) {
	b.ReportMetric(float64(commits)/float64(b.N), "commits/op")
	b.ReportMetric(2*float64(commits)/float64(b.N), "fdatasyncs/op")
}

// BenchmarkVerb writes what issuing a certificate writes.
func BenchmarkVerb(b *testing.B) {
	for _, callers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, options(b))
			defer closeStore(b, s)
			before := s.Stats()
			b.ReportAllocs()
			share(b, callers, func(i int) error {
				id := fmt.Sprint(rand.Uint64())
				return s.Update(context.Background(), func(tx issuance.Tx) error { return issued(tx, id) })
			})
			report(b, s.Stats().Commits-before.Commits)
		})
	}
}

func issued(tx issuance.Tx, id string) error {
	now := time.Now()
	o := issuance.Order{ID: issuance.OrderID(id), State: issuance.IssuedState, Organization: "acme", Service: "acme.payments", Contact: "c1", RequestedAt: now, DueAt: now, IssuedAt: now, UpdatedAt: now}
	c := issuance.Certificate{
		Serial: issuance.Serial(id), Status: issuance.Active, Order: o.ID, Organization: o.Organization, Service: o.Service, Contact: o.Contact,
		Issuer: "issuing", IssuedAt: now, NotBefore: now, NotAfter: now.Add(time.Hour), DER: make([]byte, 900),
	}
	if err := tx.PutOrder(o); err != nil {
		return err
	}
	if err := tx.PutCertificate(c); err != nil {
		return err
	}
	return tx.AppendAudit(issuance.AuditRecord{At: now, Verb: issuance.IssueVerb, Order: o.ID, Serial: c.Serial})
}

// BenchmarkList reads one page of 50, from the middle of a thousand and of a
// hundred thousand orders, through one index and through two.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		s := open(b, options(b))
		for i := 0; i < n; i += 1000 {
			if err := s.Update(b.Context(), func(tx issuance.Tx) error { return putMany(tx, i, i+1000) }); err != nil {
				b.Fatal(err)
			}
		}
		for name, q := range map[string]issuance.OrderQuery{
			"all": {}, "state": {State: issuance.InvitedState}, "state+organisation": {State: issuance.InvitedState, Organization: "acme"},
		} {
			b.Run(fmt.Sprintf("%s/of=%d", name, n), func(b *testing.B) {
				q.Limit = 50
				for b.Loop() {
					if err := s.View(b.Context(), func(tx issuance.Snapshot) error { return drop2(tx.Orders(q)) }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("due/of=%d", n), func(b *testing.B) {
			for b.Loop() {
				if err := s.View(b.Context(), func(tx issuance.Snapshot) error { return drop(tx.DueOrders(time.Now(), 50)) }); err != nil {
					b.Fatal(err)
				}
			}
		})
		closeStore(b, s)
	}
}

func drop2[R any](_ R, _ string, err error) error { return err }

func putMany(tx issuance.Tx, from, to int) error {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := from; i < to; i++ {
		o := issuance.Order{ID: issuance.OrderID(fmt.Sprintf("%016x", i)), State: issuance.CompletedState, Organization: "other", RequestedAt: at.Add(time.Duration(i) * time.Second)}
		if i%5 == 0 {
			o.State, o.DueAt = issuance.InvitedState, o.RequestedAt
		}
		if i%3 == 0 {
			o.Organization = "acme"
		}
		if err := tx.PutOrder(o); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkRevocations reads all that are present, as a CRL does at the start.
func BenchmarkRevocations(b *testing.B) {
	s := open(b, options(b))
	defer closeStore(b, s)
	const n = 100_000
	for i := 0; i < n; i += 1000 {
		if err := s.Update(b.Context(), func(tx issuance.Tx) error { return revokeMany(tx, i, i+1000) }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Feed().View(b.Context(), func(tx issuance.FeedReader) error {
			return tx.Revocations("issuing", func(issuance.Revocation) error { return nil })
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/revocation")
}

func revokeMany(tx issuance.Tx, from, to int) error {
	now := time.Now()
	for i := from; i < to; i++ {
		r := issuance.Revocation{Serial: issuance.Serial(fmt.Sprintf("%034x", i)), Issuer: "issuing", Status: issuance.Revoked, Reason: issuance.Superseded, At: now, NotAfter: now.Add(time.Hour)}
		c := issuance.Certificate{Serial: r.Serial, Issuer: r.Issuer, Status: r.Status, Reason: r.Reason, ChangedAt: r.At, NotAfter: r.NotAfter}
		if err := errors.Join(tx.PutCertificate(c), tx.AppendRevocation(r)); err != nil {
			return err
		}
	}
	return nil
}
