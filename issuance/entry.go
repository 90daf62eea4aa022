package issuance

import (
	"errors"
	"time"
)

// Entry is what one verb writes in its transaction in addition to the records that
// it changes: notices, audit records and its receipt.
type Entry struct {
	Now time.Time // the one time of the verb, in UTC

	desk   *Desk
	ledger Ledger
	from   Origin
	audits []AuditRecord
	wake   map[Channel]bool
	status bool // a certificate's status changed
}

// Audit records that by did verb, in the transaction that does it; r says to what
// it was done, and the details. There is no other way to write an audit record.
func (e *Entry) Audit(by Actor, verb Verb, r AuditRecord) {
	r.At, r.Actor, r.Verb, r.Origin = e.Now, by, verb, e.from
	e.audits = append(e.audits, r)
}

// Enqueue queues n, to be sent as soon as the transaction has committed.
func (e *Entry) Enqueue(n Notice) error {
	if n.ID == "" {
		n.ID = NoticeID(NewID("msg-", e.Now))
	}
	if n.NextAt.Before(e.Now) {
		n.NextAt = e.Now
	}
	if n.CreatedAt.IsZero() { // what is sent again keeps its date, and so its every byte
		n.CreatedAt = e.Now
	}
	n.Channel, n.State, n.Leased, n.WaitsSince = n.Kind.Channel(), Pending, false, time.Time{}
	n.GiveUpAt = n.NextAt.Add(noticeLifetime(n.Kind))
	if err := e.ledger.PutNotice(n); err != nil {
		return err
	}
	if e.wake == nil {
		e.wake = make(map[Channel]bool)
	}
	e.wake[n.Channel] = true
	return nil
}

// Alert tells staff that the order with id, or something without an order, needs a person.
func (e *Entry) Alert(id OrderID, text string) error {
	for _, to := range e.desk.Alerts {
		if err := e.Enqueue(Notice{Kind: AlertNotice, Order: id, To: to, Language: Languages()[0], Text: text}); err != nil {
			return err
		}
	}
	return nil
}

// AlertBySMS tells staff by SMS that something needs a person.
func (e *Entry) AlertBySMS(text string) error {
	for _, to := range e.desk.Mobiles {
		if err := e.Enqueue(Notice{Kind: AlertSMSNotice, To: to, Language: Languages()[0], Text: text}); err != nil {
			return err
		}
	}
	return nil
}

// Noted reports whether what was noted less than within ago. If it was not, Noted
// notes it now. Notes are kept for a day.
func (e *Entry) Noted(what string, within time.Duration) (bool, error) {
	key := "system/" + what
	r, err := e.ledger.Receipt(key)
	if err == nil && e.Now.Sub(r.At).Abs() < within { // the clock may have been ahead
		return true, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	return false, e.ledger.PutReceipt(Receipt{Key: key, Made: what, At: e.Now})
}

// StatusChanged makes CRL and OCSP follow once the transaction has committed.
func (e *Entry) StatusChanged() { e.status = true }

// Once makes a creating request safe to repeat: requests with the same key create
// one record. The zero value creates a new one each time.
type Once struct {
	Key     string // the caller's idempotency key
	Request Digest // of the whole request
}

// Once returns the id of what by has already created under o, "" if nothing.
func (e *Entry) Once(by Actor, o Once) (made string, err error) {
	if o.Key == "" {
		return "", nil
	}
	r, err := e.ledger.Receipt(by.ID + "/" + o.Key)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err == nil && r.Request != o.Request {
		return "", &Error{
			Kind: Conflict, Code: CodeReused, Message: "this Idempotency-Key has already been used for another request",
			Hint: "use a new key for a new request",
		}
	}
	return r.Made, err
}

// Made records that by created something under o.
func (e *Entry) Made(by Actor, o Once, made string) error {
	if o.Key == "" {
		return nil
	}
	return e.ledger.PutReceipt(Receipt{Key: by.ID + "/" + o.Key, Request: o.Request, Made: made, At: e.Now})
}

// close appends the audit records, and remembers the latest time the store has
// seen, to the second: not one that is in doubt, or that was trusted before and is
// not any more.
func (e *Entry) close() error {
	for _, r := range e.audits {
		if err := e.ledger.AppendAudit(r); err != nil {
			return err
		}
	}
	last, err := e.ledger.Clock()
	if err != nil || e.Now.Sub(last) < time.Second || e.desk.Clock.Sure() != nil || e.desk.Now().Sub(e.Now).Abs() > clockSlack {
		return err
	}
	return e.ledger.SetClock(e.Now)
}
