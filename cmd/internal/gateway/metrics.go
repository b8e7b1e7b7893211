package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

const (
	// metricsRetry is how long after the listener could not be opened it is tried
	// again.
	metricsRetry = 10 * time.Second
	// healthPatience is how long the doors may take to answer /healthz.
	healthPatience = time.Second
)

// collector shows a gateway's figures. The names stay as they are; see the
// package's documentation.
type collector struct {
	g     *Gateway
	built string

	decisions, passages, twice, alarms, open, down, faults, lost, queue, durable *prometheus.Desc
	age, policy, trial, clock, build                                             *prometheus.Desc
	held, behind, forks, peers, invalid                                          *prometheus.Desc
	link, bytes, messages, clients, refused, violations                          *prometheus.Desc
	census, censusFails                                                          *prometheus.Desc
}

func newCollector(g *Gateway, node, software string) *collector {
	same := prometheus.Labels{"node": node, "gateway": g.Name}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("tombolo_"+name, help, labels, same)
	}
	return &collector{
		g: g, built: software,
		decisions:   desc("decisions_total", "Decisions at a door since the start.", "door", "granted"),
		passages:    desc("passages_total", "People who went through a door after a grant, since the start.", "door"),
		twice:       desc("codes_reused_total", "Codes that opened a door and then, or before, one of another gateway, as they can while the two do not hear each other, since the start.", "door"),
		alarms:      desc("door_alarms_total", "Times that a door was held or forced open, since the start.", "door", "alarm"),
		open:        desc("door_open", "1 while a door's contact says that it stands open.", "door"),
		down:        desc("door_locked_down", "1 while a lockdown holds at a door.", "door"),
		faults:      desc("fault", "1 while a part of the gateway does not work.", "part"),
		lost:        desc("records_lost_total", "Records that found no room in the journal since the start."),
		queue:       desc("journal_queue", "Records that are not durable yet."),
		durable:     desc("journal_entries", "Entries of the door log that are durable."),
		age:         desc("roster_age_seconds", "Time since the issuers were last heard, with all of their entries projected; none while they never were, or the clock is not believed."),
		policy:      desc("policy_version", "Version of the policy in force, 0 for none."),
		trial:       desc("policy_on_trial", "1 while the policy in force is tried."),
		clock:       desc("clock_known", "1 while the clock is believed."),
		build:       desc("build_info", "Always 1; the label says what runs.", "version"),
		held:        desc("sync_entries", "Entries of all ledgers of a kind that are durable here.", "kind"),
		behind:      desc("sync_behind_entries", "Entries of a kind of ledger that others announced and that are not durable here.", "kind"),
		forks:       desc("sync_forks", "Ledgers whose author signed two histories."),
		peers:       desc("peer_reachable", "1 while another gateway of the node can be reached over the node's own link.", "sibling"),
		invalid:     desc("sync_invalid_total", "Messages from others that did not verify, since the start."),
		link:        desc("link_up", "1 while a link is connected.", "link"),
		bytes:       desc("link_bytes_total", "Bytes on a link's connections, with what TLS adds, since the start.", "link", "direction"),
		messages:    desc("link_messages_total", "Messages over a link since the start.", "link", "direction", "type"),
		clients:     desc("broker_clients", "Clients that are connected to the broker of this gateway."),
		refused:     desc("broker_refused_total", "Connections that the broker did not let in, since the start."),
		census:      desc("census_epochs", "Epochs that have closed and whose audit is not over, by what this gateway does: it waits, as another's turn is first or logs are on their way; it is reporting for the node; it has reported; it has opened what was drawn, too.", "state"),
		censusFails: desc("census_failing", "1 while the census is not taken: `tombolo status` says why."),
		violations:  desc("broker_violations_total", "Publishes and subscribes that the broker refused, since the start."),
	}
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is prometheus.Collector's.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	flag := func(d *prometheus.Desc, on bool, labels ...string) {
		gauge(d, map[bool]float64{true: 1}[on], labels...)
	}
	c.recorded(count, flag)
	g := c.g
	gauge(c.build, 1, c.built)
	gauge(c.queue, float64(g.journal.Waiting()))
	gauge(c.durable, float64(g.journal.Head().Size))
	clock, v := g.clock(), g.roster.View()
	flag(c.clock, clock.Known())
	if age := rosterAge(v, clock); age >= 0 {
		gauge(c.age, age.Seconds())
	}
	version := 0.0
	if v.Policy != nil {
		version = float64(v.Policy.Version)
	}
	gauge(c.policy, version)
	flag(c.trial, v.Trial != nil)
	if node := g.net.peer.Load(); node != nil {
		c.exchanged(node.Status(), v.Siblings, count, gauge, flag)
	}
	if f := g.censusFigures(); f != nil {
		gauge(c.census, float64(f.Waiting), "waiting")
		gauge(c.census, float64(f.Working), "reporting")
		gauge(c.census, float64(f.Reported-f.Opened), "reported")
		gauge(c.census, float64(f.Opened), "opened")
		flag(c.censusFails, f.Error != "")
	}
	if b := g.net.running(); b != nil {
		s := b.Stats()
		gauge(c.clients, float64(s.Clients))
		count(c.refused, s.Refused)
		count(c.violations, s.Violations)
	}
}

// recorded shows what was recorded. Every door that is wired is there from the
// start, so that a rate can be told from silence.
func (c *collector) recorded(count func(*prometheus.Desc, uint64, ...string), flag func(*prometheus.Desc, bool, ...string)) {
	f := c.g.figures.copy()
	for name, d := range c.g.cfg.Wiring.Doors {
		for _, granted := range []bool{false, true} {
			count(c.decisions, f.decisions[decided{name, granted}], name, strconv.FormatBool(granted))
		}
		count(c.passages, f.passages[name], name)
		count(c.twice, f.twice[name], name)
		for _, what := range []string{"held-open", "forced-open"} {
			count(c.alarms, f.alarms[alarm{name, what}], name, what)
		}
		if d.Contact != nil {
			flag(c.open, f.open[name], name)
		}
		flag(c.down, f.down[name], name)
	}
	for part := range f.faults {
		flag(c.faults, true, part)
	}
	count(c.lost, f.lost)
}

// serveMetrics shows the figures until ctx ends. A listener that cannot be opened
// is a fault, and tried again.
func (g *Gateway) serveMetrics(ctx context.Context) error {
	handler, err := g.metricsHandler()
	if err != nil {
		return err
	}
	address := g.cfg.Wiring.Metrics.Listen
	for failed := false; ctx.Err() == nil; {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			if failed {
				g.fault(ctx, "metrics", "the figures can be read again", true)
			}
			g.metricsAt.Store(l.Addr().String())
			err = serveHTTP(ctx, l, handler)
		}
		if err != nil && ctx.Err() == nil && !failed {
			failed = true
			g.cfg.Log.Error("the figures cannot be read", "err", err)
			g.fault(ctx, "metrics", fmt.Sprintf("the figures cannot be read: %v", err), false)
		}
		select {
		case <-ctx.Done():
		case <-time.After(metricsRetry):
		}
	}
	return nil
}

func (g *Gateway) metricsHandler() (http.Handler, error) {
	chain, err := g.folder.Node()
	if err != nil {
		return nil, err
	}
	all := prometheus.NewRegistry()
	if err := errors.Join(
		all.Register(newCollector(g, chain.Latest().Slug, g.cfg.Software)),
		all.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithTimeout(r.Context(), healthPatience)
		defer end()
		if err := g.Ping(ctx); err != nil {
			http.Error(w, "the doors do not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux, nil
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// exchanged shows what is exchanged with others.
func (c *collector) exchanged(s peer.Status, siblings map[ledger.KeyID]string, count func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string), flag func(*prometheus.Desc, bool, ...string)) {
	held, behind, forks := map[string]int64{}, map[string]int64{}, 0
	for _, l := range s.Ledgers {
		held[l.Kind] += l.Held
		behind[l.Kind] += l.Behind
		if l.Forked {
			forks++
		}
	}
	for kind := range held {
		gauge(c.held, float64(held[kind]), kind)
		gauge(c.behind, float64(behind[kind]), kind)
	}
	gauge(c.forks, float64(forks))
	count(c.invalid, s.Counts.Invalid)
	for name, there := range reachable(s, siblings) {
		flag(c.peers, there, name)
	}
	for _, l := range s.Links {
		flag(c.link, l.Up, l.Name)
		count(c.bytes, l.Stats.WireSent, l.Name, "sent")
		count(c.bytes, l.Stats.WireReceived, l.Name, "received")
		for t, n := range l.Stats.Sent {
			count(c.messages, n.Messages, l.Name, "sent", t.String())
		}
		for t, n := range l.Stats.Received {
			count(c.messages, n.Messages, l.Name, "received", t.String())
		}
	}
}
