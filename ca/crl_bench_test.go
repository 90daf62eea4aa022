package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// crlFilled is a store with n revocations of issuing-1.
func crlFilled(b *testing.B, n int) *crlStore {
	b.Helper()
	store := newCRLStore()
	reasons := issuance.Reasons()
	for i := range n {
		sum := sha256.Sum256(fmt.Append(nil, i))
		r := issuance.Revocation{
			Seq: uint64(i) + 1, Serial: issuance.Serial(fmt.Sprintf("1%x", sum[:17])[:34]), Issuer: "issuing-1",
			Status: issuance.Revoked, Reason: reasons[1+i%5], At: crlStart, NotAfter: crlStart.AddDate(2, 0, 0),
		}
		store.log = append(store.log, r)
		store.certs[r.Serial] = issuance.Certificate{
			Serial: r.Serial, Issuer: r.Issuer, Status: r.Status, Reason: r.Reason, ChangedAt: r.At, NotAfter: r.NotAfter,
		}
	}
	return store
}

// crlPeak calls f and returns how far the heap grew above what it was before, in bytes.
func crlPeak(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, peak := read(), uint64(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, read())
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-stopped
	return max(peak, before) - before
}

// BenchmarkCRL is one more revocation among many, from the store's change to the
// last byte of its CRL; beside it the same list by x509.CreateRevocationList.
func BenchmarkCRL(b *testing.B) {
	for _, n := range []int{0, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("postern/%d", n), func(b *testing.B) { crlBenchmark(b, &Publisher{}, n) })
		b.Run(fmt.Sprintf("sharded/%d", n), func(b *testing.B) {
			crlBenchmark(b, &Publisher{Shards: []int{64}, Delta: true, URLs: crlURLs()}, n)
		})
		b.Run(fmt.Sprintf("bare/%d", n), func(b *testing.B) {
			house, store := newCRLHouse(b, crlKey(b, "P-256")), crlFilled(b, n)
			var peak uint64
			b.ReportAllocs()
			for b.Loop() {
				peak = max(peak, crlPeak(func() { crlBare(b, house, store) }))
			}
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		})
	}
}

// crlBenchmark revokes with p where n are revoked already.
func crlBenchmark(b *testing.B, p *Publisher, n int) {
	house, store := newCRLHouse(b, crlKey(b, "P-256")), crlFilled(b, n)
	p.Store, p.Issuers, p.Now, p.Log = store, []Issuer{house.issuing}, time.Now, slog.New(slog.DiscardHandler)
	if err := p.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	var peak uint64
	b.ReportAllocs()
	for b.Loop() {
		peak = max(peak, crlPeak(func() {
			crlChange(b, store, issuance.NewSerial(), issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(2, 0, 0))
			c := crlStep(b, p)
			if _, err := c.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
}

// crlBare makes the list of what is in store as a plain program would.
func crlBare(b *testing.B, house crlHouse, store *crlStore) {
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: crlStart, NextUpdate: crlStart.AddDate(0, 0, 1)}
	for _, r := range store.log {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: r.Serial.Int(), RevocationTime: r.At, ReasonCode: r.Reason.CRLReason(),
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, house.issuing.Certificate, house.issuing.Signer)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Discard.Write(der); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRevocation is what a revocation costs the publisher besides its CRL,
// which a thousand others share.
func BenchmarkRevocation(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			house, store := newCRLHouse(b, crlKey(b, "P-256")), crlFilled(b, n)
			p := &Publisher{Store: store, Issuers: []Issuer{house.issuing}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
			if err := p.Load(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				r := issuance.Revocation{Serial: issuance.NewSerial(), Issuer: "issuing-1", Status: issuance.Revoked, Reason: issuance.Superseded, At: crlStart}
				p.apply([]issuance.Revocation{r}, crlStart, false)
			}
		})
	}
}

func BenchmarkBundle(b *testing.B) {
	house, store := newCRLHouse(b, crlKey(b, "P-256")), crlFilled(b, 1_000_000)
	p := &Publisher{Store: store, Issuers: []Issuer{house.issuing}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := p.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		bundle, err := p.Bundle()
		if err != nil {
			b.Fatal(err)
		}
		n, err := bundle.WriteTo(io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}

func BenchmarkOCSP(b *testing.B) {
	house, store, now := newCRLHouse(b, crlKey(b, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	crlChange(b, store, issuance.SerialOf(big.NewInt(1)), issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(2, 0, 0))
	r, _ := ocspResponder(b, house, store, now)
	request := ocspRequest(b, house.issuing.Certificate, "1", crypto.SHA1)
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Respond(b.Context(), request)
		}
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.changed([]issuance.Revocation{{Serial: "1", Issuer: "issuing-1"}}, crlStart)
			r.Respond(b.Context(), request)
		}
	})
}
