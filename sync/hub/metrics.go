package hub

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the hub's figures for its operator, in a registry of their own. Their
// names stay as they are.
type metrics struct {
	registry          *prometheus.Registry
	requests, refused prometheus.Counter
	arrivals          prometheus.Counter
	closeTook         prometheus.Gauge
	closeLast         prometheus.Gauge
}

func newMetrics(h *Hub) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "tombolo_hub_" + name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tombolo_hub_" + name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	now := func(name, help string, f func(v *view) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tombolo_hub_" + name, Help: help}, func() float64 {
			if v := h.seen.Load(); v != nil {
				return f(v)
			}
			return 0
		}))
	}
	m.requests = counter("api_requests_total", "Requests to the API since the start.")
	m.refused = counter("api_refused_total", "Requests that were answered with an error since the start.")
	m.arrivals = counter("intake_commits_total", "Times that something from gateways or issuers became durable here since the start.")
	m.closeTook = gauge("close_seconds", "How long the last close took.")
	m.closeLast = gauge("close_timestamp_seconds", "When the last close ended, Unix time.")
	now("report_ledgers", "Report ledgers that are held.", func(v *view) float64 { return float64(v.authors) })
	now("report_entries", "Entries of report ledgers that are held; its rate is the intake.", func(v *view) float64 { return float64(v.entries) })
	now("reports", "Reports of epochs that are held and count.", func(v *view) float64 { n, _ := v.reportsIn(); return float64(n) })
	now("reports_faulty", "Reports of epochs that are held and do not count.", func(v *view) float64 { _, n := v.reportsIn(); return float64(n) })
	now("epochs_closed", "Epochs that are closed.", func(v *view) float64 {
		n := 0
		for _, e := range v.epochs {
			n += min(1, len(e.Closed))
		}
		return float64(n)
	})
	now("look_timestamp_seconds", "When the store was last looked through, Unix time.", func(v *view) float64 { return float64(v.at.Unix()) })
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tombolo_hub_shards", Help: "Of 64 shards of the report ledgers, those that this process takes in."}, func() float64 {
		_, n := h.seats.share()
		return float64(n)
	}))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tombolo_hub_links_up", Help: "Links to brokers that are up."}, func() float64 {
		n := 0
		if h.node != nil {
			for _, l := range h.node.Status().Links {
				if l.Up {
					n++
				}
			}
		}
		return float64(n)
	}))
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Registry is where the hub's figures are: whoever runs it may add its own.
func (h *Hub) Registry() *prometheus.Registry { return h.metrics.registry }

func (m *metrics) stored() { m.arrivals.Inc() }

func (m *metrics) closed(at time.Time, took time.Duration) {
	m.closeTook.Set(took.Seconds())
	m.closeLast.Set(float64(at.Unix()))
}

// reportsIn counts reports that count or did, and faulty ones.
func (v *view) reportsIn() (in, faulty int) {
	for _, c := range v.counts {
		in, faulty = in+c.In, faulty+c.Faulty
	}
	return in, faulty
}
