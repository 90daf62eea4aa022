package server

import (
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts and times requests. A nil *Metrics does nothing. Its labels are
// listener, route template, method and status: nothing that a stranger chooses.
type Metrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	connections connections

	mu    sync.Mutex // held to replace known
	known atomic.Pointer[map[seen]measured]
}

// measured counts and times the requests that are alike.
type measured struct {
	requests prometheus.Counter
	duration prometheus.Observer
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
	for _, c := range []prometheus.Collector{m.requests, m.duration, &m.connections} {
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
}

func (m *Metrics) observe(s seen, took time.Duration) {
	if m == nil {
		return
	}
	of := m.of(s)
	of.requests.Inc()
	of.duration.Observe(took.Seconds())
}

// of returns where s is counted. There are as many as there are combinations of
// labels: nothing that a stranger chooses.
func (m *Metrics) of(s seen) measured {
	known := m.known.Load()
	if known != nil {
		if of, ok := (*known)[s]; ok {
			return of
		}
	}
	of := measured{
		m.requests.WithLabelValues(s.listener, s.route, s.method, strconv.Itoa(s.status)),
		m.duration.WithLabelValues(s.listener, s.route),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	more := map[seen]measured{s: of}
	if known = m.known.Load(); known != nil {
		maps.Copy(more, *known)
	}
	m.known.Store(&more)
	return of
}
