package issuance

import "time"

// LedgerReader looks up audit records.
type LedgerReader interface {
	Audit(AuditQuery) ([]AuditRecord, string, error)
	// Tally counts the records with from <= At < to, by verb and organisation,
	// sorted by both.
	Tally(from, to time.Time) ([]Tally, error)
	// Clock returns the latest time given to SetClock, zero if none.
	Clock() (time.Time, error)
	// ClockMark returns what PutClockMark kept, the zero one if nothing.
	ClockMark() (ClockMark, error)
}

// Ledger is what every verb needs of its transaction, in every room.
type Ledger interface {
	// AppendAudit assigns the next Seq to the record and keeps it permanently.
	AppendAudit(AuditRecord) error
	PutNotice(Notice) error

	// Receipt returns what was created under an idempotency key.
	Receipt(key string) (Receipt, error)
	PutReceipt(Receipt) error
	// ForgetReceipts deletes up to limit receipts from before the given time.
	ForgetReceipts(before time.Time, limit int) (int, error)

	Clock() (time.Time, error)
	SetClock(time.Time) error // a time before the one that is kept changes nothing
	ClockMark() (ClockMark, error)
	// PutClockMark keeps m, and makes its time what Clock returns, be it earlier.
	PutClockMark(m ClockMark) error
}

// AuditQuery asks for audit records.
type AuditQuery struct {
	Order  OrderID
	Serial Serial // of a certificate, or of a number reserved for one: a record has its order, too
	// Verb lists by At instead, the earliest first; From and Before, which need it,
	// limit the time.
	Verb         Verb
	From, Before time.Time
	Page
}

// Receipt is what a request created under its idempotency key (IETF
// draft-ietf-httpapi-idempotency-key-header).
type Receipt struct {
	Key     string    `json:"key"`     // the caller's, with the caller's name before it
	Request Digest    `json:"request"` // of the request: another request under the same key is refused
	Made    string    `json:"made"`    // id of what was made
	At      time.Time `json:"at"`
}
