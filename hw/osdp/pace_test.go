package osdp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
	"tombolo/passport/card"
)

// Eight readers on one line of 115,200 baud with 3 ms of turnaround, one of
// them dead: the other seven are polled at least every 200 ms, and a card
// reaches the Handler within one poll. The readers measure. Not parallel: it
// is about time. A round during which the machine was busy with something else
// says nothing against the panel and is measured anew, a few times at most.
func TestEightReaders(t *testing.T) {
	for _, from := range []string{"the beginning", "some time on"} {
		t.Run("dead from "+from, func(t *testing.T) {
			for round := 1; ; round++ {
				p := newPace(t)
				problems := p.measure(t, from == "the beginning")
				stood := p.machine.stalled(p.start, p.end)
				share := 100 * float64(stood) / float64(p.end.Sub(p.start))
				t.Logf("the machine stood still for %v of the %v, %.1f %%", stood.Round(time.Millisecond), p.end.Sub(p.start).Round(time.Millisecond), share)
				p.stop()
				if len(problems) == 0 {
					return
				}
				if share < 2 || round == 4 {
					t.Fatal(strings.Join(problems, "\n"))
				}
				t.Logf("measured anew, for:\n%s", strings.Join(problems, "\n"))
			}
		})
	}
}

const (
	readers = 8
	deadOne = 3
	limit   = 200 * time.Millisecond
)

// pace is a bus with eight readers.
type pace struct {
	devices []*osdptest.PD
	ears    []*ear
	machine *machine
	random  *rand.Rand
	stop    func() // the panel

	start, end time.Time

	mu      sync.Mutex
	arrived []time.Time // at Handler.Card, by reader
	failed  []error     // of APDUs
}

func newPace(t *testing.T) *pace {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p := &pace{machine: watchMachine(t), random: rand.New(rand.NewPCG(seed, 1)), arrived: make([]time.Time, readers)}
	for i := range readers {
		c := deviceConfig()
		c.Address, c.UID[0] = byte(i), byte(i)
		p.devices = append(p.devices, osdptest.New(c))
		p.ears = append(p.ears, &ear{onCard: func(ctx context.Context, tr card.Transceiver) {
			p.mu.Lock()
			p.arrived[i] = time.Now()
			p.mu.Unlock()
			for range 3 { // a tap's worth of APDUs
				if _, err := tr.Transmit(filled(60, 1)); err != nil {
					p.mu.Lock()
					p.failed = append(p.failed, fmt.Errorf("reader %d: %w", i, err))
					p.mu.Unlock()
				}
			}
		}})
	}
	return p
}

func (p *pace) arrival(i int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.arrived[i]
}

// measure runs a panel and gives what was wrong.
func (p *pace) measure(t *testing.T, fromTheBeginning bool) (problems []string) {
	wrong := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	die := func() { p.devices[deadOne].Misbehave(osdptest.Fault{Kind: osdptest.Silent, Times: -1}) }
	if fromTheBeginning {
		die()
	}
	line := newLine(t, osdptest.LineConfig{Baud: 115200, Turnaround: 3 * time.Millisecond}, p.devices...)
	var cfg []osdp.ReaderConfig
	for i, e := range p.ears {
		cfg = append(cfg, osdp.ReaderConfig{Address: byte(i), Keys: []osdp.Key{scbk}, Handler: e})
	}
	_, p.stop = start(t, osdp.Config{Port: line.Path(), Baud: 115200, Readers: cfg})
	eventually(t, "all living readers are online", func() bool {
		for i, e := range p.ears {
			if !e.up() && (i != deadOne || !fromTheBeginning) {
				return false
			}
		}
		return true
	})
	p.start = time.Now()
	if !fromTheBeginning {
		die()
	}

	var latencies []time.Duration
	for range 15 {
		i := p.random.IntN(readers - 1)
		if i >= deadOne {
			i++
		}
		time.Sleep(time.Duration(40+p.random.IntN(80)) * time.Millisecond)
		p.mu.Lock()
		p.arrived[i] = time.Time{}
		p.mu.Unlock()
		at := time.Now()
		p.devices[i].Present(echo{})
		eventually(t, fmt.Sprintf("reader %d's card", i), func() bool { return !p.arrival(i).IsZero() })
		came := p.arrival(i)
		latencies = append(latencies, came.Sub(at))
		if n := polled(p.devices[i], at, came); n > 1 {
			wrong("reader %d was polled %d times between the card and its Handler", i, n)
		}
		eventually(t, "the exchange is over", func() bool { return p.ears[i].calls.Load() == 0 })
		p.devices[i].Remove()
		eventually(t, "the panel knows that it left", p.devices[i].Idle)
	}
	p.end = time.Now()

	for i, d := range p.devices {
		if i == deadOne {
			continue
		}
		gaps := gapsOf(d, p.start, p.end)
		slices.Sort(gaps)
		median, longest := gaps[len(gaps)/2], gaps[len(gaps)-1]
		t.Logf("reader %d: %d polls, every %v (median), %v at the longest", i, len(gaps), tenths(median), tenths(longest))
		if longest > limit {
			wrong("reader %d was not polled for %v, the limit is %v", i, longest, limit)
		}
		if n := p.ears[i].downs(); n != 0 {
			wrong("reader %d was lost: %v", i, p.ears[i].all())
		}
		if s := d.State(); s.Odd+len(s.Naks) > 0 {
			wrong("reader %d: the panel broke the rules: %d odd repetitions, NAKs %v", i, s.Odd, s.Naks)
		}
	}
	slices.Sort(latencies)
	median, longest := latencies[len(latencies)/2], latencies[len(latencies)-1]
	t.Logf("from the card in the field to Handler.Card: %v (median), %v at the longest, of %d", tenths(median), tenths(longest), len(latencies))
	if longest > limit {
		wrong("a card took %v to its Handler", longest)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, err := range p.failed {
		wrong("%v", err)
	}
	return problems
}

func tenths(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// gapsOf gives the times between a device's polls from start to end, those from
// start to the first and from the last to end among them.
func gapsOf(p *osdptest.PD, start, end time.Time) (gaps []time.Duration) {
	last := start
	for _, at := range append(p.Polls(), end) {
		if at.After(end) {
			at = end
		}
		if at.After(last) {
			gaps = append(gaps, at.Sub(last))
			last = at
		}
	}
	return gaps
}

type span struct{ start, end time.Time }

// machine watches for the times in which this machine, busy with something
// else, did not run what wanted to run: they are not the panel's.
type machine struct {
	mu     sync.Mutex
	stalls []span
}

func watchMachine(t *testing.T) *machine {
	m, done := &machine{}, make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		const nap = time.Millisecond
		for {
			start := time.Now()
			select {
			case <-done:
				return
			case <-time.After(nap):
			}
			// A few milliseconds are what timers take on any machine.
			if end := time.Now(); end.Sub(start) > 5*nap {
				m.mu.Lock()
				m.stalls = append(m.stalls, span{start.Add(nap), end})
				m.mu.Unlock()
			}
		}
	}()
	return m
}

// stalled is how much of the time between two moments the machine stood still.
func (m *machine) stalled(from, to time.Time) (d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.stalls {
		if s.start.Before(from) {
			s.start = from
		}
		if s.end.After(to) {
			s.end = to
		}
		d += max(0, s.end.Sub(s.start))
	}
	return d
}

// polled counts a device's polls between two moments.
func polled(p *osdptest.PD, from, to time.Time) (n int) {
	for _, at := range p.Polls() {
		if at.After(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// One reader alone, at each rate of the specification, while its card talks.
func TestEveryBaud(t *testing.T) {
	t.Parallel()
	for _, baud := range osdp.Bauds {
		t.Run(fmt.Sprint(baud), func(t *testing.T) {
			t.Parallel()
			e := &ear{}
			took := make(chan time.Duration, 1)
			e.onCard = func(ctx context.Context, tr card.Transceiver) {
				begin := time.Now()
				for range 4 {
					if _, err := tr.Transmit(filled(60, 1)); err != nil {
						t.Error(err)
					}
				}
				took <- time.Since(begin)
			}
			pd := osdptest.New(deviceConfig())
			line := newLine(t, osdptest.LineConfig{Baud: baud}, pd)
			run(t, osdp.Config{Port: line.Path(), Baud: baud, Readers: []osdp.ReaderConfig{{Address: address, Keys: []osdp.Key{scbk}, Handler: e}}})
			eventually(t, "online", e.up)
			if got := line.PanelBaud(); got != baud {
				t.Errorf("the port runs at %d", got)
			}
			start := time.Now()
			pd.Present(echo{})
			select {
			case d := <-took:
				t.Logf("%d baud: four APDUs of 60 bytes took %v", baud, d.Round(time.Millisecond))
			case <-time.After(soon):
				t.Fatal("no card")
			}
			if got := polled(pd, start, time.Now()); got > 40 {
				t.Errorf("%d polls while a card talked", got)
			}
		})
	}
}
