package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/store/pgtest"
)

// run runs a hub until the test ends.
func (w *world) run(h *Hub) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(stop)
	return stop
}

// TestRun: reports arrive over a broker, are acknowledged by the hub's hold key, and
// the epoch closes by itself when its grace is over; the gateways get the close.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 2)
	s := w.sea()
	cfg := w.config(w.store)
	cfg.Links = []link.Config{linkTo(s.listen, s.broker.Password(), "hub", w.id())}
	cfg.Grace = time.Hour
	w.hub = must(New(cfg))
	server := httptest.NewServer(w.hub.Handler())
	defer server.Close()
	get := func(path string) (int, string) {
		resp := must(http.Get(server.URL + path))
		defer resp.Body.Close()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
	}
	if code, text := get("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("before Run: %d %s", code, text)
	}
	if code, text := get("/healthz"); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	e := w.opened()
	stop := w.run(w.hub)
	eventually(t, 10*time.Second, func() error {
		if code, text := get("/readyz"); code != http.StatusOK {
			return errors.New(text)
		}
		return nil
	})
	gateways := []*gateway{s.gateway(0), s.gateway(1)}
	for n, g := range gateways {
		w.report(g, w.reportOf(n, e.ID(), lines(n*20, n*20+30, n), 7)...)
	}
	w.arrived(20*time.Second, gateways...)
	eventually(t, 10*time.Second, func() error {
		held, err := gateways[0].store.Held(gateways[0].author.Head().Origin)
		if err == nil && (len(held) == 0 || held[0].Peer != idOf("hub") || held[0].Size != gateways[0].author.Head().Size) {
			err = fmt.Errorf("%+v", held)
		}
		return err
	})
	client := &Client{Base: server.URL}
	eventually(t, 5*time.Second, func() error {
		a, err := client.Epoch(context.Background(), e.ID())
		if err == nil && (a.Reports.In != 2 || a.Closed != nil) {
			err = fmt.Errorf("%+v", a)
		}
		return err
	})
	w.mu.Lock()
	w.at = time.Unix(closesAt, 0).Add(time.Hour)
	w.mu.Unlock()
	eventually(t, 30*time.Second, func() error {
		a, err := client.Epoch(context.Background(), e.ID())
		if err == nil && (a.Closed == nil || *a.Closed.Passports != 50) {
			err = fmt.Errorf("%+v\n%s", a, w.logs)
		}
		return err
	})
	eventually(t, 10*time.Second, func() error {
		all := must(gateways[1].store.Ledgers())
		for _, i := range all {
			if i.Origin.Kind == ledger.CensusLog && i.Size >= 2 {
				return nil
			}
		}
		return errors.New("a gateway has not heard of the close")
	})
	_, text := get("/metrics")
	for _, want := range []string{"tombolo_hub_shards 64", "tombolo_hub_reports 2", "tombolo_hub_report_ledgers 2", "tombolo_hub_epochs_closed 1", "tombolo_hub_links_up 1", "tombolo_hub_close_seconds ", "tombolo_hub_api_requests_total ", "tombolo_hub_intake_commits_total "} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
	if err := w.hub.Run(context.Background()); !errors.Is(err, ErrConfig) {
		t.Errorf("a second Run: %v", err)
	}
	stop()
	if ok, err := w.store.Lease(context.Background(), seatName(0), "another", time.Minute); !ok || err != nil {
		t.Errorf("its seat was not given back: %v, %v", ok, err)
	}
}

// TestDatabaseRestarted: the database is killed while reports arrive; the hub goes on
// when it is back, and nothing is missing.
func TestDatabaseRestarted(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, pgtest.Config{})
	w := newWorld(t, dialect{"postgres", func(t testing.TB) string { return server.URL(t) }}, 3)
	e := w.opened()
	s := w.sea()
	cfg := w.config(w.store)
	cfg.Links = []link.Config{linkTo(s.listen, s.broker.Password(), "hub", w.id())}
	w.hub = must(New(cfg))
	w.run(w.hub)
	var gateways []*gateway
	var all []byte
	for n := range w.Nodes {
		gateways = append(gateways, s.gateway(n))
	}
	for n, g := range gateways {
		tags := lines(n*20, n*20+40, n)
		all = append(all, tags...)
		w.report(g, w.reportOf(n, e.ID(), tags, 3)...)
		if n == 1 {
			server.Kill()
			w.ok(server.Restart())
		}
	}
	w.arrived(60*time.Second, gateways...)
	closed, list := w.closeIt(e)
	if closed.Reports != 3 || list.Root(nil) != must(census.NewList(census.Merge(all, nil))).Root(nil) {
		t.Errorf("%+v", closed)
	}
	w.verified()
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	for name, alter := range map[string]func(*Config){
		"no store":     func(c *Config) { c.Store = nil },
		"no folder":    func(c *Config) { c.Dir = "" },
		"no community": func(c *Config) { c.Community = nil },
		"no rights":    func(c *Config) { c.Rights = nil },
		"no key":       func(c *Config) { c.Author = nil },
		"half a key":   func(c *Config) { c.Hold = c.Hold[:32] },
		"no witness":   func(c *Config) { c.Witness = nil },
		"a wrong link": func(c *Config) { c.Links = []link.Config{{Broker: "http://x"}} },
	} {
		cfg := w.config(w.store)
		alter(&cfg)
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProgress: a close tells of each stage, and each ends.
func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 5000, 0), ledger.MaxTags)...)
	last := map[string][2]int64{}
	var order []string
	_, err := w.hub.Close(context.Background(), e.ID(), func(stage string, done, total int64) {
		if _, there := last[stage]; !there {
			order = append(order, stage)
		}
		if done < last[stage][0] || done > total {
			t.Errorf("%s: %d of %d after %d", stage, done, total, last[stage][0])
		}
		last[stage] = [2]int64{done, total}
	})
	w.ok(err)
	if got, want := strings.Join(order, " "), "look collect sort hash write"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for stage, at := range last {
		if at[0] != at[1] || at[1] == 0 {
			t.Errorf("%s ended at %d of %d", stage, at[0], at[1])
		}
	}
}

// BenchmarkClose closes an epoch of a million tags out of a store of a hundred
// reports: by a daemon that looked at them as they came, and by a command that looks
// first. The bare thing is to sort and hash the same tags in memory.
func BenchmarkClose(b *testing.B) {
	const nodes, each = 100, 10_000
	w := newWorld(b, dialects[0], nodes)
	e := w.opened()
	for n := range nodes {
		w.append(w.reporter(n), w.reportOf(n, e.ID(), lines(n*each, (n+1)*each, n), ledger.MaxTags)...)
	}
	perTag := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/nodes/each, "ns/tag")
	}
	all := lines(0, nodes*each, 0)
	rand.New(rand.NewPCG(1, 2)).Shuffle(nodes*each, func(i, j int) {
		x, y := (*[ledger.TagSize]byte)(all[i*ledger.TagSize:]), (*[ledger.TagSize]byte)(all[j*ledger.TagSize:])
		*x, *y = *y, *x
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			tags := make([][ledger.TagSize]byte, 0, nodes*each)
			for l := range slices.Chunk(all, ledger.TagSize) {
				tags = append(tags, [ledger.TagSize]byte(l))
			}
			b.StartTimer()
			slices.SortFunc(tags, func(x, y [ledger.TagSize]byte) int { return bytes.Compare(x[:], y[:]) })
			var tree ledger.Tree
			for i := range tags {
				tree.Append(tags[i][:], nil)
			}
		}
		perTag(b)
	})
	for _, looked := range []bool{true, false} {
		b.Run(map[bool]string{true: "daemon", false: "command"}[looked], func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				// An epoch is closed once: each time from the same store, written to another folder.
				cfg := w.config(w.store)
				cfg.Dir = b.TempDir()
				h := must(New(cfg))
				if looked {
					must(h.freshView(nil))
				}
				quiet := func(string) func(done, total int64) { return func(int64, int64) {} }
				b.StartTimer()
				v := must(h.freshView(nil))
				tags, covers, err := h.collect(context.Background(), v, v.byID[e.ID()], quiet(""))
				w.ok(err)
				list := must(census.NewList(merge(tags, nil)))
				rootOf(list, nil)
				w.ok(h.keep(e.ID(), tags[:list.Len()*ledger.TagSize], census.MarshalCovers(covers), quiet("")))
			}
			perTag(b)
		})
	}
}

// TestAnswersAreWhole: what the API says encodes and decodes to the same.
func TestAnswersAreWhole(t *testing.T) {
	t.Parallel()
	n := uint64(3)
	in := EpochAnswer{ID: Hex{1}, State: "open", Auditors: []AuditorAnswer{{"x", Hex{2}}}, Closed: &ClosedAnswer{Passports: &n}, Attested: []AttestedAnswer{}}
	b := must(json.Marshal(in))
	var out EpochAnswer
	if err := decodeJSON(strings.NewReader(string(b)), &out); err != nil || *out.Closed.Passports != n || out.ID != in.ID || out.Auditors[0] != in.Auditors[0] {
		t.Errorf("%+v, %v", out, err)
	}
}
