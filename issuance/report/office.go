// Package report tells staff each day and month what needs a person and what
// happened. It reads the whole house and changes nothing but what it has sent.
package report

import (
	"context"
	"errors"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Reader is what reports are made from, and those that were sent.
type Reader interface {
	issuance.Reader
	// StoredReport returns the report that was queued with that id.
	StoredReport(ID) (Stored, error)
	// LastStoredReport returns that of kind with the highest id, ErrNotFound if
	// there is none.
	LastStoredReport(Kind) (Stored, error)
}

// Tx keeps the reports that were sent.
type Tx interface {
	LastStoredReport(Kind) (Stored, error)
	PutStoredReport(Stored) error
	// ForgetStoredReports deletes up to limit reports of before's kind with an id
	// below before, but never the last of its kind, and returns how many it took.
	ForgetStoredReports(before ID, limit int) (int, error)
	issuance.Ledger
}

// Office writes reports and queues those that are due.
type Office struct {
	Desk     *issuance.Desk
	Store    issuance.Store[Reader, Tx]
	Schedule Schedule
	Policy   issuance.Policy
	// Channels returns how each channel is doing at this moment; nil: nobody knows.
	Channels func() []issuance.ChannelState
}

// Check returns an error that names what o lacks.
func (o *Office) Check() error {
	switch {
	case o.Store == nil:
		return errors.New("report: the office has no store")
	case len(o.Schedule.To) > 0 && !o.Schedule.Monthly.Off && o.Schedule.Monthly.Day < 1:
		return errors.New("report: the monthly report is due on no day")
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
