package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// walker is a house without listeners on a machine whose clocks a test turns, and
// what should be true of it.
type walker struct {
	*house
	t       testing.TB
	truth   time.Time     // the right time
	wrong   time.Duration // how far the machine's clock is ahead of it
	live    bool          // the right time is that of the test's own clock
	steady  time.Duration
	run     int
	clients *ca.Clients
	server  *tls.Config
	admin   issuance.Actor
	all     []*walked
	number  uint64 // of the last CRL
}

// walked is a certificate, and where it should stand.
type walked struct {
	serial issuance.Serial
	cert   *x509.Certificate
	status issuance.Status
}

func (w *walker) read() issuance.Reading {
	if w.live {
		w.truth = time.Now().UTC()
	}
	return issuance.Reading{Wall: w.truth.Add(w.wrong), Steady: w.steady, Run: fmt.Sprint("boot-", w.run)}
}

func (w *walker) pass(d time.Duration) { w.truth, w.steady = w.truth.Add(d), w.steady+d }

// quickDir is a directory that is forgotten with the machine, if there is such a
// place: what a test writes there is synced at once.
func quickDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "postern-walk-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// walkHouses returns what opens a walker's house on an empty database: all have one CA.
func walkHouses(t testing.TB, changes ...func(*config.Config)) func(testing.TB) *walker {
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	for _, change := range changes {
		change(cfg)
		must(t, cfg.Check())
	}
	key, err := seal.Load(cfg.Seal.KeyFile)
	must(t, err)
	start := time.Now().UTC().Truncate(time.Second).Add(time.Minute)
	var present *walker // whom the CA signs for
	authority, err := ca.Open(ca.OpenOptions{
		Dir: filepath.Join(cfg.Data, caDirectory), TrustDomain: cfg.CA.TrustDomain, Passphrase: cfg.CA.Passphrase,
		URLs: ca.URLs{Base: cfg.Plain.URL}, Now: func() time.Time {
			if present == nil {
				return start
			}
			return present.clock.Signing()
		},
	})
	must(t, err)
	dir, n := quickDir(t), 0
	return func(t testing.TB) *walker {
		n++
		store, err := bolt.Open(bolt.Options{Path: filepath.Join(dir, fmt.Sprint(n)), Key: key, Log: newLog(config.Log{}, io.Discard)})
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		present = &walker{
			t: t, truth: start, steady: time.Minute, admin: issuance.Actor{Role: issuance.RoleAdministrator, ID: "tok-1", Name: "Anna"},
			house: &house{cfg: cfg, log: newLog(config.Log{Level: "error"}, io.Discard), store: store, authority: authority},
		}
		present.restart()
		present.register()
		return present
	}
}

// restart starts the process anew.
func (w *walker) restart() {
	w.t.Helper()
	w.house = &house{cfg: w.cfg, log: w.log, store: w.store, authority: w.authority}
	must(w.t, w.startClock(w.t.Context(), w.read))
	w.seen = &issuance.Seen{Store: w.store, Now: w.now}
	w.newDesk()
	must(w.t, errors.Join(w.revocation(w.t.Context()), w.offices()))
	w.desk.WakeCourier = nil
	w.monitored()
	var err error
	w.clients, w.server, err = w.house.clients()
	must(w.t, err)
	w.tick()
}

// tick is what all timers of the house do, and what is asked of it meanwhile.
func (w *walker) tick() {
	w.t.Helper()
	ctx := w.t.Context()
	must(w.t, w.watchClock(ctx))
	must(w.t, errors.Join(w.registrar.Sweep(ctx), w.registrar.Forget(ctx), w.publisher.Catch(ctx)))
	for _, c := range w.all {
		w.ask(c, false)
	}
	crl, err := w.publisher.CRL(w.authority.Issuers()[0].ID)
	if err == nil && crl.Number < w.number {
		w.t.Fatalf("CRL %d follows CRL %d", crl.Number, w.number)
	} else if err == nil {
		w.number = crl.Number
	}
}

// register adds somebody whose certificates the walk is about.
func (w *walker) register() {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.registrar.AddOrganization(ctx, w.admin, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "acme", Name: "Acme AG"}})
	must(w.t, err)
	contact, err := w.registrar.AddContact(ctx, w.admin, issuance.ContactRequest{Contact: issuance.Contact{
		Organization: "acme", Name: "Anna Example", Email: "anna@acme.example", Mobile: "+41791234542", MayOrder: true, MayReceive: true,
	}})
	must(w.t, err)
	service, err := w.registrar.AddService(ctx, w.admin, issuance.ServiceRequest{Service: issuance.Service{Organization: "acme", Name: "payments"}})
	must(w.t, err)
	order := issuance.Order{
		ID: "ord-walk", State: issuance.CompletedState, Wiped: true, Organization: "acme", Service: service.ID, Contact: contact.ID, RequestedAt: w.truth,
	}
	must(w.t, w.store.Update(ctx, func(tx issuance.Tx) error { return tx.PutOrder(order) }))
	for _, life := range []time.Duration{20 * time.Hour, 30 * day, 200 * day, 2 * year, 2 * year, 2 * year} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // its own: a compromise follows the key
		must(w.t, err)
		w.issue(order, key.Public(), life)
	}
}

// issue puts a certificate into the register, as a claim does.
func (w *walker) issue(o issuance.Order, key crypto.PublicKey, life time.Duration) {
	w.t.Helper()
	p := issuance.Profile{
		Serial: issuance.NewSerial(), Organization: "acme", OrganizationName: "Acme AG", Service: "payments", ServiceName: "payments",
		Key: key, NotBefore: w.truth, NotAfter: w.truth.Add(life),
	}
	signed, err := w.authority.Sign(w.t.Context(), p)
	must(w.t, err)
	cert, err := x509.ParseCertificate(signed.DER)
	must(w.t, err)
	c := issuance.Certificate{
		Serial: p.Serial, Status: issuance.Active, Order: o.ID, Organization: "acme", Service: o.Service, Contact: o.Contact, Issuer: signed.Issuer,
		IssuedAt: w.truth, NotBefore: signed.NotBefore, NotAfter: signed.NotAfter, Key: issuance.P256, Fingerprint: signed.Fingerprint, DER: signed.DER,
	}
	must(w.t, w.store.Update(w.t.Context(), func(tx issuance.Tx) error { return tx.PutCertificate(c) }))
	w.all = append(w.all, &walked{serial: c.Serial, cert: cert, status: issuance.Active})
}

// ask asks everybody about c. Who is revoked is so for all, always; whoever is not
// revoked and in time is good when the clock is right.
func (w *walker) ask(c *walked, right bool) {
	w.t.Helper()
	issuer := w.authority.Issuers()[0].Certificate
	request, err := ocsp.CreateRequest(c.cert, issuer, nil)
	must(w.t, err)
	answer, err := ocsp.ParseResponseForCert(w.responder.Respond(w.t.Context(), request).DER, c.cert, issuer)
	_, listener := w.clients.Check(w.t.Context(), c.cert)
	off := c.status == issuance.Revoked || c.status == issuance.Held
	switch {
	case off && err == nil && answer.Status != ocsp.Revoked:
		w.t.Fatalf("%s is %s; OCSP says %d", c.serial, c.status, answer.Status)
	case off && listener == nil:
		w.t.Fatalf("%s is %s; the listener accepts it", c.serial, c.status)
	case !right:
		return
	case err != nil:
		w.t.Fatalf("%s: %v", c.serial, err)
	case !off && answer.Status != ocsp.Good:
		w.t.Fatalf("%s is %s; OCSP says %d", c.serial, c.status, answer.Status)
	case !off && (listener == nil) != w.truth.Before(c.cert.NotAfter):
		w.t.Fatalf("%s is %s until %v; at %v the listener says %v", c.serial, c.status, c.cert.NotAfter, w.truth, listener)
	}
	if answer.ThisUpdate.After(w.truth) || answer.Certificate.NotBefore.After(w.truth) || answer.RevokedAt.After(w.truth) {
		w.t.Fatalf("at %v OCSP answers by %v, of %v, revoked at %v", w.truth, answer.Certificate.NotBefore, answer.ThisUpdate, answer.RevokedAt)
	}
}

// agree sets the clock right, has somebody accept it if that is needed, and compares
// register, CRL, OCSP and listener with what was done.
func (w *walker) agree() {
	w.t.Helper()
	w.wrong = 0
	w.tick()
	if w.clock.Sure() != nil {
		_, err := w.registrar.AcceptClock(w.t.Context(), w.admin, w.truth)
		must(w.t, err)
	}
	w.pass(2 * time.Second)
	w.tick()
	if err := errors.Join(w.clock.Sure(), w.publisher.Healthy()); err != nil || w.now().Sub(w.truth).Abs() > time.Minute {
		w.t.Fatalf("the clock is right: it is %v in the house at %v, %v", w.now(), w.truth, err)
	}
	w.monitor.Hurry()
	if err := errors.Join(w.monitor.Look(w.t.Context()), w.monitor.Healthy()); err != nil || w.monitor.Stats().Differences > 0 {
		w.t.Fatalf("the monitor found %+v, %v", w.monitor.Stats(), err)
	}
	listed := w.listed()
	for _, c := range w.all {
		w.ask(c, true)
		known, err := w.registrar.Certificate(w.t.Context(), c.serial)
		if err != nil || known.Status != c.status {
			w.t.Fatalf("%s is %s in the register, want %s: %v", c.serial, known.Status, c.status, err)
		}
		off := c.status == issuance.Revoked || c.status == issuance.Held
		if off && !listed[c.serial] && w.truth.Before(c.cert.NotAfter.Add(w.cfg.CA.CRLLifetime)) || !off && listed[c.serial] {
			w.t.Fatalf("%s is %s until %v; in the CRL of %v: %v", c.serial, c.status, c.cert.NotAfter, w.truth, listed[c.serial])
		}
	}
	shown, err := w.server.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || shown.Leaf.NotBefore.After(w.truth) || shown.Leaf.NotAfter.Before(w.truth) {
		w.t.Fatalf("the listener shows a certificate from %v to %v at %v: %v", shown.Leaf.NotBefore, shown.Leaf.NotAfter, w.truth, err)
	}
}

// listed reads the CRL.
func (w *walker) listed() map[issuance.Serial]bool {
	w.t.Helper()
	crl, err := w.publisher.CRL(w.authority.Issuers()[0].ID)
	must(w.t, err)
	list, err := x509.ParseRevocationList(crlDER(w.t, crl))
	must(w.t, err)
	if list.ThisUpdate.After(w.truth) || list.NextUpdate.Before(w.truth) {
		w.t.Fatalf("at %v the CRL is valid from %v to %v", w.truth, list.ThisUpdate, list.NextUpdate)
	}
	out := make(map[issuance.Serial]bool)
	for _, e := range list.RevokedCertificateEntries {
		out[issuance.SerialOf(e.SerialNumber)] = true
	}
	return out
}

func crlDER(t testing.TB, c *ca.CRL) []byte {
	t.Helper()
	var der bytes.Buffer
	_, err := c.WriteTo(&der)
	must(t, err)
	return der.Bytes()
}

// change does one verb to a certificate.
func (w *walker) change(r *mathrand.Rand) {
	w.t.Helper()
	c, ctx := w.all[r.IntN(len(w.all))], w.t.Context()
	to := issuance.Revoked
	verb := func() error {
		_, err := w.registrar.Revoke(ctx, w.admin, c.serial, issuance.KeyCompromise, "")
		return err
	}
	switch {
	case c.status == issuance.Revoked:
		return
	case c.status == issuance.Active && r.IntN(3) == 0:
		to, verb = issuance.Held, func() error { _, err := w.registrar.Hold(ctx, w.admin, c.serial, ""); return err }
	case c.status == issuance.Held && r.IntN(2) == 0:
		to, verb = issuance.Active, func() error { _, err := w.registrar.Release(ctx, w.admin, c.serial, ""); return err }
	}
	must(w.t, verb())
	must(w.t, w.publisher.Catch(ctx))
	c.status = to
}

// step is one thing that happens on a walk.
func (w *walker) step(r *mathrand.Rand) {
	w.t.Helper()
	spans := []time.Duration{time.Second, 20 * time.Second, 3 * time.Minute, 6 * time.Hour, 25 * time.Hour, 8 * day, 25 * day, year, 3 * year}
	span := spans[r.IntN(len(spans))]
	switch r.IntN(9) {
	case 0:
		w.wrong = span
	case 1:
		w.wrong = -span
	case 2:
		w.wrong += span * time.Duration(2*r.IntN(2)-1)
	case 3:
		w.wrong = 0
	case 4:
		w.restart()
	case 5: // the machine: off for a moment, or for days
		off := spans[r.IntN(6)]
		w.truth, w.steady, w.run = w.truth.Add(off), 10*time.Second, w.run+1
		w.restart()
	case 6:
		w.pass(min(span, 8*day))
	case 7:
		w.change(r)
	case 8: // somebody accepts whatever the clock says
		_, _ = w.registrar.AcceptClock(w.t.Context(), w.admin, w.read().Wall)
	}
	w.tick()
}

// TestNothingIsUnrevokedByAnyClock goes on walks on which the clock jumps by
// seconds to years, both ways, the process and the machine are started anew, people
// accept right and wrong times, and certificates are revoked, held and released.
//
// POSTERN_CLOCK_WALKS says how many: 60, unless it is set, as `make crash` does.
func TestNothingIsUnrevokedByAnyClock(t *testing.T) {
	t.Parallel()
	walks := 60
	if text := os.Getenv("POSTERN_CLOCK_WALKS"); text != "" {
		var err error
		if walks, err = strconv.Atoi(text); err != nil || walks < 1 {
			t.Fatalf("POSTERN_CLOCK_WALKS is %q, and not a number of walks", text)
		}
	}
	house := walkHouses(t)
	for n := range walks {
		r := mathrand.New(mathrand.NewPCG(uint64(n), 10))
		ok := t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := house(t)
			for range 12 {
				w.step(r)
			}
			w.change(r)
			w.agree()
		})
		if !ok {
			return
		}
	}
}
