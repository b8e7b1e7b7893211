package access_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var nodeID = passport.NodeID{9}

// shared is the site with its doors on three gateways; this one is gw1.
var hangs = map[string]string{"gate": "gw1", "front": "gw2", "side": "gw3", "vault": "gw1", "shed": "gw2"}

func doorLog(name string) ledger.Origin {
	return ledger.Origin{Kind: ledger.DoorLog, Author: ledger.KeyID{name[len(name)-1]}}
}

func shared(t testing.TB) *access.Basis {
	t.Helper()
	text := sitePolicy
	for door, gateway := range hangs {
		text = strings.Replace(text, "[doors."+door+"]\ngateway = \"gw1\"", "[doors."+door+"]\ngateway = \""+gateway+"\"", 1)
	}
	text = strings.ReplaceAll(text, `"hard"`, `"soft"`) // which nobody claims here
	p, err := policy.Parse("policy.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &access.Basis{Policy: p, Siblings: map[ledger.KeyID]string{doorLog("gw2").Author: "gw2", doorLog("gw3").Author: "gw3"}}
}

// crowdOf listens to both siblings.
func crowdOf(t interface{ Fatal(...any) }) access.Crowd {
	c := access.Crowd{Own: access.NewPresence(), Siblings: access.NewSiblings(nodeID)}
	for _, name := range []string{"gw2", "gw3"} {
		if !c.Siblings.Begin(doorLog(name)) {
			t.Fatal("there is no room for " + name)
		}
	}
	return c
}

// answers is all that can be asked of who is where.
func answers(b *access.Basis, now int64, who interface {
	Inside(*access.Basis, *policy.Zone, string, passport.ID, int64) bool
	Entered(*access.Basis, *policy.Zone, string, passport.ID, int64) int64
	Count(*access.Basis, *policy.Zone, int64, ...passport.ID) int
	Full(*access.Basis, *policy.Zone, int64, ...passport.ID) bool
}) string {
	var out strings.Builder
	for _, zone := range []string{"site", "house", "vault", "shed"} {
		z := b.Policy.Zones[zone]
		fmt.Fprintf(&out, "%s: %d, but 1: %d, full for 2: %v;", zone, who.Count(b, z, now), who.Count(b, z, now, 1), who.Full(b, z, now, 2))
		for p := passport.ID(1); p <= crowd; p++ {
			for _, by := range []string{"elsewhere", "gate", "vault"} {
				fmt.Fprintf(&out, " %d by %s %v %d;", p, by, who.Inside(b, z, by, p, now), who.Entered(b, z, by, p, now))
			}
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// TestCrowdAlone: without siblings it is what the own log says.
func TestCrowdAlone(t *testing.T) {
	t.Parallel()
	basis := shared(t)
	rapid.Check(t, func(t *rapid.T) {
		c, seq, at := access.Crowd{Own: access.NewPresence(), Siblings: access.NewSiblings(nodeID)}, uint64(0), now.UnixMilli()
		for range rapid.IntRange(0, 40).Draw(t, "entries") {
			at += rapid.Int64Range(0, 40*minute).Draw(t, "later")
			c.Own.Apply(at, drawBody(t, &seq))
			if got, want := answers(basis, at, c), answers(basis, at, c.Own); got != want {
				t.Fatalf("with nobody's word beside\n%s\nby the own log\n%s", got, want)
			}
		}
	})
}

// written is what three gateways with true clocks write within some minutes.
type written struct {
	gateway string
	at      int64
	body    ledger.Body
	merged  ledger.Body // as one gateway with all doors would have written it
}

func drawStory(t *rapid.T) (all []written) {
	seqs, at := map[string]uint64{}, now.UnixMilli()
	for range rapid.IntRange(0, 50).Draw(t, "entries") {
		at += rapid.Int64Range(1, 5*second).Draw(t, "later")
		door := rapid.SampledFrom(siteDoors).Draw(t, "door")
		gateway := hangs[door]
		exit := rapid.Bool().Draw(t, "exit")
		unique := func(seq uint64) uint64 { return seq*10 + uint64(gateway[2]-'0') }
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			forgiven := &ledger.Forgiven{Passport: uint64(rapid.IntRange(0, crowd).Draw(t, "who")), Before: at}
			all = append(all, written{"gw1", at, forgiven, forgiven})
		case 1, 2, 3, 4:
			back := rapid.Uint64Range(0, 2).Draw(t, "back")
			if back >= seqs[gateway] {
				continue
			}
			p := ledger.Passage{Seq: seqs[gateway] - back, Door: door, Exit: exit, Entered: rapid.Bool().Draw(t, "entered")}
			one := p
			one.Seq = unique(p.Seq)
			all = append(all, written{gateway, at, &p, &one})
		default:
			seqs[gateway]++
			d := ledger.Decision{Seq: seqs[gateway], Door: door, Exit: exit, Mode: "tap", Granted: rapid.Bool().Draw(t, "granted"), Reason: "granted",
				Passport: uint64(rapid.IntRange(0, crowd).Draw(t, "who"))}
			one := d
			one.Seq = unique(d.Seq)
			all = append(all, written{gateway, at, &d, &one})
		}
	}
	return all
}

// TestCrowdAsOne: with true clocks three gateways know together what one would that
// had all the doors, in whatever order their logs arrive.
func TestCrowdAsOne(t *testing.T) {
	t.Parallel()
	basis := shared(t)
	rapid.Check(t, func(t *rapid.T) {
		c, one := crowdOf(t), access.NewPresence()
		all := drawStory(t)
		logs := map[string][]written{}
		end := now.UnixMilli()
		for _, e := range all {
			one.Apply(e.at, e.merged)
			logs[e.gateway] = append(logs[e.gateway], e)
			end = e.at
		}
		end += rapid.Int64Range(0, 5*minute).Draw(t, "after")
		for len(logs) > 0 {
			name := rapid.SampledFrom(sorted(logs)).Draw(t, "arrives")
			e := logs[name][0]
			if logs[name] = logs[name][1:]; len(logs[name]) == 0 {
				delete(logs, name)
			}
			if name == "gw1" {
				c.Own.Apply(e.at, e.body)
			} else {
				c.Siblings.Apply(doorLog(name), end, e.at, e.body)
			}
		}
		if got, want := answers(basis, end, c), answers(basis, end, one); got != want {
			t.Fatalf("together\n%s\nas one\n%s\n%+v", got, want, all)
		}
	})
}

func sorted(m map[string][]written) (names []string) {
	for _, name := range []string{"gw1", "gw2", "gw3"} {
		if _, ok := m[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

// TestSiblingsNotBelieved: what a gateway says of others' doors, before it is
// enrolled or after it was removed, of a time that was forgiven, or of a grant that
// came to nothing long ago.
func TestSiblingsNotBelieved(t *testing.T) {
	t.Parallel()
	basis := shared(t)
	z, at := basis.Policy.Zones["house"], now.UnixMilli()
	for _, c := range []struct {
		name   string
		change func(c access.Crowd, b *access.Basis)
		door   string
		after  int64
		passes bool
		want   bool
	}{
		{"its own door", func(access.Crowd, *access.Basis) {}, "front", 0, true, true},
		{"let in", func(access.Crowd, *access.Basis) {}, "front", 10*minute - 1, false, true},
		{"let in for ten minutes", func(access.Crowd, *access.Basis) {}, "front", 10 * minute, false, false},
		{"forgiven by time", func(access.Crowd, *access.Basis) {}, "front", 60 * minute, true, false},
		{"another's door", func(access.Crowd, *access.Basis) {}, "side", 0, true, false},
		{"a door of this gateway", func(access.Crowd, *access.Basis) {}, "vault", 0, true, false},
		{"no door", func(access.Crowd, *access.Basis) {}, "cellar", 0, true, false},
		{"removed", func(_ access.Crowd, b *access.Basis) { delete(b.Siblings, doorLog("gw2").Author) }, "front", 0, true, false},
		{"under another name", func(_ access.Crowd, b *access.Basis) { b.Siblings[doorLog("gw2").Author] = "gw3" }, "front", 0, true, false},
		{"forgiven", func(c access.Crowd, _ *access.Basis) { c.Own.Apply(at, &ledger.Forgiven{Passport: 7, Before: at}) }, "front", 0, true, false},
		{"all forgiven", func(c access.Crowd, _ *access.Basis) { c.Own.Apply(at, &ledger.Forgiven{Before: at}) }, "front", 0, true, false},
		{"forgiven up to before", func(c access.Crowd, _ *access.Basis) { c.Own.Apply(at, &ledger.Forgiven{Before: at - 1}) }, "front", 0, true, true},
		{"another forgiven", func(c access.Crowd, _ *access.Basis) { c.Own.Apply(at, &ledger.Forgiven{Passport: 8, Before: at}) }, "front", 0, true, true},
	} {
		b := *basis
		b.Siblings = map[ledger.KeyID]string{doorLog("gw2").Author: "gw2"}
		crowd := crowdOf(t)
		c.change(crowd, &b)
		crowd.Siblings.Apply(doorLog("gw2"), at, at, &ledger.Decision{Seq: 1, Door: c.door, Mode: "tap", Granted: true, Reason: "granted", Passport: 7})
		if c.passes {
			crowd.Siblings.Apply(doorLog("gw2"), at, at, &ledger.Passage{Seq: 1, Door: c.door, Entered: true})
		}
		count := 0
		if c.want {
			count = 1
		}
		later := at + c.after
		if got := crowd.Inside(&b, z, "elsewhere", 7, later); got != c.want || crowd.Count(&b, z, later) != count {
			t.Errorf("%s: inside %v, %d counted", c.name, got, crowd.Count(&b, z, later))
		}
	}
}

// TestSiblingsBounded: whatever a log tells, what is remembered of it is bounded; of
// too many passports half go at once, so that not each entry costs a search.
func TestSiblingsBounded(t *testing.T) {
	t.Parallel()
	s, gw2 := access.NewSiblings(nodeID), doorLog("gw2")
	if !s.Begin(gw2) || s.Apply(doorLog("gw3"), 0, 1, &ledger.Decision{}) != nil {
		t.Fatal("what was not begun is taken")
	}
	for i := range uint64(3 * access.MaxTraces) {
		s.Apply(gw2, 0, int64(i), &ledger.Decision{Seq: i, Door: "front", Mode: "tap", Granted: true, Reason: "granted", Passport: 1 + i})
		s.Apply(gw2, 0, int64(i), &ledger.Passage{Seq: i, Door: "front", Entered: true})
	}
	for i := range uint64(2 * access.MaxComers) {
		s.Apply(gw2, 0, 1, &ledger.Decision{Seq: i, Door: "front", Mode: "tap", Granted: true, Reason: "granted", Passport: 1 + i})
	}
	for i := range 2 * access.MaxTheirCodes {
		s.Apply(gw2, 0, 1, usedCode(t, uint64(i), 100))
	}
	for i := range 2 * access.MaxOurCodes {
		s.Open(window(uint64(i), 100), access.Used{Seq: uint64(i)})
	}
	traces, comers, codes, ours := s.Sizes()
	if traces > access.MaxTraces || traces < access.MaxTraces/2 || comers != access.MaxComers || codes != access.MaxTheirCodes || ours != access.MaxOurCodes {
		t.Errorf("%d traces, %d let in, %d codes there, %d here", traces, comers, codes, ours)
	}
	if s.Ours(window(0, 100)) || !s.Ours(window(2*access.MaxOurCodes-1, 100)) {
		t.Error("it is not the oldest that is forgotten")
	}
	for i := range access.MaxSiblings - 1 {
		if o := gw2; !s.Begin(ledger.Origin{Kind: o.Kind, Author: ledger.KeyID{0, byte(i)}}) {
			t.Errorf("no room for log %d", i)
		}
	}
	if s.Begin(doorLog("gw3")) || !s.Begin(gw2) {
		t.Error("there is room for one more, or none for one that is known")
	}
	c := access.Crowd{Own: access.NewPresence(), Siblings: s}
	if n := c.Count(shared(t), shared(t).Policy.Zones["house"], int64(3*access.MaxTraces)); n > access.MaxTraces+access.MaxComers {
		t.Errorf("%d are counted", n)
	}
}

func window(n uint64, start uint32) passport.Window {
	node := passport.NodeTarget(nodeID)
	w := passport.Window{Passport: 7, Start: start, Length: 20, Target: node.Short()}
	for i := range 8 {
		w.Nonce[i] = byte(n >> (8 * i))
	}
	w.Sig[0], w.Sig[32] = 1, 1
	return w
}

// usedCode is a decision by which a code opened a door.
func usedCode(t testing.TB, n uint64, start uint32) *ledger.Decision {
	t.Helper()
	raw, err := window(n, start).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return &ledger.Decision{Seq: n, Door: "front", Mode: "window+pin", Granted: true, Reason: "granted", Passport: 7, Presentation: raw}
}

// TestCodesThere: a code for the node that opened a sibling's door is used, while it
// lasts; one that opened a door here as well is told of.
func TestCodesThere(t *testing.T) {
	t.Parallel()
	b, gw2 := shared(t), doorLog("gw2")
	s := crowdOf(t).Siblings
	const start = 1_800_000_000
	at := int64(start) * 1000
	used := func(what string, n uint64, want bool) {
		t.Helper()
		if got := s.UsedThere(b, window(n, start)); got != want {
			t.Errorf("%s: used %v", what, got)
		}
	}
	tell := func(now int64, change func(*ledger.Decision)) *access.Double {
		d := usedCode(t, 1, start)
		change(d)
		return s.Apply(gw2, now, at, d)
	}
	for what, change := range map[string]func(*ledger.Decision){
		"refused":             func(d *ledger.Decision) { d.Granted = false },
		"by tap":              func(d *ledger.Decision) { d.Mode = "tap" },
		"nobody's":            func(d *ledger.Decision) { d.Passport = 0 },
		"another's":           func(d *ledger.Decision) { d.Passport = 8 },
		"cut off":             func(d *ledger.Decision) { d.Presentation = d.Presentation[1:] },
		"nothing":             func(d *ledger.Decision) { d.Presentation = nil },
		"for another place":   func(d *ledger.Decision) { d.Presentation = elsewhere(t) },
		"of a kind to come":   func(d *ledger.Decision) { d.Mode = "windows" },
		"with something more": func(d *ledger.Decision) { d.Presentation = append(d.Presentation, 0) },
	} {
		tell(at, change)
		used(what, 1, false)
	}
	tell(at+40_000, func(*ledger.Decision) {})
	used("when it was over already", 1, false)
	s.Open(window(1, start), access.Used{Seq: 5, Door: "gate"})
	if d := tell(at, func(*ledger.Decision) {}); d == nil || d.Here != (access.Used{Seq: 5, Door: "gate"}) || d.There != (access.Used{Seq: 1, Door: "front"}) || d.Passport != 7 || d.ThereSince != gw2 {
		t.Errorf("told %+v", d)
	}
	used("there", 1, true)
	used("another", 2, false)
	delete(b.Siblings, gw2.Author)
	used("by a gateway that was removed", 1, false)
	door := window(3, start)
	door.Target = [8]byte{1}
	if s.Open(door, access.Used{}); s.Ours(door) {
		t.Error("a code for one door opens no sibling's")
	}
}

func elsewhere(t testing.TB) []byte {
	w := window(1, 1_800_000_000)
	w.Target = [8]byte{1}
	raw, err := w.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestSiblingsClock: nothing happened later than it was heard; without a clock of its
// own a gateway orders by what its siblings say.
func TestSiblingsClock(t *testing.T) {
	t.Parallel()
	b, at := shared(t), now.UnixMilli()
	house := b.Policy.Zones["house"]
	passes := func(c access.Crowd, log string, now, at int64, door string, exit bool) {
		c.Siblings.Apply(doorLog(log), now, at, &ledger.Decision{Seq: 1, Door: door, Exit: exit, Mode: "tap", Granted: true, Reason: "granted", Passport: 7})
		c.Siblings.Apply(doorLog(log), now, at, &ledger.Passage{Seq: 1, Door: door, Exit: exit, Entered: true})
	}
	c := crowdOf(t)
	passes(c, "gw2", at, at+400*minute, "front", false)
	if got := c.Inside(b, house, "elsewhere", 7, at+60*minute-1); !got {
		t.Error("who has just come in is inside")
	}
	if c.Inside(b, house, "elsewhere", 7, at+60*minute) {
		t.Error("a clock that is ahead keeps somebody in")
	}
	passes(c, "gw3", at+minute, at+minute, "side", true) // out of the house, into the shed
	if c.Inside(b, house, "elsewhere", 7, at+minute) {
		t.Error("whoever has left after it was heard is still inside")
	}
	c = crowdOf(t)
	passes(c, "gw2", 0, at, "front", false)
	passes(c, "gw3", 0, at+1, "side", true)
	if c.Inside(b, house, "elsewhere", 7, 1000) { // 1970
		t.Error("without a clock the later is not the later")
	}
}

// TestOrdersAnswered: of each ledger orders are answered in their order, and what
// cannot be remembered counts as answered.
func TestOrdersAnswered(t *testing.T) {
	t.Parallel()
	s := tell(t)
	order := func(n int, index int64) access.Order {
		return access.Order{Origin: fmt.Sprintf("tombolo/v1/%064d/node/%032d/%016d", 1, 2, n), Index: index}
	}
	answered := func(what string, o access.Order, want bool) {
		t.Helper()
		if got := s.Answered(o); got != want {
			t.Errorf("%s: answered %v", what, got)
		}
	}
	answered("at the beginning", order(0, 5), false)
	s.Apply(s.now, &ledger.Ordered{Origin: order(0, 5).Origin, Index: 5, Seq: 1, Door: "front"})
	answered("it", order(0, 5), true)
	answered("the one before", order(0, 4), true)
	answered("the next", order(0, 6), false)
	answered("another ledger's", order(1, 5), false)
	s.boot()
	s.Apply(s.now, &ledger.Ordered{Origin: order(0, 5).Origin, Index: 3, Seq: 1, Door: "front"})
	answered("over a restart, and whatever comes again", order(0, 5), true)
	for n := range access.MaxOrdered {
		s.Apply(s.now, &ledger.Ordered{Origin: order(n, 1).Origin, Index: 1, Seq: 1, Door: "front"})
	}
	answered("beyond all bounds", order(access.MaxOrdered+1, 1), true)
	answered("of a known one", order(7, 2), false)

	if _, ok := s.TriedBefore([32]byte{1}); ok {
		t.Error("a policy that nobody has tried")
	}
	for n := range 3 * access.MaxTried {
		hash := [32]byte{byte(n), byte(n >> 8)}
		s.Apply(s.now, &ledger.PolicyTried{Version: 1, Hash: hash, OK: n%2 == 0})
		if kept, ok := s.TriedBefore(hash); !ok || kept != (n%2 == 0) {
			t.Fatalf("policy %d: %v, %v", n, kept, ok)
		}
	}
	if text := remembered(t, s.Presence); strings.Count(text, `true`)+strings.Count(text, `false`) > 4*access.MaxTried {
		t.Error("policies are remembered without end")
	}
}

// TestBacklog: as far back as a zone that siblings share remembers, and no more than
// a week.
func TestBacklog(t *testing.T) {
	t.Parallel()
	if access.Backlog(nil) != 0 || access.Backlog(site(t).Policy) != 0 {
		t.Error("where no zone is shared nothing has to be told again")
	}
	b := shared(t)
	if got := access.Backlog(b.Policy); got != (24 * time.Hour).Milliseconds() {
		t.Errorf("%d ms", got)
	}
	b.Policy.Zones["house"].Forgive = 400 * time.Hour
	if got := access.Backlog(b.Policy); got != (7 * 24 * time.Hour).Milliseconds() {
		t.Errorf("%d ms", got)
	}
}
