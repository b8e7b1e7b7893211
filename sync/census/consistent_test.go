package census_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// census ledgers of one hub that tell two stories from some entry on.
func stories(t *testing.T, w *world, same, more int64) (a, b *book) {
	t.Helper()
	for i, p := range []**book{&a, &b} {
		*p = newBook(t, ledger.CensusLog, w.community, w.community, named("hub"))
		for n := range more {
			body := w.closed.Body
			if n >= same {
				body.Size += uint64(i)
			}
			(*p).add(t, closes+n, &body)
		}
	}
	return a, b
}

func TestFindFork(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	honest, other := stories(t, w, 3, 6)
	short, _ := stories(t, w, 3, 2)
	early, _ := stories(t, w, 3, 3)
	shorter, _ := stories(t, w, 6, 4) // a beginning of the honest one
	for _, tt := range []struct {
		name   string
		h      census.History
		fork   bool
		unsure int
		err    error
	}{
		{"nothing", census.History{}, false, 0, nil},
		{"one head", census.History{Heads: told(honest.head(t, 1))}, false, 0, nil},
		{"the same head twice", census.History{Heads: told(honest.head(t, 1), honest.head(t, 2))}, false, 0, nil},
		{"two roots of one size", census.History{Heads: told(honest.head(t, 1), other.head(t, 1))}, true, 0, nil},
		{"two sizes, without the ledger", census.History{Heads: told(short.head(t, 1), other.head(t, 1))}, false, 1, nil},
		{"an earlier head", census.History{Heads: told(honest.head(t, 1), shorter.head(t, 1), short.head(t, 1)), Tree: ledger.Hashes(honest), Size: 7}, false, 0, nil},
		{"an earlier head of the other story", census.History{Heads: told(honest.head(t, 1), early.head(t, 1)), Tree: ledger.Hashes(honest), Size: 7}, false, 0, nil},
		{"an earlier head that is no beginning", census.History{Heads: told(honest.head(t, 1), headAt(t, other, 6)), Tree: ledger.Hashes(honest), Size: 7}, true, 0, nil},
		{"a later head", census.History{Heads: told(shorter.head(t, 1), honest.head(t, 1)), Tree: ledger.Hashes(shorter), Size: 5}, false, 0, census.ErrHidden},
		{"entries that nobody signed", census.History{Heads: told(headAt(t, other, 6)), Tree: ledger.Hashes(honest), Size: 7}, false, 0, ledger.ErrRoot},
	} {
		fork, unsure, err := tt.h.FindFork()
		if (fork != nil) != tt.fork || unsure != tt.unsure || !errors.Is(err, tt.err) {
			t.Errorf("%s: fork %v, %d unsure, %v", tt.name, fork != nil, unsure, err)
		}
		if fork != nil {
			if _, err := ledger.ParseFork(fork.Marshal()); err != nil {
				t.Errorf("%s: it proves nothing: %v", tt.name, err)
			}
		}
	}
}

// told are heads that came alone.
func told(heads ...ledger.Head) (out []census.Told) {
	for _, h := range heads {
		out = append(out, census.Told{Head: h})
	}
	return out
}

// headAt signs the first entries of a ledger.
func headAt(t *testing.T, b *book, size int64) ledger.Head {
	t.Helper()
	var tree ledger.Tree
	for _, e := range b.entries[:size] {
		tree.Append(e.Leaf, nil)
	}
	note, err := ledger.Sign(ledger.Checkpoint{Origin: b.origin, Size: size, Root: tree.Root()}, b.key, 1)
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, note, b.key)
}

// later is a head of the report ledger when more stood in it, as an opening brings it.
func later(t *testing.T, w *world) census.Told {
	t.Helper()
	long := *w.reports
	long.entries, long.nodes = slices.Clone(long.entries), maps.Clone(long.nodes)
	long.add(t, closes+400, &ledger.Opened{Epoch: w.opened.ID(), Auditor: [32]byte{1}, Sealed: []byte{1}})
	head := long.head(t, closes+400)
	shown := long.show(t, head, w.reportAt)
	return census.Told{Head: head, Shown: &shown}
}

func TestConsistent(t *testing.T) {
	t.Parallel()
	w, s := crowd(t, 3)
	for _, tt := range []struct {
		name  string
		cheat func(t *testing.T, w *world, c *census.Consistency)
		ok    bool
		says  string
		forks int
	}{
		{"honest", nil, true, "contradict each other", 0},
		{"closed twice alike, after the hub lost its disk", func(t *testing.T, w *world, c *census.Consistency) {
			again := c.Closings[0]
			again.Origin.Incarnation[0]++
			c.Closings = append(c.Closings, again)
		}, true, "", 0},
		{"another epoch's close and draw", func(t *testing.T, w *world, c *census.Consistency) {
			a, d := c.Closings[0], c.Draws[0]
			a.Body.Epoch[0] ^= 1
			a.Body.Size++
			d.Body.Epoch[0] ^= 1
			d.Body.Seed[0] ^= 1
			c.Closings, c.Draws = append(c.Closings, a), append(c.Draws, d)
		}, true, "", 0},
		{"two roots told to two auditors", func(t *testing.T, w *world, c *census.Consistency) {
			a, b := stories(t, w, 0, 1)
			c.Histories = append(c.Histories, census.History{Heads: told(a.head(t, 1), b.head(t, 1))})
		}, false, "signed two histories of its census ledger", 1},
		{"rules written when all was over", func(t *testing.T, w *world, c *census.Consistency) { c.Opened = closes }, false, "could be chosen to suit", 0},
		{"rules written when it had begun", func(t *testing.T, w *world, c *census.Consistency) { c.Opened = opens }, true, "when it had begun, on 2026-01-01 00:00 UTC", 0},
		{"closed before it ended", func(t *testing.T, w *world, c *census.Consistency) { c.Closings[0].Time = 1000*closes - 1 }, false, "closed before it ended", 0},
		{"a covered head that its gateway did not sign", func(t *testing.T, w *world, c *census.Consistency) {
			x := w.covered
			x.Root[0] ^= 1
			c.Covers = []census.Covered{x}
			c.Histories[1].Heads = told(w.hold) // it came alone
		}, false, "another history of the report ledger", 0},
		{"a covered head that is not what an opening shows", func(t *testing.T, w *world, c *census.Consistency) {
			c.Histories[1].Heads = []census.Told{later(t, w)}
			x := w.covered
			x.Root[0] ^= 1
			c.Covers = []census.Covered{x}
		}, false, "another history of the report ledger", 0},
		{"two histories, which two openings show", func(t *testing.T, w *world, c *census.Consistency) {
			other := newBook(t, ledger.ReportLog, w.community, w.node, w.reports.key)
			other.add(t, closes+301, &ledger.Occupancy{Zone: "hall", Sure: 20, Most: 30})
			other.add(t, closes+302, w.reported)
			other.add(t, closes+303, &ledger.Occupancy{Zone: "hall", Sure: 20, Most: 30})
			other.add(t, closes+304, &ledger.Occupancy{Zone: "hall", Sure: 20, Most: 31})
			head := other.head(t, closes+400)
			shown := other.show(t, head, w.reportAt)
			c.Histories[1].Heads = []census.Told{later(t, w), {Head: head, Shown: &shown}}
		}, false, "not the same before it", 0},
		{"a door log of which a sibling kept the head", func(t *testing.T, w *world, c *census.Consistency) {
			note, err := ledger.Sign(ledger.Checkpoint{Origin: w.doors[0].origin, Size: w.reported.Log.Size, Root: [32]byte{7}}, w.doors[0].key, 1)
			if err != nil {
				t.Fatal(err)
			}
			c.Histories = append(c.Histories, census.History{Heads: told(opened(t, note, w.doors[0].key))})
		}, false, "than the gateway had signed: it was rewritten", 0},
		{"closed twice", func(t *testing.T, w *world, c *census.Consistency) {
			again := c.Closings[0]
			again.Index++
			again.Body.Root[0] ^= 1
			c.Closings = append(c.Closings, again)
		}, false, "closed twice", 0},
		{"a draw repeated until it suits", func(t *testing.T, w *world, c *census.Consistency) {
			again := c.Draws[0]
			again.Index++
			again.Body.Seed[0] ^= 1
			c.Draws = append(c.Draws, again)
		}, false, "drawn from twice", 0},
		{"a seed that is not the beacon's", func(t *testing.T, w *world, c *census.Consistency) { c.Beacon = &[32]byte{9} }, false, "the beacon says", 0},
		{"drawn and never closed", func(t *testing.T, w *world, c *census.Consistency) { c.Closings = nil }, false, "never closed", 0},
		{"a rewritten door log", func(t *testing.T, w *world, c *census.Consistency) {
			again := *w.reported
			again.Head[0] ^= 1
			c.Reported = append(c.Reported, again)
		}, false, "it was rewritten", 0},
		{"a rewritten door log, by its heads", func(t *testing.T, w *world, c *census.Consistency) {
			again := newBook(t, ledger.DoorLog, w.community, w.node, w.doors[0].key)
			for range w.doors[0].tree.Size() - 1 {
				again.add(t, opens, &ledger.Passage{Seq: 1, Door: "front"})
			}
			c.Histories = append(c.Histories, census.History{Heads: told(w.doors[0].head(t, 1), again.head(t, 1))})
		}, false, "two histories of its door ledger", 1},
		{"entries that are hidden", func(t *testing.T, w *world, c *census.Consistency) {
			a, _ := stories(t, w, 5, 5)
			b, _ := stories(t, w, 5, 2)
			c.Histories = append(c.Histories, census.History{Heads: told(a.head(t, 1), b.head(t, 1)), Tree: ledger.Hashes(b), Size: 3})
		}, false, "hidden", 0},
		{"heads that cannot be compared", func(t *testing.T, w *world, c *census.Consistency) {
			a, _ := stories(t, w, 5, 5)
			c.Histories = append(c.Histories, census.History{Heads: told(a.head(t, 1), headAt(t, a, 2))}, census.History{})
		}, true, "could not be held against the others", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, _ := stories(t, w, 1, 1)
			shown := w.reports.show(t, w.hold, w.reportAt)
			c := census.Consistency{Opened: opens - 900, Covers: []census.Covered{w.covered}, Rules: s.Rules, Closings: []census.Closed{s.Closed}, Draws: slices.Clone(s.Draws), Beacon: s.Beacon, Reported: []ledger.Reported{*w.reported, *w.reported},
				Histories: []census.History{{Heads: told(a.head(t, 1)), Tree: ledger.Hashes(a), Size: 2}, {Heads: []census.Told{{Head: w.hold, Shown: &shown}}}}}
			if tt.cheat != nil {
				tt.cheat(t, w, &c)
			}
			check, forks := census.CheckConsistent(c)
			if check.OK != tt.ok || check.Name != census.CheckedConsistent || len(forks) != tt.forks {
				t.Errorf("%d forks, %+v", len(forks), check)
			}
			if all := check.What + "\n" + strings.Join(check.Details, "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, all)
			}
		})
	}
}

// TestShownTies: what heads of many sizes show of one entry says that they tell one
// history up to it, and nothing is left unsure.
func TestShownTies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := rand.New(source(seed))
		b := newBook(t, ledger.CensusLog, ledger.CharterID{1}, ledger.CharterID{1}, named("hub"))
		for range rapid.IntRange(1, 70).Draw(rt, "entries") {
			b.add(t, opens, &ledger.Occupancy{Zone: "hall", Sure: rnd.Uint32N(9), Most: 10})
		}
		at := rnd.Int64N(b.tree.Size())
		var heads []census.Told
		for range 4 {
			size := at + 1 + rnd.Int64N(b.tree.Size()-at)
			h := headAt(t, b, size)
			s, err := census.Show(b, h, at, b.entries[at])
			if err != nil {
				rt.Fatal(err)
			}
			if _, _, err := s.Verify(public(b.key)); err != nil && !errors.Is(err, ledger.ErrWrongLog) {
				rt.Fatal(err)
			}
			heads = append(heads, census.Told{Head: h, Shown: &s})
		}
		heads = append(heads, told(headAt(t, b, at+1))...)
		if fork, unsure, err := (census.History{Heads: heads}).FindFork(); fork != nil || unsure != 0 || err != nil {
			rt.Fatalf("entry %d: %d unsure, %v", at, unsure, err)
		}
		alone := told(headAt(t, b, 1+rnd.Int64N(b.tree.Size())))
		if _, unsure, err := (census.History{Heads: append(alone, heads...)}).FindFork(); unsure > 1 || err != nil {
			rt.Fatalf("with one alone: %d unsure, %v", unsure, err)
		}
		// A head of just these entries that has another root.
		note, err := ledger.Sign(ledger.Checkpoint{Origin: b.origin, Size: at + 1, Root: [32]byte{7}}, b.key, 1)
		if err != nil {
			rt.Fatal(err)
		}
		heads[len(heads)-1] = told(opened(t, note, b.key))[0]
		if fork, _, err := (census.History{Heads: heads}).FindFork(); fork == nil && !errors.Is(err, census.ErrBeginning) {
			rt.Fatalf("entry %d: another history passes: %v", at, err)
		}
	})
}

// TestInvented is the cheat: 2 % of 20,000 are invented, and 300 are
// drawn. How often the draw meets none of them is what MissProbability says.
func TestInvented(t *testing.T) {
	t.Parallel()
	const size, invented, sample = 20000, 400, 300
	miss := census.MissProbability(size, invented, sample)
	t.Logf("a draw of %d of %d, %d of them invented, misses all with a probability of %.3f %%", sample, size, invented, 100*miss)
	if miss > 0.003 || miss < 0.001 {
		t.Errorf("%v", miss)
	}
	met := 0
	for seed := range 1000 {
		for _, i := range census.Indices([32]byte{byte(seed), byte(seed >> 8)}, [32]byte{1}, size, sample) {
			if i%50 == 0 {
				met++
				break
			}
		}
	}
	if met < 985 {
		t.Errorf("of 1000 draws %d met an invented tag", met)
	}
}
