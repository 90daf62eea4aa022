package report

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The bounds of what a report covers that stands for several which were not
// sent, and of how long what was sent is kept.
const (
	mostDays    = 31
	mostMonths  = 12
	keepReports = 90 // days, and months
)

// Queue queues the reports that are due for all recipients, and in the same
// transaction records that it did: each report is sent once, whatever happens in
// between. After a time in which the server did not run, there is one report, of
// the last day or month, that also covers the others. Queue is called regularly.
func (o *Office) Queue(ctx context.Context) error {
	if len(o.Schedule.To) == 0 {
		return nil
	}
	var errs []error
	for _, kind := range []Kind{Daily, Monthly} {
		if !o.Schedule.time(kind).Off {
			errs = append(errs, o.queue(ctx, kind))
		}
	}
	return errors.Join(errs...)
}

func (o *Office) queue(ctx context.Context, kind Kind) error {
	due := o.Schedule.lastDue(kind, o.now())
	last, err := o.last(ctx, kind)
	if errors.Is(err, issuance.ErrNotFound) {
		return o.start(ctx, due)
	} else if err != nil {
		return err
	}
	s, ok := o.Schedule.follows(last, due)
	if !ok {
		return nil
	}
	// Reading takes longer than a transaction that others wait for may.
	report, err := o.report(ctx, s, Query{Kind: kind})
	if err != nil {
		return err
	}
	return o.do(ctx, func(tx Tx, e *issuance.Entry) error {
		now, err := tx.LastStoredReport(kind)
		if err != nil || now.ID != last.ID {
			return err // another has queued it meanwhile
		}
		return o.enqueue(tx, e, Stored{ID: due.id(), Kind: kind, Period: due.String(), To: s.to, QueuedAt: e.Now, Report: report})
	})
}

func (o *Office) last(ctx context.Context, kind Kind) (last Stored, err error) {
	err = o.Store.View(ctx, func(tx Reader) (err error) {
		last, err = tx.LastStoredReport(kind)
		return err
	})
	return last, err
}

// start records that the reports begin after p: about what was before nobody asked.
func (o *Office) start(ctx context.Context, p period) error {
	return o.do(ctx, func(tx Tx, e *issuance.Entry) error {
		_, err := tx.LastStoredReport(p.kind)
		if !errors.Is(err, issuance.ErrNotFound) {
			return err
		}
		return tx.PutStoredReport(Stored{
			ID: p.id(), Kind: p.kind, Period: p.String(), To: p.move(1).begin(o.Schedule.zone()), QueuedAt: e.Now,
		})
	})
}

// enqueue keeps s and queues it for everybody, in one transaction.
func (o *Office) enqueue(tx Tx, e *issuance.Entry, s Stored) error {
	if err := tx.PutStoredReport(s); err != nil {
		return err
	}
	for _, address := range o.Schedule.To {
		if err := e.Enqueue(issuance.Notice{
			Kind: issuance.ReportNotice, To: address, Language: issuance.Languages()[0], Text: string(s.ID),
		}); err != nil {
			return err
		}
	}
	if err := forget(tx, s); err != nil {
		return err
	}
	e.Audit(issuance.System("reports"), issuance.ReportVerb, issuance.AuditRecord{Subject: string(s.ID), Detail: map[string]string{
		"from": s.Report.From.Format(time.RFC3339), "to": s.Report.To.Format(time.RFC3339),
		"recipients": strconv.Itoa(len(o.Schedule.To)),
	}})
	return nil
}

// forget deletes what was sent long before s.
func forget(tx Tx, s Stored) error {
	p, err := parsePeriod(s.Kind, s.Period)
	if err != nil {
		return err
	}
	_, err = tx.ForgetStoredReports(p.move(-keepReports).id(), 10)
	return err
}

// Document returns the report that was queued with id, as it is sent by mail.
func (o *Office) Document(ctx context.Context, id string) (d issuance.Document, err error) {
	err = o.Store.View(ctx, func(tx Reader) error {
		s, err := tx.StoredReport(ID(id))
		d = s.Report.Document()
		return err
	})
	return d, err
}

// follows returns the time that the report about p covers after last, or false
// if that has been told already: the clock was set back, or the zone was changed.
func (s Schedule) follows(last Stored, p period) (span, bool) {
	zone, most := s.zone(), mostDays
	if p.kind == Monthly {
		most = mostMonths
	}
	out := span{last: p, from: last.To, to: p.move(1).begin(zone)}
	if p.id() <= last.ID || !out.to.After(last.To) {
		return out, false
	}
	if earliest := p.move(1 - most).begin(zone); out.from.Before(earliest) {
		out.from = earliest
	}
	out.first = periodOf(p.kind, out.from.In(zone))
	return out, true
}
