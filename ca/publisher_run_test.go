package ca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// crlRun runs a publisher of CRLs that last two hours, on the time of the test
// (a synctest bubble's or the real one), until the test ends.
func crlRun(t *testing.T, house crlHouse, store *crlStore, log *slog.Logger) *Publisher {
	t.Helper()
	p := &Publisher{
		Store: store, Lifetime: 2 * time.Hour, Issuers: []Issuer{house.issuing}, RootCRL: func() ([]byte, error) { return house.rootCRL, nil },
		Responder: &Responder{Store: store, Issuers: []Issuer{house.issuing}, Now: time.Now, Log: log}, Now: time.Now, Log: log,
	}
	if err := errors.Join(p.Responder.Load(), p.Load(t.Context())); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return p
}

func crlRevoke(t *testing.T, store *crlStore, serial issuance.Serial) {
	t.Helper()
	crlChange(t, store, serial, issuance.Revoked, issuance.KeyCompromise, time.Now().Truncate(time.Second), time.Now().AddDate(2, 0, 0))
}

// One change, seen by a waiting reader: at once after Wake, and within a second
// if another node made it.
func TestRunTellsWaitingReaders(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	for _, wake := range []bool{true, false} {
		t.Run(fmt.Sprintf("wake=%v", wake), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newCRLStore()
				p := crlRun(t, house, store, crlLog(t))
				time.Sleep(10 * time.Minute)
				before, err := p.Bundle()
				if err != nil {
					t.Fatal(err)
				}
				waiting := make(chan *Bundle, 1)
				go func() {
					b, err := p.WaitBundle(t.Context(), before.ETag)
					if err != nil {
						t.Error(err)
					}
					waiting <- b
				}()
				time.Sleep(time.Minute)
				begin := time.Now()
				crlRevoke(t, store, "11")
				limit := time.Second
				if wake {
					p.Wake()
					limit = 300 * time.Millisecond
				}
				b := <-waiting
				if took := time.Since(begin); took > limit {
					t.Errorf("the CRL came after %v, want %v at most", took, limit)
				}
				if b.ETag == before.ETag || b.CRLs[0].Entries != 1 {
					t.Error("the bundle is the one before")
				}
			})
		})
	}
}

// Many changes share a CRL: a few CRLs a second, and none of them a second late.
func TestRunSharesCRLs(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	synctest.Test(t, func(t *testing.T) {
		store := newCRLStore()
		p := crlRun(t, house, store, crlLog(t))
		for i := range 10_000 { // 1,000 a second
			crlRevoke(t, store, issuance.Serial(fmt.Sprintf("%034x", i+1)))
			p.Wake()
			time.Sleep(time.Millisecond)
			c, err := p.CRL("issuing-1")
			if err != nil {
				t.Fatal(err)
			}
			if c.Entries < i-999 {
				t.Fatalf("%d entries after %d revocations", c.Entries, i+1)
			}
			if got := p.Age(); got > time.Second {
				t.Fatalf("age %v after %d revocations", got, i+1)
			}
		}
		c, _ := p.CRL("issuing-1")
		if c.Number > 110 {
			t.Errorf("%d CRLs in ten seconds, want at most 110", c.Number)
		}
	})
}

func TestRunWaitEnds(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	synctest.Test(t, func(t *testing.T) {
		p := crlRun(t, house, newCRLStore(), crlLog(t))
		before, _ := p.Bundle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		b, err := p.WaitBundle(ctx, before.ETag)
		if err != nil || b != before {
			t.Errorf("WaitBundle returned %v, %v, want the bundle there is", b, err)
		}
		if got, want := time.Since(begin), time.Minute; got != want {
			t.Errorf("waited for %v, want %v", got, want)
		}
		if b, err := p.WaitBundle(ctx, `"another"`); err != nil || b != before {
			t.Errorf("WaitBundle with another tag returned %v, %v", b, err)
		}
	})
}

// For three hours nothing changes, then the store fails for two: the CRL is fresh
// as long as it can be, the failure is seen and logged, and ends by itself.
func TestRunOutlivesAFailingStore(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := newCRLStore()
		p := crlRun(t, house, store, slog.New(slog.NewTextHandler(&log, nil)))
		time.Sleep(3*time.Hour + time.Second)
		c, err := p.CRL("issuing-1")
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(c.ThisUpdate); got > 30*time.Minute+time.Second {
			t.Errorf("the CRL is %v old", got)
		}
		if got := p.Age(); got > time.Second {
			t.Errorf("age %v though the store can be read", got)
		}
		if err := p.Healthy(); err != nil {
			t.Error(err)
		}

		store.fail(errors.New("disk on fire"))
		time.Sleep(time.Minute)
		if p.Healthy() == nil {
			t.Error("healthy without a store")
		}
		if got := p.Age(); got < 59*time.Second || got > 61*time.Second {
			t.Errorf("age %v after a minute without a store", got)
		}
		if _, err := p.CRL("issuing-1"); err != nil {
			t.Errorf("the CRL is not served while it lasts: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := p.CRL("issuing-1"); issuance.KindOf(err) != issuance.Unavailable {
			t.Errorf("an expired CRL: %v, want an error of kind %v", err, issuance.Unavailable)
		}
		store.fail(nil)
		crlRevoke(t, store, "11")
		time.Sleep(time.Second)
		c, err = p.CRL("issuing-1")
		if err != nil || c.Entries != 1 {
			t.Errorf("the CRL after the failure: %v", err)
		}
		if err := p.Healthy(); err != nil {
			t.Error(err)
		}
		if got := strings.Count(log.String(), "disk on fire"); got < 2 || got > 3*2*60+100 {
			t.Errorf("the failure was logged %d times", got)
		}
		if got := strings.Count(log.String(), "working again"); got != 2 {
			t.Errorf("the end of the failure was logged %d times, want 2", got)
		}
	})
}
