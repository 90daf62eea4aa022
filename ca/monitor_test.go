package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Serial numbers as the store writes them.
const (
	eleven   = "0000000000000000000000000000000011"
	twelve   = "0000000000000000000000000000000012"
	thirteen = "0000000000000000000000000000000013"
)

// monitored returns a monitor of a loaded house in which serial number 11 is
// revoked, 12 held and 13 active, what it has alerted of, and its publisher.
func monitored(t *testing.T) (m *Monitor, p *Publisher, store *crlStore, told *[]string) {
	t.Helper()
	house, now := newCRLHouse(t, crlKey(t, "P-256")), &crlClock{now: crlStart}
	store, told = newCRLStore(), new([]string)
	for serial, status := range map[issuance.Serial]issuance.Status{eleven: issuance.Revoked, twelve: issuance.Held, thirteen: issuance.Active} {
		crlChange(t, store, serial, status, issuance.KeyCompromise, crlStart, crlStart.AddDate(2, 0, 0))
	}
	p = crlLoad(t, house, store, now)
	p.Responder = &Responder{Store: store, Issuers: p.Issuers, Now: now.Now, Log: crlLog(t)}
	if err := errors.Join(p.Responder.Load(), p.Load(t.Context())); err != nil {
		t.Fatal(err)
	}
	return &Monitor{
		Store: store, Publisher: p, Responder: p.Responder, Now: now.Now, Log: crlLog(t), pause: time.Millisecond,
		Check: func(context.Context, *x509.Certificate) error { return nil },
		Alert: func(_ context.Context, text string) error { *told = append(*told, text); return nil },
	}, p, store, told
}

func crlSerial(t *testing.T, serial issuance.Serial) []byte {
	t.Helper()
	b, err := appendSerial(nil, serial)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever a view says otherwise than the register is found, named, told once, and
// mended from the register.
func TestMonitorFindsAndMendsWhatDiffers(t *testing.T) {
	entry := func(t *testing.T, serial issuance.Serial) []byte {
		b, err := appendEntry(nil, issuance.Revocation{Serial: serial, Issuer: "issuing-1", Status: issuance.Revoked, Reason: issuance.Superseded, At: crlStart}, false)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, test := range map[string]struct {
		harm func(*testing.T, *Publisher, *crlStore)
		want []string
	}{
		"a revocation is missing": {func(t *testing.T, p *Publisher, _ *crlStore) {
			p.lists["issuing-1"].full.remove(crlSerial(t, eleven))
		}, []string{"the CRL issuing-1 lacks " + eleven + ", which is revoked"}},
		"one is missing in a shard": {func(t *testing.T, p *Publisher, _ *crlStore) {
			p.lists["issuing-1"].shards[2][0].remove(crlSerial(t, twelve))
		}, []string{"the CRL issuing-1-0of2 lacks " + twelve + ", which is held"}},
		"an active one is listed": {func(t *testing.T, p *Publisher, _ *crlStore) {
			p.lists["issuing-1"].full.put(entry(t, thirteen))
		}, []string{"the CRL issuing-1 lists " + thirteen + ", which is not revoked"}},
		"a change was never told": {func(t *testing.T, _ *Publisher, s *crlStore) {
			c := s.certs[thirteen]
			c.Status, c.Reason, c.ChangedAt = issuance.Revoked, issuance.Superseded, crlStart
			s.certs[thirteen] = c
		}, []string{"the CRL issuing-1 lacks " + thirteen + ", which is revoked", "the CRL issuing-1-1of2 lacks " + thirteen + ", which is revoked", "OCSP says that " + thirteen + " is good; it is revoked"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, p, store, told := monitored(t)
			kept := ocspRequest(t, p.Issuers[0].Certificate, issuance.SerialOf(big.NewInt(0x13)), 3)
			p.Responder.Respond(t.Context(), kept) // and it is kept
			if err := m.Look(t.Context()); err != nil || len(*told) > 0 {
				t.Fatalf("before the harm: %v, told %q", err, *told)
			}
			test.harm(t, p, store)
			if err := p.publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			found, err := m.compare(t.Context())
			for _, want := range test.want {
				if err != nil || !slices.Contains(found, want) {
					t.Errorf("found %q, %v, want %q", found, err, want)
				}
			}
			m.Hurry()
			if err := m.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(*told) != 1 || !strings.Contains((*told)[0], test.want[0]) || !strings.Contains((*told)[0], "agree now") {
				t.Errorf("staff were told %q, want of %q", *told, test.want)
			}
			if err := m.Healthy(); err != nil || m.Stats().Differences == 0 {
				t.Errorf("afterwards: %v, %+v", err, m.Stats())
			}
			if found, err := m.compare(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("afterwards it finds %q, %v", found, err)
			}
		})
	}
}

// What cannot be mended keeps the monitor unhealthy, and is looked at again soon.
func TestMonitorStaysUnhealthyWhileAViewDiffers(t *testing.T) {
	m, p, store, told := monitored(t)
	der := p.Issuers[0].Certificate.Raw // any certificate will do for a listener that accepts all
	c := store.certs[eleven]
	c.DER = der
	store.certs[eleven] = c
	const want = "the two-way TLS listener accepts " + eleven + ", which is revoked"
	for range 2 {
		m.Hurry()
		if err := m.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.Healthy(); err == nil || err.Error() != want {
			t.Errorf("Healthy: %v, want %s", err, want)
		}
	}
	if len(*told) != 2 || !strings.Contains((*told)[0], "still differ") {
		t.Errorf("told %q", *told)
	}
	if want := m.Now().Add(monitorAgain); !m.next.Equal(want) {
		t.Errorf("it looks again at %v, want %v", m.next, want)
	}
	m.Check = func(context.Context, *x509.Certificate) error { return refuseClient(CodeRevoked, "revoked", "") }
	m.Hurry()
	if err := errors.Join(m.Look(t.Context()), m.Healthy()); err != nil {
		t.Errorf("when the listener refuses it: %v", err)
	}
}

// While the views cannot be made anew, the monitor stays unhealthy.
func TestMonitorStaysUnhealthyWhileNothingIsSigned(t *testing.T) {
	m, p, _, told := monitored(t)
	p.lists["issuing-1"].full.remove(crlSerial(t, eleven))
	if err := p.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range p.Issuers {
		p.Issuers[i].Signer = brokenSigner{p.Issuers[i].Signer}
	}
	m.Hurry()
	if err := m.Look(t.Context()); err == nil {
		t.Error("nothing could be signed, and Look says nothing of it")
	}
	if err := m.Healthy(); err == nil || !strings.Contains(err.Error(), "lacks "+eleven) {
		t.Errorf("Healthy: %v, want what the CRL lacks", err)
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], "could not be made anew") {
		t.Errorf("told %q", *told)
	}
}

// A change that the views have not followed yet is no difference.
func TestMonitorWaitsForTheViews(t *testing.T) {
	m, p, store, told := monitored(t)
	crlChange(t, store, thirteen, issuance.Revoked, issuance.Superseded, crlStart, crlStart.AddDate(2, 0, 0))
	go func() {
		_ = errors.Join(p.follow(t.Context()), p.publish(t.Context()))
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.pause = 50 * time.Millisecond
	if err := m.Look(ctx); err != nil || len(*told) > 0 {
		t.Errorf("told %q, %v", *told, err)
	}
}
