package roster_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/sync/ledger"
)

// gatewayRun is a process that lives by the roster's policy.
type gatewayRun struct {
	*roster.Roster
	t       *testing.T
	w       *world
	path    string
	refuses map[uint64]string // policies that its wires cannot do with
	asked   []uint64
}

func (w *world) live(path string, refuses map[uint64]string) *gatewayRun {
	w.t.Helper()
	g := &gatewayRun{t: w.t.(*testing.T), w: w, path: path, refuses: refuses}
	g.start()
	return g
}

func (g *gatewayRun) start() {
	g.t.Helper()
	var err error
	g.Roster, err = roster.Open(roster.Config{
		Path: g.path, Source: g.w, Community: g.w.community.ID(), Node: g.w.node.ID(), Gateway: public(key("gateway")), Accept: g.accept,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = g.Close() }) // more than once, by those that died
}

func (g *gatewayRun) accept(p *policy.Policy) error {
	g.asked = append(g.asked, p.Version)
	if why := g.refuses[p.Version]; why != "" {
		return errors.New(why)
	}
	return nil
}

// dies ends the process without a word, and starts the next.
func (g *gatewayRun) dies() {
	g.t.Helper()
	if err := g.Close(); err != nil {
		g.t.Fatal(err)
	}
	g.start()
}

// lives holds which policy is in force, whether it is on trial, and what is told of
// those that were tried.
func (g *gatewayRun) lives(what string, version uint64, trial bool, tried ...access.Tried) {
	g.t.Helper()
	for range 2 {
		v := g.w.project(g.Roster)
		switch {
		case v.Policy == nil || v.Policy.Version != version:
			g.t.Errorf("%s: policy %+v, want version %d: %v", what, v.Policy, version, v.Problems)
		case (v.Trial != nil) != trial || trial && (v.Trial.Version != version || v.Trial.Hash != v.Policy.Hash()):
			g.t.Errorf("%s: on trial: %+v", what, v.Trial)
		}
		if len(v.Tried) != len(tried) {
			g.t.Errorf("%s: tried %+v, want %+v", what, v.Tried, tried)
			return
		}
		for i, want := range tried {
			if got := v.Tried[i]; got.Version != want.Version || got.OK != want.OK || !strings.Contains(got.Why, want.Why) || got.Hash == [32]byte{} {
				g.t.Errorf("%s: tried %+v, want %+v", what, got, want)
			}
		}
	}
}

func trialWorld(t *testing.T) (*world, *log, string) {
	w := newWorld(t)
	w.issuer()
	return w, w.steward(), filepath.Join(t.TempDir(), "roster.db")
}

func (l *log) publish(bodies ...ledger.Body) {
	l.w.t.Helper()
	l.write(bodies...)
	l.w.arriveAll()
}

// TestTrial: a new policy is on trial until it is confirmed; what was before stays
// at hand until then.
func TestTrial(t *testing.T) {
	t.Parallel()
	w, steward, path := trialWorld(t)
	g := w.live(path, nil)
	steward.publish(policyEntry(1, ""))
	g.lives("the first is not tried", 1, false)
	g.dies()
	g.dies()
	g.dies()
	g.lives("whatever happens", 1, false)
	steward.publish(policyEntry(2, ""))
	g.lives("a new one", 2, true)
	if err := g.Confirm(g.View().Trial.Hash); err != nil {
		t.Fatal(err)
	}
	kept := access.Tried{Version: 2, OK: true}
	g.lives("confirmed", 2, false, kept)
	g.dies()
	g.dies()
	g.lives("confirmed is confirmed", 2, false, kept)
	w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	g.lives("and when all is made again", 2, false, kept)
	if len(g.asked) != 1 || g.asked[0] != 2 {
		t.Errorf("asked of %v", g.asked)
	}
}

// TestTrialDeaths: two processes that end within a trial end it, and the policy
// before is in force again, for good.
func TestTrialDeaths(t *testing.T) {
	t.Parallel()
	w, steward, path := trialWorld(t)
	g := w.live(path, nil)
	steward.publish(policyEntry(1, ""))
	g.lives("the first", 1, false)
	steward.publish(policyEntry(3, ""))
	g.lives("a new one", 3, true)
	for range 3 { // a service that is stopped and started proves nothing
		if err := g.Leave(); err != nil {
			t.Fatal(err)
		}
		g.dies()
		g.lives("it was asked to end", 3, true)
	}
	g.dies()
	g.lives("once is an accident", 3, true)
	g.dies()
	refused := access.Tried{Version: 3, Why: "2 times the gateway stopped within 2m0s"}
	g.lives("twice is not", 1, false, refused)
	hasProblem(t, g.View(), "version 3 is refused: 2 times the gateway stopped")
	g.dies()
	w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	g.lives("and it stays so", 1, false, refused)
	if err := g.Confirm(g.View().Policy.Hash()); err != nil {
		t.Fatal(err)
	}
	g.lives("nothing is on trial", 1, false, refused)
	steward.publish(policyEntry(2, ""))
	g.lives("below it another is tried", 2, true, refused)
	steward.publish(policyEntry(4, ""))
	g.lives("above it, too", 4, true, refused)
	g.dies()
	g.lives("once", 4, true, refused)
	g.dies()
	g.lives("of the deaths only those of its own count", 2, true, refused, access.Tried{Version: 4, Why: "2 times"})
	if err := g.Confirm(g.View().Trial.Hash); err != nil {
		t.Fatal(err)
	}
	g.lives("confirmed below", 2, false, access.Tried{Version: 2, OK: true}, refused, access.Tried{Version: 4, Why: "2 times"})
	steward.publish(policyEntry(5, ""))
	g.lives("the next", 5, true, access.Tried{Version: 2, OK: true}, refused, access.Tried{Version: 4, Why: "2 times"})
	if err := g.Confirm(g.View().Trial.Hash); err != nil {
		t.Fatal(err)
	}
	g.lives("what is below a kept one is forgotten", 5, false, access.Tried{Version: 5, OK: true})
}

// TestTrialMarked: the mark stands before the policy is looked at, so that one whose
// reading is the end counts as one that ends the process.
func TestTrialMarked(t *testing.T) {
	t.Parallel()
	w, steward, path := trialWorld(t)
	g := w.live(path, nil)
	steward.publish(policyEntry(1, ""))
	g.lives("the first", 1, false)
	steward.publish(policyEntry(2, ""))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := roster.Open(roster.Config{
			Path: path, Source: w, Community: w.community.ID(), Node: w.node.ID(), Gateway: public(key("gateway")),
			Accept: func(*policy.Policy) error { panic("the policy's doing") },
		})
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it lives")
				}
				_ = r.Close()
			}()
			_, _ = r.Project(known(w.now))
		}()
	}
	g.start()
	g.lives("after two of them", 1, false, access.Tried{Version: 2, Why: "2 times"})
}

// TestTrialRefused: what the gateway cannot live with is told and never in force.
func TestTrialRefused(t *testing.T) {
	t.Parallel()
	w, steward, path := trialWorld(t)
	g := w.live(path, map[uint64]string{2: "door cellar has no wire"})
	steward.publish(policyEntry(1, ""))
	g.lives("the first", 1, false)
	steward.publish(policyEntry(2, ""))
	refused := access.Tried{Version: 2, Why: "door cellar has no wire"}
	g.lives("refused", 1, false, refused)
	hasProblem(t, g.View(), "version 2 cannot be used: door cellar has no wire")
	steward.publish(policyEntry(3, ""), &ledger.Policy{Version: 4, File: []byte("nothing")})
	g.lives("the next, below one that nobody can read", 3, true)
	steward.publish(&ledger.Bar{Passport: 7, Ends: w.now.Unix() + 1})
	g.lives("something else happens", 3, true)
	if len(g.asked) != 2 {
		t.Errorf("asked of %v: once each", g.asked)
	}
	g.refuses = nil // the door was wired
	if err := g.Leave(); err != nil {
		t.Fatal(err)
	}
	g.dies()
	g.lives("it wins again as soon as it can be lived with, if nothing is above it", 3, true)

	// Whoever only looks tries nothing, and sees what the gateway lives by.
	r, err := roster.Open(roster.Config{Path: path, Source: w, Community: w.community.ID(), Node: w.node.ID()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v := w.project(r); v.Policy == nil || v.Policy.Version != 3 || v.Trial != nil {
		t.Errorf("whoever looks sees policy %+v, on trial %+v", v.Policy, v.Trial)
	}
	g.dies()
	g.lives("once", 3, true)
	g.dies()
	g.lives("twice: another process has not made it forget the policy before", 2, true, access.Tried{Version: 3, Why: "2 times"})
}
