package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/edge/roster/rostertest"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

var (
	community = passport.CommunityID{1}
	node      = passport.NodeID{2}
	self      = [32]byte{3}
)

// keysOf are how many of the roster's passports have a key that can sign; they
// are spread over all of it. The others have points that nobody knows.
const keysOf = 512

// keyOf is the key of the i-th of those, of either kind.
func keyOf(kind passport.KeyKind, i int) *passport.SoftKey {
	k, err := passport.GenerateSoftKey(kind, mrand.NewChaCha8([32]byte{byte(kind), byte(i), byte(i >> 8), 1}))
	if err != nil {
		panic(err)
	}
	return k
}

// kinds are one of each curve.
var kinds = [...]passport.KeyKind{passport.KindPhone, passport.KindHalo}

// fill makes a roster; the passports with keys are numbers 1, 1+step, ….
func fill(path string, people int) error {
	step := people / (keysOf * len(kinds))
	if step == 0 {
		return fmt.Errorf("at least %d people", keysOf*len(kinds))
	}
	points := mrand.NewChaCha8([32]byte{9})
	return rostertest.Fill(path, people, func(i int) access.Holder {
		d := passport.Delegation{Passport: passport.ID(i + 1), NotAfter: 1 << 40, Mode: passport.ModeTap | passport.ModeWindow}
		if n := i / step; i%step == 0 && n < keysOf*len(kinds) {
			kind := kinds[n%len(kinds)]
			d.Key = keyOf(kind, n/len(kinds)).Key()
			if kind.Card() {
				d.Mode = passport.ModeTap
			}
		} else {
			d.Key.Kind = passport.KindPhone
			points.Read(d.Key.Point[:])
			d.Key.Point[0] = 2
		}
		h := access.Holder{Delegation: d, Class: "resident", NotAfter: 1 << 40}
		h.Wallet[0], h.Wallet[1] = 1, byte(i)
		return h
	})
}

// number is the passport of a key that fill made.
func number(people int, kind, i int) passport.ID {
	return passport.ID((i*len(kinds)+kind)*(people/(keysOf*len(kinds))) + 1)
}

// doors of the gateway that is measured.
const doors = 10

func doorName(i int) string { return fmt.Sprintf("door-%d", i) }

func doorPolicy() (*policy.Policy, error) {
	var b strings.Builder
	b.WriteString("version = 1\nnode = \"casa\"\n[zones.street]\noutside = true\n[zones.house]\n[levels.all]\ndoors = [\"*\"]\n[classes.resident]\nlevels = [\"all\"]\n")
	for i := range doors {
		fmt.Fprintf(&b, "[doors.%s]\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"house\"\nstrike = \"1s\"\nmechanical_exit = true\n", doorName(i))
	}
	return policy.Parse("policy.toml", []byte(b.String()))
}

// people is a roster whose view says what this benchmark needs.
type people struct {
	*roster.Roster
	view *roster.View
}

func (p people) View() *roster.View { return p.view }

// gateway is a controller over a real roster and a real journal.
type gateway struct {
	*edge.Controller
	relays  [doors]*relay
	readers [doors]*reader
	lead    int64 // by which phones' clocks are ahead of the gateway's, seconds
	close   func() error
}

func newGateway(dir, path string) (*gateway, error) {
	src, err := newSource()
	if err != nil {
		return nil, err
	}
	r, err := roster.Open(roster.Config{Path: path, Source: src, Community: src.community.ID(), Node: src.node.ID(), Gateway: self})
	if err != nil {
		return nil, err
	}
	// Until it has projected once a roster does not know that it is still.
	if _, err := r.Project(access.Clock{Now: time.Now(), Trust: access.TrustNTP}); err != nil {
		return nil, err
	}
	p, err := doorPolicy()
	if err != nil {
		return nil, err
	}
	s, err := store.Open(filepath.Join(dir, "store.db"))
	if err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	a, err := s.OpenAuthor(store.AuthorConfig{
		Key: key, Community: ledger.CharterID{1}, Kind: ledger.DoorLog, Charter: ledger.CharterID{2},
		Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"}, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	j := store.NewJournal(store.JournalConfig{Author: a, Delay: 50 * time.Millisecond, Queue: 1 << 14, Trouble: func(error) {}})
	view := &roster.View{Basis: access.Basis{Generation: 1, Policy: p, Fresh: time.Now().Unix()}}
	g := &gateway{}
	cfg := edge.Config{
		Community: community, Node: node, Gateway: self, Name: "gw1", Doors: map[string]edge.Door{},
		Roster: people{r, view}, Journal: entries{j}, Software: "bench", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Clock: func() access.Clock { return access.Clock{Now: time.Now(), Trust: access.TrustNTP} },
	}
	for i := range doors {
		g.relays[i] = &relay{moved: make(chan moment, 8)}
		g.readers[i] = &reader{policy.DefaultFeedback()[policy.SignalGranted], make(chan bool, 1)}
		cfg.Doors[doorName(i)] = edge.Door{Relay: g.relays[i], Contact: true, In: g.readers[i]}
	}
	g.Controller = edge.New(cfg)
	stop := runBoth(g.Run, j.Run)
	g.close = func() error { return firstOf(stop(), s.Close(), r.Close()) }
	return g, nil
}

// relay tells when it was energised, and what had been allocated by then.
type relay struct {
	moved  chan moment
	counts atomic.Bool
}

type moment struct {
	at      time.Time
	mallocs uint64
}

func (r *relay) Set(energised bool) error {
	if !energised {
		return nil
	}
	m := moment{at: time.Now()}
	if r.counts.Load() {
		m.mallocs = mallocs()
	}
	select {
	case r.moved <- m:
	default:
	}
	return nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// reader tells whether somebody was let in, once it has shown that.
type reader struct {
	granted  policy.Pattern
	answered chan bool
}

func (r *reader) Show(p policy.Pattern, loop bool) {
	if loop {
		return
	}
	select {
	case r.answered <- slices.Equal(p, r.granted):
	default:
	}
}

type entries struct{ *store.Journal }

func (e entries) Record(b ledger.Body, at time.Time) error {
	return e.Journal.Record(store.Draft{Body: b, Time: at})
}
