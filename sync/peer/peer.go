// Package peer runs one participant: a store, the replication core (package
// replica) and its links to brokers (package link), so that whatever is written
// here reaches the others and whatever they write arrives here.
//
// Make a [Node] with [New] and call [Node.Run]. Tell it with [Node.Appended]
// that an own ledger grew; what other programs write to the file it finds by
// itself. [Config.Stored] tells when something durable arrived. Before an author
// is opened whose disk may have been set back, ask [Node.Recovered]. [Node.Ask] asks
// a peer something that is no matter of a ledger, and [Config.Answer] answers.
//
// One goroutine owns the replica and waits for no commit and no network: one more
// writes to the store (several to a database that takes in the reports of a whole
// town) and one reads what is asked for, each with a bounded queue, and the links
// have their own. So a slow disk delays what needs it, and no link.
//
// It judges nothing: whose ledgers count is the host's word ([Config.Rights]),
// and what they mean is for who projects them.
package peer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

const (
	// eventQueue bounds what links and workers have told and the owner has not
	// taken; whoever tells more waits.
	eventQueue = 256
	// watchEvery is how often the file is asked whether anybody wrote to it.
	watchEvery = 250 * time.Millisecond
	// watchAtLeast is how often even where looking takes long.
	watchAtLeast = 5 * time.Second
	// rightsRetry is how long after rights could not be read they are tried again.
	rightsRetry = time.Second
	// faultLogged bounds how often one kind of trouble is logged.
	faultLogged = time.Minute
)

// Config says who takes part and how.
type Config struct {
	Store *store.Store
	Self  replica.Peer
	// Also are other keys that this participant writes ledgers with: a desk's
	// issuer's beside its steward's.
	Also []ledger.KeyID
	// Hold and Witness sign what is stored here; nil: nobody is told.
	Hold, Witness ed25519.PrivateKey
	// Rights says whose ledgers count by what the store holds now. It is called
	// whenever that may have changed, by one goroutine at a time, and should be
	// cheap when it has not. After an error the old rights stay.
	Rights func() (replica.Rights, error)
	// Links have ID, Self, Observer, Server and Peers filled in, and Log if it is nil.
	// What carries the community's scope carries the hub's, too.
	Links []link.Config
	// Observer keeps everybody's acknowledgements: a desk's or a hub's.
	Observer bool
	// Server is the community's hub: it is told what nobody else is, and is heard by
	// all.
	Server bool
	// Ledgers bounds those of one kind that are taken part in, and the peers; 0 is
	// 4096. A hub has one report ledger of each gateway, and more after its gateways'
	// disks were lost.
	Ledgers int
	// Answer answers what peers ask with Node.Ask; nil: nobody is answered. It is
	// called by two goroutines, of one peer's questions at most four wait, and a nil
	// result is no answer. from is what a broker says. The same question may come
	// again when its answer was lost.
	Answer func(ctx context.Context, from replica.Peer, body []byte) []byte
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger
	// Stored is told after something arrived and is durable, Present after Status
	// shows that, or that a peer or a link came or went. Neither may block; each may
	// be nil. Several goroutines may call Stored.
	Stored, Present func()
	// Grown is told of an extension that brought a ledger up to a newer head, once it is
	// durable, so that it need not be read back; not of every one: the store is what
	// counts. It must not block, nor change anything of it, and may be nil. Several
	// goroutines may call it.
	Grown func(ledger.Extension)
}

// Node is one participant.
type Node struct {
	cfg      Config
	links    []*link.Link    // by their ID
	heard    chan link.Event // what the links tell
	in       chan event      // what watch and the workers tell
	appended chan struct{}   // holds one when an own ledger grew
	rescan   chan struct{}   // holds one when the file has to be looked at
	write    []*worker       // Store, Forget, and the first StoreCharter, StoreFork, StoreHeld
	read     *worker         // SendHead, SendGive, SendHeld, Compare
	asking   askings         // safe for concurrent use
	asked    *answering      // safe for concurrent use

	mu      sync.Mutex
	replica *replica.Replica        // under mu: stepped by Run's goroutine alone
	rights  replica.Rights          // under mu
	names   map[replica.Peer]string // under mu: what peers call themselves
	present map[presence]bool       // under mu: whose birth was heard

	// Below belongs to Run's goroutine.
	known    map[ledger.Origin]known // what the replica was told of each ledger
	versions int                     // of the charters that it was told of

	forked   map[ledger.Origin]bool // the replica knows; belongs to the first writing worker
	troubles *troubles              // safe for concurrent use
}

// New prepares a participant. Its error says which link's configuration is wrong.
func New(cfg Config) (*Node, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	n := &Node{
		cfg: cfg, heard: make(chan link.Event, eventQueue), in: make(chan event, eventQueue),
		appended: make(chan struct{}, 1), rescan: make(chan struct{}, 1),
		replica: replica.New(cfg.replica()),
		names:   map[replica.Peer]string{}, present: map[presence]bool{}, known: map[ledger.Origin]known{}, forked: map[ledger.Origin]bool{},
		read: newWorker(max(readQueue, 2*cfg.Ledgers)), asked: newAnswering(), troubles: newTroubles(cfg.Now),
	}
	for range cfg.Store.Lanes() {
		n.write = append(n.write, newWorker(max(writeQueue, 2*cfg.Ledgers)))
	}
	n.cfg.Links = slices.Clone(cfg.Links)
	for i := range n.cfg.Links {
		c := &n.cfg.Links[i]
		c.ID, c.Self, c.Observer, c.Server, c.Peers = replica.LinkID(i), cfg.Self, cfg.Observer, cfg.Server, cfg.Ledgers
		if slices.Contains(c.Scopes, replica.All) && !slices.Contains(c.Scopes, replica.Hub) {
			c.Scopes = append(slices.Clone(c.Scopes), replica.Hub)
		}
		if c.Log == nil {
			c.Log = cfg.Log
		}
		l, err := link.Open(*c, n.heard)
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", c.Name, err)
		}
		n.links = append(n.links, l)
	}
	return n, nil
}

// replica is the core's configuration: whoever takes part in more ledgers asks for
// more at a time, and remembers more of what it may have a right to tomorrow.
func (cfg Config) replica() replica.Config {
	r := replica.Config{Self: cfg.Self, Also: cfg.Also, Observer: cfg.Observer, Ledgers: cfg.Ledgers, Peers: cfg.Ledgers}
	if cfg.Server {
		r.Strays, r.Wants = cfg.Ledgers, 256
	}
	return r
}

// Run takes part until ctx ends. Trouble with a link, the disk or the rights is
// logged and tried again: it returns an error only if nothing can be done about
// it. It may be called once.
func (n *Node) Run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	if !n.start(ctx) {
		return nil
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	defer end()
	for _, w := range n.write {
		parts.Go(func() { w.run(ctx, func(jobs []job) { n.carryOut(ctx, jobs) }) })
	}
	parts.Go(func() { n.read.run(ctx, func(jobs []job) { n.answer(jobs) }) })
	parts.Go(func() { n.watch(ctx) })
	if n.cfg.Answer != nil {
		for range answerers {
			parts.Go(func() { n.answerAll(ctx) })
		}
	}
	for _, l := range n.links {
		parts.Go(func() {
			if err := l.Run(ctx); err != nil && ctx.Err() == nil {
				n.cfg.Log.Error("a link ended", "err", err)
			}
		})
	}
	n.loop(ctx)
	return nil
}

// loop is the owner's.
func (n *Node) loop(ctx context.Context) {
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for {
		if at, ok := n.replica.Wake(); ok {
			wake.Reset(max(at.Sub(n.cfg.Now()), 0))
		} else {
			wake.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case e := <-n.heard:
			n.hear(ctx, e)
		case e := <-n.in:
			e(n)
		case <-n.appended:
			n.lookAtOwn()
		case <-wake.C:
			n.step(replica.Tick{})
		}
	}
}

// presence is a peer on a link.
type presence struct {
	link replica.LinkID
	peer replica.Peer
}

// event is something that the owner does.
type event func(*Node)

// tell has the owner do something; false if ctx ended first.
func (n *Node) tell(ctx context.Context, e event) bool {
	select {
	case n.in <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// step steps the replica and has its actions done.
func (n *Node) step(e replica.Event) {
	n.mu.Lock()
	actions := n.replica.Step(replica.Moment{Now: n.cfg.Now(), Rand: rand.Uint64()}, e)
	n.mu.Unlock()
	for _, a := range actions {
		n.do(a)
	}
}

// Appended tells that an own ledger grew: its head goes out now.
func (n *Node) Appended() { signal(n.appended) }

// Look tells that the file may have changed, which otherwise is found out within
// a quarter of a second, or that what Config.Rights says has.
func (n *Node) Look() { signal(n.rescan) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start reads what is durable, and again until it can be read.
func (n *Node) start(ctx context.Context) bool {
	for troubled := false; ; {
		err := n.load()
		if err == nil {
			return true
		}
		if !troubled {
			n.cfg.Log.Error("nothing can be exchanged yet", "err", err)
			troubled = true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(rightsRetry):
		}
	}
}

// load makes the replica's first step.
func (n *Node) load() error {
	rights, err := n.cfg.Rights()
	if err != nil {
		return err
	}
	forks, err := n.cfg.Store.Forks()
	if err != nil {
		return err
	}
	first := replica.Started{Rights: rights}
	for _, f := range forks {
		a, _, err := f.Heads()
		if err != nil {
			return err
		}
		first.Forked = append(first.Forked, f)
		n.forked[a.Origin] = true
	}
	if first.Charters, err = n.charters(rights); err != nil {
		return err
	}
	n.versions = 0
	for _, c := range first.Charters {
		n.versions += c.Len()
	}
	all, bad := n.cfg.Store.Ledgers()
	if bad != nil {
		n.cfg.Log.Error("some ledgers cannot be read", "err", bad)
	}
	clear(n.known)
	for _, i := range all {
		l, err := n.stored(i)
		if err != nil {
			n.cfg.Log.Error("a ledger cannot be read", "ledger", i.Origin.String(), "err", err)
			continue
		}
		n.known[i.Origin] = knownOf(l)
		first.Ledgers = append(first.Ledgers, l)
	}
	parts, err := n.cfg.Store.Partials()
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, whole := n.known[p.Origin]; !whole {
			first.Ledgers = append(first.Ledgers, replica.Ledger{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: p.Origin}}, Edge: p.Edge})
		}
	}
	n.mu.Lock()
	n.rights = rights
	n.mu.Unlock()
	n.step(first)
	return nil
}

// stored is a ledger as the replica is told of it.
func (n *Node) stored(i store.Info) (replica.Ledger, error) {
	edge, err := n.cfg.Store.Edge(i.Origin)
	if errors.Is(err, store.ErrNoLedger) {
		edge, err = i.Tree, nil
	}
	return replica.Ledger{Head: i.Head, Edge: edge}, err
}

// charters are the chains that are pinned.
func (n *Node) charters(r replica.Rights) (all []replica.Chain, err error) {
	for _, id := range []ledger.CharterID{r.Community, r.Node} {
		if id.IsZero() {
			continue
		}
		chain, err := n.cfg.Store.Charters(id)
		if err != nil {
			return nil, err
		}
		all = append(all, chain)
	}
	return all, nil
}
