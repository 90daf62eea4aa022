package issuance

import (
	"net/netip"
	"time"
)

// LedgerReader looks up audit records.
type LedgerReader interface {
	// Audit may return less than a page, or nothing, with a cursor: it looks at so many
	// records at a time, and more may follow.
	Audit(AuditQuery) ([]AuditRecord, string, error)
	AuditRecord(seq uint64) (AuditRecord, error)
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

	Did     Verb         // what was done, the newest first as always
	Who     string       // the id, the name or the owner of the actor, in any case
	Address netip.Prefix // where the request came from, or a network that has it
	Request string       // the id of the request
	Page
}

// Matches reports whether r is what q asks for by Did, Who, Address and Request.
func (q AuditQuery) Matches(r AuditRecord) bool {
	if q.Did != "" && q.Did != r.Verb || q.Request != "" && q.Request != r.Request {
		return false
	}
	if q.Who != "" && !r.Actor.called(q.Who) {
		return false
	}
	if !q.Address.IsValid() {
		return true
	}
	a, err := netip.ParseAddr(r.Address)
	return err == nil && q.Address.Contains(a.WithZone(""))
}

// Receipt is what a request created under its idempotency key (IETF
// draft-ietf-httpapi-idempotency-key-header).
type Receipt struct {
	Key     string    `json:"key"`     // the caller's, with the caller's name before it
	Request Digest    `json:"request"` // of the request: another request under the same key is refused
	Made    string    `json:"made"`    // id of what was made
	At      time.Time `json:"at"`
}
