package roster_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var t0 = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func seeded(seed string) *rand.ChaCha8 {
	var s [32]byte
	copy(s[:], seed)
	return rand.NewChaCha8(s)
}

func key(seed string) ed25519.PrivateKey {
	var b [32]byte
	seeded(seed).Read(b[:])
	return ed25519.NewKeyFromSeed(b[:])
}

func public(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

var domain = passport.Domain{ChainID: 1, Registry: [20]byte{0xaa}}

// world is a community and a node with their charters, ledgers and people, and
// the source that a roster reads: what of all that has arrived.
type world struct {
	t          testing.TB
	now        time.Time // of the authors and of the gateway
	charterKey ed25519.PrivateKey
	community  ledger.Charters
	node       ledger.Charters
	logs       []*log
	unreadable error // of Ledgers
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: t0, charterKey: key("charter")}
	w.community = w.sign(ledger.Charters{}, ledger.Charter{
		Format: 1, Kind: ledger.CommunityCharter, Version: 1, Slug: "isle",
		ChainID: domain.ChainID, Registry: domain.Registry,
		Authors: authors(ledger.Author{Role: ledger.Issuer, Key: public(key("issuer"))}),
	})
	w.node = w.sign(ledger.Charters{}, ledger.Charter{
		Format: 1, Kind: ledger.NodeCharter, Version: 1, Slug: "casa", Community: w.community.ID(),
		Authors: authors(ledger.Author{Role: ledger.Steward, Key: public(key("steward"))}),
	})
	return w
}

// authors sorts them as a charter wants them.
func authors(all ...ledger.Author) []ledger.Author {
	slices.SortFunc(all, func(a, b ledger.Author) int { return slices.Compare(a.Key[:], b.Key[:]) })
	return all
}

func (w *world) sign(chain ledger.Charters, c ledger.Charter) ledger.Charters {
	w.t.Helper()
	c.Keys, c.Threshold = [][32]byte{public(w.charterKey)}, 1
	b, err := c.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	chain, err = ledger.CheckCharter(chain, ledger.SignCharter(b, w.charterKey))
	if err != nil {
		w.t.Fatal(err)
	}
	return chain
}

// recharter signs the community's next charter.
func (w *world) recharter(change func(*ledger.Charter)) {
	w.t.Helper()
	next := w.community.Next()
	change(&next)
	authors(next.Authors...)
	w.community = w.sign(w.community, next)
}

func charterAuthor(c *ledger.Charter, k ed25519.PrivateKey) *ledger.Author {
	for i := range c.Authors {
		if c.Authors[i].Key == public(k) {
			return &c.Authors[i]
		}
	}
	panic("no such author")
}

// log is one ledger, all of it, and how much of it has arrived.
type log struct {
	w          *world
	key        ed25519.PrivateKey
	origin     ledger.Origin
	generation uint64
	charter    ledger.CharterID
	entries    []ledger.Entry
	salts      *rand.ChaCha8

	arrived int64
	head    ledger.Head
	seen    int64
	forked  bool // the proof that its author signed two histories arrived
}

// begin makes a ledger; kind says whose. after is the incarnation before, or nil.
func (w *world) begin(kind ledger.LogKind, k ed25519.PrivateKey, after *log) *log {
	l := &log{w: w, key: k, salts: seeded(fmt.Sprint("salts", len(w.logs))), charter: w.community.ID()}
	if kind == ledger.NodeLog {
		l.charter = w.node.ID()
	}
	pub := public(k)
	l.origin = ledger.Origin{Community: w.community.ID(), Kind: kind, Author: ledger.KeyIDOf(pub[:])}
	l.salts.Read(l.origin.Incarnation[:])
	b := &ledger.Begin{Charter: l.charter}
	if after != nil {
		l.generation = after.generation + 1
		b.Generation = l.generation
		b.Predecessor = &ledger.Predecessor{Incarnation: after.origin.Incarnation, Size: after.size(), Root: after.root(after.size())}
	}
	w.logs = append(w.logs, l)
	l.write(b)
	return l
}

func (w *world) issuer() *log  { return w.begin(ledger.CommunityLog, key("issuer"), nil) }
func (w *world) steward() *log { return w.begin(ledger.NodeLog, key("steward"), nil) }

func (l *log) size() int64 { return int64(len(l.entries)) }

func (l *log) tree(size int64) (t ledger.Tree) {
	for _, e := range l.entries[:size] {
		t.Append(e.Leaf, nil)
	}
	return t
}

func (l *log) root(size int64) [32]byte {
	t := l.tree(size)
	return t.Root()
}

// write appends entries at the world's time; nothing arrives by it.
func (l *log) write(bodies ...ledger.Body) {
	l.w.t.Helper()
	for _, b := range bodies {
		data, err := ledger.MarshalBody(b)
		if err != nil {
			l.w.t.Fatal(err)
		}
		l.raw(b.Kind(), b.Kind().Critical(), data)
	}
}

func (l *log) raw(kind ledger.Kind, critical bool, body []byte) {
	var salt ledger.Salt
	l.salts.Read(salt[:])
	l.entries = append(l.entries, ledger.Seal(l.size(), kind, critical, salt, l.w.now.UnixMilli(), body))
}

// arrive brings the ledger up to a size, under a head that is signed and seen now.
func (l *log) arrive(size int64) {
	l.w.t.Helper()
	l.arriveSigned(size, l.w.now, l.w.now)
}

func (l *log) arriveSigned(size int64, signed, seen time.Time, cosigners ...ledger.Cosigner) {
	l.w.t.Helper()
	note, err := ledger.Sign(ledger.Checkpoint{Origin: l.origin, Size: size, Root: l.root(size)}, l.key, uint64(signed.Unix()))
	if err != nil {
		l.w.t.Fatal(err)
	}
	pub := public(l.key)
	if l.head, err = ledger.OpenHead(note, pub[:], cosigners...); err != nil {
		l.w.t.Fatal(err)
	}
	l.arrived, l.seen = size, seen.Unix()
}

// beat puts a heartbeat's signature under the head that arrived.
func (l *log) beat(k ed25519.PrivateKey, at time.Time) {
	l.w.t.Helper()
	note, err := ledger.Cosign(l.head.Note, ledger.RoleHeartbeat, k, uint64(at.Unix()))
	if err != nil {
		l.w.t.Fatal(err)
	}
	l.head.Note, l.seen = note, at.Unix()
}

// arriveAll brings everything that was written.
func (w *world) arriveAll() {
	w.t.Helper()
	for _, l := range w.logs {
		l.arrive(l.size())
	}
}

// Charters and Ledgers make world the roster's source.
func (w *world) Charters(id ledger.CharterID) (ledger.Charters, error) {
	switch id {
	case w.community.ID():
		return w.community, nil
	case w.node.ID():
		return w.node, nil
	}
	return ledger.Charters{}, errors.New("no such charter")
}

func (w *world) Ledgers() (all []roster.Ledger, err error) {
	for _, l := range w.logs {
		if l.arrived == 0 {
			continue
		}
		held := l.entries[:l.arrived:l.arrived]
		all = append(all, roster.Ledger{
			Head: l.head, Seen: l.seen, Generation: l.generation, Charter: l.charter, Forked: l.forked,
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] {
				return func(yield func(ledger.Entry, error) bool) {
					for _, e := range held[lo:min(hi, int64(len(held)))] {
						if !yield(e, nil) {
							return
						}
					}
				}
			},
			Root: func(size int64) (tlog.Hash, error) { return l.root(size), nil },
		})
	}
	return all, w.unreadable
}

// open opens a roster of the world in a file of its own.
func (w *world) open() *roster.Roster { return w.openOver(w) }

func (w *world) openOver(src roster.Source) *roster.Roster {
	w.t.Helper()
	return w.openFile(filepath.Join(w.t.TempDir(), "roster.db"), src)
}

func (w *world) openAt(path string) *roster.Roster {
	w.t.Helper()
	return w.openFile(path, w)
}

func (w *world) openFile(path string, src roster.Source) *roster.Roster {
	w.t.Helper()
	r, err := roster.Open(roster.Config{Path: path, Source: src, Community: w.community.ID(), Node: w.node.ID(), Gateway: public(key("gateway"))})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return r
}

func (w *world) project(r *roster.Roster) *roster.View {
	w.t.Helper()
	return w.projectAt(r, known(w.now))
}

func (w *world) projectAt(r *roster.Roster, c access.Clock) *roster.View {
	w.t.Helper()
	v, err := r.Project(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// holder finds a key as a tap and as a code would, and holds that both agree.
func holder(t testing.TB, r *roster.Roster, k *passport.SoftKey) access.Holder {
	t.Helper()
	h, err := r.ByKey(k.Key().ID())
	if err != nil {
		t.Fatal(err)
	}
	if h.Known {
		short, err := r.ByWindow(h.Delegation.Passport, k.Key().ID().Short())
		if err != nil || short != h {
			t.Errorf("by window %+v, %v\nby key %+v", short, err, h)
		}
	}
	return h
}

const policyText = `version = %d
node = %q
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
home = true
mechanical_exit = true
[doors.back]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[levels.house]
doors = ["front"]
[classes.resident]
levels = ["house"]
# %s
`

func policyEntry(version int, note string) *ledger.Policy {
	return &ledger.Policy{Version: uint64(version), File: fmt.Appendf(nil, policyText, version, "casa", note)}
}

func known(now time.Time) access.Clock { return access.Clock{Now: now, Trust: access.TrustNTP} }
