package hub

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// open has a gateway write that it opens a tag.
func (s *site) open(a *store.Author, seed [32]byte, tag census.Tag, auditor [32]byte, box string) {
	s.append(a, &ledger.Opened{Epoch: s.epoch.ID(), Draw: seed, Tag: tag, Auditor: auditor, Sealed: []byte(box)})
}

// boxes are what an auditor gets for a tag; all, if it is nil.
func (s *site) boxes(tag *census.Tag) (out []string) {
	s.t.Helper()
	s.ok(s.client.Openings(context.Background(), s.epoch.ID(), s.auditor(), func(o OpeningAnswer) error {
		if tag == nil || o.Tag == Hex(*tag) {
			out = append(out, string(o.Sealed))
		}
		return nil
	}))
	return out
}

// drawnBy are the tags of a list that a seed draws: those that one node alone
// reported, by node, and those that both did.
func (s *site) drawnBy(list *census.List, seed [32]byte) (alone [2][]census.Tag, both []census.Tag) {
	for _, i := range census.Indices(seed, list.Root(nil), uint64(list.Len()), s.epoch.Sample) {
		switch t := list.At(int64(i)).Tag; {
		case has(s.tags[0], t) && has(s.tags[1], t):
			both = append(both, t)
		case has(s.tags[0], t):
			alone[0] = append(alone[0], t)
		default:
			alone[1] = append(alone[1], t)
		}
	}
	return alone, both
}

// seedFor is one by which both nodes' tags are drawn, and a common one.
func (s *site) seedFor(list *census.List) (seed [32]byte) {
	for seed[0] = 1; ; seed[0]++ {
		if alone, both := s.drawnBy(list, seed); len(alone[0]) > 0 && len(alone[1]) > 0 && len(both) > 0 {
			return seed
		}
	}
}

// TestOpenings: what gateways sealed for the draw, page by page, and of no other draw
// or auditor.
func TestOpenings(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	_, list := s.closeIt(s.epoch)
	id, seed := s.epoch.ID(), s.seedFor(list)
	alone, both := s.drawnBy(list, seed)
	tags := []census.Tag{alone[1][0], both[0]}
	slices.SortFunc(tags, func(a, b census.Tag) int { return slices.Compare(a[:], b[:]) })
	s.open(s.reporter(0), seed, both[0], s.auditor(), "both 0")
	if all := s.boxes(nil); len(all) != 0 {
		t.Errorf("before the draw: %q", all)
	}
	must(s.hub.Draw(t.Context(), id, seed, s.epoch.Beacon))
	s.open(s.reporter(1), seed, alone[1][0], s.auditor(), "alone")
	s.open(s.reporter(1), seed, both[0], s.auditor(), "both 1")
	s.open(s.reporter(0), [32]byte{250}, alone[0][0], s.auditor(), "another draw")
	s.open(s.reporter(0), seed, alone[0][0], [32]byte{1}, "another auditor")
	if all := slices.Sorted(slices.Values(s.boxes(nil))); !slices.Equal(all, []string{"alone", "both 0", "both 1"}) {
		t.Errorf("%q", all)
	}
	var got []Hex
	for after := ""; ; {
		q := map[string][]string{"limit": {"1"}}
		if after != "" {
			q["after"] = []string{after}
		}
		var a OpeningsAnswer
		if err := s.client.json(t.Context(), epochPath(id, fmt.Sprintf("/openings/%x", s.auditor())), q, &a); err != nil || len(a.Openings) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		got = append(got, a.Openings[0].Tag)
		if len(a.Next) > 2*(32+8) {
			t.Errorf("the cursor %s says more than a tag and a number: whose opening it is", a.Next)
		}
		if after = a.Next; after == "" {
			break
		}
	}
	want := []Hex{Hex(tags[0]), Hex(tags[1])}
	at := slices.Index(tags, both[0])
	if want = slices.Insert(want, at, Hex(both[0])); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestJunkOpenings: a hostile gateway opens what it did not report, what was not
// drawn, and what it did, again and again: the good openings of others stay where
// they are, and of it there is at most one for each tag that it reported.
func TestJunkOpenings(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	_, list := s.closeIt(s.epoch)
	seed := s.seedFor(list)
	must(s.hub.Draw(t.Context(), s.epoch.ID(), seed, s.epoch.Beacon))
	alone, both := s.drawnBy(list, seed)
	junk := func(n int) {
		w := s.reporter(n)
		for i := range 70 {
			for _, tag := range []census.Tag{alone[0][0], alone[1][0], both[0], {1}} {
				s.open(w, seed, tag, s.auditor(), fmt.Sprint("junk ", i))
			}
		}
	}
	for n := range 2 {
		victim := s.reporter(1 - n)
		if n == 1 {
			// One that lost its disk, too.
			lost := store.Guard{Dir: t.TempDir(), Boot: "boot"}
			a, err := s.store.OpenAuthor(store.AuthorConfig{Key: testKey(gatewayName(0)), Community: s.id(), Kind: ledger.ReportLog, Charter: s.node(0), Guard: lost, Now: s.now, Rand: zeros{}})
			s.ok(err)
			victim = a
		}
		junk(n)
		s.open(victim, seed, alone[1-n][0], s.auditor(), "good")
		s.open(victim, seed, both[0], s.auditor(), "good")
		if got := s.boxes(&alone[1-n][0]); !slices.Equal(got, []string{"good"}) {
			t.Errorf("of gateway %d alone: %q", 1-n, got)
		}
		if got := s.boxes(&alone[n][0]); !slices.Equal(got, []string{"junk 69"}) {
			t.Errorf("of gateway %d alone, its own junk: %q", n, got)
		}
		if got := slices.Sorted(slices.Values(s.boxes(&both[0]))); !slices.Equal(got, []string{"good", "junk 69"}) {
			t.Errorf("of both, when %d is hostile: %q", n, got)
		}
	}
	if got := s.boxes(&census.Tag{1}); len(got) != 0 {
		t.Errorf("of a tag that nobody reported: %q", got)
	}
	for i := range list.Len() {
		if tag := list.At(i).Tag; !slices.Contains(slices.Concat(alone[0], alone[1], both), tag) {
			s.open(s.reporter(0), seed, tag, s.auditor(), "not drawn")
			s.open(s.reporter(1), seed, tag, s.auditor(), "not drawn")
			if got := s.boxes(&tag); len(got) != 0 {
				t.Errorf("of a tag that was not drawn: %q", got)
			}
			break
		}
	}
}

// TestOpeningsBounded: what one ledger opens without end is forgotten, the oldest
// first.
func TestOpeningsBounded(t *testing.T) {
	t.Parallel()
	body := codec.Encode(&ledger.Opened{Epoch: ledger.EpochID{1}, Auditor: [32]byte{1}, Sealed: []byte{1}})
	b := &reportBook{}
	const last = 3*maxOpened/2 - 1
	for i := range int64(last + 1) {
		if err := b.take(i, ledger.Seal(i, ledger.KindOpened, false, ledger.Salt{}, 1, body)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.opened); n > maxOpened || n < maxOpened/2 || b.opened[n-1].index != last {
		t.Errorf("%d are remembered, the last is %d", n, b.opened[n-1].index)
	}
}

// TestRemovedOpens: a gateway that was removed after it opened is no silent one.
func TestRemovedOpens(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	_, list := s.closeIt(s.epoch)
	seed := s.seedFor(list)
	must(s.hub.Draw(t.Context(), s.epoch.ID(), seed, s.epoch.Beacon))
	alone, _ := s.drawnBy(list, seed)
	s.open(s.reporter(0), seed, alone[0][0], s.auditor(), "good")
	s.Nodes = 0
	s.append(s.issuer(), &ledger.NodeRegistered{Node: s.node(5), Slug: "more", Doors: 1, Floor: 1}) // so that it looks
	if got := s.boxes(&alone[0][0]); !slices.Equal(got, []string{"good"}) {
		t.Errorf("%q", got)
	}
}
