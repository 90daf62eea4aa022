package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/cmd/postern/crlsync"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/admin"
)

// lost is a machine with a backup of which 100 certificates have been revoked
// since, and 5 that were issued since; it is down.
type lost struct {
	*machine
	key, file string
	bundle    []byte // the newest, as web services have it
	older     []byte // from before the revocations
	revoked   []issuance.Certificate
	standing  []issuance.Certificate
	under     issuance.OrderID // under way when the backup was made
	after     issuance.OrderID // placed since
}

func loseEverything(t *testing.T) lost {
	t.Helper()
	m := newMachine(t)
	l := lost{machine: m, file: filepath.Join(t.TempDir(), "postern.age")}
	key, recipient := ageKey(t)
	l.key = key
	h := m.serve()
	all := h.issue(t, 150)
	h.revokeAll(t, h.issue(t, 1))
	l.under = h.order(t)
	l.standing = all[100:]
	m.backUpAs(l.file, admin.BackupRequest{Recipients: []string{recipient}})
	l.after = h.order(t)
	l.older = h.crls(t)
	l.revoked = append(h.issue(t, 5), all[:100]...)
	h.revokeAll(t, l.revoked)
	l.bundle = h.crls(t)
	m.down()
	return l
}

// wantNoneGood serves m and looks at everything that was ever revoked.
func (l lost) wantNoneGood(t *testing.T, m *machine) *house {
	t.Helper()
	h := m.serve()
	if byCRL, byOCSP := h.good(t, l.revoked, l.bundle); byCRL+byOCSP > 0 {
		t.Errorf("of %d revoked certificates, %d are not in the CRL and %d are good by OCSP", len(l.revoked), byCRL, byOCSP)
	}
	l.wantWebServicesToFollow(t, h)
	return h
}

// wantWebServicesToFollow has crl-sync, with the file that it wrote before the loss,
// and ca/mtls, which reads that file, ask a server that knows less, and then h.
func (l lost) wantWebServicesToFollow(t *testing.T, h *house) {
	t.Helper()
	dir := t.TempDir()
	file, root := filepath.Join(dir, "crls.pem"), filepath.Join(dir, "ca.pem")
	must(t, os.WriteFile(file, l.bundle, 0o644))
	var chain bytes.Buffer
	for _, c := range []*x509.Certificate{h.authority.Issuers()[0].Certificate, h.authority.Root()} {
		must(t, pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	must(t, os.WriteFile(root, chain.Bytes(), 0o644))
	sync := func(address string) error {
		s, err := crlsync.New(crlsync.Options{
			URL: address, CA: root, Out: file, Client: http.DefaultClient, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		must(t, err)
		return s.Once(t.Context())
	}
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(l.older) }))
	defer old.Close()
	if err := sync(old.URL + "/crl-bundle.pem"); err == nil {
		t.Error("crl-sync takes the CRLs of a server that forgot revocations")
	}
	l.wantRefused(t, root, file)
	if err := sync(h.cfg.Plain.URL + "/pki/crl-bundle.pem"); err != nil {
		t.Errorf("crl-sync, of the restored server: %v", err)
	}
	if now, err := os.ReadFile(file); err != nil || bytes.Equal(now, l.bundle) {
		t.Errorf("crl-sync did not write what the restored server has (%v)", err)
	}
	l.wantRefused(t, root, file)
}

// wantRefused has ca/mtls judge the revoked certificates by a file of CRLs.
func (l lost) wantRefused(t *testing.T, root, file string) {
	t.Helper()
	cas, err := mtls.ReadCAs(root)
	must(t, err)
	crls := &mtls.CRLs{CAs: cas, File: file}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- crls.Run(ctx) }()
	defer func() { stop(); <-ended }()
	must(t, crls.Wait(t.Context()))
	for _, c := range l.revoked {
		cert, err := x509.ParseCertificate(c.DER)
		must(t, err)
		chain, err := cas.Verify([]*x509.Certificate{cert}, time.Now())
		must(t, err)
		if err := crls.Status(t.Context(), chain); err == nil {
			t.Errorf("ca/mtls lets %s in", c.Serial)
		}
	}
}

func wantSaid(t *testing.T, said string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// TestNothingRevokedIsGoodAfterARestore restores a backup of which 100
// certificates were revoked since, and 5 more that it does not know.
func TestNothingRevokedIsGoodAfterARestore(t *testing.T) {
	t.Parallel()
	l := loseEverything(t)
	newest := filepath.Join(t.TempDir(), "crl-bundle.pem")
	must(t, os.WriteFile(newest, l.bundle, 0o600))

	t.Run("an old copy over the new database", func(t *testing.T) {
		old := l.clean(t)
		status, said := old.run("restore", l.file, "--data", old.dir, "--identity", l.key)
		if status != 0 {
			t.Fatal(said)
		}
		current, err := os.ReadFile(l.file1("postern.db"))
		must(t, err)
		defer func() { must(t, os.WriteFile(l.file1("postern.db"), current, 0o600)) }()
		copied, err := os.ReadFile(old.file("postern.db"))
		must(t, err)
		must(t, os.WriteFile(l.file1("postern.db"), copied, 0o600))
		_, err = l.machine.open()
		if err == nil {
			t.Fatal("an old copy is served")
		}
		wantSaid(t, err.Error(), "older than the high-water mark", "changes of status 2 to 106", "CRL numbers", "of issuing-1", "audit records")
	})

	t.Run("with the newest CRL", func(t *testing.T) {
		m := l.restored(t)
		_, err := m.open()
		if err == nil {
			t.Fatal("a restored database is served though nobody knows what was revoked since")
		}
		wantSaid(t, err.Error(), "was restored from a backup of")
		if status, said := m.run("restore", "--accept-loss"); status != 1 || !strings.Contains(said, "the newest CRL") {
			t.Errorf("without a CRL: status %d: %s", status, said)
		}
		status, said := m.run("restore", "--accept-loss", "--crl", newest)
		if status != 0 {
			t.Fatal(said)
		}
		wantSaid(t, said, "revoked again  105", "kept revoked   certificate "+string(l.revoked[0].Serial))
		h := l.wantNoneGood(t, m)
		if byCRL, byOCSP := h.good(t, l.standing, l.bundle); byCRL != 50 || byOCSP != 50 {
			t.Errorf("of 50 that were never revoked, %d stand by the CRL and %d by OCSP", byCRL, byOCSP)
		}
	})

	t.Run("without any CRL, by the mark", func(t *testing.T) {
		m := l.restored(t)
		mark, err := os.ReadFile(l.file1("postern.mark"))
		must(t, err)
		must(t, os.RemoveAll(m.dir))
		must(t, os.MkdirAll(m.dir, 0o700))
		must(t, os.WriteFile(m.file("postern.mark"), mark, 0o600)) // the disk with the mark was spared
		m.bring(l.machine)
		status, said := m.run("restore", l.file, "--data", m.dir, "--identity", l.key, "--accept-loss")
		if status != 0 {
			t.Fatal(said)
		}
		wantSaid(t, said, "certificates  150 active, 0 on hold, 1 revoked", "revoked again  105", "it lacked      changes of status 2 to 106",
			"lost           "+string(l.after)+" (acme): requested", "code void      order "+string(l.under))
		l.wantNoneGood(t, m)
		m.down()
		h := m.serve() // and again: nothing is pending
		checked, err := h.auditor.verify(t.Context(), nil)
		must(t, err)
		if checked.Fault != nil || checked.Lost == 0 {
			t.Errorf("the audit records that were lost are not on record: %+v", checked)
		}
	})

	t.Run("without anything", func(t *testing.T) {
		m := l.restored(t)
		status, said := m.run("restore", "--accept-loss", "--hold-all")
		if status != 0 {
			t.Fatal(said)
		}
		wantSaid(t, said, "on hold again  150")
		h := m.serve()
		known := l.revoked[5:]
		if byCRL, byOCSP := h.good(t, known, l.bundle); byCRL+byOCSP > 0 {
			t.Errorf("of %d revoked certificates, %d are not in the CRL and %d are good by OCSP", len(known), byCRL, byOCSP)
		}
		if _, byOCSP := h.good(t, l.revoked[:5], l.bundle); byOCSP > 0 {
			t.Errorf("of 5 that nobody knows, %d are good by OCSP", byOCSP)
		}
	})

	t.Run("with an old CRL", func(t *testing.T) {
		m := l.restored(t)
		other := newMachine(t)
		theirs := filepath.Join(t.TempDir(), "theirs.pem")
		must(t, os.WriteFile(theirs, other.serve().crls(t), 0o600))
		other.down()
		if status, said := m.run("restore", "--accept-loss", "--crl", theirs); status != 1 || !strings.Contains(said, "with a number above 2") {
			t.Errorf("with a CRL that is older than the backup: status %d: %s", status, said)
		}
		must(t, os.WriteFile(theirs, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600))
		if status, said := m.run("restore", "--accept-loss", "--crl", theirs); status != 1 || !strings.Contains(said, "other than a CRL") {
			t.Errorf("with a certificate for a CRL: status %d: %s", status, said)
		}
	})
}

func (l lost) file1(name string) string { return l.machine.file(name) }

// clean returns a machine with nothing on it.
func (l lost) clean(t *testing.T) *machine {
	t.Helper()
	return &machine{t: t, dir: filepath.Join(t.TempDir(), "new")}
}

// restored returns a machine on which the backup was put, and what it does not hold.
func (l lost) restored(t *testing.T) *machine {
	t.Helper()
	m := l.clean(t)
	status, said := m.run("restore", l.file, "--data", m.dir, "--identity", l.key)
	if status != 0 {
		t.Fatal(said)
	}
	wantSaid(t, said, "certificates  150 active, 0 on hold, 1 revoked", "last change   1", "CRL numbers   issuing-1", "not in it")
	for _, secret := range []string{"seal.key", passphraseFile} {
		if _, err := os.Stat(m.file(secret)); err == nil {
			t.Errorf("%s was in the backup", secret)
		}
	}
	if status, said := m.run("restore", l.file, "--data", m.dir, "--identity", l.key); status != 1 || !strings.Contains(said, "already exists; nothing was changed") {
		t.Errorf("again: status %d: %s", status, said)
	}
	m.bring(l.machine)
	return m
}
