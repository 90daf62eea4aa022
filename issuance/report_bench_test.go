package issuance_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// BenchmarkReport writes the reports of houses that have issued so many
// certificates, evenly over two years: of each hundred one is revoked, one was
// refused, one was never used, and one in ten is not renewed in time.
func BenchmarkReport(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		now := utc("2026-11-26 07:00")
		desk := &issuance.Desk{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
		r := &report.Office{Desk: desk, Store: townOf(b, n, now).Reports(), Policy: issuance.DefaultPolicy()}
		for _, kind := range []report.Kind{report.Daily, report.Monthly} {
			b.Run(fmt.Sprintf("%s/of=%d", kind, n), func(b *testing.B) {
				for b.Loop() {
					report, err := r.Report(b.Context(), report.Query{Kind: kind})
					if err != nil {
						b.Fatal(err)
					}
					if got := report.Totals; got.Active+got.Held+got.Revoked+got.Expired != uint64(n) {
						b.Fatalf("%+v, want %d", got, n)
					}
				}
			})
		}
	}
}

// townOf returns a store with n certificates, whose lives are spread over the
// two years before now.
func townOf(b *testing.B, n int, now time.Time) *bolt.Store {
	b.Helper()
	dir := b.TempDir()
	key, err := seal.Create(filepath.Join(dir, "seal.key"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := bolt.Open(bolt.Options{Path: filepath.Join(dir, "postern.db"), Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	const lot = 10_000 // in one transaction
	for from := 0; from < n; from += lot {
		err := s.Update(b.Context(), func(tx issuance.Tx) error {
			for i := from; i < min(n, from+lot); i++ {
				at := now.AddDate(-2, 0, 0).Add(time.Duration(float64(i) / float64(n) * float64(now.Sub(now.AddDate(-2, 0, 0)))))
				if err := putLife(tx, i, at, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// putLife puts the i-th certificate, issued at at, its order, its uses and what
// was done.
func putLife(tx issuance.Tx, i int, at, now time.Time) error {
	org := issuance.OrgID(fmt.Sprintf("org-%d", i%300))
	o := issuance.Order{ID: issuance.OrderID(fmt.Sprintf("ord-%026d", i)), State: issuance.CompletedState, Organization: org, Service: issuance.ServiceID(org + ".payments"), Contact: "con", RequestedAt: at, UpdatedAt: at}
	if i%1000 == 999 {
		o.State = issuance.RequestedState
	}
	c := issuance.Certificate{
		Serial: issuance.Serial(fmt.Sprintf("%034x", i)), Status: issuance.Active, Order: o.ID, Organization: org, Service: o.Service, Contact: o.Contact, Issuer: "issuing-1",
		IssuedAt: at, NotBefore: at, NotAfter: at.AddDate(2, 0, 0), Key: issuance.P256, DER: make([]byte, 700), Used: true,
	}
	u := issuance.Usage{Serial: c.Serial, Count: 1, First: at, Last: now.Add(-time.Hour)}
	verbs := []issuance.Verb{issuance.RequestVerb, issuance.ApproveVerb, issuance.IssueVerb, issuance.CompleteVerb}
	switch i % 100 {
	case 0:
		c.Status, c.Reason = issuance.Revoked, issuance.Superseded
		verbs = append(verbs, issuance.RevokeVerb)
	case 1:
		u.Refused, u.RefusedLast, u.RefusedCode = 1, at.Add(time.Hour), "certificate-held"
	case 2:
		c.Used, u.Count = false, 0
	}
	if c.NotAfter.Sub(now) < 60*24*time.Hour && i%10 != 0 {
		c.Succession = issuance.SuccessorIssued
		if i%2 == 0 {
			c.Succession = issuance.SuccessorUsed
		}
	}
	for _, err := range []error{tx.PutOrder(o), tx.PutCertificate(c), tx.PutUsage(u)} {
		if err != nil {
			return err
		}
	}
	for _, v := range verbs {
		if err := tx.AppendAudit(issuance.AuditRecord{At: at, Verb: v, Organization: org, Order: o.ID, Serial: c.Serial}); err != nil {
			return err
		}
	}
	return nil
}
