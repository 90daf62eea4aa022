package issuance

import (
	"context"
	"time"
)

// Store keeps everything. Two implementations pass storage/storagetest.
//
// View and Update run f in one transaction and return f's error. Update commits
// durably before it returns nil, and changes nothing if it returns an error. It
// may run f more than once, and may commit several callers' transactions
// together; f must therefore have no effect but through its Tx, and must not
// wait for anything. A Tx must not be used after f has returned.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(Tx) error) error
}

// Tx is one transaction. Look-ups of what is not there return ErrNotFound. A Put
// adds or replaces by the record's id, and keeps every index that a query or a
// look-up needs. Times are kept in UTC to the nanosecond. The slices of a record
// that was got may be shared: nobody changes their elements in place.
type Tx interface {
	Organization(OrgID) (Organization, error)
	PutOrganization(Organization) error
	Organizations(Page) ([]Organization, string, error)

	Contact(ContactID) (Contact, error)
	PutContact(Contact) error
	Contacts(ContactQuery) ([]Contact, string, error)

	Service(ServiceID) (Service, error)
	PutService(Service) error
	Services(ServiceQuery) ([]Service, string, error)

	Order(OrderID) (Order, error)
	// OrderByLink finds an order by the digest of its present link alone: a
	// digest that was replaced is not found.
	OrderByLink(Digest) (Order, error)
	PutOrder(Order) error
	Orders(OrderQuery) ([]Order, string, error)
	// DueOrders returns up to limit orders with a DueAt that is set and not
	// after now, the earliest first.
	DueOrders(now time.Time, limit int) ([]Order, error)

	Certificate(Serial) (Certificate, error)
	PutCertificate(Certificate) error
	// Certificates leaves out abandoned serial numbers unless the query asks for
	// that status; they expire at no time.
	Certificates(CertificateQuery) ([]Certificate, string, error)

	// Totals counts the certificates, to the hour: one that ends in the hour of
	// now, or later, counts as not expired.
	Totals(now time.Time) (Totals, error)

	// Usage returns what PutUsage kept of a certificate: of one that was never
	// used, ErrNotFound.
	Usage(Serial) (Usage, error)
	PutUsage(Usage) error
	// Usages lists those with a refused use, the last refused first.
	Usages(UsageQuery) ([]Usage, string, error)

	// AppendRevocation gives r the next Seq, appends it to the changes and makes
	// it the present status of its serial number.
	AppendRevocation(r Revocation) error
	// Revocations calls f with the present revocation of every serial number of
	// issuer that is held or revoked, by serial number, until f returns an error.
	Revocations(issuer string, f func(Revocation) error) error
	// ForgetRevocations takes up to limit revocations of certificates that
	// expired before the given time out of what Revocations returns, appends a
	// change with status Active for each, and returns how many it took.
	ForgetRevocations(before time.Time, limit int) (int, error)
	// Changes returns up to limit changes with a Seq above after, rising.
	Changes(after uint64, limit int) ([]Revocation, error)
	// LastChange returns the highest Seq given out, 0 if none.
	LastChange() (uint64, error)
	// NextCRLNumber returns a number that is higher than any before for issuer,
	// beginning with 1.
	NextCRLNumber(issuer string) (uint64, error)

	Notice(NoticeID) (Notice, error)
	PutNotice(Notice) error
	Notices(NoticeQuery) ([]Notice, string, error)
	// DueNotices returns up to limit pending notices of channel with a NextAt not
	// after now, the earliest first. In an Update no two transactions get the same.
	DueNotices(channel Channel, now time.Time, limit int) ([]Notice, error)
	// NextNotice returns the earliest NextAt of the pending notices of channel,
	// zero if there is none.
	NextNotice(channel Channel) (time.Time, error)

	// Secret returns what PutSecret kept under ref, sealed at rest and bound to
	// ref. DeleteSecret of what is not there does nothing.
	Secret(SecretRef) (Secret, error)
	PutSecret(SecretRef, Secret) error
	DeleteSecret(SecretRef) error

	Token(TokenID) (Token, error)
	TokenByDigest(Digest) (Token, error)
	PutToken(Token) error
	Tokens(Page) ([]Token, string, error)

	// AppendAudit gives the record the next Seq and keeps it for good.
	AppendAudit(AuditRecord) error
	Audit(AuditQuery) ([]AuditRecord, string, error)
	// Tally counts the records with from <= At < to, by verb and organisation,
	// sorted by both.
	Tally(from, to time.Time) ([]Tally, error)

	// StoredReport returns the report that was queued with that id.
	StoredReport(ReportID) (StoredReport, error)
	PutStoredReport(StoredReport) error
	// LastStoredReport returns that of kind with the highest id, ErrNotFound if
	// there is none.
	LastStoredReport(ReportKind) (StoredReport, error)
	// ForgetStoredReports deletes up to limit reports of before's kind with an id
	// below before, but never the last of its kind, and returns how many it took.
	ForgetStoredReports(before ReportID, limit int) (int, error)

	// Compromised reports whether PutCompromised was called with the digest of a
	// public key (SHA-256 of its SubjectPublicKeyInfo). It is kept for good.
	Compromised(Digest) (bool, error)
	PutCompromised(Digest) error

	// Receipt returns what was made under an idempotency key.
	Receipt(key string) (Receipt, error)
	PutReceipt(Receipt) error
	// ForgetReceipts deletes up to limit receipts made before the given time.
	ForgetReceipts(before time.Time, limit int) (int, error)

	// Clock returns the latest time given to SetClock, zero if none.
	Clock() (time.Time, error)
	SetClock(time.Time) error
}

// Page asks for a part of a listing. After is the cursor that the part before
// returned with it, "" for the first part; a cursor that is not one of the
// listing's is an error of kind Invalid. Limit is at most MaxPage; 0 means 50.
// The cursor returned is "" when there is no more.
type Page struct {
	After string
	Limit int
}

// MaxPage is the most records that one part of a listing has.
const MaxPage = 500

// Size returns the number of records that p asks for.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, MaxPage)
}

// The queries: every field that is set must match. Organisations, contacts,
// services and tokens are listed by id; orders, certificates, notices and audit
// records the newest first (by RequestedAt, IssuedAt, CreatedAt and Seq).
type (
	ContactQuery struct {
		Organization OrgID
		Email        string // exact, in any case
		Page
	}
	ServiceQuery struct {
		Organization OrgID
		Page
	}
	OrderQuery struct {
		State        OrderState
		Organization OrgID
		Service      ServiceID
		Contact      ContactID
		Renews       Serial
		Page
	}
	CertificateQuery struct {
		Status       Status
		Organization OrgID
		Service      ServiceID
		Order        OrderID
		// Each of the others lists by NotAfter instead, the earliest first.
		ExpiresFrom   time.Time // at this time or later
		ExpiresBefore time.Time
		Need          Need
		IssuedBefore  time.Time // leaves others out, and changes no order
		Page
	}
	// UsageQuery asks for refused uses, the last of a certificate not before RefusedFrom.
	UsageQuery struct {
		RefusedFrom time.Time
		Page
	}
	NoticeQuery struct {
		State NoticeState
		Order OrderID
		Page
	}
	AuditQuery struct {
		Order  OrderID
		Serial Serial // of a certificate, or of a number reserved for one: a record has its order, too
		// Verb lists by At instead, the earliest first; From and Before, which need
		// it, say from when on and until when.
		Verb         Verb
		From, Before time.Time
		Page
	}
)

// Receipt is what a creating request made under its idempotency key (IETF
// draft-ietf-httpapi-idempotency-key-header).
type Receipt struct {
	Key     string    `json:"key"`     // the caller's, with the caller's name before it
	Request Digest    `json:"request"` // of the request: another request under the same key is refused
	Made    string    `json:"made"`    // id of what was made
	At      time.Time `json:"at"`
}
