package ca

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/postern-ca/postern/issuance"
)

// crlURLs are the addresses in the tests' CRLs.
func crlURLs() URLs { return URLs{Base: "http://pki.example.com"} }

// crlLoad returns a loaded publisher of CRLs that last two hours, with shards and a delta.
func crlLoad(t testing.TB, house crlHouse, store *crlStore, now *crlClock) *Publisher {
	t.Helper()
	p := &Publisher{
		Store: store, Issuers: []Issuer{house.issuing}, Lifetime: 2 * time.Hour, Shards: []int{2, 16}, Delta: true,
		URLs: crlURLs(), Now: now.Now, Log: crlLog(t),
	}
	if err := p.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// crlNamed returns the CRL of that name.
func crlNamed(t testing.TB, p *Publisher, name string) *CRL {
	t.Helper()
	c, err := p.CRL(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whatever happens, each revocation is in the full CRL and in its shard of each
// number of shards; and any full CRL that has not expired becomes the newest one
// by the delta.
func TestShardsAndDeltaSayWhatTheFullCRLSays(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	rapid.Check(t, func(rt *rapid.T) {
		store, now := newCRLStore(), &crlClock{now: crlStart}
		var serials []issuance.Serial
		for i := range rapid.IntRange(1, 60).Draw(rt, "serials") {
			serials = append(serials, issuance.SerialOf(big.NewInt(int64(i*i)+1)))
		}
		change := func() {
			status := rapid.SampledFrom([]issuance.Status{issuance.Held, issuance.Revoked, issuance.Active}).Draw(rt, "to")
			life := time.Duration(rapid.IntRange(1, 600).Draw(rt, "minutes")) * time.Minute
			crlChange(t, store, rapid.SampledFrom(serials).Draw(rt, "of"), status, issuance.Superseded, now.Now(), now.Now().Add(life))
		}
		for range len(serials) {
			change()
		}
		p := crlLoad(t, house, store, now)
		published := []*CRL{crlNamed(t, p, "issuing-1")}
		numbers := make(map[string]uint64)
		for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 10).Draw(rt, "changes") {
				change()
			}
			now.Advance(time.Duration(rapid.IntRange(0, 50).Draw(rt, "later")) * time.Minute)
			full := crlStep(t, p)
			listed := crlListed(t, full, house)
			if diff := cmp.Diff(crlWant(store, p), listed, cmpopts.EquateEmpty()); diff != "" {
				rt.Fatalf("the full CRL (-want +got):\n%s", diff)
			}
			crlCheckShards(rt, p, house, listed, numbers)
			published = append(published, full)
			published = slices.DeleteFunc(published, func(c *CRL) bool { return c.Expired(now.Now()) })
			crlCheckDelta(rt, p, house, published)
		}
	})
}

// crlCheckShards compares all shards with what the full CRL lists.
func crlCheckShards(rt *rapid.T, p *Publisher, house crlHouse, listed []crlEntry, numbers map[string]uint64) {
	for _, of := range p.Shards {
		for n := range of {
			var want []crlEntry
			for _, e := range listed {
				serial, _ := new(big.Int).SetString(e.Serial, 16)
				if int(new(big.Int).Mod(serial, big.NewInt(int64(of))).Int64()) == n {
					want = append(want, e)
				}
			}
			name := fmt.Sprintf("issuing-1-%dof%d", n, of)
			c, err := p.CRL(name)
			if err != nil {
				rt.Fatal(err)
			}
			list, err := x509.ParseRevocationList(crlMust(rt, c))
			if err != nil || list.CheckSignatureFrom(house.issuing.Certificate) != nil {
				rt.Fatalf("%s is not a CRL of its issuer: %v", name, err)
			}
			var got []crlEntry
			for _, e := range list.RevokedCertificateEntries {
				got = append(got, crlEntry{e.SerialNumber.Text(16), e.RevocationTime, e.ReasonCode})
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%s (-want +got):\n%s", name, diff)
			}
			if c.Number < numbers[name] {
				rt.Fatalf("%s: number %d after %d", name, c.Number, numbers[name])
			}
			numbers[name] = c.Number
		}
	}
}

func crlMust(rt *rapid.T, c *CRL) []byte {
	var b strings.Builder
	if _, err := c.WriteTo(&b); err != nil {
		rt.Fatal(err)
	}
	return []byte(b.String())
}

// crlCheckDelta brings every full CRL that has not expired up to date; the last is the newest.
func crlCheckDelta(rt *rapid.T, p *Publisher, house crlHouse, published []*CRL) {
	entries := func(c *CRL) map[string]crlEntry {
		list, err := x509.ParseRevocationList(crlMust(rt, c))
		if err != nil || list.CheckSignatureFrom(house.issuing.Certificate) != nil {
			rt.Fatalf("%s is not a CRL of its issuer: %v", c.Name, err)
		}
		all := make(map[string]crlEntry)
		for _, e := range list.RevokedCertificateEntries {
			all[e.SerialNumber.Text(16)] = crlEntry{e.SerialNumber.Text(16), e.RevocationTime, e.ReasonCode}
		}
		return all
	}
	delta, err := p.CRL("issuing-1-delta")
	if err != nil {
		rt.Fatal(err)
	}
	changes, base := entries(delta), crlBase(rt, delta)
	newest := entries(published[len(published)-1])
	for _, full := range published {
		if full.Number < base {
			rt.Fatalf("full CRL %d has not expired, and the delta's base is %d", full.Number, base)
		}
		got := entries(full)
		for serial, e := range changes {
			if got[serial] = e; e.Reason == removeFromCRL {
				delete(got, serial)
			}
		}
		if diff := cmp.Diff(newest, got); diff != "" {
			rt.Fatalf("full CRL %d and delta %d of base %d (-want +got):\n%s", full.Number, delta.Number, base, diff)
		}
	}
}

// crlBase returns the number of a delta CRL's base.
func crlBase(rt interface{ Fatal(...any) }, c *CRL) uint64 {
	var b strings.Builder
	c.WriteTo(&b)
	list, err := x509.ParseRevocationList([]byte(b.String()))
	if err != nil {
		rt.Fatal(err)
	}
	for _, e := range list.Extensions {
		if e.Id.String() == "2.5.29.27" && e.Critical {
			return new(big.Int).SetBytes(e.Value[2:]).Uint64()
		}
	}
	rt.Fatal("the delta CRL names no base")
	return 0
}

// A delta lists what changed since its base: what was released or has expired is
// taken from the CRL, and what is older than any full CRL in use is not told again.
func TestDeltaForgets(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	later := crlStart.AddDate(2, 0, 0)
	crlChange(t, store, "0a", issuance.Held, issuance.CertificateHold, crlStart, later)
	crlChange(t, store, "0b", issuance.Revoked, issuance.Superseded, crlStart, later)
	p := crlLoad(t, house, store, now)
	step := func(wantBase uint64, want ...crlEntry) {
		t.Helper()
		crlStep(t, p)
		delta := crlNamed(t, p, "issuing-1-delta")
		if diff := cmp.Diff(want, crlListed(t, delta, house), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("delta %d (-want +got):\n%s", delta.Number, diff)
		}
		if got := crlBase(t, delta); got != wantBase {
			t.Errorf("delta %d has base %d, want %d", delta.Number, got, wantBase)
		}
		if full := crlNamed(t, p, "issuing-1"); full.Number != delta.Number {
			t.Errorf("full CRL %d with delta %d", full.Number, delta.Number)
		}
	}
	step(1)
	crlChange(t, store, "0a", issuance.Active, "", crlStart, later)
	step(1, crlEntry{"a", crlStart, removeFromCRL})
	crlChange(t, store, "0c", issuance.Revoked, issuance.KeyCompromise, crlStart, later)
	step(1, crlEntry{"a", crlStart, removeFromCRL}, crlEntry{"c", crlStart, 1})
	crlChange(t, store, "0a", issuance.Revoked, issuance.Superseded, crlStart, later)
	step(1, crlEntry{"a", crlStart, 4}, crlEntry{"c", crlStart, 1})
	// Half an hour on there is a regular CRL, number 5. Two hours after it no full CRL of before is in use.
	now.Advance(30 * time.Minute)
	step(1, crlEntry{"a", crlStart, 4}, crlEntry{"c", crlStart, 1})
	now.Advance(time.Minute)
	crlChange(t, store, "0d", issuance.Revoked, issuance.KeyCompromise, crlStart, later)
	step(1, crlEntry{"a", crlStart, 4}, crlEntry{"c", crlStart, 1}, crlEntry{"d", crlStart, 1})
	now.Advance(2*time.Hour - time.Minute)
	step(1, crlEntry{"a", crlStart, 4}, crlEntry{"c", crlStart, 1}, crlEntry{"d", crlStart, 1})
	now.Advance(time.Hour)
	step(5, crlEntry{"d", crlStart, 1})
}

// A delta ends long before the full CRL, so that who keeps it sees changes.
func TestDeltaIsShortLived(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlLoad(t, house, store, now)
	if got, want := crlNamed(t, p, "issuing-1-delta").NextUpdate, crlStart.Add(time.Hour); !got.Equal(want) {
		t.Errorf("the delta ends at %v, want %v", got, want)
	}
	for _, name := range []string{"issuing-1", "issuing-1-0of2"} {
		if got, want := crlNamed(t, p, name).NextUpdate, crlStart.Add(2*time.Hour); !got.Equal(want) {
			t.Errorf("%s ends at %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"issuing-1-2of2", "issuing-1-0of4", "issuing-1-00of2", "issuing-2-0of2", "issuing-1-of"} {
		if _, err := p.CRL(name); issuance.KindOf(err) != issuance.NotFound {
			t.Errorf("%s: %v, want an error of kind %v", name, err, issuance.NotFound)
		}
	}
}

// A change makes one shard anew, of each number of shards, and no other.
func TestAChangeMakesOneShard(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlLoad(t, house, store, now)
	crlChange(t, store, "1f", issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(2, 0, 0))
	crlStep(t, p)
	var got []string
	for name, c := range p.published.Load().crls {
		if c.Number == 2 {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"issuing-1", "issuing-1-15of16", "issuing-1-1of2", "issuing-1-delta"}, got); diff != "" {
		t.Errorf("made anew (-want +got):\n%s", diff)
	}
}

// Many shards that are due keep no full CRL waiting: what was made when their time
// is over is published, and the rest comes next.
func TestShardsDoNotHoldUp(t *testing.T) {
	house, store, now := newCRLHouse(t, crlKey(t, "P-256")), newCRLStore(), &crlClock{now: crlStart}
	p := crlLoad(t, house, store, now)
	now.Advance(time.Hour)
	p.mu.Lock()
	p.beginRound(now.Now())
	batches, _ := p.due(now.Now())
	p.mu.Unlock()
	crls := make(map[string]*CRL)
	all, err := p.make(t.Context(), batches, crls, time.Nanosecond)
	if all || err != nil || len(crls) != 2 || crls["issuing-1"] == nil || crls["issuing-1-delta"] == nil {
		t.Errorf("made %d CRLs (all: %v, %v), want the full one and the delta", len(crls), all, err)
	}
	full := crlStep(t, p)
	if got := crlNamed(t, p, "issuing-1-3of16"); got.Number != full.Number {
		t.Errorf("the shard has number %d, want %d", got.Number, full.Number)
	}
}

func TestCertificatesNameTheirShard(t *testing.T) {
	dir := authorityDir(t)
	o := authorityOpenOptions(dir)
	point := func(shards int) (*x509.Certificate, string) {
		t.Helper()
		o.Shards = shards
		a := authorityOpen(t, o)
		cert := authoritySign(t, a, authorityProfile(authorityKey(t, issuance.P256).Public()))
		if len(cert.CRLDistributionPoints) != 1 {
			t.Fatalf("the certificate names %v", cert.CRLDistributionPoints)
		}
		return cert, cert.CRLDistributionPoints[0]
	}
	for _, of := range []int{2, 16, 1024} {
		cert, got := point(of)
		n := new(big.Int).Mod(cert.SerialNumber, big.NewInt(int64(of)))
		if want := fmt.Sprintf("%s/pki/crl/issuing-1-%dof%d.crl", o.URLs.Base, n, of); got != want {
			t.Errorf("the certificate names %s, want %s", got, want)
		}
	}
	if _, got := point(0); got != o.URLs.Base+"/pki/crl/issuing-1.crl" {
		t.Errorf("without shards the certificate names %s", got)
	}
	// What certificates were given once stays published.
	if diff := cmp.Diff([]int{2, 16, 1024}, authorityOpen(t, o).ShardCounts()); diff != "" {
		t.Errorf("numbers of shards (-want +got):\n%s", diff)
	}
	for _, n := range []int{-2, 1, 3, 2048} {
		o.Shards = n
		if _, err := Open(o); issuance.KindOf(err) != issuance.Invalid {
			t.Errorf("%d shards: %v, want an error of kind %v", n, err, issuance.Invalid)
		}
	}
	o.Shards = 2
	for _, rubbish := range []string{"2\n3\n", "two", "0"} {
		if err := os.WriteFile(filepath.Join(dir, shardsFile), []byte(rubbish), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), shardsFile) {
			t.Errorf("%q: %v, want an error that names the file", rubbish, err)
		}
	}
}
