package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-ca/postern/issuance"
)

// expiry measures when certificates expire: how many within some spans of time,
// and the earliest of each kind. It names none.
type expiry struct {
	house    *house
	count    *prometheus.Desc
	earliest *prometheus.Desc
}

func newExpiry(h *house) *expiry {
	return &expiry{
		house: h,
		count: prometheus.NewDesc("postern_certificates_expiring",
			"Certificates that are active and expire within a span of time, to the hour.", []string{"kind", "within"},
			nil),
		earliest: prometheus.NewDesc("postern_certificate_expires_timestamp_seconds",
			"When the first active certificate of a kind expires; absent if there is none.", []string{"kind"}, nil),
	}
}

// expirySpans are the spans that certificates are counted in.
func expirySpans() map[string]time.Duration {
	const day = 24 * time.Hour
	return map[string]time.Duration{"1d": day, "7d": 7 * day, "30d": 30 * day, "90d": 90 * day}
}

func (e *expiry) Describe(out chan<- *prometheus.Desc) {
	out <- e.count
	out <- e.earliest
}

func (e *expiry) Collect(out chan<- prometheus.Metric) {
	h := e.house
	var issuing []time.Time
	for _, i := range h.authority.Issuers() {
		issuing = append(issuing, i.Certificate.NotAfter)
	}
	e.few(out, "issuing", issuing)
	e.few(out, "root", []time.Time{h.authority.Root().NotAfter})
	e.few(out, "listener", h.shown.ends())
	if err := h.registrar.Read(context.Background(), func(tx issuance.Reader) error { return e.clients(out, tx) }); err != nil {
		h.log.Error("measuring when certificates expire", "error", err)
	}
}

// few measures certificates whose ends are at hand.
func (e *expiry) few(out chan<- prometheus.Metric, kind string, ends []time.Time) {
	if len(ends) == 0 {
		return
	}
	now, first := e.house.now(), ends[0]
	for name, span := range expirySpans() {
		n := 0
		for _, end := range ends {
			if end.After(now) && !end.After(now.Add(span)) {
				n++
			}
		}
		out <- prometheus.MustNewConstMetric(e.count, prometheus.GaugeValue, float64(n), kind, name)
	}
	for _, end := range ends {
		if end.Before(first) {
			first = end
		}
	}
	out <- prometheus.MustNewConstMetric(e.earliest, prometheus.GaugeValue, float64(first.Unix()), kind)
}

// clients measures the certificates of the register, however many there are.
func (e *expiry) clients(out chan<- prometheus.Metric, tx issuance.Reader) error {
	const kind = "client"
	now := e.house.now()
	all, err := tx.Totals(now)
	if err != nil {
		return err
	}
	for name, span := range expirySpans() {
		later, err := tx.Totals(now.Add(span))
		if err != nil {
			return err
		}
		out <- prometheus.MustNewConstMetric(e.count, prometheus.GaugeValue, float64(all.Active-later.Active), kind, name)
	}
	first, _, err := tx.Certificates(issuance.CertificateQuery{
		Status: issuance.Active, ExpiresFrom: now, Page: issuance.Page{Limit: 1},
	})
	if err == nil && len(first) == 1 {
		out <- prometheus.MustNewConstMetric(e.earliest, prometheus.GaugeValue, float64(first[0].NotAfter.Unix()), kind)
	}
	return err
}
