package panel_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var (
	simSeed  = flag.Uint64("seed", 0, "run only the simulated world of this seed")
	simSteps = flag.Int("steps", 3000, "steps of each simulated world")
)

// TestSimulation lets gateways live in random worlds: policies, people, ledgers
// and events drawn by lot, in virtual time. After each step a model that knows
// nothing of the code derives again what has to hold; at the end of a world its
// log is replayed, under the policy of the time and with a line of it changed.
// A failure names its seed: -seed runs it again, -steps makes worlds longer.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if _, err := simulate(t, *simSeed, *simSteps); err != nil {
			t.Fatal(err)
		}
		return
	}
	const groups = 8
	var failed atomic.Bool
	var mu sync.Mutex
	total := simTally{reasons: map[access.Reason]int{}}
	t.Run("worlds", func(t *testing.T) {
		for g := range groups {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				t.Parallel()
				for seed := 1 + g; seed <= simWorlds && !failed.Load(); seed += groups {
					tally, err := simulate(t, uint64(seed), *simSteps)
					if err != nil {
						failed.Store(true)
						t.Fatal(err)
					}
					mu.Lock()
					total.add(tally)
					mu.Unlock()
				}
			})
		}
	})
	if failed.Load() {
		return
	}
	t.Logf("%d steps in %d worlds, %d decisions, %d others with a line changed; of pairs by one opening %d, refused %d",
		total.steps, simWorlds, total.decisions, total.others, total.together, total.apart)
	if simWorlds < 100 {
		return // too few for what is rare
	}
	if total.together == 0 || total.apart == 0 {
		t.Error("no world has a pair that waits for its records and goes in, or does not")
	}
	for r := access.Granted; r <= access.Again; r++ {
		if n := total.reasons[r]; n == 0 && r != access.CodesFull && r != access.Internal {
			t.Errorf("no world has a decision that is %v", r)
		}
	}
	if total.doubles == 0 || total.there == 0 {
		t.Errorf("codes that opened at both gateways %d, refused as they had opened at the other %d", total.doubles, total.there)
	}
	if total.forgotten == 0 {
		t.Error("nobody goes in again whom a zone remembers no more")
	}
	if total.others < simWorlds {
		t.Errorf("a changed line of the policy changes next to nothing: %d decisions", total.others)
	}
}

// simTally is what worlds have seen.
type simTally struct {
	steps, decisions, others int
	doubles, there           int // codes that opened at both gateways, and that were refused as they had opened at the other
	forgotten                int // entries of somebody who is inside for longer than the zone remembers
	together, apart          int // grants of pairs that waited for their records: opened, and refused after all
	reasons                  map[access.Reason]int
}

func (t *simTally) add(o simTally) {
	t.steps, t.decisions, t.others = t.steps+o.steps, t.decisions+o.decisions, t.others+o.others
	t.forgotten += o.forgotten
	t.doubles, t.there = t.doubles+o.doubles, t.there+o.there
	t.together, t.apart = t.together+o.together, t.apart+o.apart
	for r, n := range o.reasons {
		t.reasons[r] += n
	}
}

// simWorld is a gateway with all that is around it.
type simWorld struct {
	simDice
	t        testing.TB
	model    *simModel
	truth    *simTruth
	ledgers  *simLedgers
	names    []string
	hardware map[string]panel.Hardware
	panel    *panel.Panel
	text     simText
	change   simChange
	tally    simTally

	up      time.Duration
	began   int64 // Unix ms: the clock when up was 0, as it is set now
	trust   access.Trust
	basis   *access.Basis
	pending []simRecording
	firsts  int
	trail   []string
	shorts  int // steps that still come close upon each other
	codes   []panel.Presented
	last    struct { // who presented last
		door string
		key  passport.KeyID
	}
	wrongly int // PINs that are still to be typed wrongly
	other   *simNeighbour
	nonces  uint64
	taps    uint64
}

// simRecording is a RecordFirst that the journal has not answered.
type simRecording struct {
	seq   uint64
	entry panel.Logged
	due   time.Duration
}

// simulate lives one world; the error says what does not hold, and how to see it
// again.
func simulate(t testing.TB, seed uint64, steps int) (_ simTally, err error) {
	r := rand.New(rand.NewPCG(seed, 3))
	w := &simWorld{simDice: simDice{r}, t: t, other: newSimNeighbour(seed), model: newSimModel(), hardware: map[string]panel.Hardware{}}
	w.tally = simTally{reasons: map[access.Reason]int{}}
	w.model.tally = &w.tally
	step := 0
	defer func() {
		switch f := recover().(type) {
		case nil:
		case simFailure:
			err = fmt.Errorf("seed %d, step %d (go test ./edge/panel -run TestSimulation -seed %d -steps %d):\n%s\n%s",
				seed, step, seed, steps, f, strings.Join(w.trail, "\n"))
		default:
			t.Logf("seed %d, step %d\n%s", seed, step, strings.Join(w.trail, "\n"))
			panic(f)
		}
	}()
	w.begin()
	for ; step < steps; step++ {
		w.live()
		w.neighbour()
	}
	w.crash()
	w.replay()
	return w.tally, nil
}

func (w *simWorld) begin() {
	for _, name := range []string{"front", "back", "gate", "hall", "lift", "roof", "side", "well"}[:1+w.IntN(8)] {
		w.names = append(w.names, name)
		w.hardware[name] = panel.Hardware{FailSafe: w.in(2), Contact: !w.in(4)}
	}
	slices.Sort(w.names)
	day := []string{"2026-03-28T20:00:00Z", "2026-10-24T21:30:00Z", "2026-11-23T07:30:00Z", "2026-12-24T23:00:00Z", "2026-06-01T17:00:00Z"}[w.IntN(5)]
	at, _ := time.Parse(time.RFC3339, day)
	w.began = at.UnixMilli() + int64(w.IntN(3600_000))
	w.ledgers = newSimLedgers(w.Rand, at)
	w.ledgers.now.Siblings = map[ledger.KeyID]string{simNeighbourLog.Author: "gw2"}
	w.truth = newSimTruth(w.began)
	w.last.door, w.last.key = w.names[0], w.ledgers.keys[0]
	w.change = w.simDice.change(w.names)
	w.ledgers.changed = &w.change
	w.model.others = w.ledgers.others
	w.trust = access.TrustNTP
	if !w.in(10) {
		w.newPolicy()
	}
	w.ledgers.now.Fresh = at.Unix()
	w.basis = w.ledgers.publish()
	w.start()
}

func (w *simWorld) newPolicy() {
	w.text = simPolicy(w.Rand, w.text.version+1, w.names)
	p := w.text.parse(w.t)
	w.ledgers.now.Policy = p
	other, err := policy.Parse("policy.toml", []byte(w.text.with(w.change.table, w.change.key, w.change.value).String()))
	if err != nil { // not lawful with that line
		other = p
	}
	w.ledgers.others[p] = other
}

// start is a gateway's: with what the log says.
func (w *simWorld) start() {
	presence, reached := access.NewPresence(), int64(0)
	for _, e := range w.model.log {
		presence.Apply(e.Time, e.Body)
		reached = max(reached, e.Time)
	}
	if w.in(2) { // as it was kept
		text, err := presence.MarshalJSON()
		w.model.require(err == nil, "what is remembered cannot be kept: %v", err)
		presence = access.NewPresence()
		err = presence.UnmarshalJSON(text)
		w.model.require(err == nil, "what was remembered cannot be read: %v", err)
	}
	cfg := panel.Config{Node: simNode, Gateway: "gw1", Doors: w.hardware, Presence: presence, Software: "simulation"}
	if reached > 0 && reached < w.began+24*time.Hour.Milliseconds() {
		cfg.Reached = time.UnixMilli(reached)
	}
	w.up, w.pending, w.panel = 0, nil, panel.New(cfg)
	w.other.told = max(0, int64(len(w.ledgers.siblings[simNeighbourLog]))-int64(w.other.IntN(200)))
	w.model.panel = w.panel
	w.model.boot(w.names, w.hardware, cfg.Reached)
	w.step(panel.Started{Basis: w.basis})
	for _, name := range w.names {
		if w.hardware[name].Contact {
			w.step(panel.Moved{Door: name, Input: panel.Contact, Line: door.LineOf(w.in(4)), Start: true})
		}
		w.step(panel.Moved{Door: name, Input: panel.Rex, Line: door.LineOf(w.in(20)), Start: true})
	}
	w.step(panel.Moved{Input: panel.Fire, Line: door.LineNormal, Start: true})
}

// crash ends a run, and takes with it what the journal has not yet committed.
func (w *simWorld) crash() {
	m := w.model
	keep := len(m.log)
	for keep > 0 && m.ups[keep-1] > w.up-50*time.Millisecond && keep > w.firsts && m.ups[keep-1] > 0 {
		keep--
	}
	if n := len(m.log) - keep; n > 0 {
		keep += w.IntN(n + 1)
	}
	w.truth.crash(w, m.log[keep:])
	for i := keep; i < len(m.log); i++ {
		delete(m.foretold, m.log[i].Index)
	}
	m.log, m.ups = m.log[:keep], m.ups[:keep]
	w.firsts = keep
}

func (w *simWorld) moment() panel.Moment {
	now := time.UnixMilli(w.began + w.up.Milliseconds())
	return panel.Moment{Up: w.up, Clock: access.Clock{Now: now, Trust: w.trust}, Age: w.panel.Basis().Age(now)}
}

// step feeds panel and model.
func (w *simWorld) step(e panel.Event) {
	w.tally.steps++
	m := w.moment()
	w.note("%v %s %T%+v", m.Up, m.Clock.Now.UTC().Format("Mon 2006-01-02 15:04:05.000"), e, brief(e))
	w.model.before(m, e)
	actions := w.panel.Step(m, e)
	for _, a := range actions {
		if a.Body != nil {
			w.note("        %s %+v", a.Body.Kind(), a.Body)
		} else {
			w.note("        %+v", a)
		}
	}
	w.model.after(actions)
	w.truth.step(w, actions)
	for _, a := range actions {
		if a.Do == panel.RecordFirst {
			entry := w.model.log[len(w.model.log)-1]
			for i := range w.model.log {
				if w.model.log[i].Body == a.Body {
					entry = w.model.log[i]
				}
			}
			delay := time.Duration(w.IntN(200)) * time.Millisecond
			if w.in(8) {
				delay = time.Duration(w.IntN(5000)) * time.Millisecond
			}
			w.pending = append(w.pending, simRecording{a.Seq, entry, w.up + delay})
		}
	}
}

func (w *simWorld) note(format string, args ...any) {
	if *simSeed == 0 {
		return
	}
	if len(w.trail) > 400 {
		w.trail = w.trail[200:]
	}
	w.trail = append(w.trail, fmt.Sprintf(format, args...))
}

// brief is an event without what fills the page.
func brief(e panel.Event) any {
	if p, ok := e.(panel.Presented); ok {
		return fmt.Sprintf("{%s exit %v %s by %d %+v refused %v}", p.Door, p.Exit, p.Mode, p.Holder.Delegation.Passport, p.Holder.Class, p.Refused)
	}
	if c, ok := e.(panel.Changed); ok {
		return fmt.Sprintf("{%d, of %d who wait}", c.Basis.Generation, len(c.Holders))
	}
	return e
}
