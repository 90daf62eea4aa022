package ca

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/postern-ca/postern/issuance"
)

func TestPublisherShowsEachChange(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlPublisher(t, house, store, now)
	notAfter := crlStart.AddDate(2, 0, 0)
	steps := []struct {
		serial issuance.Serial
		status issuance.Status
		reason issuance.Reason
		want   []crlEntry
	}{
		{"0a", issuance.Held, issuance.CertificateHold, []crlEntry{{"a", crlStart, 6}}},
		{"ff00", issuance.Revoked, issuance.Unspecified, []crlEntry{{"a", crlStart, 6}, {"ff00", crlStart, 0}}},
		{"0a", issuance.Active, "", []crlEntry{{"ff00", crlStart, 0}}},
		{"0a", issuance.Held, issuance.CertificateHold, []crlEntry{{"a", crlStart, 6}, {"ff00", crlStart, 0}}},
		{"0a", issuance.Revoked, issuance.KeyCompromise, []crlEntry{{"a", crlStart, 1}, {"ff00", crlStart, 0}}},
		{"0b", issuance.Active, "", []crlEntry{{"a", crlStart, 1}, {"ff00", crlStart, 0}}},
	}
	number := uint64(1)
	for i, step := range steps {
		before, _ := p.CRL("issuing-1")
		crlChange(t, store, step.serial, step.status, step.reason, crlStart, notAfter)
		c := crlStep(t, p)
		if diff := cmp.Diff(step.want, crlListed(t, c, house)); diff != "" {
			t.Errorf("step %d: entries (-want +got):\n%s", i, diff)
		}
		changed := i < len(steps)-1
		if changed {
			number++
		}
		if got, want := c.Number, number; got != want {
			t.Errorf("step %d: number %d, want %d", i, got, want)
		}
		if got := c.ETag != before.ETag; got != changed {
			t.Errorf("step %d: another entity tag: %v, want %v", i, got, changed)
		}
	}
}

func TestPublisherNumbersRiseAcrossRestarts(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	last := uint64(0)
	for i := range 5 {
		p := crlPublisher(t, house, store, now)
		crlChange(t, store, issuance.NewSerial(), issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(2, 0, 0))
		first, err := p.CRL("issuing-1")
		if err != nil {
			t.Fatal(err)
		}
		second := crlStep(t, p)
		if first.Number <= last || second.Number <= first.Number {
			t.Fatalf("start %d: numbers %d, then %d, after %d", i, first.Number, second.Number, last)
		}
		if got, want := second.Entries, i+1; got != want {
			t.Errorf("start %d: %d entries, want %d", i, got, want)
		}
		last = second.Number
	}
}

func TestPublisherRefreshesUnchanged(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlPublisher(t, house, store, now)
	now.Advance(crlRefresh - time.Second)
	if got := crlStep(t, p).Number; got != 1 {
		t.Errorf("CRL %d after less than an hour, want 1", got)
	}
	now.Advance(time.Second)
	c := crlStep(t, p)
	if c.Number != 2 || !c.NextUpdate.Equal(now.Now().Add(crlLifetime)) {
		t.Errorf("CRL %d until %v after an hour, want 2 until %v", c.Number, c.NextUpdate, now.Now().Add(crlLifetime))
	}
}

// An expired certificate stays for one Lifetime past its expiry, then goes (RFC 5280,
// section 3.3), and the store forgets nothing.
func TestPublisherRetiresTheExpired(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	crlChange(t, store, "11", issuance.Revoked, issuance.Superseded, crlStart, crlStart.Add(90*time.Minute))
	p := crlPublisher(t, house, store, now)
	var last time.Duration
	for hour := range 48 {
		if len(crlListed(t, crlStep(t, p), house)) == 1 {
			last = time.Duration(hour) * time.Hour
		}
		now.Advance(time.Hour)
	}
	if want := 90*time.Minute + crlLifetime - 30*time.Minute; last != want {
		t.Errorf("listed for the last time after %v, want %v", last, want)
	}
	if c := store.certs["11"]; c.Status != issuance.Revoked {
		t.Errorf("the register says %+v", c)
	}
}

// The clock is three years ahead for a moment, long enough for every part of the
// publisher to see it, once running and once at the start: the revocation is back
// when the clock is, and no CRL is dated in the future.
func TestPublisherOutlivesAClockThatWasAhead(t *testing.T) {
	const ahead = 3 * 365 * 24 * time.Hour
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts=%v", restarts), func(t *testing.T) {
			house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
			crlChange(t, store, "11", issuance.Revoked, issuance.KeyCompromise, crlStart, crlStart.AddDate(2, 0, 0))
			p := crlLoad(t, house, store, now)
			now.Advance(ahead)
			if restarts {
				p = crlLoad(t, house, store, now)
			}
			for hour := range 3 { // the first CRL of then may still list it
				if got := crlStep(t, p).Entries; got != 0 && hour > 0 {
					t.Fatalf("%d entries three years on, want none: the certificate has expired", got)
				}
				now.Advance(time.Hour)
			}
			now.Advance(-ahead)
			c := crlStep(t, p)
			want := []crlEntry{{"11", crlStart, issuance.KeyCompromise.CRLReason()}}
			if diff := cmp.Diff(want, crlListed(t, c, house)); diff != "" {
				t.Errorf("the CRL when the clock is right again (-want +got):\n%s", diff)
			}
			for _, name := range []string{"issuing-1", "issuing-1-delta", "issuing-1-1of2"} {
				if c := crlNamed(t, p, name); c.ThisUpdate.After(now.Now()) {
					t.Errorf("%s is dated %v at %v", name, c.ThisUpdate, now.Now())
				}
			}
			if err := p.Healthy(); err != nil {
				t.Error(err)
			}
		})
	}
}

// While no CRL can be made for longer than one lasts, nobody leaves: who does was
// in a CRL that is dated after their expiry.
func TestPublisherRetiresOnlyWhoWasListedAsExpired(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	crlChange(t, store, "11", issuance.Revoked, issuance.Superseded, crlStart, crlStart.Add(30*time.Minute))
	p := crlPublisher(t, house, store, now)
	now.Advance(48 * time.Hour)
	if got, want := crlStep(t, p).Entries, 1; got != want {
		t.Errorf("%d entries in the first CRL past the expiry, want %d", got, want)
	}
	now.Advance(time.Hour)
	if got, want := crlStep(t, p).Entries, 0; got != want {
		t.Errorf("%d entries in the next, want %d", got, want)
	}
}

func TestPublisherNeverServesExpired(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlPublisher(t, house, store, now)
	now.Advance(crlLifetime)
	if _, err := p.CRL("issuing-1"); err != nil {
		t.Errorf("at nextUpdate: %v, want no error", err)
	}
	now.Advance(time.Second)
	_, err := p.CRL("issuing-1")
	if got, want := issuance.KindOf(err), issuance.Unavailable; got != want {
		t.Errorf("CRL, after nextUpdate: %v (%v), want %v", err, got, want)
	}
	if _, err := p.Bundle(); issuance.KindOf(err) != issuance.Unavailable {
		t.Errorf("Bundle, after nextUpdate: %v, want an error of kind %v", err, issuance.Unavailable)
	}
	if p.Healthy() == nil {
		t.Error("healthy with an expired CRL")
	}
	if _, err := p.CRL("issuing-2"); issuance.KindOf(err) != issuance.NotFound {
		t.Errorf("CRL of another issuer: %v, want an error of kind %v", err, issuance.NotFound)
	}
}

func TestPublisherOutlivesAFailingRoot(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlPublisher(t, house, store, now)
	bundle, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	now.Advance(2 * rootEvery)
	crlStep(t, p)
	if again, _ := p.Bundle(); again != bundle {
		t.Error("another bundle for the same CRL of the root")
	}
	p.RootCRL = func() ([]byte, error) { return []byte("rubbish"), nil }
	crlChange(t, store, "11", issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(1, 0, 0))
	now.Advance(time.Hour)
	if err := errors.Join(p.follow(t.Context()), p.publish(t.Context())); err == nil {
		t.Error("no error for a root CRL that is rubbish")
	}
	next, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	if next.CRLs[0].Entries != 1 || next.CRLs[1] != bundle.CRLs[1] {
		t.Error("the revocation is not published, or the root's CRL before is gone")
	}
	if err := p.publish(t.Context()); err == nil {
		t.Error("the root's CRL is not asked for again")
	}
	if again, _ := p.Bundle(); again != next {
		t.Error("the bundle changes though nothing did")
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(2), ThisUpdate: now.Now(), NextUpdate: now.Now().AddDate(1, 0, 0)}, house.root.Certificate, house.root.Signer)
	if err != nil {
		t.Fatal(err)
	}
	p.RootCRL = func() ([]byte, error) { return list, nil }
	crlStep(t, p)
	if root, err := p.CRL(RootID); err != nil || root.Number != 2 {
		t.Errorf("the root's new CRL is not published: %v", err)
	}
}

func TestPublisherRefuses(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	foreign, keyless, nameless := house.issuing, house.issuing, house.issuing
	foreign.Signer = crlKey(t, "P-256")
	keyless.Signer = nil
	nameless.Certificate = &x509.Certificate{PublicKey: house.issuing.Signer.Public()}
	now := &crlClock{now: crlStart}
	for name, p := range map[string]*Publisher{
		"no store":     {Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t)},
		"no issuer":    {Store: newCRLStore(), Now: now.Now, Log: crlLog(t)},
		"no key":       {Store: newCRLStore(), Issuers: []Issuer{keyless}, Now: now.Now, Log: crlLog(t)},
		"foreign key":  {Store: newCRLStore(), Issuers: []Issuer{foreign}, Now: now.Now, Log: crlLog(t)},
		"no key id":    {Store: newCRLStore(), Issuers: []Issuer{nameless}, Now: now.Now, Log: crlLog(t)},
		"slow refresh": {Store: newCRLStore(), Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t), Lifetime: time.Hour, Refresh: time.Hour},
		"root fails": {Store: newCRLStore(), Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t), RootCRL: func() ([]byte, error) {
			return nil, errors.New("no root")
		}},
	} {
		if err := p.Load(t.Context()); err == nil {
			t.Errorf("%s: Load returned no error", name)
			continue
		}
		if err := p.Run(t.Context()); err == nil {
			t.Errorf("%s: Run returned no error", name)
		}
		if p.Healthy() == nil {
			t.Errorf("%s: healthy", name)
		}
	}
}

// Whatever happens to certificates, the CRL has what the store has, entry by
// entry, and what was published before stays as it was.
func TestPublisherFollowsAnySequence(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	rapid.Check(t, func(rt *rapid.T) {
		store, now := newCRLStore(), &crlClock{now: crlStart}
		serials := rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) issuance.Serial {
			b := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "serial")
			b[0] = max(b[0], 1)
			return issuance.SerialOf(new(big.Int).SetBytes(b))
		}), 1, 400, rapid.ID).Draw(rt, "serials")
		reasons := issuance.Reasons()
		change := func(serial issuance.Serial, status issuance.Status) {
			reason := reasons[rapid.IntRange(0, len(reasons)-1).Draw(rt, "reason")]
			life := time.Duration(rapid.IntRange(1, 300).Draw(rt, "minutes")) * time.Minute
			crlChange(t, store, serial, status, reason, now.Now(), now.Now().Add(life))
		}
		for _, serial := range serials[:len(serials)/2] {
			change(serial, issuance.Revoked)
		}
		p := crlPublisher(t, house, store, now)
		p.DropReasons = rapid.Bool().Draw(rt, "drop")
		if p.DropReasons {
			p = &Publisher{Store: store, Issuers: p.Issuers, Now: p.Now, Log: p.Log, DropReasons: true}
			if err := p.Load(t.Context()); err != nil {
				rt.Fatal(err)
			}
		}
		seen := make(map[*CRL][32]byte)
		last := uint64(0)
		for range rapid.IntRange(1, 12).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 60).Draw(rt, "changes") {
				serial := rapid.SampledFrom(serials).Draw(rt, "of")
				change(serial, rapid.SampledFrom([]issuance.Status{issuance.Held, issuance.Revoked, issuance.Active}).Draw(rt, "to"))
			}
			// The clock may also be set back, or far ahead.
			now.Advance(time.Duration(rapid.IntRange(-600, 1200).Draw(rt, "later")) * time.Minute)
			c := crlStep(t, p)
			if late := now.Now().Sub(p.cutoff); late < p.Lifetime || late > p.Lifetime+p.Refresh {
				rt.Fatalf("certificates stay for %v after they expire", late)
			}
			if c.ThisUpdate.After(now.Now()) {
				rt.Fatalf("a CRL of %v at %v", c.ThisUpdate, now.Now())
			}
			if c.Number < last {
				rt.Fatalf("number %d after %d", c.Number, last)
			}
			last = c.Number
			seen[c] = sha256.Sum256(crlBytes(t, c))
			want, listed := crlWant(store, p), crlListed(t, c, house)
			for i := range min(len(want), len(listed)) {
				if listed[i].At.Before(want[i].At) { // the clock was set back since, and it is never dated in the future
					want[i].At = listed[i].At
				}
			}
			if diff := cmp.Diff(want, listed, cmpopts.EquateEmpty()); diff != "" {
				rt.Fatalf("entries (-want +got):\n%s", diff)
			}
			if c.Entries != len(want) {
				rt.Fatalf("Entries is %d, want %d", c.Entries, len(want))
			}
		}
		for c, sum := range seen {
			if sha256.Sum256(crlBytes(t, c)) != sum {
				rt.Fatalf("CRL %d has changed since it was published", c.Number)
			}
		}
	})
}

// Entries split and join: many in random order, then gone again.
func TestEntriesSplitAndJoin(t *testing.T) {
	var e crlEntries
	var serials [][]byte
	for i := range 20_000 {
		sum := sha256.Sum256(fmt.Append(nil, i))
		sum[0] |= 1
		r := issuance.Revocation{Serial: issuance.Serial(fmt.Sprintf("%x", sum[:17])), Status: issuance.Revoked, Reason: issuance.Superseded, At: crlStart}
		entry, err := appendEntry(nil, r, false)
		if err != nil {
			t.Fatal(err)
		}
		e.put(entry)
		_, serial := entryAt(entry)
		serials = append(serials, serial)
	}
	if e.count != len(serials) {
		t.Fatalf("%d entries, want %d", e.count, len(serials))
	}
	most := int(e.size)/(crlChunk/2) + 2 // half full at least, on the whole
	if got := len(e.chunks); got > most {
		t.Errorf("%d chunks for %d bytes, want at most %d", got, e.size, most)
	}
	for i, serial := range serials {
		if i%100 == 0 {
			continue
		}
		e.remove(serial)
		e.remove(serial)
	}
	if got, want := e.count, len(serials)/100; got != want {
		t.Fatalf("%d entries are left, want %d", got, want)
	}
	if got := len(e.chunks); got > 20 {
		t.Errorf("%d chunks for %d bytes", got, e.size)
	}
	var before []byte
	var size int64
	for _, chunk := range e.chunks {
		size += int64(len(chunk))
		for len(chunk) > 0 {
			entry, serial := entryAt(chunk)
			if before != nil && compareSerials(before, serial) >= 0 {
				t.Fatalf("%x comes after %x", serial, before)
			}
			before, chunk = serial, chunk[len(entry):]
		}
	}
	if size != e.size {
		t.Errorf("size is %d, want %d", e.size, size)
	}
}
