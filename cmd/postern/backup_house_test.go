package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/ca/crlfile"
	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
	"github.com/postern-ca/postern/web/admin"
)

// machine is one on which a server runs, or ran: a directory with everything.
type machine struct {
	t    *testing.T
	dir  string
	h    *house // while it serves
	stop func()
}

// newMachine has a CA and a configuration.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, dir: dataDir(t)}
	_, err := quickstartConfig(m.dir, make([]int, 4))
	must(t, err)
	return m
}

func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }

// open opens the house of the machine.
func (m *machine) open() (*house, error) {
	cfg, err := config.Load(config.Options{Path: m.file(config.DefaultFile)})
	must(m.t, err)
	return open(context.Background(), cfg, newLog(config.Log{Level: "error"}, io.Discard), time.Now)
}

// serve has it serve until down is called.
func (m *machine) serve() *house {
	m.t.Helper()
	h, err := m.open()
	must(m.t, err)
	ctx, stop := context.WithCancel(context.Background())
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- h.run(ctx, func() { close(ready) }) }()
	<-ready
	m.h, m.stop = h, func() {
		stop()
		must(m.t, errors.Join(<-served, h.close()))
		m.h = nil
	}
	m.t.Cleanup(m.down)
	return h
}

func (m *machine) down() {
	if m.h != nil {
		m.stop()
	}
}

// run runs a command of the server on the machine, as its operator does.
func (m *machine) run(args ...string) (status int, out string) {
	var said lockedBuffer
	status = cli.Run(context.Background(), cli.Options{
		Args: append(args, "--config", m.file(config.DefaultFile)), In: strings.NewReader(""), Out: &said, Err: &said, Commands: commands(),
	})
	return status, said.String()
}

// issue puts n certificates into the register, signed by its CA.
func (h *house) issue(t *testing.T, n int) (made []issuance.Certificate) {
	t.Helper()
	key, err := ca.NewKey(issuance.P256)
	must(t, err)
	now := h.now()
	for range n {
		signed, err := h.authority.Sign(t.Context(), issuance.Profile{
			Serial: issuance.NewSerial(), Organization: "acme", OrganizationName: "Acme", Service: "payments", ServiceName: "payments",
			Key: key.Public(), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		})
		must(t, err)
		cert, err := x509.ParseCertificate(signed.DER)
		must(t, err)
		made = append(made, issuance.Certificate{
			Serial: issuance.SerialOf(cert.SerialNumber), Status: issuance.Active, Organization: "acme", Service: "acme.payments", Order: "ord-none",
			Contact: "con-none", Issuer: signed.Issuer, IssuedAt: now, NotBefore: signed.NotBefore, NotAfter: signed.NotAfter, DER: signed.DER, Key: issuance.P256,
			Fingerprint: signed.Fingerprint,
		})
	}
	for from := 0; from < n; from += 1000 {
		must(t, h.store.Update(t.Context(), func(tx issuance.Tx) error {
			for _, c := range made[from:min(from+1000, n)] {
				if err := tx.PutCertificate(c); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return made
}

// order places and approves an order for a service of its own.
func (h *house) order(t *testing.T) issuance.OrderID {
	t.Helper()
	by, ctx := issuance.Actor{Role: issuance.RoleOfficer, ID: "tok-test"}, t.Context()
	_, err := h.registrar.AddOrganization(ctx, by, issuance.OrganizationRequest{Organization: issuance.Organization{ID: "acme", Name: "Acme"}})
	if issuance.KindOf(err) != issuance.Conflict {
		must(t, err)
	}
	contact, err := h.registrar.AddContact(ctx, by, issuance.ContactRequest{Contact: issuance.Contact{
		Organization: "acme", Name: "Anna", Email: strings.ToLower(string(issuance.NewSerial())) + "@acme.example", Mobile: "+41791234542", MayOrder: true, MayReceive: true,
	}})
	must(t, err)
	service, err := h.registrar.AddService(ctx, by, issuance.ServiceRequest{Service: issuance.Service{Organization: "acme", Name: "s" + string(issuance.NewSerial())[:20]}})
	must(t, err)
	o, err := h.registrar.Request(ctx, by, issuance.OrderRequest{Service: service.ID, Contact: contact.ID})
	must(t, err)
	_, err = h.registrar.Approve(ctx, by, o.ID, "")
	must(t, err)
	return o.ID
}

// revoke revokes all, and waits until that is published.
func (h *house) revokeAll(t *testing.T, all []issuance.Certificate) {
	t.Helper()
	must(t, h.store.Update(t.Context(), func(tx issuance.Tx) error {
		for i, c := range all {
			c.Status, c.Reason, c.ChangedAt = issuance.Revoked, issuance.Superseded, h.now().UTC().Truncate(time.Second)
			if i%2 == 0 {
				c.Reason = issuance.KeyCompromise
			}
			if err := errors.Join(tx.PutCertificate(c), tx.AppendRevocation(issuance.Revocation{
				Serial: c.Serial, Issuer: c.Issuer, Status: c.Status, Reason: c.Reason, At: c.ChangedAt, NotAfter: c.NotAfter,
			})); err != nil {
				return err
			}
		}
		return nil
	}))
	eventually(t, "the revocations in the CRL", func() bool {
		b, err := crlfile.Parse(h.crls(t))
		must(t, err)
		return slices.ContainsFunc(b.Lists[0].RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
			return issuance.SerialOf(e.SerialNumber) == all[len(all)-1].Serial
		})
	})
}

// crls returns the bundle as web services get it.
func (h *house) crls(t *testing.T) []byte {
	t.Helper()
	b, err := h.publisher.Bundle()
	must(t, err)
	var text bytes.Buffer
	_, err = b.WriteTo(&text)
	must(t, err)
	return text.Bytes()
}

// good returns how many of all a web service would let in, by the CRL that follows
// the one it has, and by OCSP.
func (h *house) good(t *testing.T, all []issuance.Certificate, before []byte) (byCRL, byOCSP int) {
	t.Helper()
	cas := []*x509.Certificate{h.authority.Root()}
	issuer := h.authority.Issuers()[0].Certificate
	cas = append(cas, issuer)
	// What crl-sync and ca/mtls hold a new file against: no number goes back.
	previous, err := crlfile.Parse(before)
	must(t, err)
	bundle, err := crlfile.Check{CAs: cas, Now: time.Now(), Previous: previous}.Verify(h.crls(t))
	if err != nil {
		t.Fatalf("a web service that has the newest bundle refuses this one: %v", err)
	}
	listed := make(map[issuance.Serial]bool)
	for _, list := range bundle.Lists {
		for _, e := range list.RevokedCertificateEntries {
			listed[issuance.SerialOf(e.SerialNumber)] = true
		}
	}
	for _, c := range all {
		if !listed[c.Serial] {
			byCRL++
		}
		cert, err := x509.ParseCertificate(c.DER)
		must(t, err)
		request, err := ocsp.CreateRequest(cert, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
		must(t, err)
		if h.responder.Respond(t.Context(), request).Status == "good" {
			byOCSP++
		}
	}
	return byCRL, byOCSP
}

// backUpAs has the running server write a backup to a file, as an administrator asks.
func (m *machine) backUpAs(name string, q admin.BackupRequest) {
	m.t.Helper()
	write, err := m.h.backup(m.t.Context(), issuance.Actor{Role: issuance.RoleAdministrator, ID: "tok-test"}, q)
	must(m.t, err)
	must(m.t, backup.WriteFile(name, func(w io.Writer) error { return write(w) }))
}

// ageKey makes an age identity in a file.
func ageKey(t *testing.T) (file, recipient string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	must(t, err)
	file = filepath.Join(t.TempDir(), "key.txt")
	must(t, os.WriteFile(file, []byte(key.String()+"\n"), 0o600))
	return file, key.Recipient().String()
}

// bring copies what a backup does not hold: an operator keeps it elsewhere.
func (m *machine) bring(from *machine) {
	m.t.Helper()
	for _, name := range []string{"seal.key", passphraseFile} {
		data, err := os.ReadFile(from.file(name))
		must(m.t, err)
		must(m.t, os.WriteFile(m.file(name), data, 0o600))
	}
}
