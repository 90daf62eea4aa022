package contact

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

// desk is a contact site with a real registrar behind it, a clock to be set, and
// what the other ends see: the link, the SMS, the log.
type desk struct {
	*testing.T
	server    *httptest.Server
	registrar *issuance.Registrar
	store     *memory
	service   issuance.ServiceID
	contact   issuance.ContactID
	log       *record
	fileSize  int // of the PKCS#12 files that are made

	rules issuance.Config // of the registrar

	mu    sync.Mutex
	clock time.Time
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clock
}

func (d *desk) pass(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = d.clock.Add(t)
}

// option changes a desk before it opens.
type option func(*desk, *issuance.Config, *Config)

func withPolicy(change func(*issuance.Policy)) option {
	return func(_ *desk, c *issuance.Config, _ *Config) { change(&c.Policy) }
}

func withTLS(_ *desk, _ *issuance.Config, c *Config) { c.PublicURL.Scheme = "https" }

func newDesk(t *testing.T, options ...option) *desk {
	t.Helper()
	d := &desk{T: t, store: newMemory(), log: new(record), clock: time.Now().UTC().Truncate(time.Second), fileSize: 4000}
	site, err := page.New(page.Brand{Name: "Example Bank", SupportEmail: "certificates@bank.example"}, "")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	rc := d.registrarConfig(log)
	c := Config{Site: site, PublicURL: &url.URL{Scheme: "http"}, Log: log, Now: d.now, Limit: Limit{PerSecond: -1}}
	for _, o := range options {
		o(d, &rc, &c)
	}
	if d.registrar, err = issuance.New(rc); err != nil {
		t.Fatal(err)
	}
	c.Registrar, c.LinkLifetime, d.rules = d.registrar, rc.Policy.LinkLifetime, rc
	d.server = httptest.NewUnstartedServer(nil)
	d.server.Config.ConnContext = ConnContext
	secure := c.PublicURL.Scheme == "https"
	c.PublicURL.Host = d.server.Listener.Addr().String()
	handler, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.server.Config.Handler = server.Below(c.Site.Base(), handler)
	d.server.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	if secure {
		d.server.StartTLS()
	} else {
		d.server.Start()
	}
	t.Cleanup(func() {
		d.server.Close()
		if t.Failed() {
			t.Logf("the log:\n%s", d.log)
		}
	})
	d.register()
	return d
}

func (d *desk) registrarConfig(log *slog.Logger) issuance.Config {
	code := func(seed issuance.Secret, counter uint64) (issuance.Secret, error) {
		mac := hmac.New(sha256.New, seed.Reveal())
		mac.Write(binary.BigEndian.AppendUint64(nil, counter))
		n := binary.BigEndian.Uint64(mac.Sum(nil)) % 100_000_000
		return issuance.NewSecret(fmt.Appendf(nil, "%08d", n)), nil
	}
	random := func(n int) issuance.Secret {
		b := make([]byte, n)
		rand.Read(b)
		return issuance.NewSecret([]byte(hex.EncodeToString(b)))
	}
	return issuance.Config{
		Desk: &issuance.Desk{Now: d.now, Log: log}, Store: d.store, Signer: newSigner(d.T), Policy: issuance.DefaultPolicy(), Workers: 2,
		NewKey: func(issuance.KeyAlgorithm) (crypto.Signer, error) {
			return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		},
		KeyOf: func(crypto.PublicKey) (issuance.KeyAlgorithm, error) { return issuance.P256, nil },
		ReadCSR: func(b []byte) (crypto.PublicKey, error) {
			if block, _ := pem.Decode(b); block != nil {
				b = block.Bytes
			}
			q, err := x509.ParseCertificateRequest(b)
			if err != nil || q.CheckSignature() != nil {
				return nil, &issuance.Error{Kind: issuance.Invalid, Code: issuance.CodeCSR, Field: "csr", Message: "this is not a certificate request", Hint: "make one with openssl req"}
			}
			return q.PublicKey, nil
		},
		Pack: func(b issuance.Bundle) ([]byte, error) {
			out := make([]byte, d.fileSize)
			rand.Read(out)
			return out, nil
		},
		NewPassword: func() issuance.Secret { return random(12) },
		NewSeed:     func() issuance.Secret { return random(20) },
		Code:        code,
		CheckCode: func(seed issuance.Secret, counter uint64, digits string) (bool, error) {
			want, err := code(seed, counter)
			return string(want.Reveal()) == digits, err
		},
		ReadMobile: func(s string) (string, error) { return s, nil }, ASCIIAddress: func(a string) (string, error) { return a, nil },
	}
}

func officer() issuance.Actor {
	return issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-1", Name: "Olivia"}
}

// register adds a customer with a service and a contact.
func (d *desk) register() {
	d.Helper()
	ctx := d.Context()
	err := d.store.Update(ctx, func(tx issuance.Tx) error {
		return errors.Join(
			tx.PutOrganization(issuance.Organization{ID: "acme", Name: `ACME "Trading" <& Söhne> 🏦`}),
			tx.PutService(issuance.Service{ID: "acme.payments", Organization: "acme", Name: "payments", Environment: issuance.Production, Key: issuance.P256, Target: issuance.Modern}),
			tx.PutContact(issuance.Contact{ID: "con-1", Organization: "acme", Name: "Anna", Email: "anna@acme.example", Mobile: "+41791234542", Language: "en", MayOrder: true, MayReceive: true}),
		)
	})
	if err != nil {
		d.Fatal(err)
	}
	d.service, d.contact = "acme.payments", "con-1"
}

// speak makes the contact's language lang.
func (d *desk) speak(lang string) {
	d.store.Update(d.Context(), func(tx issuance.Tx) error {
		c, err := tx.Contact(d.contact)
		c.Language = lang
		return errors.Join(err, tx.PutContact(c))
	})
}

// invite places and approves an order, and has its mail and SMS accepted.
func (d *desk) invite() (issuance.OrderID, string) {
	d.Helper()
	o, err := d.registrar.Request(d.Context(), officer(), issuance.OrderRequest{Service: d.service, Contact: d.contact, Another: true})
	if err != nil {
		d.Fatal(err)
	}
	if _, err := d.registrar.Approve(d.Context(), officer(), o.ID, ""); err != nil {
		d.Fatal(err)
	}
	var link string
	for _, n := range d.take(issuance.Mail) {
		if n.Order.ID == o.ID && n.Notice.Kind == issuance.InvitationNotice {
			link = string(n.Secret.Reveal())
		}
	}
	d.texts()
	return o.ID, link
}

// take takes the waiting notices of a channel; they are accepted.
func (d *desk) take(c issuance.Channel) []issuance.Dispatch {
	d.Helper()
	out, err := d.registrar.TakeNotices(d.Context(), c, 100, time.Minute)
	if err != nil {
		d.Fatal(err)
	}
	for _, n := range out {
		if err := d.registrar.Settle(d.Context(), n.Notice.ID, issuance.Outcome{ProviderID: "sm"}); err != nil {
			d.Fatal(err)
		}
	}
	return out
}

// texts has all waiting SMS accepted and returns the newest secret in them.
func (d *desk) texts() string {
	d.Helper()
	var last string
	for _, n := range d.take(issuance.SMS) {
		last = string(n.Secret.Reveal())
	}
	return last
}

// code returns the order's present code.
func (d *desk) code(id issuance.OrderID) string {
	d.Helper()
	o := d.order(id)
	var seed issuance.Secret
	d.store.View(d.Context(), func(tx issuance.Snapshot) (err error) {
		seed, err = tx.Secret(issuance.SecretRef{Kind: issuance.SeedSecret, Owner: string(id)})
		return err
	})
	code, err := d.rules.Code(seed, o.Code.Counter)
	if err != nil {
		d.Fatal(err)
	}
	return string(code.Reveal())
}

func (d *desk) order(id issuance.OrderID) (o issuance.Order) {
	d.Helper()
	if err := d.store.View(d.Context(), func(tx issuance.Snapshot) (err error) { o, err = tx.Order(id); return err }); err != nil {
		d.Fatal(err)
	}
	return o
}

// passwords returns how many password notices were queued for the order.
func (d *desk) passwords(id issuance.OrderID) (n int) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	for _, notice := range d.store.now.notices {
		if notice.Order == id && notice.Kind == issuance.PasswordNotice {
			n++
		}
	}
	return n
}

// everything returns the order, and how many notices and audit records there are.
func (d *desk) everything(id issuance.OrderID) string {
	o := d.order(id)
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return fmt.Sprintf("%+v\n%d notices\n%d audit records", o, len(d.store.now.notices), len(*d.store.now.audit))
}

// record is a log that is read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// wrong returns a code that is not the order's.
func (d *desk) wrong(id issuance.OrderID) string {
	if d.code(id) == "12345678" {
		return "87654321"
	}
	return "12345678"
}
