package main

import (
	"context"
	"fmt"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// checks are those of /readyz: without these parts the house cannot do its work.
// Of a mail server or SMS provider that is away they only warn.
func (h *house) checks() []server.Check {
	return append([]server.Check{
		{Name: "store", Hint: "check the log and the disk of the data directory", Run: func(ctx context.Context) error {
			if err := h.store.Health(); err != nil {
				return err
			}
			return h.registrar.Read(ctx, func(tx issuance.Reader) error { _, err := tx.Clock(); return err })
		}},
		{
			Name: "clock", Hint: "see `postern clock show` and docs/operating.md, When the clock has jumped",
			Run: func(context.Context) error { return h.clock.Sure() },
		},
		{
			Name: "revocation", Hint: "check the log: CRLs and OCSP answers are becoming outdated",
			Run: func(context.Context) error { return h.publisher.Healthy() },
		},
		{
			Name: "views", Hint: "check the log: every minute, the server creates CRLs and OCSP answers again from the register",
			Run: func(context.Context) error { return h.monitor.Healthy() },
		},
	}, h.channelChecks()...)
}

// measure registers what /metrics tells beyond HTTP. No label holds anything of a person.
func (h *house) measure(registry *prometheus.Registry) error {
	all := []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("postern_crl_age_seconds", "How far the CRLs are behind the database.", nil,
			func() float64 { return h.publisher.Age().Seconds() }),
		gauge("postern_clock_doubted", "1 while the machine's clock is in doubt, and nothing is issued, swept or forgotten.",
			nil, h.clockDoubted),
		gauge("postern_clock_ahead_seconds", "How far the machine's clock is ahead of the time that the server uses.",
			nil, h.clockAhead),
		counter("postern_view_differences_total", "Differences found between the register and CRLs, OCSP or the "+
			"two-way TLS listener.", nil, func() float64 { return float64(h.monitor.Stats().Differences) }),
		gauge("postern_views_compared_timestamp_seconds", "When CRLs, OCSP and the two-way TLS listener were last "+
			"compared with the register; 0 if never.", nil, func() float64 { return float64(max(h.monitor.Stats().Checked.Unix(), 0)) }),
		counter("postern_store_operations_total", "Transactions that changed the database.", nil,
			func() float64 { return float64(h.store.Stats().Operations) }),
		counter("postern_store_commits_total", "Commits that those transactions shared.", nil,
			func() float64 { return float64(h.store.Stats().Commits) }),
		counter("postern_store_failed_commits_total", "Commits that failed, for example because the disk is full.",
			nil, func() float64 { return float64(h.store.Stats().Failed) }),
		gauge("postern_store_free_bytes", "Free space on the disk that holds the database; NaN where the system "+
			"does not report it.", nil, h.freeSpace),
		counter("postern_certificate_uses_total", "Uses of certificates at /auth, at the two-way TLS listener, "+
			"and as web services report them.", prometheus.Labels{"outcome": "accepted"},
			func() float64 { return float64(h.seen.Totals().Accepted) }),
		counter("postern_certificate_uses_total", "Uses of certificates at /auth, at the two-way TLS listener, "+
			"and as web services report them.", prometheus.Labels{"outcome": "refused"},
			func() float64 { return float64(h.seen.Totals().Refused) }),
		counter("postern_certificate_uses_dropped_total", "Uses that were not recorded because there were too many "+
			"certificates at once.", nil, func() float64 { return float64(h.seen.Totals().Dropped) }),
		counter("postern_ocsp_answers_total", "OCSP answers given.", prometheus.Labels{"source": "kept"},
			func() float64 { return float64(h.responder.Stats().Kept) }),
		counter("postern_ocsp_answers_total", "OCSP answers given.", prometheus.Labels{"source": "signed"},
			func() float64 { return float64(h.responder.Stats().Signed) }),
		counter("postern_ocsp_presigned_total", "OCSP answers signed in advance.", nil,
			func() float64 { return float64(h.responder.Stats().Presigned) }),
		gauge("postern_notices", "Messages that failed and need attention, up to 500.",
			prometheus.Labels{"state": string(issuance.Failed)}, h.failedNotices),
		gauge("postern_backup_timestamp_seconds", "When the newest scheduled backup was made, 0 if there is none yet; "+
			"NaN without backup.directory.", nil, h.newestBackup),
		gauge("postern_audit_fault", "1 while the audit records are not as they were written; see `postern audit verify`.",
			nil, h.auditor.faulty),
		gauge("postern_audit_verified_timestamp_seconds", "When the audit records were last checked; 0 if never.",
			nil, h.auditor.checkedAt),
		gauge("postern_audit_checkpoint_timestamp_seconds", "When the newest checkpoint of the audit records got to "+
			"the log and wherever else the configuration says; 0 if none has since the start.", nil, h.auditor.deliveredAt),
		newExpiry(h),
	}
	for channel, c := range h.couriers {
		labels := prometheus.Labels{"channel": string(channel)}
		status := func(pick func(delivery.Status) float64) func() float64 {
			return func() float64 { return pick(c.Status()) }
		}
		all = append(all,
			gauge("postern_channel_paused", "1 while the provider rejects the account or the settings.", labels,
				status(func(s delivery.Status) float64 {
					if s.Paused {
						return 1
					}
					return 0
				})),
			counter("postern_notices_accepted_total", "Messages that a provider accepted.", labels,
				status(func(s delivery.Status) float64 { return float64(s.Accepted) })),
			counter("postern_notices_retried_total", "Failed attempts that will be repeated.", labels,
				status(func(s delivery.Status) float64 { return float64(s.Retried) })),
			counter("postern_notices_failed_total", "Messages that failed permanently.", labels,
				status(func(s delivery.Status) float64 { return float64(s.Failed) })),
		)
	}
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

func gauge(name, help string, labels prometheus.Labels, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, f)
}

func counter(name, help string, labels prometheus.Labels, f func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, f)
}

func (h *house) freeSpace() float64 {
	free, err := h.store.Free()
	if err != nil {
		return math.NaN()
	}
	return float64(free)
}

// failedNotices counts what waits for a person.
func (h *house) failedNotices() float64 {
	n := 0
	_ = h.registrar.Read(context.Background(), func(tx issuance.Reader) error {
		failed, _, err := tx.Notices(issuance.NoticeQuery{State: issuance.Failed, Page: issuance.Page{Limit: issuance.MaxPage}})
		n = len(failed)
		return err
	})
	return float64(n)
}
