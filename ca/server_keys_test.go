package ca

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestServerKeysRenew(t *testing.T) {
	now := authorityStart()
	o := authorityOpenOptions(authorityDir(t))
	o.Now = func() time.Time { return now }
	a := authorityOpen(t, o)
	const life = 90 * 24 * time.Hour
	keys := &ServerKeys{Authority: a, Profile: ServerProfile{Names: []string{"certs.example.com"}, Validity: life}}
	get := func() *tls.Certificate {
		t.Helper()
		c, err := keys.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := get()
	now = now.Add(life*2/3 - time.Hour)
	if get() != first {
		t.Error("it was renewed before two thirds of its life were over")
	}
	now = now.Add(2 * time.Hour)
	second := get()
	if second == first || !second.Leaf.NotAfter.Equal(now.Add(life)) {
		t.Errorf("after two thirds of its life: got one until %s, want a new one until %s", second.Leaf.NotAfter, now.Add(life))
	}
	if get() != second {
		t.Error("it was renewed twice")
	}
	// The clock was ahead when it was made, be it by less than its backdating.
	now = now.Add(-30 * time.Minute)
	third := get()
	if third == second || !third.Leaf.NotAfter.Equal(now.Add(life)) || get() != third {
		t.Errorf("made in the future: got one until %s, want a new one until %s", third.Leaf.NotAfter, now.Add(life))
	}
	second = third
	// The authority cannot sign any more: the last one serves until it ends.
	keys.Profile.Names = []string{"not a name"}
	now = second.Leaf.NotAfter.Add(-time.Minute)
	if get() != second {
		t.Error("the last certificate does not serve while it can")
	}
	now = now.Add(time.Minute + time.Second)
	if _, err := keys.GetCertificate(&tls.ClientHelloInfo{}); err == nil {
		t.Error("an expired certificate was served")
	}
}

// TestServerKeysThatCannotRenew: the disk hangs, then fails, and nobody but the one who
// tries notices while the old certificate is good.
func TestServerKeysThatCannotRenew(t *testing.T) {
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(authorityStart())
	o := authorityOpenOptions(authorityDir(t))
	o.Now = func() time.Time { return *now.Load() }
	const life = 30 * 24 * time.Hour
	keys := &ServerKeys{Authority: authorityOpen(t, o), Profile: ServerProfile{Names: []string{"certs.example.com"}, Validity: life}}
	first, err := keys.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	hangs, goes := make(chan struct{}), make(chan struct{})
	var tries atomic.Int32
	full := errors.New("the disk is full")
	keys.Signed = func(*x509.Certificate) error {
		if tries.Add(1) == 1 {
			close(hangs)
			<-goes
		}
		return full
	}
	set(authorityStart().Add(life * 2 / 3))
	var one sync.WaitGroup
	one.Go(func() {
		if got, err := keys.GetCertificate(nil); err != nil || got != first {
			t.Errorf("who tried got %v, %v", got, err)
		}
	})
	<-hangs
	for range 3 { // would wait for ever
		if got, err := keys.GetCertificate(nil); err != nil || got != first {
			t.Errorf("while somebody tries: got %v, %v", got, err)
		}
	}
	close(goes)
	one.Wait()
	for minute := range int32(3) {
		for range 5 {
			if got, err := keys.GetCertificate(nil); err != nil || got != first {
				t.Errorf("after a failure: got %v, %v", got, err)
			}
		}
		if got, want := tries.Load(), minute+1; got != want {
			t.Errorf("in minute %d there were %d tries, want %d", minute, got, want)
		}
		set(now.Load().Add(logAgain))
	}
	// It has expired: the callers of a second share a try and its error.
	set(authorityStart().Add(life + time.Minute))
	tries.Store(1)
	for range 5 {
		if _, err := keys.GetCertificate(nil); !errors.Is(err, full) {
			t.Errorf("without a valid certificate: got %v", err)
		}
	}
	if got := tries.Load() - 1; got != 1 {
		t.Errorf("without a valid certificate: %d tries in a second, want 1", got)
	}
	keys.Signed = nil
	set(now.Load().Add(serverAgain))
	if got, err := keys.GetCertificate(nil); err != nil || got == first {
		t.Errorf("when the disk is good again: got %v, %v", got, err)
	}
}
