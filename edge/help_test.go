package edge_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

var (
	community = passport.CommunityID{1}
	node      = passport.NodeID{2}
	self      = [32]byte{3}
)

const policyHead = `version = 4
node = "casa"
[zones.street]
outside = true
[zones.house]
[levels.all]
doors = ["*"]
[classes.resident]
levels = ["all"]
`

// policyDoor is a door of the policy with one more line.
func policyDoor(name, more string) string {
	return fmt.Sprintf("[doors.%s]\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"house\"\nstale = \"allow\"\nstrike = \"5s\"\nheld_open = \"30s\"\nmechanical_exit = true\n%s\n", name, more)
}

func parsePolicy(t testing.TB, doors ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(policyHead+strings.Join(doors, "")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// people is a Roster that holds each call to its contract.
type people struct {
	mu      sync.Mutex
	view    *roster.View
	holders map[passport.KeyID]access.Holder
	err     error
	after   func() // runs after a lookup, as a projection that comes in between
}

func (p *people) View() *roster.View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view
}

// change is a projection.
func (p *people) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	v := *p.view
	v.Generation++
	p.view = &v
}

func (p *people) ByKey(id passport.KeyID) (access.Holder, error) {
	return p.find(func(h access.Holder) bool { return h.KeyID == id })
}

func (p *people) ByWindow(n passport.ID, short [8]byte) (access.Holder, error) {
	return p.find(func(h access.Holder) bool { return h.Delegation.Passport == n && h.KeyID.Short() == short })
}

func (p *people) find(is func(access.Holder) bool) (access.Holder, error) {
	p.mu.Lock()
	var found access.Holder
	for _, h := range p.holders {
		if is(h) {
			found = h
		}
	}
	err, after := p.err, p.after
	p.after = nil
	p.mu.Unlock()
	if after != nil {
		after()
	}
	if err != nil {
		return access.Holder{}, err
	}
	return found, nil
}

// journal is a Journal that refuses what a door log would refuse.
type journal struct {
	t       *testing.T
	mu      sync.Mutex
	records []record
	err     error         // of RecordFirst
	gate    chan struct{} // RecordFirst waits for it, if it is not nil
}

type record struct {
	at   time.Time
	body ledger.Body
}

func (j *journal) add(b ledger.Body) error {
	if _, err := ledger.MarshalBody(b); err != nil || !b.Kind().In(ledger.DoorLog) {
		j.t.Errorf("no door log takes this %v: %v", b.Kind(), err)
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, record{time.Now(), b})
	return nil
}

func (j *journal) Record(b ledger.Body, _ time.Time) error { return j.add(b) }

func (j *journal) RecordFirst(ctx context.Context, b ledger.Body, _ time.Time) error {
	j.mu.Lock()
	gate, err := j.gate, j.err
	j.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	return j.add(b)
}

// take returns what was recorded since, and forgets it.
func (j *journal) take() (out []record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	out, j.records = j.records, nil
	return out
}

// rig is a controller in a bubble with a simulated board, and a resident.
type rig struct {
	t       *testing.T
	board   *sim.Board
	relays  map[string]*sim.Relay
	journal *journal
	people  *people
	*edge.Controller
	ctx  context.Context
	stop func() // locks everything and waits
	log  *bytes.Buffer

	mu     sync.Mutex
	offset time.Duration // of the wall clock
	known  bool

	phone *passport.SoftKey
	card  *passport.SoftKey
	nonce uint64
}

const failSafe = "back" // of the doors' locks the only one

// bubble runs a test with doors front and back and, unless doors is empty, a
// policy of these. It begins a minute after the start, so that codes open.
func bubble(t *testing.T, doors []string, f func(*rig), change ...func(*edge.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, known: true, relays: map[string]*sim.Relay{}, journal: &journal{t: t}, log: &bytes.Buffer{}}
		r.phone, r.card = softKey(t, passport.KindPhone, 1), softKey(t, passport.KindHalo, 2)
		r.people = &people{view: &roster.View{Generation: 1}, holders: map[passport.KeyID]access.Holder{}}
		if len(doors) > 0 {
			r.people.view.Policy = parsePolicy(t, doors...)
		}
		r.admit(r.phone, passport.ModeTap|passport.ModeWindow)
		r.admit(r.card, passport.ModeTap)
		r.board = sim.New(sim.Config{Relays: []string{"front", "back"}})
		cfg := edge.Config{
			Community: community, Node: node, Gateway: self, Name: "gw1", Doors: map[string]edge.Door{},
			Roster: r.people, Journal: r.journal, Clock: r.clock, Software: "test", Log: slog.New(slog.NewTextHandler(r.log, nil)),
		}
		for _, name := range []string{"front", "back"} {
			relay, err := r.board.OpenRelay(name)
			if err != nil {
				t.Fatal(err)
			}
			r.relays[name] = relay
			cfg.Doors[name] = edge.Door{Relay: relay, FailSafe: name == failSafe, Contact: true}
		}
		for _, c := range change {
			c(&cfg)
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

func (r *rig) clock() roster.Clock {
	r.mu.Lock()
	defer r.mu.Unlock()
	return roster.Clock{Now: time.Now().Add(r.offset), Known: r.known}
}

func (r *rig) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// admit puts a key of passport 7 into the roster.
func (r *rig) admit(k *passport.SoftKey, mode passport.Mode) {
	id := k.Key().ID()
	r.people.holders[id] = access.Holder{
		Known: true, KeyID: id, ByOwner: true, Admitted: true, Class: "resident", NotAfter: 1 << 40,
		Delegation: passport.Delegation{Passport: 7, Key: k.Key(), NotAfter: 1 << 40, Mode: mode},
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
	return r.decision()
}

// decision is the only one in the journal, which keeps what it holds.
func (r *rig) decision() *ledger.Decision {
	r.t.Helper()
	all := decisions(r.journal.peek())
	if len(all) != 1 {
		r.t.Fatalf("%d decisions: %s", len(all), words(r.journal.peek()))
	}
	return all[0]
}

func (j *journal) peek() []record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.records)
}

func decisions(records []record) (out []*ledger.Decision) {
	for _, r := range records {
		if d, ok := r.body.(*ledger.Decision); ok {
			out = append(out, d)
		}
	}
	return out
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

// words says records in few words, one line.
func words(records []record) string {
	var out []string
	for _, r := range records {
		switch b := r.body.(type) {
		case *ledger.Decision:
			word := "denied"
			if b.Granted {
				word = "granted"
			}
			out = append(out, fmt.Sprintf("%s %d %s", word, b.Seq, b.Reason))
		case *ledger.Passage:
			word := "lapsed"
			if b.Entered {
				word = "entered"
			}
			out = append(out, fmt.Sprintf("%s %d", word, b.Seq))
		case *ledger.DoorState:
			out = append(out, b.State)
		case *ledger.Input:
			out = append(out, fmt.Sprintf("%s %v", b.Input, b.Active))
		case *ledger.Fault:
			word := "fault "
			if b.Cleared {
				word = "cleared "
			}
			out = append(out, word+b.Part)
		default:
			out = append(out, b.Kind().String())
		}
	}
	return strings.Join(out, ", ")
}

func (r *rig) recorded(what, want string) {
	r.t.Helper()
	synctest.Wait()
	if got := words(r.journal.take()); got != want {
		r.t.Errorf("%s: recorded\n     %s\nwant %s", what, got, want)
	}
}
