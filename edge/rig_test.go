package edge_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/roster"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

// rig is a controller in a bubble with a simulated board, and a resident.
type rig struct {
	t       *testing.T
	board   *sim.Board
	relays  map[string]*sim.Relay
	journal *journal
	people  *people
	readers map[string]*reader // front/in, front/out, back/in
	*edge.Controller
	ctx  context.Context
	stop func() // locks everything and waits
	log  *bytes.Buffer

	mu     sync.Mutex
	offset time.Duration // of the wall clock
	trust  access.Trust

	inputs []string // doors whose inputs are found at rest

	phone *passport.SoftKey
	card  *passport.SoftKey
	nonce uint64
}

const failSafe = "back" // of the doors' locks the only one

// showed is what a reader was shown since it was last asked.
func (r *rig) showed(name string) string {
	synctest.Wait()
	d := r.readers[name]
	d.mu.Lock()
	defer d.mu.Unlock()
	out := strings.Join(d.shown, ", ")
	d.shown = nil
	return out
}

func (r *rig) expectShown(what, name, want string) {
	r.t.Helper()
	if got := r.showed(name); got != want {
		r.t.Errorf("%s: the reader %s showed %q, want %q", what, name, got, want)
	}
}

// bubble runs a test with doors front and back and, unless doors is empty, a
// policy of these. It begins a minute after the start, so that codes open.
func bubble(t *testing.T, doors []string, f func(*rig), change ...func(*rig, *edge.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, trust: access.TrustNTP, inputs: []string{"front", "back"}, relays: map[string]*sim.Relay{}, journal: &journal{t: t}, log: &bytes.Buffer{},
			readers: map[string]*reader{"front/in": {}, "front/out": {}, "back/in": {}}}
		r.phone, r.card = softKey(t, passport.KindPhone, 1), softKey(t, passport.KindHalo, 2)
		r.people = &people{view: &roster.View{Basis: access.Basis{Generation: 1}}, holders: map[passport.KeyID]access.Holder{}}
		if len(doors) > 0 {
			r.people.view.Policy = parsePolicy(t, doors...)
		}
		r.admit(r.phone, 7, passport.ModeTap|passport.ModeWindow)
		r.admit(r.card, 7, passport.ModeTap)
		r.board = sim.New(sim.Config{Relays: []string{"front", "back", "operator", "sounder"}})
		cfg := edge.Config{
			Community: community, Node: node, Gateway: self, Name: "gw1", Doors: map[string]edge.Door{},
			Roster: r.people, Journal: r.journal, Clock: r.clock, Software: "test", Log: slog.New(slog.NewTextHandler(r.log, nil)),
		}
		for _, name := range []string{"front", "back", "operator", "sounder"} {
			relay, err := r.board.OpenRelay(name)
			if err != nil {
				t.Fatal(err)
			}
			r.relays[name] = relay
		}
		cfg.Doors["front"] = edge.Door{Relay: r.relays["front"], Contact: true, In: r.readers["front/in"], Out: r.readers["front/out"]}
		cfg.Doors["back"] = edge.Door{Relay: r.relays["back"], FailSafe: true, Contact: true, In: r.readers["back/in"]}
		for _, c := range change {
			c(r, &cfg)
		}
		r.Controller = edge.New(cfg)
		var cancel context.CancelFunc
		r.ctx, cancel = context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(r.ctx) }()
		r.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		r.found(r.inputs...)
		time.Sleep(time.Minute)
		synctest.Wait()
		f(r)
		r.stop()
		for name, relay := range r.relays {
			if r.board.Energised(name) != (name == failSafe) {
				t.Errorf("the %s door is not locked in the end", name)
			}
			if err := errors.Join(relay.Set(false), relay.Close()); err != nil {
				t.Error(err)
			}
		}
		r.board.Check(t)
	})
}

func softKey(t testing.TB, kind passport.KeyKind, seed byte) *passport.SoftKey {
	t.Helper()
	k, err := passport.GenerateSoftKey(kind, rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// automatic wires an operator and a sounder to the front door.
func automatic(r *rig, cfg *edge.Config) {
	d := cfg.Doors["front"]
	d.Operator, d.Sounder = r.relays["operator"], r.relays["sounder"]
	cfg.Doors["front"] = d
}

func (r *rig) clock() access.Clock {
	r.mu.Lock()
	defer r.mu.Unlock()
	return access.Clock{Now: time.Now().Add(r.offset), Trust: r.trust}
}

func (r *rig) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// admit puts a key of a passport into the roster.
func (r *rig) admit(k *passport.SoftKey, who passport.ID, mode passport.Mode) {
	id := k.Key().ID()
	r.people.holders[id] = access.Holder{
		Known: true, KeyID: id, ByOwner: true, Admitted: true, Class: "resident", NotAfter: 1 << 40,
		Delegation: passport.Delegation{Passport: who, Key: k.Key(), NotAfter: 1 << 40, Mode: mode},
	}
}

func (r *rig) statement(target passport.Target) passport.WindowStatement {
	r.nonce++
	s := passport.WindowStatement{Community: community, Passport: 7, Target: target, Start: uint32(r.clock().Now.Unix()), Length: 20}
	binary.BigEndian.PutUint64(s.Nonce[:], r.nonce)
	return s
}

func (r *rig) frame(w passport.Window) []byte { return []byte(qr.Encode(w)) }

// code is a fresh code of the phone for the node.
func (r *rig) code() []byte {
	r.t.Helper()
	w, err := passport.SignWindow(r.phone, r.statement(passport.NodeTarget(node)))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.frame(w)
}

// show presents a frame and waits until all that follows at once has happened.
func (r *rig) show(door string, exit bool, frame []byte) *ledger.Decision {
	r.t.Helper()
	r.journal.take()
	if err := r.Code(r.ctx, door, exit, frame); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
	return r.decision()
}

// tap presents a key to a challenge that was made for a door.
func (r *rig) tap(door, asked string, k *passport.SoftKey) *ledger.Decision {
	r.t.Helper()
	r.journal.take()
	r.present(door, asked, k)
	return r.decision()
}

// present is tap where no decision has to follow.
func (r *rig) present(door, asked string, k *passport.SoftKey) {
	r.t.Helper()
	r.nonce++
	var nonce [32]byte
	binary.BigEndian.PutUint64(nonce[:], r.nonce)
	c := r.Challenge(asked, nonce)
	sig, err := k.Sign(c.Sum())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Tap(r.ctx, door, false, c, k.Key(), sig); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// found tells what drivers find when they open the inputs of doors at rest.
func (r *rig) found(doors ...string) {
	r.t.Helper()
	for _, door := range doors {
		for _, i := range []panel.Input{panel.Contact, panel.Rex} {
			if err := r.Input(r.ctx, door, i, line(false), true); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// input sets an input and waits until it counts.
func (r *rig) input(name string, i panel.Input, line door.Line) {
	r.t.Helper()
	if err := r.Input(r.ctx, name, i, line, false); err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(settled)
	synctest.Wait()
}

// settled is when an input counts, with the millisecond that a timer may be late.
const settled = door.SettleTime + late

// late is how late a lock may be: moments are whole milliseconds.
const late = time.Millisecond

// decision is the only one in the journal, which keeps what it holds.
func (r *rig) decision() *ledger.Decision {
	r.t.Helper()
	all := decisions(r.journal.peek())
	if len(all) != 1 {
		r.t.Fatalf("%d decisions: %s", len(all), words(r.journal.peek()))
	}
	return all[0]
}

// expect holds a decision against what it should be.
func (r *rig) expect(what string, d *ledger.Decision, granted bool, want access.Reason) {
	r.t.Helper()
	if d.Granted != granted || d.Reason != want.String() {
		r.t.Errorf("%s: granted %v, %s; want %v, %v", what, d.Granted, d.Reason, granted, want)
	}
}

// unlocked tells a lock's state from its relay.
func (r *rig) unlocked(door string) bool { return r.board.Energised(door) != (door == failSafe) }

func (r *rig) recorded(what, want string) {
	r.t.Helper()
	synctest.Wait()
	if got := words(r.journal.take()); got != want {
		r.t.Errorf("%s: recorded\n     %s\nwant %s", what, got, want)
	}
}
