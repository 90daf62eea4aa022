package issuance

import (
	"errors"
	"time"
)

// Succession is how far the successor of a certificate has come.
type Succession string

// The states of a succession. Without a successor, or with a revoked one, there is
// none.
const (
	SuccessorIssued Succession = "issued"
	SuccessorUsed   Succession = "used" // it was seen in use: the old one can be revoked
)

// Need is what an active or held certificate needs from staff.
type Need string

// The needs.
const (
	SuccessorNeed  Need = "successor"  // no successor was issued
	RevocationNeed Need = "revocation" // its successor is in use: it is superseded
	UseNeed        Need = "use"        // it has been active for a long time, and was never seen in use
	DecisionNeed   Need = "decision"   // it is on hold, until somebody releases or revokes it
)

// Needs returns all of them.
func Needs() []Need { return []Need{SuccessorNeed, RevocationNeed, UseNeed, DecisionNeed} }

// UnusedAfter is how long a new certificate may remain unused without anybody
// wondering: it is often installed only in the next maintenance window.
const UnusedAfter = 30 * 24 * time.Hour

// Needing asks for the certificates that need n at the time now. It omits expired
// ones and, for UseNeed, those younger than UnusedAfter.
func Needing(n Need, now time.Time) CertificateQuery {
	q := CertificateQuery{Need: n, ExpiresFrom: now}
	if n == UseNeed {
		q.IssuedBefore = now.Add(-UnusedAfter)
	}
	return q
}

// Needs reports whether c needs n; it does not consider the time.
func (c Certificate) Needs(n Need) bool {
	if c.Status != Active && c.Status != Held {
		return false
	}
	switch n {
	case SuccessorNeed:
		return c.Succession == ""
	case RevocationNeed:
		return c.Succession == SuccessorUsed
	case UseNeed:
		return c.Status == Active && !c.Used
	case DecisionNeed:
		return c.Status == Held
	}
	return false
}

// markUsed notes on the certificate itself that it was seen in use, which
// happens once in its life, and on the one that it renews that it can go.
func markUsed(tx Certificates, serial Serial) error {
	c, err := tx.Certificate(serial)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	c.Used = true
	if err := tx.PutCertificate(c); err != nil {
		return err
	}
	if c.Status == Revoked {
		return nil
	}
	return succession(tx, c, SuccessorUsed)
}

// successorGone notes, if c was revoked, that what it renews has no successor
// any more: nobody may trust c.
func (w *work) successorGone(c Certificate) error {
	if c.Status != Revoked {
		return nil
	}
	return succession(w, c, "")
}

// succession notes how far c has come on the certificate whose successor it is.
func succession(tx Certificates, c Certificate, s Succession) error {
	if c.Renews == "" {
		return nil
	}
	old, err := tx.Certificate(c.Renews)
	if err != nil || old.RenewedBy != c.Serial {
		return err
	}
	old.Succession = s
	return tx.PutCertificate(old)
}

// Totals is the number of certificates of each status. An expired certificate
// counts as expired, unless it was revoked.
type Totals struct {
	Active  uint64 `json:"active"`
	Held    uint64 `json:"held"`
	Revoked uint64 `json:"revoked"`
	Expired uint64 `json:"expired"`
}
