package issuance

import (
	"context"
	"errors"
	"time"
)

// The bounds of what a report covers that stands for several which were not
// sent, and of how long what was sent is kept.
const (
	mostDays    = 31
	mostMonths  = 12
	keepReports = 90 // days, and months
)

// QueueReports queues the reports that are due for everybody who gets them,
// together with the record that they were: each is sent once, whatever happens
// in between. After a time in which the house did not run there is one report, of
// the last day or month, that covers the others too. It is called now and then.
func (r *Registrar) QueueReports(ctx context.Context) error {
	if len(r.Reports.To) == 0 {
		return nil
	}
	var errs []error
	for _, kind := range []ReportKind{DailyReport, MonthlyReport} {
		if !r.Reports.time(kind).Off {
			errs = append(errs, r.queueReport(ctx, kind))
		}
	}
	return errors.Join(errs...)
}

func (r *Registrar) queueReport(ctx context.Context, kind ReportKind) error {
	due := r.Reports.lastDue(kind, r.Now())
	var last StoredReport
	err := r.Store.View(ctx, func(tx Tx) (err error) {
		last, err = tx.LastStoredReport(kind)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return r.startReports(ctx, due)
	} else if err != nil {
		return err
	}
	s, ok := r.Reports.follows(last, due)
	if !ok {
		return nil
	}
	// Reading takes longer than a transaction that others wait for may.
	report, err := r.report(ctx, s, ReportQuery{Kind: kind})
	if err != nil {
		return err
	}
	return r.update(ctx, func(w *work) error {
		now, err := w.LastStoredReport(kind)
		if err != nil || now.ID != last.ID {
			return err // another has queued it meanwhile
		}
		return w.queueReport(StoredReport{ID: due.id(), Kind: kind, Period: due.String(), To: s.to, QueuedAt: w.now, Report: report}, r.Reports.To)
	})
}

// startReports records that the reports begin after p: about what was before
// nobody asked.
func (r *Registrar) startReports(ctx context.Context, p period) error {
	return r.update(ctx, func(w *work) error {
		_, err := w.LastStoredReport(p.kind)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		return w.PutStoredReport(StoredReport{ID: p.id(), Kind: p.kind, Period: p.String(), To: p.move(1).begin(r.Reports.zone()), QueuedAt: w.now})
	})
}

// follows returns the time that the report about p covers after last, or false
// if that has been told already: the clock was set back, or the zone was changed.
func (s ReportSchedule) follows(last StoredReport, p period) (span, bool) {
	zone, most := s.zone(), mostDays
	if p.kind == MonthlyReport {
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

// queueReport keeps s and queues it for everybody, in one transaction.
func (w *work) queueReport(s StoredReport, to []string) error {
	if err := w.PutStoredReport(s); err != nil {
		return err
	}
	for _, address := range to {
		if err := w.enqueue(Notice{Kind: ReportNotice, To: address, Language: Languages()[0], Text: string(s.ID)}); err != nil {
			return err
		}
	}
	if err := w.forgetReports(s); err != nil {
		return err
	}
	return w.AppendAudit(AuditRecord{
		At: w.now, Actor: System("reports"), Verb: ReportVerb, Subject: string(s.ID),
		Detail: map[string]string{"from": s.Report.From.Format(time.RFC3339), "to": s.Report.To.Format(time.RFC3339), "recipients": itoa(len(to))},
	})
}

// forgetReports deletes what was sent long before s.
func (w *work) forgetReports(s StoredReport) error {
	p, err := parsePeriod(s.Kind, s.Period)
	if err != nil {
		return err
	}
	_, err = w.ForgetStoredReports(p.move(-keepReports).id(), 10)
	return err
}
