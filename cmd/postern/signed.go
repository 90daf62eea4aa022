package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/issuance"
)

// recordWait is how long a certificate of the house's own waits to be on record.
const recordWait = 10 * time.Second

// recordSigned puts a certificate on record that the house has signed for itself,
// and is not in the register. Whoever signed it uses it only after that.
func (h *house) recordSigned(verb issuance.Verb, what string, c *x509.Certificate) error {
	ctx, cancel := context.WithTimeout(context.Background(), recordWait)
	defer cancel()
	return issuance.Do(ctx, h.desk, h.store, func(_ issuance.Tx, e *issuance.Entry) error {
		e.Audit(issuance.System("ca"), verb, issuance.AuditRecord{
			Serial: issuance.SerialOf(c.SerialNumber), Subject: what, Detail: map[string]string{
				"subject": c.Subject.String(), "issuer": c.Issuer.String(), sha256Detail: fingerprint(c),
				"not_before": c.NotBefore.UTC().Format(time.RFC3339), "not_after": c.NotAfter.UTC().Format(time.RFC3339),
			},
		})
		return nil
	})
}

const sha256Detail = "sha256"

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// recordCAs puts those CAs of the house on record that are not yet: they were
// signed when there was no database, or by a root that is elsewhere.
func (h *house) recordCAs(ctx context.Context) error {
	known := make(map[string]bool)
	q := issuance.AuditQuery{Verb: issuance.CertifyVerb, Page: issuance.Page{Limit: issuance.MaxPage}}
	for more := true; more; more = q.After != "" {
		err := h.store.View(ctx, func(tx issuance.Snapshot) (err error) {
			var found []issuance.AuditRecord
			found, q.After, err = tx.Audit(q)
			for _, r := range found {
				known[r.Detail[sha256Detail]] = true
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	record := func(name string, c *x509.Certificate) error {
		if known[fingerprint(c)] {
			return nil
		}
		return h.recordSigned(issuance.CertifyVerb, name, c)
	}
	if err := record(ca.RootID, h.authority.Root()); err != nil {
		return err
	}
	for _, i := range h.authority.Issuers() {
		if err := record(i.ID, i.Certificate); err != nil {
			return err
		}
	}
	return nil
}
