package server

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts and times requests. A nil *Metrics does nothing. Its labels are
// listener, route template, method and status: nothing that a stranger chooses.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers the measurements of all listeners.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_http_requests_total", Help: "HTTP requests answered.",
		}, []string{"listener", "route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "postern_http_request_duration_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 60},
		}, []string{"listener", "route"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// seen is what is measured of a request.
type seen struct {
	listener, route, method string
	status                  int
	took                    time.Duration
}

func (m *Metrics) observe(s seen) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(s.listener, s.route, s.method, strconv.Itoa(s.status)).Inc()
	m.duration.WithLabelValues(s.listener, s.route).Observe(s.took.Seconds())
}
