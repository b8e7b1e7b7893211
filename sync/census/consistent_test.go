package census_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

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
		{"one head", census.History{Heads: []ledger.Head{honest.head(t, 1)}}, false, 0, nil},
		{"the same head twice", census.History{Heads: []ledger.Head{honest.head(t, 1), honest.head(t, 2)}}, false, 0, nil},
		{"two roots of one size", census.History{Heads: []ledger.Head{honest.head(t, 1), other.head(t, 1)}}, true, 0, nil},
		{"two sizes, without the ledger", census.History{Heads: []ledger.Head{short.head(t, 1), other.head(t, 1)}}, false, 1, nil},
		{"an earlier head", census.History{Heads: []ledger.Head{honest.head(t, 1), shorter.head(t, 1), short.head(t, 1)}, Tree: ledger.Hashes(honest), Size: 7}, false, 0, nil},
		{"an earlier head of the other story", census.History{Heads: []ledger.Head{honest.head(t, 1), early.head(t, 1)}, Tree: ledger.Hashes(honest), Size: 7}, false, 0, nil},
		{"an earlier head that is no beginning", census.History{Heads: []ledger.Head{honest.head(t, 1), headAt(t, other, 6)}, Tree: ledger.Hashes(honest), Size: 7}, true, 0, nil},
		{"a later head", census.History{Heads: []ledger.Head{shorter.head(t, 1), honest.head(t, 1)}, Tree: ledger.Hashes(shorter), Size: 5}, false, 0, census.ErrHidden},
		{"entries that nobody signed", census.History{Heads: []ledger.Head{headAt(t, other, 6)}, Tree: ledger.Hashes(honest), Size: 7}, false, 0, ledger.ErrRoot},
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
		{"honest", nil, true, "tell one history", 0},
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
			c.Histories = append(c.Histories, census.History{Heads: []ledger.Head{a.head(t, 1), b.head(t, 1)}})
		}, false, "signed two histories of its census ledger", 1},
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
			c.Histories = append(c.Histories, census.History{Heads: []ledger.Head{w.doors[0].head(t, 1), again.head(t, 1)}})
		}, false, "two histories of its door ledger", 1},
		{"entries that are hidden", func(t *testing.T, w *world, c *census.Consistency) {
			a, _ := stories(t, w, 5, 5)
			b, _ := stories(t, w, 5, 2)
			c.Histories = append(c.Histories, census.History{Heads: []ledger.Head{a.head(t, 1), b.head(t, 1)}, Tree: ledger.Hashes(b), Size: 3})
		}, false, "hidden", 0},
		{"heads that cannot be compared", func(t *testing.T, w *world, c *census.Consistency) {
			a, _ := stories(t, w, 5, 5)
			c.Histories = append(c.Histories, census.History{Heads: []ledger.Head{a.head(t, 1), headAt(t, a, 2)}}, census.History{})
		}, true, "could not be compared", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, _ := stories(t, w, 1, 1)
			c := census.Consistency{Rules: s.Rules, Closings: []census.Closed{s.Closed}, Draws: slices.Clone(s.Draws), Beacon: s.Beacon, Reported: []ledger.Reported{*w.reported, *w.reported},
				Histories: []census.History{{Heads: []ledger.Head{a.head(t, 1)}, Tree: ledger.Hashes(a), Size: 2}}}
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
