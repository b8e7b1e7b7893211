package panel_test

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// story is a panel in its world: ledgers, people, wires, and time that goes on
// only when a command says so.
type story struct {
	t    *testing.T
	line int // of the paragraph that is being told

	now     time.Time // by the log's clock
	up      time.Duration
	trust   access.Trust
	panel   *panel.Panel // nil while the gateway is off
	texts   int          // policies so far
	taps    int          // so far
	basis   *access.Basis
	holders map[passport.ID]access.Holder
	passes  map[ledger.PassID]string
	codes   map[passport.ID]passport.Window // each one's last

	hardware  map[string]panel.Hardware
	operators map[string]bool // doors that have one
	driven    map[string]bool // outputs, as they were driven last
	lines     map[wire]door.Line
	disk      string         // ok, slow or fails
	kept      bool           // what the disk says has failed is there all the same
	last      bool           // it fails for the last record alone
	first     []panel.Action // RecordFirst that the disk has not answered
	log       []panel.Logged // what is in the door log
	history   []moment       // one for each Basis in the log

	neighbours map[string]*neighbour // the node's other gateways

	gone         bool // the policy has been taken away
	quiet, zoned bool
	shownAt      string
	date         string // of the last line
	out          []string
}

// wire is an input; Door is "" for the gateway's own.
type wire struct {
	door  string
	input panel.Input
}

// moment is what the ledgers said when a Basis was recorded.
type moment struct {
	basis   *access.Basis
	holders map[passport.ID]access.Holder
}

const (
	gateway  = "gw1"
	software = "tombolo test"
)

var (
	casa       = passport.NodeID{2}
	community  = passport.CommunityID{1}
	gatewayKey = [32]byte{3}
)

func newStory(t *testing.T) *story {
	return &story{
		t: t, trust: access.TrustNTP, disk: "ok", basis: &access.Basis{Generation: 1},
		holders: map[passport.ID]access.Holder{}, passes: map[ledger.PassID]string{}, codes: map[passport.ID]passport.Window{},
		hardware: map[string]panel.Hardware{}, operators: map[string]bool{}, driven: map[string]bool{}, lines: map[wire]door.Line{}, neighbours: map[string]*neighbour{},
	}
}

// tell does the commands of a paragraph and returns what came of them.
func (s *story) tell(input string) string {
	s.out, s.shownAt = nil, ""
	for rest := input; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		do := commands[words[0]]
		if do == nil {
			s.t.Fatalf("line %d: there is no command %q", s.line, words[0])
		}
		a := &args{story: s, line: line, words: words[1:]}
		if words[0] == "policy" && line != "policy none" {
			a.text, rest, _ = strings.Cut(rest, "\n\n")
		}
		do(s, a)
		if len(a.words) > 0 {
			s.t.Fatalf("line %d: %q: what is %q?", s.line, line, a.words)
		}
	}
	if len(s.out) == 0 {
		return "nothing happens"
	}
	return strings.Join(s.out, "\n")
}

func (s *story) moment() panel.Moment {
	return panel.Moment{Up: s.up, Clock: access.Clock{Now: s.now, Trust: s.trust}, Age: s.basis.Age(s.now)}
}

// step feeds the panel, does what it says, and answers what has to be durable.
func (s *story) step(e panel.Event) {
	if s.panel == nil {
		s.t.Fatalf("line %d: the gateway is off", s.line)
	}
	driving := true
	for _, a := range slices.Clone(s.panel.Step(s.moment(), e)) {
		switch {
		case a.Do == panel.Drive && !driving:
			s.t.Errorf("line %d: %s comes after what waits", s.line, s.actionWords(a))
		case a.Do == panel.Drive:
			key := a.Door + " " + a.Output.String()
			if was, ok := s.driven[key]; ok && was == a.Energised {
				if _, starts := e.(panel.Started); !starts {
					s.t.Errorf("line %d: %s, as it was", s.line, s.actionWords(a))
				}
			}
			s.driven[key] = a.Energised
		default:
			driving = false
		}
		if a.Output != panel.Operator || s.operators[a.Door] {
			s.note("%s", s.actionWords(a))
		}
		switch a.Do {
		case panel.Record:
			s.append(a.Body)
		case panel.RecordFirst:
			s.first = append(s.first, a)
			s.append(a.Body) // its place in the log, if it becomes durable
		}
	}
	s.answer()
}

// append takes an entry into the door log, which refuses what is none.
func (s *story) append(b ledger.Body) {
	if _, err := ledger.MarshalBody(b); err != nil || !b.Kind().In(ledger.DoorLog) {
		s.t.Errorf("line %d: no door log takes %s: %v", s.line, s.bodyWords(b), err)
	}
	s.log = append(s.log, panel.Logged{Index: int64(len(s.log)), Time: s.now.UnixMilli(), Body: b})
	if _, ok := b.(*ledger.Basis); ok {
		s.history = append(s.history, moment{s.basis, s.holders})
	}
}

// answer is the disk's, as it is.
func (s *story) answer() {
	if s.disk == "slow" {
		return
	}
	waiting := s.first
	s.first = nil
	for i, a := range waiting {
		ok := s.disk == "ok" || s.last && i < len(waiting)-1
		if !ok && !s.kept {
			s.lose(a.Body)
		}
		s.step(panel.Recorded{Seq: a.Seq, OK: ok})
	}
}

// lose takes back an entry that did not become durable.
func (s *story) lose(b ledger.Body) {
	s.log = slices.DeleteFunc(s.log, func(e panel.Logged) bool { return e.Body == b })
}

// wait lets time pass as the gateway's owner does: a Ticked at every Wake and at
// every full second.
func (s *story) wait(d time.Duration) {
	for end := s.up + d; s.up < end; {
		if s.panel == nil {
			s.pass(end - s.up)
			return
		}
		next := min(end, s.up+s.now.Truncate(time.Second).Add(time.Second).Sub(s.now))
		wake, owed := s.panel.Wake()
		if owed {
			next = min(next, max(wake, s.up))
		}
		s.pass(next - s.up)
		s.step(panel.Ticked{})
		if again, ok := s.panel.Wake(); ok && again <= s.up {
			s.t.Fatalf("line %d: woken at %v the panel wants to be woken at %v", s.line, s.up, again)
		}
	}
}

func (s *story) pass(d time.Duration) {
	s.up += d
	s.now = s.now.Add(d)
}

// change lets the ledgers grow.
func (s *story) change(f func(*access.Basis)) {
	b := *s.basis
	b.Homes, b.Lockdowns, b.Bars = maps.Clone(b.Homes), maps.Clone(b.Lockdowns), maps.Clone(b.Bars)
	b.Passes, b.Forgiven = maps.Clone(b.Passes), maps.Clone(b.Forgiven)
	s.holders = maps.Clone(s.holders)
	b.Generation++
	f(&b) // which makes maps of siblings and lists anew
	s.basis = &b
	if s.panel != nil {
		s.changed()
	}
}

// changed tells the panel what the ledgers say, and of those who wait.
func (s *story) changed() {
	p, holders := past{then: moment{holders: s.holders}}, map[passport.KeyID]access.Holder{}
	for _, id := range s.panel.Waiting() {
		holders[id], _ = p.ByKey(id) // it returns no error
	}
	s.step(panel.Changed{Basis: s.basis, Holders: holders})
}

// hold changes what the roster says of somebody.
func (s *story) hold(who passport.ID, f func(*access.Holder)) {
	s.change(func(*access.Basis) {
		h := s.holder(who)
		f(&h)
		s.holders[who] = h
	})
}

func (s *story) holder(who passport.ID) access.Holder {
	h, ok := s.holders[who]
	if !ok {
		s.t.Fatalf("line %d: who is p%d? Say it with: people p%d=resident", s.line, who, who)
	}
	return h
}

// keyOf is a passport's door key.
func keyOf(who passport.ID) *passport.SoftKey {
	if k, ok := keys.Load(who); ok {
		return k.(*passport.SoftKey)
	}
	k, err := passport.GenerateSoftKey(passport.KindPhone, bytes.NewReader(slices.Repeat([]byte{byte(who)}, 32)))
	if err != nil {
		panic(err)
	}
	keys.Store(who, k)
	return k
}

var keys sync.Map // passport.ID → *passport.SoftKey

// newHolder has one key, good for taps and codes, signed by a wallet of its own.
func newHolder(who passport.ID, class string) access.Holder {
	return access.Holder{
		Known: true, KeyID: keyOf(who).Key().ID(), ByOwner: true, Wallet: [20]byte{byte(who)},
		Admitted: true, Class: class, NotAfter: access.Forever,
		Delegation: passport.Delegation{Key: keyOf(who).Key(), Passport: who, NotAfter: 1 << 40, Mode: passport.ModeTap | passport.ModeWindow},
	}
}

// start makes a panel of what the door log tells, as a gateway does, and tells it
// the levels of its lines.
func (s *story) start() {
	presence, reached := access.NewPresence(), time.Time{}
	for _, e := range s.log {
		presence.Apply(e.Time, e.Body)
		if at := time.UnixMilli(e.Time); at.After(reached) {
			reached = at
		}
	}
	if s.basis.Policy != nil {
		for name, d := range s.basis.Policy.Doors {
			if _, ok := s.hardware[name]; !ok && d.Gateway == gateway {
				s.hardware[name] = panel.Hardware{Contact: true}
			}
		}
	}
	s.up = 0
	s.first = nil
	s.panel = panel.New(s.config(presence, reached))
	s.step(panel.Started{Basis: s.basis})
	for _, name := range slices.Sorted(maps.Keys(s.hardware)) {
		if s.hardware[name].Contact {
			s.found(wire{name, panel.Contact})
		}
		s.found(wire{name, panel.Rex})
	}
	s.found(wire{"", panel.Fire})
	for _, name := range slices.Sorted(maps.Keys(s.neighbours)) {
		n := s.neighbours[name]
		n.told = 0 // and once more
		s.hear(n)
	}
	if len(s.neighbours) > 0 {
		s.reach()
	}
}

func (s *story) found(w wire) {
	s.step(panel.Moved{Door: w.door, Input: w.input, Line: s.lines[w], Start: true})
}

func (s *story) config(p *access.Presence, reached time.Time) panel.Config {
	return panel.Config{Node: casa, Gateway: gateway, Doors: s.hardware, Presence: p, Reached: reached, Software: software}
}

// silently does something whose outcome goes without saying.
func (s *story) silently(f func()) {
	was := s.quiet
	s.quiet = true
	f()
	s.quiet = was
}

// replay makes the story's decisions again from its door log.
func (s *story) replay() {
	w := &past{story: s}
	log := func(yield func(panel.Logged, error) bool) {
		for _, e := range s.log {
			if !yield(e, nil) {
				return
			}
		}
	}
	cfg := panel.ReplayConfig{Config: s.config(nil, time.Time{}), Community: community, Key: gatewayKey}
	lost, blind := false, false
	for _, n := range s.neighbours {
		lost = lost || n.lost
	}
	defer func() {
		if blind != lost {
			s.t.Errorf("replay: a log is not at hand: %v, and it says so: %v", lost, blind)
		}
	}()
	for o, err := range panel.Replay(cfg, w, iter.Seq2[panel.Logged, error](log)) {
		switch {
		case err != nil:
			s.t.Errorf("replay: %v", err)
		case o.Decision == nil && s.gone: // it goes back, as no ledger does
		case o.Again.Reason == access.None && strings.Contains(o.Note, panel.ErrNotHeld.Error()):
			blind = true // and it says why
		case o.Decision == nil:
			s.t.Errorf("replay: entry %d: %s", o.Index, o.Note)
		case !o.Same:
			s.t.Errorf("replay: %s; again it is %v (%s)", s.decisionWords(o.Decision), o.Again.Reason, o.Note)
		}
	}
}

// past is the story's world as it was; it implements panel.World.
type past struct {
	*story
	next int
	then moment
}

func (p *past) Basis(*ledger.Basis, access.Clock) (*access.Basis, error) {
	p.then = p.history[p.next]
	p.next++
	return p.then.basis, nil
}

func (p *past) ByKey(id passport.KeyID) (access.Holder, error) {
	for _, h := range p.then.holders {
		if h.KeyID == id {
			return h, nil
		}
	}
	return access.Holder{}, nil
}
