package crlsync

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-ca/postern/ca/crlfile"
)

// Metrics are the metrics for Prometheus. A nil Metrics counts nothing.
type Metrics struct {
	registry prometheus.Registerer
	numbers  *prometheus.GaugeVec
	failures *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	writes   prometheus.Counter
}

// NewMetrics registers the metrics of one [Sync].
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		registry: registry,
		numbers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "postern_crl_sync_crl_number", Help: "CRL number in the file, by CA.",
		}, []string{"issuer"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_crl_sync_failures_total", Help: "What failed, by reason.",
		}, []string{"reason"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_crl_sync_reloads_total", Help: "Reload commands that were run, by result.",
		}, []string{"result"}),
		writes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "postern_crl_sync_writes_total", Help: "How often the file was replaced.",
		}),
	}
	for _, result := range []string{resultDone, resultFailed} {
		m.reloads.WithLabelValues(result) // there from the start, at 0
	}
	for _, c := range []prometheus.Collector{m.numbers, m.failures, m.reloads, m.writes} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const (
	resultDone   = "done"
	resultFailed = "failed"
)

// follow adds the metrics that are computed on request.
func (m *Metrics) follow(s *Sync) error {
	if m == nil {
		return nil
	}
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"postern_crl_sync_seconds_left", "Seconds until the first CRL in the file expires; 0 or less: servers " +
			"reject all clients.", func() float64 {
			_, left := s.state()
			return left.Seconds()
		}},
		{
			"postern_crl_sync_last_success_timestamp_seconds", "When the file was last known to be what Postern has; 0: not yet.",
			func() float64 {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.lastSuccess.IsZero() {
					return 0
				}
				return float64(s.lastSuccess.UnixNano()) / float64(time.Second)
			},
		},
		{"postern_crl_sync_reload_owed", "1 while a reload for the file is outstanding, else 0.", func() float64 {
			if _, owed, err := s.place.owes(); err != nil || owed {
				return 1
			}
			return 0
		}},
	} {
		if err := m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, g.value)); err != nil {
			return err
		}
	}
	return nil
}

func (m *Metrics) has(b *crlfile.Bundle) {
	if m == nil {
		return
	}
	m.numbers.Reset()
	if b == nil {
		return
	}
	for _, l := range b.Lists {
		if l.Number != nil {
			n, _ := l.Number.Float64()
			m.numbers.WithLabelValues(l.Name()).Set(n)
		}
	}
}

func (m *Metrics) failed(reason string) {
	if m != nil {
		m.failures.WithLabelValues(reason).Inc()
	}
}

func (m *Metrics) wrote() {
	if m != nil {
		m.writes.Inc()
	}
}

func (m *Metrics) reloaded(result string) {
	if m != nil {
		m.reloads.WithLabelValues(result).Inc()
	}
}
