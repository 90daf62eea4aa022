package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/backup"
	"github.com/postern-ca/postern/web/admin"
)

// BenchmarkBackup makes a backup of 100,000 certificates, half of them revoked, and
// unpacks it.
func BenchmarkBackup(b *testing.B) {
	cfg, err := demoConfig(demoDir(b))
	must(b, err)
	h, err := open(b.Context(), cfg, newLog(cfg.Log, io.Discard), time.Now)
	must(b, err)
	defer h.close()
	const n = 100_000
	at := h.now()
	for from := 0; from < n; from += 1000 {
		must(b, h.store.Update(b.Context(), func(tx issuance.Tx) error {
			for i := range 1000 {
				c := issuance.Certificate{
					Serial: issuance.NewSerial(), Status: issuance.Active, Organization: "acme", Service: "acme.payments", Issuer: "issuing-1",
					IssuedAt: at.Add(-time.Duration(from+i) * time.Second), NotAfter: at.AddDate(1, 0, 0), DER: make([]byte, 900), KeyMark: issuance.Digest(issuance.NewSerial()),
				}
				if i%2 == 0 {
					c.Status, c.ChangedAt = issuance.Revoked, at
					if err := tx.AppendRevocation(issuance.Revocation{Serial: c.Serial, Issuer: c.Issuer, Status: c.Status, At: at, NotAfter: c.NotAfter}); err != nil {
						return err
					}
				}
				if err := tx.PutCertificate(c); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	key, err := age.GenerateX25519Identity()
	must(b, err)
	for b.Loop() {
		var out bytes.Buffer
		write, err := h.backup(b.Context(), issuance.Actor{Role: issuance.RoleAdministrator}, admin.BackupRequest{Recipients: []string{key.Recipient().String()}})
		must(b, err)
		began := time.Now()
		must(b, write(&out))
		b.ReportMetric(time.Since(began).Seconds(), "s/backup")
		b.ReportMetric(float64(out.Len())/(1<<20), "MB")
		began = time.Now()
		dir, err := os.OpenRoot(b.TempDir())
		must(b, err)
		about, err := backup.Extract(&out, []age.Identity{key}, dir)
		must(b, errors.Join(err, dir.Close()))
		b.ReportMetric(time.Since(began).Seconds(), "s/restore")
		if total := about.Certificates; total.Active+total.Revoked != n {
			b.Errorf("it holds %+v", total)
		}
	}
}
