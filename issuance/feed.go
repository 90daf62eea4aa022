package issuance

import "time"

// Revocation is where a certificate stands, as a CRL tells it: in the feed, since a
// change; beside it, now.
type Revocation struct {
	Seq      uint64    `json:"seq"` // of a change: given by the store, rising
	Serial   Serial    `json:"serial"`
	Issuer   string    `json:"issuer"`
	Status   Status    `json:"status"` // Held, Revoked, or Active after a release
	Reason   Reason    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
	NotAfter time.Time `json:"not_after"` // of the certificate
}

// Revocation returns c's present status as a CRL tells it.
func (c Certificate) Revocation() Revocation {
	return Revocation{
		Serial: c.Serial, Issuer: c.Issuer, Status: c.Status, Reason: c.Reason, At: c.Since(), NotAfter: c.NotAfter,
	}
}

// FeedReader is what CRLs and OCSP answers are made from: the status of
// certificates, and which of them changed since.
type FeedReader interface {
	Certificate(Serial) (Certificate, error)
	Certificates(CertificateQuery) ([]Certificate, string, error)
	// Revocations calls f with every certificate of issuer that is held or revoked,
	// expired or not, by serial number, until f returns an error. It goes by where the
	// certificates stand: nothing but PutCertificate changes what it tells.
	Revocations(issuer string, f func(Revocation) error) error
	// Changes returns up to limit changes with a Seq above after, rising.
	Changes(after uint64, limit int) ([]Revocation, error)
	// LastChange returns the highest Seq assigned so far, 0 if none.
	LastChange() (uint64, error)
}

// Feed keeps the changes, and the numbers of the CRLs that are made from them.
type Feed interface {
	FeedReader
	// AppendRevocation gives r the next Seq and appends it to the changes. It says
	// when to look at a certificate; where that stands, its own record says.
	AppendRevocation(r Revocation) error
	// NextCRLNumber returns a number that is higher than any before for issuer,
	// beginning with 1.
	NextCRLNumber(issuer string) (uint64, error)
}
