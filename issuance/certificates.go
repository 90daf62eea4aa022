package issuance

import "time"

// CertificateReader looks up certificates and their usage.
type CertificateReader interface {
	Certificate(Serial) (Certificate, error)
	// Certificates omits abandoned serial numbers unless the query asks for that
	// status; they never expire.
	Certificates(CertificateQuery) ([]Certificate, string, error)
	// CertificatesWith returns up to limit certificates that match k; none of them
	// is abandoned.
	CertificatesWith(k CertificateKey, limit int) ([]Certificate, error)
	// Totals counts the certificates, to the hour: one that expires in the hour of
	// now, or later, counts as not expired.
	Totals(now time.Time) (Totals, error)

	// Usage returns what PutUsage stored for a certificate, or ErrNotFound if it
	// was never used.
	Usage(Serial) (Usage, error)
	// Usages lists those with a refused use, the last refused first.
	Usages(UsageQuery) ([]Usage, string, error)

	// Compromised reports whether PutCompromised was called with the mark of a
	// public key.
	Compromised(Digest) (bool, error)
}

// Certificates keeps certificates, their usage, and, permanently, which keys are
// compromised.
type Certificates interface {
	CertificateReader
	PutCertificate(Certificate) error
	PutUsage(Usage) error
	PutCompromised(Digest) error
}

// CertificateQuery asks for certificates.
type CertificateQuery struct {
	Status       Status
	Organization OrgID
	Service      ServiceID
	Contact      ContactID
	Order        OrderID
	IssuedFrom   time.Time // at this time or later
	IssuedBefore time.Time // before this time; of lists by NotAfter, too, the others are left out
	// Each of the others lists by NotAfter instead, the earliest first.
	ExpiresFrom   time.Time // at this time or later
	ExpiresBefore time.Time
	Need          Need
	Page
}

// CertificateKey is a way to find a certificate other than by its full serial
// number. One field is set.
type CertificateKey struct {
	SHA256, SHA1 string // of DER, lower-case hexadecimal
	Ending       string // the last digits of its serial number, lower-case hexadecimal
	Mark         Digest // of its key
}

// UsageQuery asks for refused uses, the last of a certificate not before RefusedFrom.
type UsageQuery struct {
	RefusedFrom time.Time
	Page
}
