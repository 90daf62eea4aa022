package ca

import (
	"crypto"
	"errors"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func TestOCSPKeepsAnswers(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, p := ocspResponder(t, house, store, now)
	request := ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA1)
	first := r.Respond(t.Context(), request)
	if again := r.Respond(t.Context(), request); again != first {
		t.Error("the answer is made twice")
	}
	step := func(d time.Duration) {
		now.Advance(d)
		if err := p.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	step(ocspLifetime / 2)
	if again := r.Respond(t.Context(), request); again != first {
		t.Error("the answer is not kept for half of its life")
	}
	step(time.Second)
	second := r.Respond(t.Context(), request)
	if second == first {
		t.Error("the answer is kept for more than half of its life")
	}
	// Nobody has heard from the store for more than a second: what it says now counts.
	now.Advance(ocspTrust)
	if again := r.Respond(t.Context(), request); again != second {
		t.Error("the answer is not kept for a second without the store")
	}
	now.Advance(time.Millisecond)
	store.fail(errors.New("disk on fire"))
	if got := r.Respond(t.Context(), request); got.Status != "try-later" {
		t.Errorf("%s while the store is away, want try-later", got.Status)
	}
}

func TestOCSPForgetsAtOnce(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, p := ocspResponder(t, house, store, now)
	serial := issuance.SerialOf(big.NewInt(1))
	for _, step := range []struct {
		status issuance.Status
		reason issuance.Reason
		want   string
	}{
		{issuance.Held, issuance.CertificateHold, "revoked"},
		{issuance.Active, "", "good"},
		{issuance.Revoked, issuance.KeyCompromise, "revoked"},
	} {
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, serial, hash)) // kept
		}
		crlChange(t, store, serial, step.status, step.reason, now.Now(), crlStart.AddDate(2, 0, 0))
		if err := p.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			if got := r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, serial, hash)).Status; got != step.want {
				t.Errorf("%s by %v: %s, want %s", step.status, hash, got, step.want)
			}
		}
	}
}

// An answer that was made of what the store said before a change is not kept
// after it.
func TestOCSPDoesNotKeepWhatIsOld(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	ocspPut(t, store)
	r, _ := ocspResponder(t, house, store, now)
	request := ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA1)
	serial := issuance.SerialOf(big.NewInt(1))
	store.reading = func() { // the store has been read; before the answer is signed, the publisher tells of a revocation
		store.reading = nil
		r.changed([]issuance.Revocation{{Serial: serial, Issuer: "issuing-1", Status: issuance.Revoked}}, now.Now())
	}
	if got := r.Respond(t.Context(), request).Status; got != "good" {
		t.Fatalf("the answer is %s, want good: it was read before", got)
	}
	crlChange(t, store, serial, issuance.Revoked, issuance.KeyCompromise, now.Now(), crlStart.AddDate(2, 0, 0))
	if got := r.Respond(t.Context(), request).Status; got != "revoked" {
		t.Errorf("the answer after the change is %s, want revoked", got)
	}
}

// Readers never see an answer more than a second older than the status, however
// many there are and whenever it changes.
func TestOCSPRace(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	synctest.Test(t, func(t *testing.T) {
		store := newCRLStore()
		p := crlRun(t, house, store, crlLog(t))
		request := ocspRequest(t, house.issuing.Certificate, "1", crypto.SHA1)
		serial := issuance.SerialOf(big.NewInt(1))
		var mu sync.Mutex
		want, since := "", time.Now() // the status, and since when it is so
		end := time.Now().Add(time.Minute)
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for time.Now().Before(end) {
					mu.Lock()
					status, at := want, since
					mu.Unlock()
					got := p.Responder.Respond(t.Context(), request).Status
					if time.Since(at) > time.Second && status != "" && got != status {
						t.Errorf("%s %v after it became %s", got, time.Since(at), status)
					}
					time.Sleep(7 * time.Millisecond)
				}
			})
		}
		for i := 0; time.Now().Before(end); i++ {
			status, says := issuance.Held, "revoked"
			if i%2 == 1 {
				status, says = issuance.Active, "good"
			}
			mu.Lock()
			crlChange(t, store, serial, status, "", time.Now(), end.AddDate(2, 0, 0))
			want, since = says, time.Now()
			mu.Unlock()
			time.Sleep(time.Duration(i%7) * 300 * time.Millisecond) // nobody calls Wake: as if another node did it
		}
		readers.Wait()
	})
}

func TestOCSPCacheIsBounded(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	r, _ := ocspResponder(t, house, store, now)
	r.cache.max = 10
	for i := range 100 {
		serial := issuance.SerialOf(big.NewInt(int64(i) + 1))
		crlChange(t, store, serial, issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(2, 0, 0))
		r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, serial, crypto.SHA1))
		if got := len(r.cache.young) + len(r.cache.old); got > 10 {
			t.Fatalf("%d answers are kept, want at most 10", got)
		}
	}
	if len(r.cache.old) == 0 {
		t.Fatal("no answer is of the old generation")
	}
	for key := range r.cache.old {
		r.changed([]issuance.Revocation{{Serial: key.serialNumber(), Issuer: "issuing-1"}}, now.Now())
		if r.cache.get(key, now.Now()) != nil {
			t.Error("an answer of the old generation is kept after a change")
		}
	}
	r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, "ffff", crypto.SHA1))
	if _, ok := r.cache.young[ocspKey{serial: [20]byte{18: 0xff, 19: 0xff}}]; ok {
		t.Error("an unknown serial number is kept")
	}
}
