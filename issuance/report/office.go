// Package report tells staff each day and month what needs their attention and what
// has happened. It reads everything, and changes nothing except the record of what
// it has sent.
package report

import (
	"context"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Reader reads what reports are made from, and the reports that were sent.
type Reader interface {
	issuance.Reader
	// StoredReport returns the report that was queued with that id.
	StoredReport(ID) (Stored, error)
	// LastStoredReport returns the report of kind with the highest id, or
	// ErrNotFound if there is none.
	LastStoredReport(Kind) (Stored, error)
}

// Tx keeps the reports that were sent.
type Tx interface {
	LastStoredReport(Kind) (Stored, error)
	PutStoredReport(Stored) error
	// ForgetStoredReports deletes up to limit reports of before's kind with an id
	// below before, but never the last one of its kind. It returns how many it
	// deleted.
	ForgetStoredReports(before ID, limit int) (int, error)
	issuance.Ledger
}

// Office writes reports and queues those that are due.
type Office struct {
	Desk     *issuance.Desk
	Store    issuance.Store[Reader, Tx]
	Schedule Schedule
	Policy   issuance.Policy
	// Channels returns the current state of each channel. If it is nil, the states
	// are unknown.
	Channels func() []issuance.ChannelState
}

// Check returns an error that names what is missing in o.
func (o *Office) Check() error {
	switch {
	case o.Store == nil:
		return errors.New("report: the office has no store")
	case len(o.Schedule.To) > 0 && !o.Schedule.Monthly.Off && o.Schedule.Monthly.Day < 1:
		return errors.New("report: the monthly report has no day")
	}
	return errors.Join(o.Desk.Check(), o.Policy.Check())
}

func (o *Office) channels() []issuance.ChannelState {
	if o.Channels == nil {
		return nil
	}
	return o.Channels()
}

func (o *Office) now() time.Time { return o.Desk.Now().UTC() }

func (o *Office) do(ctx context.Context, f func(Tx, *issuance.Entry) error) error {
	return issuance.Do(ctx, o.Desk, o.Store, f)
}
