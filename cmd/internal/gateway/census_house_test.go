package gateway

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// figures are the Occupancy entries of a gateway, as words.
func (k *keeper) figures() (out []string) {
	for _, l := range yes(ownLedgers(k.folder.Store(), ledger.ReportLog, k.id())) {
		for index, e := range entriesOf(k.folder.Store(), l) {
			_, b, err := e.Open(ledger.ReportLog, int64(index))
			if err != nil {
				k.i.t.Fatal(err)
			}
			if o, ok := b.(*ledger.Occupancy); ok {
				out = append(out, fmt.Sprintf("%s %d-%d", o.Zone, o.Sure, o.Most))
				if o.Age >= 900 {
					k.i.t.Errorf("a figure of %d s ago", o.Age)
				}
			}
		}
	}
	return out
}

// lived is an islet whose gateways began a day and an hour ago, at ten past two.
func lived(t *testing.T, people int, more string) *islet {
	i := newIslet(t, people, more)
	i.now = time.Date(2030, 3, 4, 14, 10, 0, 0, time.UTC)
	for n, k := range i.gws {
		k.boot(i.now.Add(-25 * time.Hour))
		k.status = there(i.gws[1-n])
	}
	i.carry()
	return i
}

// TestOccupancy: a figure leaves the node at its times, rounded, from twenty people
// on, and when it is another; what is fewer is not said, nor when it became so.
func TestOccupancy(t *testing.T) {
	t.Parallel()
	i := lived(t, 40, "")
	a, b := i.gws[0], i.gws[1]
	r, other := a.reporter(never(), nil), b.reporter(never(), nil)
	defer r.close()
	defer other.close()
	step := func(after time.Duration, want ...string) {
		t.Helper()
		i.now = i.now.Add(after)
		i.carry()
		look(t, r, never())
		look(t, other, never())
		if got := a.figures(); !slices.Equal(got, want) {
			t.Fatalf("at %v: %v, want %v", i.now, got, want)
		}
	}
	step(0)
	for n, g := range i.people[:19] {
		i.gws[n%2].enter(g, i.now)
	}
	step(time.Minute)      // it is not the time yet
	step(4 * time.Minute)  // quarter past, and nineteen are in
	step(15 * time.Minute) // nothing is new
	a.enter(i.people[19], i.now)
	step(time.Minute)
	step(14*time.Minute, "house 20-20")
	b.enter(i.people[20], i.now)
	step(15*time.Minute, "house 20-20", "house 20-30")
	b.enter(i.people[21], i.now)
	step(15*time.Minute, "house 20-20", "house 20-30") // 22 of 22 are the same in tens
	step(30*time.Minute, "house 20-20", "house 20-30")
	again := []string{"house 20-20", "house 20-30", "house 20-30"} // the hub would forget it
	step(15*time.Minute, again...)
	for _, g := range i.people[:10] {
		exit := a.entry(g, i.now)
		exit[0].(*ledger.Decision).Exit, exit[2].(*ledger.Passage).Exit = true, true
		a.record(i.now, exit...)
	}
	for range 100 { // twelve are in: not a word, and nothing is taken back
		step(15*time.Minute, again...)
	}
	if got := b.figures(); len(got) != 0 {
		t.Errorf("both speak for one zone: %v", got)
	}
}

// TestOccupancyByPolicy: a steward says what leaves the node.
func TestOccupancyByPolicy(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string][]string{
		"":                                   {"house 20-30"},
		"[census]\noccupancy = \"never\"\n":  nil,
		"[census]\noccupancy = \"always\"\n": {"house 0-10", "house 20-30"},
	} {
		i := lived(t, 25, policy)
		r := i.gws[0].reporter(never(), nil)
		look(t, r, never())
		i.gws[0].enter(i.people[0], i.now)
		i.now = i.now.Add(5 * time.Minute)
		look(t, r, never())
		for _, g := range i.people[1:] {
			i.gws[1].enter(g, i.now)
		}
		i.carry()
		i.now = i.now.Add(15 * time.Minute)
		look(t, r, never())
		if got := i.gws[0].figures(); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", policy, got, want)
		}
		r.close()
	}
}

// TestOccupancyNeedsAll: while a gateway of the zone is not heard nothing is said.
func TestOccupancyNeedsAll(t *testing.T) {
	t.Parallel()
	i := lived(t, 25, "")
	k := i.gws[0]
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	for _, g := range i.people {
		k.enter(g, i.now)
	}
	k.status.Peers = nil
	i.now = i.now.Add(5 * time.Minute)
	look(t, r, never())
	if got := k.figures(); len(got) != 0 {
		t.Fatalf("without a sibling: %v", got)
	}
	k.status = there(i.gws[1])
	i.now = i.now.Add(15 * time.Minute)
	look(t, r, never())
	if got := k.figures(); !slices.Equal(got, []string{"house 20-30"}) {
		t.Errorf("with it: %v", got)
	}
	// Another start says it once more.
	again := k.reporter(never(), nil)
	defer again.close()
	look(t, again, never())
	i.now = i.now.Add(15 * time.Minute)
	look(t, again, never())
	look(t, again, never())
	if got := k.figures(); len(got) != 2 {
		t.Errorf("after a start: %v", got)
	}
}

// TestStaleOccupancy: whoever was not seen leaving is not in for ever.
func TestStaleOccupancy(t *testing.T) {
	t.Parallel()
	i := lived(t, 25, "antipassback = \"soft\"\nforgive = \"2h\"\n")
	k := i.gws[0]
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	for _, g := range i.people {
		k.enter(g, i.now)
	}
	i.now = i.now.Add(5 * time.Minute)
	look(t, r, never())
	i.now = i.now.Add(2 * time.Hour)
	look(t, r, never())
	if got := k.figures(); !slices.Equal(got, []string{"house 20-30"}) {
		t.Errorf("%v", got)
	}
}

// TestNestedOccupancy: of zones within each other only the outermost is told of, as
// few may be in the one and not in the other.
func TestNestedOccupancy(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string][]string{
		"[zones.attic]\nwithin = \"house\"\n":                                 {"house 20-30"},
		"within = \"block\"\n[zones.block]\n":                                 {"block 20-30"},
		"within = \"block\"\n[zones.block]\n[census]\noccupancy = \"always\"": {"block 20-30"},
	} {
		i := lived(t, 25, policy)
		k := i.gws[0]
		r := k.reporter(never(), nil)
		look(t, r, never())
		for _, g := range i.people {
			k.enter(g, i.now)
		}
		i.now = i.now.Add(5 * time.Minute)
		look(t, r, never())
		if got := k.figures(); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", policy, got, want)
		}
		r.close()
	}
}
