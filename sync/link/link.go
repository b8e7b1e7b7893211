package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// Errors of [Open] and [Link.Send].
var (
	ErrConfig = errors.New("link is not configured rightly")
	ErrDown   = errors.New("the link is down")
	ErrFull   = errors.New("too much waits to be sent")
	ErrScope  = errors.New("the link does not carry this")
)

// Config is what a link is. Events and Log apart, nothing has a default.
type Config struct {
	Name   string // for the log
	ID     replica.LinkID
	Broker string // tls://host[:8883], or tcp://host[:1883] to this machine alone
	// TLS is used as it is, with the broker's host name as ServerName if it has
	// none. It must not change after Open.
	TLS *tls.Config
	// Login, unless it is nil, is asked for a user name and a password at every
	// attempt to connect.
	Login func() (username, password string)

	Community ledger.CharterID
	// Node is this participant's node, also where the link carries only All: its
	// charters travel there too. Zero if it has none.
	Node     ledger.CharterID
	Scopes   []replica.Scope
	Self     replica.Peer
	SelfName string // [a-z0-9-]{1,32}, or empty
	Software string // printable ASCII, at most 64 bytes
	Observer bool   // hears everybody's acknowledgements, not only those of its own ledgers
	Server   bool   // the hub: hears what everybody announces to it in the scope Hub, and is heard there
	Peers    int    // that are tracked at most; 0 is 4096

	Log *slog.Logger // nil: none
}

// Link is one participant's place at one broker. Its methods are safe for
// concurrent use.
type Link struct {
	cfg    Config
	broker broker
	events chan<- Event
	timing timing
	log    *slog.Logger

	counts             counters
	wireSent, wireRead atomic.Uint64
	running            atomic.Bool
	out                *outbound
	in                 *inbound
	peers              *presence
}

// Open checks the configuration. It connects nothing: that is Run's. Events go
// to the channel, which is never closed. Errors wrap ErrConfig.
func Open(cfg Config, events chan<- Event) (*Link, error) {
	b, err := parseBroker(cfg.Broker, cfg.TLS)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	case cfg.Community.IsZero() || cfg.Self == replica.Peer{}:
		return nil, fmt.Errorf("%w: it needs a community and who this is", ErrConfig)
	case len(cfg.Scopes) == 0:
		return nil, fmt.Errorf("%w: it carries no scope", ErrConfig)
	case slices.Contains(cfg.Scopes, replica.Node) && cfg.Node.IsZero():
		return nil, fmt.Errorf("%w: it carries a node's messages, and no node is named", ErrConfig)
	case !validName(cfg.SelfName) || !validSoftware(cfg.Software):
		return nil, fmt.Errorf("%w: name %q or software %q", ErrConfig, cfg.SelfName, cfg.Software)
	case events == nil:
		return nil, fmt.Errorf("%w: nobody listens to its events", ErrConfig)
	}
	cfg.Scopes = slices.Compact(slices.Sorted(slices.Values(cfg.Scopes)))
	if cfg.Scopes[len(cfg.Scopes)-1] > replica.Hub {
		return nil, fmt.Errorf("%w: unknown scope %d", ErrConfig, cfg.Scopes[len(cfg.Scopes)-1])
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Link{cfg: cfg, broker: b, events: events, timing: defaultTiming, log: log.With("link", cfg.Name, "broker", b.String())}
	l.out = newOutbound(&l.counts)
	l.in = newInbound(cfg.ID, &l.counts)
	l.in.most, l.in.mostBytes = max(maxIn, 2*cfg.Peers), max(maxInBytes, 1024*cfg.Peers)
	l.peers = newPresence(cmp.Or(cfg.Peers, maxPeers))
	return l, nil
}

// Send queues a message. To is zero for what is broadcast (Head, Held, Proof,
// Charter) and the addressee of a Want or a Give. Of several broadcasts of one
// topic that wait, the newest is sent. It does not wait, and whether the message
// arrives is for the addressee's ledgers to say. The message must not change any
// more. Errors: ErrDown, ErrFull, ErrScope, ErrMessage.
func (l *Link) Send(scope replica.Scope, to replica.Peer, m replica.Message) error {
	if !slices.Contains(l.cfg.Scopes, scope) {
		return fmt.Errorf("%w: scope %v", ErrScope, scope)
	}
	t, err := l.topicOf(scope, to, m)
	if err != nil {
		return err
	}
	return l.out.push(t, m)
}

// Run connects and stays connected until ctx ends; then it says goodbye and
// returns nil. It may run once at a time. The only error is of a second Run.
func (l *Link) Run(ctx context.Context) error {
	if !l.running.CompareAndSwap(false, true) {
		return errors.New("the link runs already")
	}
	defer l.running.Store(false)
	l.run(ctx)
	return nil
}

// Stats is a picture of the link now.
func (l *Link) Stats() Stats {
	s := l.counts.stats()
	s.WireSent, s.WireReceived = l.wireSent.Load(), l.wireRead.Load()
	s.Waiting = l.out.len()
	s.Peers = l.peers.count()
	return s
}
