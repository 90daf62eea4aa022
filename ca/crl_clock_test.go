package ca

import (
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// crlClock is a clock that a test sets.
type crlClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *crlClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *crlClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// crlChange commits a change of a certificate of issuing-1, as the registrar does.
func crlChange(t testing.TB, s *crlStore, serial issuance.Serial, status issuance.Status, reason issuance.Reason, at, notAfter time.Time) {
	t.Helper()
	err := s.change(t.Context(), func(tx crlTx) error {
		c := issuance.Certificate{Serial: serial, Issuer: "issuing-1", Status: status, Reason: reason, ChangedAt: at, NotBefore: crlStart.AddDate(-1, 0, 0), NotAfter: notAfter}
		if err := tx.PutCertificate(c); err != nil {
			return err
		}
		return tx.AppendRevocation(issuance.Revocation{Serial: serial, Issuer: c.Issuer, Status: status, Reason: reason, At: at, NotAfter: notAfter})
	})
	if err != nil {
		t.Fatal(err)
	}
}
