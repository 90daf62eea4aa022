package issuance

import "context"

// Store keeps everything. A room reads through R and changes through T, its own
// port, which each names itself: a store gives each room a view of the same
// records. All implementations pass storage/storagetest.
//
// View and Update run f in one transaction and return f's error. Update commits
// durably before it returns nil, and changes nothing if it returns an error. It
// may run f more than once, and may commit several callers' transactions
// together; f must therefore have no effect but through its transaction, and must
// not wait for anything. A transaction must not be used after f has returned.
//
// In a transaction, look-ups of what is not there return ErrNotFound. A Put adds
// or replaces by the record's id, and keeps every index that a query or a look-up
// needs. Times are kept in UTC to the nanosecond. The slices of a record that was
// got may be shared: nobody changes their elements in place.
type Store[R, T any] interface {
	View(ctx context.Context, f func(R) error) error
	Update(ctx context.Context, f func(T) error) error
}

// Reader looks up and lists records. It has no Put and no secrets, so it may be
// given to everybody.
type Reader interface {
	RegisterReader
	OrderReader
	CertificateReader
	NoticeReader
	LedgerReader
}

// Snapshot is what the registrar can read in a View.
type Snapshot interface {
	Reader
	VaultReader
}

// Tx is a transaction of the registrar's verbs.
type Tx interface {
	Register
	Orders
	Certificates
	Notices
	Feed
	Vault
	Ledger
}

// Page asks for a part of a listing. After is the cursor that the part before
// returned with it, "" for the first part; a cursor that is not one of the
// listing's is an error of kind Invalid. Limit is at most MaxPage; 0 means 50.
// The cursor returned is "" when there is no more.
//
// Of a query every field that is set must match. Organisations, contacts,
// services and tokens are listed by id; orders, certificates, notices and audit
// records the newest first (by RequestedAt, IssuedAt, CreatedAt and Seq), and so are
// proposals (by ProposedAt).
type Page struct {
	After string
	Limit int
}

// MaxPage is the maximum number of records in one part of a listing.
const MaxPage = 500

// Size returns the number of records that p asks for.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, MaxPage)
}
