package replica_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simWorld is an archipelago in virtual time: two nodes with three gateways and
// two, two issuers' desks, a steward's desk in each node, a hub, and the brokers
// between them. All that happens is drawn from one seed.
type simWorld struct {
	*rand.Rand
	cast    *simCast
	truth   *simTruth
	rosters *simRosters

	now      time.Duration // since simEpoch, by no host's clock
	queue    simQueue
	seq      uint64
	messages int // published

	hosts   []*simHost
	brokers []*simBroker
	hub     *simBroker
	weather simWeather
	files   string // folder of the disks that are files; empty: they are in memory
	opened  int    // files

	community ledger.Charters // as last signed
	removed   map[replica.Peer]bool
	cloned    map[replica.Peer]bool
	lies      bool // somebody sent, or may have sent, what is not true
	hostile   bool // brokers alter messages in this world

	healed         time.Duration
	heaviest, idle int

	removeAt, retireAt, cloneAt int // events; -1: never

	wants  map[ledger.Origin]int
	counts map[string]int // of faults and of what was seen
	trace  bool
	trail  []string
}

// simDue is something that will happen.
type simDue struct {
	at  time.Duration
	seq uint64
	do  func()
}

type simQueue []simDue

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simDue)) }
func (q *simQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = simDue{}
	*q = old[:len(old)-1]
	return last
}

func (w *simWorld) at(t time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, simDue{max(t, w.now), w.seq, do})
}

func (w *simWorld) after(d time.Duration, do func()) { w.at(w.now+d, do) }

// run lets happen all that is due until t.
func (w *simWorld) run(until time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= until {
		due := heap.Pop(&w.queue).(simDue)
		w.now = due.at
		due.do()
	}
	w.now = max(w.now, until)
}

// simFailure is a check that failed.
type simFailure string

func (w *simWorld) require(ok bool, format string, args ...any) {
	if !ok {
		panic(simFailure(fmt.Sprintf("at %v: ", w.now) + fmt.Sprintf(format, args...)))
	}
}

func (w *simWorld) count(what string) { w.counts[what]++ }

func (w *simWorld) note(format string, args ...any) {
	if w.trace {
		w.trail = append(w.trail, fmt.Sprintf("%12v ", w.now.Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

func (w *simWorld) percent(n int) bool { return n > 0 && w.IntN(100) < n }

func (w *simWorld) span(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(w.Int64N(int64(hi-lo)+1))
}

func (w *simWorld) shuffled(n int) []int { return w.Perm(n) }

// random fills b from the seed.
func (w *simWorld) random(b []byte) {
	for i := range b {
		b[i] = byte(w.Uint32())
	}
}

// pick draws one.
func pick[T any](w *simWorld, all []T) T { return all[w.IntN(len(all))] }

// simInland has no link to the hub's broker: all that it hears of the community
// is what its siblings pass on, and it reports to nobody.
const simInland = "casa-3"

func newSimWorld(seed uint64, rosters *simRosters, files string) *simWorld {
	c := simCastOnce()
	w := &simWorld{
		Rand: rand.New(rand.NewPCG(seed, 5)), cast: c, truth: &simTruth{logs: map[ledger.Origin][]*simHistory{}},
		rosters: rosters, files: files, community: c.community,
		wants: map[ledger.Origin]int{}, removed: map[replica.Peer]bool{}, cloned: map[replica.Peer]bool{}, counts: map[string]int{},
	}
	w.hub = w.broker("the hub's broker")
	own := []*simBroker{w.broker("casa's broker"), w.broker("mole's broker")}
	for i, g := range c.gateways {
		h := w.host(g.name, simGatewayRole, g.node, g.signing)
		h.holdKey, h.witnessKey = g.hold, g.witness
		h.doors = simDoors[g.name]
		h.number = i
		h.link(own[g.node], replica.All, replica.Node, replica.Hub)
		if g.name != simInland {
			h.link(w.hub, replica.All, replica.Hub)
		}
	}
	for node := range c.nodes {
		h := w.host(simNodeNames[node]+"'s steward", simStewardRole, node, c.stewards[node])
		h.link(own[node], replica.All, replica.Node)
	}
	for i := range 2 {
		w.issuer(i)
	}
	h := w.host("the hub", simHubRole, -1, c.hub.signing)
	h.observer, h.holdKey, h.witnessKey = w.percent(30), c.hub.hold, c.hub.witness
	h.link(w.hub, replica.All, replica.Hub)
	return w
}

// issuer makes a desk.
func (w *simWorld) issuer(i int) *simHost {
	h := w.host(fmt.Sprint("issuer ", i+1), simIssuerRole, -1, w.cast.issuers[i])
	h.link(w.hub, replica.All, replica.Hub)
	return h
}

func (w *simWorld) broker(name string) *simBroker {
	b := &simBroker{w: w, name: name, up: true, retained: map[simTopic]simPacket{}}
	w.brokers = append(w.brokers, b)
	return b
}

// close lets go of the files.
func (w *simWorld) close() {
	if w.files == "" {
		return
	}
	for _, h := range w.hosts {
		h.disk.close()
	}
	if err := os.RemoveAll(w.files); err != nil {
		panic(err)
	}
}
