package main_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/ca/catest"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/seal"
	"github.com/postern-ca/postern/web/admin"
	"github.com/postern-ca/postern/web/server"
)

// adminHouse is the admin API on a real store and a real CA, with a clock that
// is set by hand. Every answer that a test gets from it was checked against the
// OpenAPI document.
type adminHouse struct {
	t         *testing.T
	registrar *issuance.Registrar
	staff     *staff.Office
	reports   *report.Office
	store     *bolt.Store
	authority *ca.Authority
	api       http.Handler
	log       *bytes.Buffer
	document  routers.Router
	paths     []string // "METHOD /api/v1/path" of every operation in the document
	clock     *atomic.Int64
	jump      atomic.Int64 // how far the machine's clock is ahead of it
	tokens    map[issuance.Role]string
	// seen are the operations and statuses that were answered.
	seen map[string]bool
	// left is how many audit records each answer's request left.
	left     map[string][]int
	requests int
	// failing makes the store fail, if it is set.
	failing error
}

// openAdmin opens a house with the policy that change makes of the default.
func openAdmin(t *testing.T, change ...func(*issuance.Policy)) *adminHouse {
	t.Helper()
	h := &adminHouse{t: t, log: new(bytes.Buffer), clock: new(atomic.Int64), tokens: map[issuance.Role]string{}, seen: map[string]bool{}, left: map[string][]int{}}
	h.clock.Store(time.Now().UnixNano())
	h.registrar = h.newRegistrar(change)
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	api, err := admin.New(admin.Options{
		Registrar: h.registrar, Staff: h.staff, Reports: h.reports, Channels: h.channels(), Backup: h.backup, VerifyAudit: h.verifyAudit, Log: log, Now: h.now,
		Checks: []server.Check{{Name: "store", Hint: "look at the disk", Run: func(context.Context) error { return h.failing }}},
	})
	h.ok(err)
	h.api = api
	for _, role := range []issuance.Role{issuance.RoleAdministrator, issuance.RoleOfficer, issuance.RoleAuditor} {
		_, secret, err := h.staff.AddToken(t.Context(), issuance.System("test"), staff.TokenRequest{Name: string(role), Role: role})
		h.ok(err)
		h.tokens[role] = string(secret.Reveal())
	}
	h.readDocument()
	return h
}

// channels sends nothing: that is tested with real senders.
func (h *adminHouse) channels() admin.Channels {
	return admin.Channels{
		Retry: h.registrar.RetryNotice,
		Test: func(ctx context.Context, by issuance.Actor, to string) (admin.Tested, error) {
			channel, to, err := h.registrar.Trial(ctx, by, to)
			return admin.Tested{Channel: channel, To: to, Problem: "nothing leaves this house"}, err
		},
		Paused: func(issuance.Channel) string { return "its provider refuses us" },
	}
}

// verifyAudit stands for the check of a real house.
func (h *adminHouse) verifyAudit(_ context.Context, at []uint64) (check admin.AuditCheck, err error) {
	check = admin.AuditCheck{Key: "example.com/audit+5ba23f3c+AX0nEV6MSW1nVJtwsQqQ0uDdRWZM0E2Yl3ZpZ0A9nHhB", Links: []issuance.AuditHead{}, Gaps: []issuance.AuditGap{}}
	if err = h.failing; err == nil {
		err = h.store.History().View(h.t.Context(), func(r issuance.HistoryReader) error {
			check.Last = r.AuditHead()
			for _, seq := range at {
				link, err := r.AuditLink(seq)
				if seq == 0 {
					link = issuance.NoLink
				}
				check.Links = append(check.Links, issuance.AuditHead{Seq: seq, Link: link})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return check, err
}

// backup writes what stands for one: real ones are made by a real house.
func (h *adminHouse) backup(_ context.Context, by issuance.Actor, q admin.BackupRequest) (func(io.Writer) error, error) {
	if err := by.May(issuance.BackupVerb, issuance.DatabaseNoun); err != nil {
		return nil, err
	}
	if len(q.Recipients) == 0 {
		return nil, issuance.Invalidf("recipients", "is empty", "name one")
	}
	return func(w io.Writer) error {
		_, err := io.WriteString(w, "to "+strings.Join(q.Recipients, ", "))
		return errors.Join(err, h.failing)
	}, nil
}

const adminPassphrase = "a passphrase for tests"

// adminStock is the CA of every house, made once: that takes seconds.
var adminStock = sync.OnceValues(func() (catest.Tree, error) {
	return catest.Made(func(dir string) error {
		err := ca.Create(ca.CreateOptions{
			Dir: dir, TrustDomain: "example.com", OrganizationName: "Example Ltd", Passphrase: issuance.NewSecret([]byte(adminPassphrase)),
			URLs: ca.URLs{Base: "http://pki.example.com"},
		})
		return errors.Join(err, catest.Lighten(dir, []byte(adminPassphrase)))
	})
})

func (h *adminHouse) newRegistrar(change []func(*issuance.Policy)) *issuance.Registrar {
	h.t.Helper()
	dir := h.t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "seal.key"))
	h.ok(err)
	quiet := slog.New(slog.DiscardHandler)
	h.store, err = bolt.Open(bolt.Options{Path: filepath.Join(dir, "postern.db"), Key: key, Log: quiet})
	h.ok(err)
	h.t.Cleanup(func() { h.store.Close() })
	stock, err := adminStock()
	h.ok(err)
	h.ok(stock.Copy(filepath.Join(dir, "ca")))
	h.authority, err = ca.Open(ca.OpenOptions{
		Dir: filepath.Join(dir, "ca"), TrustDomain: "example.com", Passphrase: issuance.NewSecret([]byte(adminPassphrase)),
		URLs: ca.URLs{Base: "http://pki.example.com"}, Now: h.now,
	})
	h.ok(err)
	policy := issuance.DefaultPolicy()
	for _, f := range change {
		f(&policy)
	}
	judged := &issuance.Clock{Read: func() issuance.Reading {
		return issuance.Reading{Wall: h.now().Add(time.Duration(h.jump.Load())), Steady: time.Duration(h.clock.Load()), Run: "test"}
	}}
	h.ok(issuance.BeginClock(h.t.Context(), h.store, judged))
	desk := &issuance.Desk{Now: h.now, Log: quiet, Clock: judged}
	h.staff = &staff.Office{Desk: desk, Store: faultyStore[staff.Reader, staff.Tx]{h.store.Staff(), h}, FourEyes: policy.FourEyes}
	h.reports = &report.Office{Desk: desk, Policy: policy, Store: faultyStore[report.Reader, report.Tx]{h.store.Reports(), h}}
	registrar, err := issuance.New(issuance.Config{
		Desk: desk, Store: faultyStore[issuance.Snapshot, issuance.Tx]{h.store, h}, Signer: h.authority, Policy: policy,
		NewKey: ca.NewKey, KeyOf: ca.KeyAlgorithmOf, ReadCSR: ca.ReadCSR, Pack: delivery.Pack,
		NewPassword: delivery.NewPassword, NewSeed: delivery.NewSeed, Code: delivery.Code, CheckCode: delivery.CheckCode,
		ReadMobile: delivery.ReadMobile(nil, ""), ASCIIAddress: delivery.ASCIIAddress, Workers: 1,
	})
	h.ok(err)
	return registrar
}

// faultyStore is the real store, until its house says that it fails.
type faultyStore[R, T any] struct {
	issuance.Store[R, T]
	h *adminHouse
}

func (s faultyStore[R, T]) View(ctx context.Context, f func(R) error) error {
	if s.h.failing != nil {
		return s.h.failing
	}
	return s.Store.View(ctx, f)
}

func (h *adminHouse) now() time.Time { return time.Unix(0, h.clock.Load()).UTC() }

func (h *adminHouse) advance(d time.Duration) { h.clock.Add(int64(d)) }

func (h *adminHouse) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *adminHouse) readDocument() {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	h.ok(err)
	h.ok(doc.Validate(h.t.Context()))
	h.document, err = gorillamux.NewRouter(doc)
	h.ok(err)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			h.paths = append(h.paths, method+" /api/v1"+path)
		}
	}
}

// recorded returns the audit records that the last request left: each says who asked
// for it, and from where.
func (h *adminHouse) recorded() (records []issuance.AuditRecord) {
	h.t.Helper()
	h.ok(h.store.View(h.t.Context(), func(tx issuance.Snapshot) (err error) {
		records, _, err = tx.Audit(issuance.AuditQuery{Request: "test-" + strconv.Itoa(h.requests), Page: issuance.Page{Limit: issuance.MaxPage}})
		return err
	}))
	for _, r := range records {
		if r.Address != "192.0.2.1" || r.Actor.ID == "" && r.Actor.Role != issuance.RoleStranger {
			h.t.Errorf("a record of a request says %+v", r)
		}
	}
	return records
}

// register adds an organisation, a service and a contact, whose id it returns.
func (h *adminHouse) register() (contact string) {
	h.t.Helper()
	h.post(http.StatusCreated, "/organizations", `{"id":"acme","name":"Acme Corporation"}`)
	h.post(http.StatusCreated, "/services", `{"organization":"acme","name":"payments"}`)
	made := h.post(http.StatusCreated, "/contacts", `{"organization":"acme","name":"Ada Lovelace","email":"ada@acme.example","mobile":"+41 79 123 45 67","may_receive":true}`)
	return made.field(h.t, "id")
}

// order requests and approves an order, and returns its id.
func (h *adminHouse) order(contact string) (id string) {
	h.t.Helper()
	id = h.post(http.StatusCreated, "/orders", `{"service":"acme.payments","contact":"`+contact+`","another":true}`).field(h.t, "id")
	h.post(http.StatusOK, "/orders/"+id+"/approve", "")
	return id
}

// sent takes all notices of channel, as accepted by their provider.
func (h *adminHouse) sent(channel issuance.Channel) (list []issuance.Dispatch) {
	h.t.Helper()
	list, err := h.registrar.TakeNotices(h.t.Context(), channel, 100, time.Minute)
	h.ok(err)
	for _, d := range list {
		h.ok(h.registrar.Settle(h.t.Context(), d.Notice.ID, issuance.Outcome{ProviderID: "provider-1"}))
	}
	return list
}

// claim takes an order that was approved through to the downloaded file, and
// returns its certificate's serial number.
func (h *adminHouse) claim() (serial string) {
	h.t.Helper()
	ctx := h.t.Context()
	var link, code issuance.Secret
	for _, d := range h.sent(issuance.Mail) {
		if d.Notice.Kind == issuance.InvitationNotice {
			link = d.Secret
		}
	}
	for _, d := range h.sent(issuance.SMS) {
		if d.Notice.Kind == issuance.CodeNotice {
			code = d.Secret
		}
	}
	session, err := h.registrar.Verify(ctx, link, string(code.Reveal()))
	h.ok(err)
	f, err := h.registrar.Claim(ctx, link, session, issuance.ClaimRequest{})
	h.ok(err)
	if _, err := x509.ParseCertificate(f.Certificate.DER); err != nil {
		h.t.Fatal(err)
	}
	h.ok(h.registrar.Download(ctx, link, session))
	return string(f.Certificate.Serial)
}

// issued is register, order and claim.
func (h *adminHouse) issued() (contact, order, serial string) {
	h.t.Helper()
	contact = h.register()
	order = h.order(contact)
	return contact, order, h.claim()
}
