package issuance

import "time"

// Revocation is a change of a certificate's status, for CRL and OCSP.
type Revocation struct {
	Seq      uint64    `json:"seq"` // given by the store, rising
	Serial   Serial    `json:"serial"`
	Issuer   string    `json:"issuer"`
	Status   Status    `json:"status"` // Held, Revoked, or Active after a release
	Reason   Reason    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
	NotAfter time.Time `json:"not_after"` // when it may leave the CRL
}

// revocation returns the change that c's present status is.
func (c Certificate) revocation() Revocation {
	return Revocation{
		Serial: c.Serial, Issuer: c.Issuer, Status: c.Status, Reason: c.Reason, At: c.Since(), NotAfter: c.NotAfter,
	}
}

// FeedReader is what CRLs and OCSP answers are made from: the status of
// certificates, and which of them changed since.
type FeedReader interface {
	Certificate(Serial) (Certificate, error)
	Certificates(CertificateQuery) ([]Certificate, string, error)
	// Revocations calls f with the current revocation of every held or revoked
	// serial number of issuer, in the order of the numbers, until f returns an
	// error.
	Revocations(issuer string, f func(Revocation) error) error
	// Changes returns up to limit changes with a Seq above after, rising.
	Changes(after uint64, limit int) ([]Revocation, error)
	// LastChange returns the highest Seq assigned so far, 0 if none.
	LastChange() (uint64, error)
}

// Feed keeps the changes, and the numbers of the CRLs that are made from them.
type Feed interface {
	FeedReader
	// AppendRevocation assigns r the next Seq, appends it to the changes and makes
	// it the current status of its serial number.
	AppendRevocation(r Revocation) error
	// ForgetRevocations removes up to limit revocations of certificates that
	// expired before the given time from those that Revocations returns. It appends
	// a change with status Active for each, and returns how many it removed.
	ForgetRevocations(before time.Time, limit int) (int, error)
	// NextCRLNumber returns a number that is higher than any before for issuer,
	// beginning with 1.
	NextCRLNumber(issuer string) (uint64, error)
}
