package issuance_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
)

// house is a registrar on a real store, with a clock that is set by hand, a
// signer that makes no real certificates, and a courier that is the test.
type house struct {
	*issuance.Registrar
	cfg    issuance.Config // of the registrar
	store  *bolt.Store
	tokens *staff.Office
	clerk  *report.Office
	t      *testing.T
	clock  *atomic.Int64 // Unix nanoseconds
	signer *paperSigner
	// compared counts how often a code was compared.
	compared *atomic.Int64
	staff    issuance.Actor
	contact  issuance.Contact
	service  issuance.Service
}

func newHouse(t *testing.T, change ...func(*issuance.Config)) *house {
	t.Helper()
	dir := t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := bolt.Open(bolt.Options{Path: filepath.Join(dir, "postern.db"), Key: key, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	h := &house{t: t, store: store, clock: new(atomic.Int64), signer: &paperSigner{}, compared: new(atomic.Int64), staff: issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-1", Name: "Olga"}}
	h.set(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	desk := &issuance.Desk{Now: h.now, Log: log, Alerts: []string{"duty@postern.example"}, Mobiles: []string{"+41790000001"}}
	h.clerk = &report.Office{Desk: desk, Store: store.Reports(), Schedule: report.Schedule{Monthly: report.Time{Day: 1}}, Policy: issuance.DefaultPolicy()}
	c := issuance.Config{
		Desk: desk, Store: store, Signer: h.signer, Policy: issuance.DefaultPolicy(),
		NewKey: func(issuance.KeyAlgorithm) (crypto.Signer, error) {
			return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		},
		KeyOf:       func(crypto.PublicKey) (issuance.KeyAlgorithm, error) { return issuance.P256, nil },
		ReadCSR:     readPaperCSR,
		Pack:        func(b issuance.Bundle) ([]byte, error) { return append([]byte("p12 of "), b.Certificate...), nil },
		NewPassword: func() issuance.Secret { return issuance.NewSecret([]byte("password-" + string(issuance.NewSerial()))) },
		NewSeed:     func() issuance.Secret { return issuance.NewSecret([]byte("seed-" + string(issuance.NewSerial()))) },
		Code:        paperCode,
		CheckCode: func(seed issuance.Secret, counter uint64, code string) (bool, error) {
			h.compared.Add(1)
			want, err := paperCode(seed, counter)
			return string(want.Reveal()) == code, err
		},
		ReadMobile: func(s string) (string, error) { return s, nil }, ASCIIAddress: func(a string) (string, error) { return a, nil },
		Workers: 2,
		Documents: map[issuance.NoticeKind]func(context.Context, string) (issuance.Document, error){
			issuance.ReportNotice: h.clerk.Document,
		},
	}
	for _, f := range change {
		f(&c)
	}
	if h.Registrar, err = issuance.New(c); err != nil {
		t.Fatal(err)
	}
	h.cfg = c
	h.tokens = &staff.Office{Desk: desk, Store: store.Staff(), FourEyes: c.Policy.FourEyes}
	h.register()
	return h
}

// paperCode is eight digits of a hash: the real algorithm is delivery's.
func paperCode(seed issuance.Secret, counter uint64) (issuance.Secret, error) {
	sum := sha256.Sum256(fmt.Appendf(seed.Reveal(), "/%d", counter))
	return issuance.NewSecret(fmt.Appendf(nil, "%08d", int(sum[0])<<16|int(sum[1])<<8|int(sum[2]))), nil
}

func readPaperCSR(csr []byte) (crypto.PublicKey, error) {
	if !bytes.HasPrefix(csr, []byte("csr")) {
		return nil, &issuance.Error{Kind: issuance.Invalid, Code: issuance.CodeCSR, Field: "csr", Message: "is not a CSR", Hint: "make one"}
	}
	return csr, nil
}

// paperSigner writes the serial number down and calls it a certificate.
type paperSigner struct {
	mu      sync.Mutex
	serials []issuance.Serial
	newest  issuance.Profile
	broken  error
	// before and after are called before and after anything is signed.
	before, after func()
}

func (s *paperSigner) Sign(_ context.Context, p issuance.Profile) (issuance.Signed, error) {
	if s.before != nil {
		s.before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return issuance.Signed{}, s.broken
	}
	s.serials, s.newest = append(s.serials, p.Serial), p
	if s.after != nil {
		s.after()
	}
	der := []byte("certificate " + string(p.Serial))
	sum := sha256.Sum256(der)
	return issuance.Signed{DER: der, Issuer: "issuing-1", Fingerprint: hex.EncodeToString(sum[:]), NotBefore: p.NotBefore, NotAfter: p.NotAfter}, nil
}

func (s *paperSigner) Issuer() (string, time.Time) {
	return "issuing-1", time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
}

func (s *paperSigner) Chain(string) ([][]byte, error) {
	return [][]byte{[]byte("issuing"), []byte("root")}, nil
}

func (s *paperSigner) signed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.serials)
}

func (h *house) now() time.Time          { return time.Unix(0, h.clock.Load()).UTC() }
func (h *house) set(t time.Time)         { h.clock.Store(t.UnixNano()) }
func (h *house) advance(d time.Duration) { h.clock.Add(int64(d)) }

// register adds one organisation, contact and service.
func (h *house) register() {
	h.t.Helper()
	ctx := h.t.Context()
	org, err := h.AddOrganization(ctx, h.staff, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "acme", Name: "Acme AG"}})
	h.ok(err)
	h.contact, err = h.AddContact(ctx, h.staff, issuance.ContactRequest{Contact: issuance.Contact{
		Organization: org.ID, Name: "Anna Example", Email: "anna@acme.example", Mobile: "+41791234542", MayOrder: true, MayReceive: true,
	}})
	h.ok(err)
	h.service, err = h.AddService(ctx, h.staff, issuance.ServiceRequest{Service: issuance.Service{Organization: org.ID, Name: "payments"}})
	h.ok(err)
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) wantCode(err error, want issuance.Code) {
	h.t.Helper()
	if issuance.CodeOf(err) != want {
		h.t.Errorf("got %v (code %q), want code %q", err, issuance.CodeOf(err), want)
	}
}

// request places an order and approves it.
func (h *house) invited() issuance.OrderID {
	h.t.Helper()
	o, err := h.Request(h.t.Context(), h.staff, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true})
	h.ok(err)
	o, err = h.Approve(h.t.Context(), h.staff, o.ID, "")
	h.ok(err)
	return o.ID
}

// post sends everything that is due on channel and returns it.
func (h *house) post(channel issuance.Channel) []issuance.Dispatch {
	h.t.Helper()
	out, err := h.TakeNotices(h.t.Context(), channel, 100, time.Minute)
	h.ok(err)
	for _, d := range out {
		h.ok(h.Settle(h.t.Context(), d.Notice.ID, issuance.Outcome{ProviderID: "SM" + string(d.Notice.ID)}))
	}
	return out
}

// delivered posts both channels and returns the link token and the code.
func (h *house) delivered() (token issuance.Secret, code string) {
	h.t.Helper()
	for _, d := range h.post(issuance.Mail) {
		if d.Notice.Kind == issuance.InvitationNotice {
			token = d.Secret
		}
	}
	for _, d := range h.post(issuance.SMS) {
		if d.Notice.Kind == issuance.CodeNotice {
			code = string(d.Secret.Reveal())
		}
	}
	if token.Empty() || code == "" {
		h.t.Fatal("no link or no code was sent")
	}
	return token, code
}

// enroll is a claim in one step, of a CSR.
func (h *house) enroll(token issuance.Secret, code string, csr []byte) (issuance.File, error) {
	_, f, err := h.Enroll(h.t.Context(), issuance.Enrollment{Token: token, Code: code, Claim: issuance.ClaimRequest{CSR: csr}})
	return f, err
}

// verified takes a new order to verified.
func (h *house) verified() (id issuance.OrderID, token, session issuance.Secret) {
	h.t.Helper()
	id = h.invited()
	token, code := h.delivered()
	session, err := h.Verify(h.t.Context(), token, code)
	h.ok(err)
	return id, token, session
}

// downloaded takes a new order to downloaded.
func (h *house) downloaded() (id issuance.OrderID, token, session issuance.Secret) {
	h.t.Helper()
	id, token, session = h.verified()
	_, err := h.Claim(h.t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	h.ok(h.Download(h.t.Context(), token, session))
	return id, token, session
}

func (h *house) order(id issuance.OrderID) (o issuance.Order) {
	h.t.Helper()
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		o, err = tx.Order(id)
		return err
	}))
	return o
}

func (h *house) wantState(id issuance.OrderID, want issuance.OrderState) {
	h.t.Helper()
	if got := h.order(id).State; got != want {
		h.t.Errorf("order %s is %s, want %s", id, got, want)
	}
}

// has reports whether the store keeps the secret.
func (h *house) has(kind issuance.SecretKind, id issuance.OrderID) bool {
	return h.store.View(h.t.Context(), func(tx issuance.Snapshot) error {
		_, err := tx.Secret(issuance.SecretRef{Kind: kind, Owner: string(id)})
		return err
	}) == nil
}

func (h *house) certificates(q issuance.CertificateQuery) (list []issuance.Certificate) {
	h.t.Helper()
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		list, _, err = tx.Certificates(q)
		return err
	}))
	return list
}

func (h *house) notices(q issuance.NoticeQuery) (list []issuance.Notice) {
	h.t.Helper()
	q.Limit = issuance.MaxPage
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		list, _, err = tx.Notices(q)
		return err
	}))
	return list
}
