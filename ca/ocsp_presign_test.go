package ca

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// presign runs the publisher and the responder's Presign until the test ends.
func presign(t *testing.T, house crlHouse, store *crlStore, log *slog.Logger) *Responder {
	t.Helper()
	r := crlRun(t, house, store, log).Responder
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Presign(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Presign returned %v", err)
		}
	})
	return r
}

// Whenever somebody asks, the answer is there, never older than half of its life,
// and a second after a change it is the new one.
func TestOCSPIsSignedInAdvance(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	synctest.Test(t, func(t *testing.T) {
		store := newCRLStore()
		serial := func(i int) issuance.Serial { return issuance.SerialOf(big.NewInt(int64(i) + 1000)) }
		put := func(i int, status issuance.Status) {
			crlChange(t, store, serial(i), status, "", time.Now().Truncate(time.Second), time.Now().AddDate(2, 0, 0))
		}
		const some = issuance.MaxPage + 10 // more than a page of them
		for i := range some {
			put(i, issuance.Active)
		}
		r := presign(t, house, store, crlLog(t))
		time.Sleep(time.Second)
		ask := func(i int, want string) {
			t.Helper()
			a := r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, serial(i), crypto.SHA1))
			if age := time.Since(a.ThisUpdate); a.Status != want || age > ocspLifetime/2 {
				t.Errorf("certificate %d is %s, %v old; want %s", i, a.Status, age, want)
			}
		}
		for range 60 {
			for _, i := range []int{0, 1, some / 2, some - 1} {
				ask(i, "good")
			}
			time.Sleep(10 * time.Second)
		}
		put(1, issuance.Held)
		time.Sleep(time.Second)
		ask(1, "revoked")
		put(1, issuance.Active)
		time.Sleep(time.Second)
		ask(1, "good")
		put(some, issuance.Active) // issued now: signed in the next round
		time.Sleep(ocspLifetime / presignRounds)
		ask(some, "good")
		if got := r.Stats().Signed; got != 0 {
			t.Errorf("%d answers were signed when they were asked for, want none", got)
		}
		if got := r.Stats().Presigned; got < 2*some || got > 11*some {
			t.Errorf("%d answers were signed in advance in ten minutes, want one each 75 s for %d certificates", got, some)
		}
	})
}

// A store that is away in the first round hides no certificate for good, and what
// has expired is not signed for any more.
func TestOCSPInAdvanceGoesOn(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	synctest.Test(t, func(t *testing.T) {
		store := newCRLStore()
		for i := range issuance.MaxPage + 1 {
			crlChange(t, store, issuance.SerialOf(big.NewInt(int64(i)+1000)), issuance.Active, "", time.Now(), time.Now().Add(time.Hour))
		}
		calls := 0
		store.listing = func() error {
			if calls++; calls == 2 { // the second page of the first round
				return errors.New("disk on fire")
			}
			return nil
		}
		r := presign(t, house, store, slog.New(slog.DiscardHandler))
		time.Sleep(ocspLifetime)
		first := issuance.SerialOf(big.NewInt(1000))
		r.Respond(t.Context(), ocspRequest(t, house.issuing.Certificate, first, crypto.SHA1))
		if got := r.Stats(); got.Kept != 1 || got.Signed != 0 {
			t.Errorf("%+v: the oldest certificate's answer was not signed in advance", got)
		}
		time.Sleep(time.Hour)
		before := r.Stats().Presigned
		time.Sleep(time.Hour)
		if after := r.Stats().Presigned; after != before {
			t.Errorf("%d answers about expired certificates were signed", after-before)
		}
	})
}
