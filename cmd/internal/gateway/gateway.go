// Package gateway puts a gateway together: it wires readers, relays and
// contacts (hw), the controller (edge), the roster and the ledgers' store into
// one thing that runs. The daemon and the demo are this same code; all that the
// demo adds is a simulated board and somebody who watches.
//
// Call [Open] with a wiring, then [Gateway.Run]. [Safe] and [Check] are what
// the daemon does before and instead; [Ask] asks a daemon that runs, which alone
// has the buses, to give OSDP readers their keys. [OpenBench] has the hardware
// without a controller, for whoever tries it out.
//
// Readers (reader.go) know nothing of decisions: they tell [Doors] what they read.
// What cannot be read, a card that is torn away among it, is an ordinary event:
// refused on the way in, an exit on the way out, and no more than once a second.
//
// # Others
//
// With links in its wiring a gateway exchanges ledgers (network.go): what arrives
// is projected at once, what is recorded goes out once it is durable, and siblings'
// door logs are told to the controller (siblings.go). All of that is beside the
// doors: a link, a broker or a disk that fails is a recorded fault, and decisions
// go on. Who may connect to the gateway's own broker follows from the ledgers
// (package linking). [AskStatus] shows a daemon's part in it.
//
// # The census
//
// With links, a gateway takes part in the community's census (census.go): when an
// epoch has closed one gateway of each node reports how many passports came in,
// without a name, a door or an hour; it opens to auditors what was drawn of that,
// and says how many are in the node's zones, as its policy allows. [AskCensus] and
// [AskReceipt] ask a daemon.
//
// # Figures
//
// With [metrics] in its wiring a gateway serves /metrics for Prometheus, and
// /healthz, which is 200 as long as the doors answer. Every figure has the labels
// node and gateway. These names stay as they are:
//
//	tombolo_build_info{version}
//	tombolo_decisions_total{door,granted}     tombolo_passages_total{door}
//	tombolo_door_open{door}                   tombolo_door_locked_down{door}
//	tombolo_door_alarms_total{door,alarm}     tombolo_codes_reused_total{door}
//	tombolo_fault{part}
//	tombolo_journal_queue                     tombolo_journal_entries
//	tombolo_records_lost_total                tombolo_clock_known
//	tombolo_roster_age_seconds                tombolo_policy_version
//	tombolo_policy_on_trial                   tombolo_peer_reachable{sibling}
//	tombolo_sync_entries{kind}                tombolo_sync_behind_entries{kind}
//	tombolo_sync_forks                        tombolo_sync_invalid_total
//	tombolo_link_up{link}                     tombolo_link_bytes_total{link,direction}
//	tombolo_link_messages_total{link,direction,type}
//	tombolo_broker_clients                    tombolo_broker_refused_total
//	tombolo_broker_violations_total           tombolo_census_epochs{state}
//	tombolo_census_failing                    process_… (the process's own)
//
// The census counts epochs here, and no people. No label ever holds what a person brings: a passport, a key, a name. But how a
// door's figures move tells whoever reads them when somebody comes or goes, at a
// home's door who is in: have the collector on this machine, or fence it in.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/pin"
	"tombolo/edge/roster"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	// journalDelay is how long a record waits for company.
	journalDelay = 50 * time.Millisecond
	journalQueue = 1 << 14
	projectEvery = time.Second
	// RosterFile is the roster's database in the gateway's folder.
	RosterFile = "roster.db"
	// ApprovalFile is where a steward's approval is put.
	ApprovalFile = "gateway.approval"
)

// Config says what to run.
type Config struct {
	Wiring   *wiring.Wiring
	Log      *slog.Logger
	Software string // name and version
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Observe is told of every record in the order of their making, one call at
	// a time; doors wait for it, so it must not block. May be nil.
	Observe func(body ledger.Body, at time.Time)
	// Opening is told how far Open has come, from its goroutine and at least with
	// each 4096 entries that it takes in, so it must be quick. May be nil.
	Opening func(Opening)
	// Board is the simulated board; nil makes one if the wiring has simulated lines.
	Board *sim.Board
	// Spare is a folder in memory for the broker's store while the disk takes
	// nothing; "" for none.
	Spare string
}

// Gateway is open and not yet running.
type Gateway struct {
	Name       string
	Controller *edge.Controller

	cfg      Config
	folder   *folder.Folder
	roster   *roster.Roster
	journal  *store.Journal
	author   atomic.Pointer[store.Author] // the journal's
	authored chan struct{}                // closed once author is there
	net      *network
	figures  *figures
	board    *hardware
	forgot   error                                                           // what recall could not read
	self     ledger.KeyID                                                    // author of its door log
	watch    func(context.Context) (changed func() (bool, error), err error) // the store's
	ready    chan struct{}
	reading  *reading
	vouched  atomic.Pointer[card.Identity] // what phones are shown, or nil
	moved    chan struct{}                 // holds one when the roster's view is another
	osdp     *osdpKeys
	damaged  error // osdp's file
	census   atomic.Pointer[reporter]
	// censusError is how the last look at the census went; nil before the first.
	censusError atomic.Pointer[error]
	opening     func(Opening) // of the Config, while Open works
	close       func() error
	unlock      func() error // lets another daemon run on the folder

	running   context.Context // Run's; before it, one that has not ended
	metricsAt atomic.Value    // string: where the figures are served
	trialTime time.Duration

	censusTime time.Duration

	observing sync.Mutex // held over a call of Observe
}

// Open drives every relay safe, opens the folder, takes in a first approval if
// one lies there, projects the roster and prepares the journal. No relay moves.
func Open(cfg Config) (_ *Gateway, err error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := &Gateway{
		cfg: cfg, ready: make(chan struct{}), moved: make(chan struct{}, 1), opening: cfg.Opening,
		figures: newFigures(), authored: make(chan struct{}), running: context.Background(), trialTime: roster.TrialTime, censusTime: censusEvery,
	}
	g.close = sync.OnceValue(g.closeAll)
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	// Before a relay is touched: two daemons would each let the same code in.
	g.unlock, err = folder.Lock(cfg.Wiring.Data, folder.DaemonLock, false)
	if errors.Is(err, folder.ErrLocked) {
		return nil, fmt.Errorf("%w: a tombolod runs on %s already", err, cfg.Wiring.Data)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		_, safe := newHardware(cfg.Wiring, cfg.Board) // nobody else runs, as far as one can tell
		return nil, errors.Join(err, safe)
	}
	// Before all that may take long: a predecessor that was killed may have left a
	// door open.
	if g.board, err = newHardware(cfg.Wiring, cfg.Board); err != nil {
		return nil, err
	}
	g.tell(Opening{What: "relays are safe"})
	if g.folder, err = folder.Open(cfg.Wiring.Data, false); err != nil {
		return nil, err
	}
	g.folder.Now = cfg.Now
	g.watch = g.folder.Store().Watch
	if g.Name, _, err = enrolled(g.folder, g.tell); err != nil {
		return nil, err
	}
	if g.roster, err = openRoster(g.folder, g.tell, accepts(cfg.Wiring, g.Name)); err != nil {
		return nil, err
	}
	if _, err = g.roster.Project(g.clock()); err != nil {
		return nil, err
	}
	g.tell(Opening{What: "roster"})
	for _, p := range wiring.Check(cfg.Wiring, g.roster.View().Policy, g.Name) {
		if p.Severity == wiring.Stop {
			return nil, errors.New(p.What())
		}
	}
	// A disk that cannot be written keeps no door shut: the journal tries again.
	g.journal = store.NewJournal(store.JournalConfig{
		Open: g.openAuthor, Kind: ledger.DoorLog,
		Delay: journalDelay, Queue: journalQueue, Trouble: g.journalTrouble, Committed: func() { g.net.appended() },
	})
	if err = g.assemble(); err != nil {
		return nil, err
	}
	g.opening = nil
	return g, nil
}

func (g *Gateway) assemble() error {
	community, err := g.folder.CommunityID()
	if err != nil {
		return err
	}
	node, err := g.folder.NodeID()
	if err != nil {
		return err
	}
	keys, err := g.folder.GatewayKeys()
	if err != nil {
		return err
	}
	g.self = ledger.KeyIDOf(keys.Signing[:])
	if g.net, err = newNetwork(g); err != nil {
		return err
	}
	reached := g.reached(g.self)
	presence, err := g.recall(g.self)
	if err != nil {
		g.cfg.Log.Error("not all of the door log can be remembered", "err", err)
		g.forgot = err
	}
	sealing, err := g.folder.Sealing()
	if err != nil {
		return err
	}
	g.board.fault = func(part, what string, cleared bool) { g.fault(context.Background(), part, what, cleared) }
	if err := g.openBuses(); err != nil {
		return err
	}
	doors, err := g.board.openRelays()
	if err != nil {
		return err
	}
	g.Controller = edge.New(edge.Config{
		Community: passport.CommunityID(community), Node: passport.NodeID(node), Gateway: keys.Signing,
		Name: g.Name, Doors: doors, Roster: g.roster, Journal: recorder{g}, Clock: g.clock, Presence: presence, Reached: reached,
		Pins:     &pins{roster: g.roster, key: sealing, whose: pin.Context{Community: passport.CommunityID(community), Node: passport.NodeID(node), Gateway: keys.Signing}},
		Software: g.cfg.Software, Log: g.cfg.Log,
	})
	g.reading = &reading{
		board: g.board, to: g.Controller, log: g.cfg.Log, fault: g.fault,
		gateway: keys.Signing, node: passport.NodeID(node), identity: g.vouched.Load,
	}
	return nil
}

// openBuses prepares the OSDP buses, with the keys of their readers.
func (g *Gateway) openBuses() error {
	g.osdp = &osdpKeys{damaged: errNoKeys}
	if slices.ContainsFunc(readersOf(g.cfg.Wiring), func(r reader) bool { return r.cfg.Kind == wiring.OSDP && !r.cfg.Insecure }) {
		master, err := g.folder.EnsureOSDPKey()
		if err != nil {
			return err
		}
		g.osdp, err = readOSDPKeys(g.folder.Dir(), master)
		if errors.Is(err, ErrOSDPFile) { // the other readers work
			g.cfg.Log.Error("the OSDP readers' keys are not known", "err", err)
			g.damaged = err
		} else if err != nil {
			return err
		}
	}
	g.board.buses = newBuses(g.cfg.Wiring, g.osdp)
	return nil
}

// clock believes the local clock unless it shows a time that is over: before
// this software was made, or before an author last signed. A board without a
// battery wakes up in 1970.
func (g *Gateway) clock() access.Clock {
	now := g.cfg.Now()
	return access.Clock{Now: now, Trust: trust(now, g.roster.View().Believes(now))}
}

// Close closes what Open opened. Run does it by itself.
func (g *Gateway) Close() error { return g.close() }

func (g *Gateway) closeAll() error {
	var errs []error
	if g.board != nil {
		errs = append(errs, g.board.close())
	}
	if g.roster != nil {
		errs = append(errs, g.roster.Close())
	}
	if g.folder != nil {
		errs = append(errs, g.folder.Close())
	}
	if g.unlock != nil {
		errs = append(errs, g.unlock())
	}
	return errors.Join(errs...)
}
