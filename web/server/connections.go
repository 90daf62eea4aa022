package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-ca/postern/web/limit"
)

// connections measures those of all listeners.
type connections struct {
	mu sync.Mutex
	of map[string]*limit.Connections // by listener
}

// watch has the connections of a listener measured.
func (m *Metrics) watch(listener string, c *limit.Connections) {
	if m == nil {
		return
	}
	m.connections.mu.Lock()
	defer m.connections.mu.Unlock()
	if m.connections.of == nil {
		m.connections.of = make(map[string]*limit.Connections)
	}
	m.connections.of[listener] = c
}

// connectionMetrics are their descriptions.
type connectionMetrics struct{ open, most, closed, failed *prometheus.Desc }

func describeConnections() connectionMetrics {
	return connectionMetrics{
		open: prometheus.NewDesc("postern_connections", "Connections that are open.", []string{"listener"}, nil),
		most: prometheus.NewDesc("postern_connections_limit", "How many connections may be open at a time.", []string{"listener"}, nil),
		closed: prometheus.NewDesc("postern_connections_closed_total", "Connections closed because of a limit: idle ones, "+
			"those being served, or new ones.", []string{"listener", "which", "limit"}, nil),
		failed: prometheus.NewDesc("postern_accept_errors_total", "Connections that the system could not accept, for example "+
			"because there were no files left.", []string{"listener"}, nil),
	}
}

// Describe is for prometheus.Collector.
func (c *connections) Describe(to chan<- *prometheus.Desc) {
	d := describeConnections()
	for _, one := range []*prometheus.Desc{d.open, d.most, d.closed, d.failed} {
		to <- one
	}
}

// Collect is for prometheus.Collector.
func (c *connections) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := describeConnections()
	for listener, l := range c.of {
		s := l.Stats()
		count := func(desc *prometheus.Desc, n uint64, labels ...string) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), append([]string{listener}, labels...)...)
		}
		to <- prometheus.MustNewConstMetric(d.open, prometheus.GaugeValue, float64(s.Open), listener)
		to <- prometheus.MustNewConstMetric(d.most, prometheus.GaugeValue, float64(l.Most), listener)
		count(d.closed, s.EvictedOfOne, "idle", "address")
		count(d.closed, s.EvictedOfAll, "idle", "listener")
		count(d.closed, s.Cut, "served", "listener")
		count(d.closed, s.RefusedOfOne, "new", "address")
		count(d.closed, s.RefusedOfAll, "new", "listener")
		count(d.failed, s.Failed)
	}
}
