package replica

import (
	"cmp"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// Config is what never changes about a replica. A bound of 0 takes its default.
type Config struct {
	Self     Peer
	Also     []ledger.KeyID // keys beside Self's that this participant writes ledgers with: those are its own, too
	Observer bool           // a desk or the hub: keeps what it hears of everybody's Held

	Ledgers          int     // of one kind, 4096: of more none is begun; of one gateway's door logs a quarter
	LedgersPerAuthor int     // that are announced by one author, 256; as many report ledgers of one gateway are begun
	Peers            int     // 4096
	Strays           int     // heads by authors without rights that are remembered, 256; twice as many acknowledgements
	Givers           int     // remembered for each ledger, 8
	Wants            int     // under way, 8
	WantsPerPeer     int     // under way, 2
	Gives            int     // queued for each peer, 8
	Checks           float64 // signatures that are checked in a second for each sender, 100
}

func (c Config) withDefaults() Config {
	c.Ledgers = cmp.Or(c.Ledgers, 4096)
	c.LedgersPerAuthor = cmp.Or(c.LedgersPerAuthor, 256)
	c.Peers = cmp.Or(c.Peers, 4096)
	c.Strays = cmp.Or(c.Strays, 256)
	c.Givers = cmp.Or(c.Givers, 8)
	c.Wants = cmp.Or(c.Wants, 8)
	c.WantsPerPeer = cmp.Or(c.WantsPerPeer, 2)
	c.Gives = cmp.Or(c.Gives, 8)
	c.Checks = cmp.Or(c.Checks, 100)
	return c
}

// writes tells whether an author's ledgers are this participant's own.
func (c Config) writes(author ledger.KeyID) bool {
	return author == c.Self || slices.Contains(c.Also, author)
}

// Replica is the state of one participant. It is not safe for concurrent use.
type Replica struct {
	cfg     Config
	started bool
	rights  Rights

	now   time.Time     // of the last step
	clock time.Duration // time that passed, from 1 s on; it never goes back. All times below are of this clock, and 0 is none
	wake  time.Duration // when something is due, or earlier; 0: nothing is
	rand  uint64

	links   []*link // in the order in which they first came up
	books   map[ledger.Origin]*book
	order   []*book // by rank, then by origin
	agenda  agenda
	heardOf map[ledger.KeyID]int // books of ledgers of which nothing is stored, by author
	tracked map[series]int       // books
	peers   map[Peer]*peer
	known   []*peer // by name
	others  bucket  // of the senders who have no rights here, together
	guests  peer    // they, together, as those who are given what is the community's
	chains  []*chain

	needy    []*book       // those of which something is known and not held
	pressing int           // the least urgency of those that came since the needy were last looked at
	unsorted bool          // the needy may be
	eager    bool          // something changed since the needy were last looked at
	asked    []*book       // those with a want under way
	wantsAt  time.Duration // when one of asked is given up or one of needy may be asked for again, or earlier; 0: none
	flying   int           // extensions that the store has not confirmed yet, of all books
	waiting  bool          // somebody may be
	turn     Peer          // who was given to last
	gives    bucket
	heads    strays // by authors without rights
	helds    strays // and acknowledgements by holders without
	counts   Counts

	out []Action // of this step
}

// New makes a replica that waits for [Started].
func New(cfg Config) *Replica {
	return &Replica{
		cfg: cfg.withDefaults(), clock: time.Second,
		books: map[ledger.Origin]*book{}, heardOf: map[ledger.KeyID]int{}, tracked: map[series]int{}, peers: map[Peer]*peer{},
	}
}

// Step takes an event and returns what to do, in order. Events before [Started]
// change nothing.
func (r *Replica) Step(m Moment, e Event) []Action {
	if d := m.Now.Sub(r.now); d > 0 && !r.now.IsZero() {
		r.clock += d
	}
	r.now, r.rand = m.Now, m.Rand
	if s, ok := e.(Started); ok && !r.started {
		r.start(s)
	}
	if !r.started {
		return nil
	}
	switch e := e.(type) {
	case RightsChanged:
		r.entitle(e.Rights)
	case ChartersChanged:
		r.charter(e.Chains)
	case LinkUp:
		r.linkUp(e)
	case LinkDown:
		r.linkDown(e.Link)
	case PeerUp:
		r.peerUp(e)
	case PeerDown:
		r.peerDown(e)
	case Received:
		r.receive(e)
	case Stored:
		r.stored(e.Ledger)
	case NotStored:
		r.notStored(e)
	case Convicted:
		r.convict(e.Evidence)
	}
	r.fire()
	r.ask()
	r.serve()
	out := r.out
	r.out = nil
	return out
}

func (r *Replica) start(s Started) {
	r.started = true
	r.rights = s.Rights
	for _, l := range s.Ledgers {
		r.hold(l)
	}
	for _, f := range s.Forked {
		r.convict(f)
	}
	r.entitle(s.Rights)
	r.charter(s.Charters)
}

// entitle takes new rights and looks at everything anew.
func (r *Replica) entitle(rights Rights) {
	r.rights = rights
	removed := false
	for _, p := range slices.Clone(r.known) {
		if a, ok := rights.Authors[p.name]; !ok || a.Removed {
			r.dropPeer(p)
			removed = removed || ok
		}
	}
	if removed {
		r.unheardCharters()
	}
	for _, b := range slices.Clone(r.order) {
		was := b.allowed
		b.entitled(&r.rights)
		b.refused = nil
		switch {
		case b.allowed && was:
		case b.allowed:
			r.grown(b)
		case !b.stored() && !b.forked:
			r.dropBook(b)
		default:
			r.release(b)
			r.unlearn(b)
		}
	}
	r.eager = true
	r.retryStrays()
}

// Wake is when a [Tick] is due, by the clock of the last step; ok is false if
// none is. A Tick that comes early does no harm.
func (r *Replica) Wake() (at time.Time, ok bool) {
	if r.wake == 0 {
		return time.Time{}, false
	}
	return r.now.Add(r.wake - r.clock), true
}

// due asks for a Tick.
func (r *Replica) due(at time.Duration) time.Duration {
	if at != 0 && (r.wake == 0 || at < r.wake) {
		r.wake = at
	}
	return at
}

// fire does what is due, and finds out when the next thing is.
func (r *Replica) fire() {
	if r.wake == 0 || r.clock < r.wake {
		return
	}
	r.wake = 0
	r.fireWants()
	r.fireLinks()
	r.fireBooks()
	r.fireCharters()
}

func (r *Replica) do(a Action) { r.out = append(r.out, a) }

// random is below n. SplitMix64, seeded anew with each step.
func (r *Replica) random(n int64) int64 {
	r.rand += 0x9e3779b97f4a7c15
	z := r.rand
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64((z ^ z>>31) % uint64(n))
}

// between is a random duration.
func (r *Replica) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.random(int64(most-least)))
}

// bucket lets through a burst, and then so many a second. The zero value is full.
type bucket struct {
	spent float64
	at    time.Duration
}

func (b *bucket) take(now time.Duration, cost, rate, burst float64) bool {
	b.spent = max(0, b.spent-(now-b.at).Seconds()*rate)
	b.at = now
	if b.spent+cost > burst {
		return false
	}
	b.spent += cost
	return true
}

// ready is when the bucket lets such a cost through.
func (b *bucket) ready(cost, rate, burst float64) time.Duration {
	return b.at + time.Duration(max(0, b.spent+cost-burst)/rate*float64(time.Second)) + 1
}
