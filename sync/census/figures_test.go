package census_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

func TestRounded(t *testing.T) {
	t.Parallel()
	for _, tt := range [][4]uint32{{0, 0, 0, 0}, {1, 1, 0, 10}, {20, 20, 20, 20}, {29, 31, 20, 40}, {19, 21, 10, 30}, {math.MaxUint32, math.MaxUint32, 4294967290, math.MaxUint32}} {
		if sure, most := census.Rounded(tt[0], tt[1]); sure != tt[2] || most != tt[3] {
			t.Errorf("[%d, %d] becomes [%d, %d], want [%d, %d]", tt[0], tt[1], sure, most, tt[2], tt[3])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		sure := rapid.Uint32().Draw(t, "sure")
		most := rapid.Uint32Range(sure, math.MaxUint32).Draw(t, "most")
		if s, m := census.Rounded(sure, most); s > sure || m < most || s%10 != 0 || sure-s > 9 || m-most > 9 {
			t.Fatalf("[%d, %d] becomes [%d, %d]", sure, most, s, m)
		}
	})
}

func TestPublishable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sure    uint32
		steward bool
		want    bool
	}{{0, false, false}, {19, false, false}, {20, false, true}, {19, true, true}, {0, true, true}} {
		if got := census.Publishable(tt.sure, tt.steward); got != tt.want {
			t.Errorf("%d, steward %v: %v", tt.sure, tt.steward, got)
		}
	}
}

// withheld are the names of what a table does not say.
func withheld(cells []census.Cell) (names []string) {
	for _, c := range cells {
		if c.Withheld {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestSuppress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		cells []census.Cell
		want  []string
	}{
		{"nothing", nil, nil},
		{"all large", []census.Cell{{Name: "all", Value: 90}, {Name: "a", Value: 50, Parent: "all"}, {Name: "b", Value: 40, Parent: "all"}}, nil},
		{"a small total", []census.Cell{{Name: "all", Value: 19}}, []string{"all"}},
		{"the next smallest goes with it", []census.Cell{{Name: "all", Value: 120}, {Name: "a", Value: 5, Parent: "all"}, {Name: "b", Value: 40, Parent: "all"}, {Name: "c", Value: 75, Parent: "all"}}, []string{"a", "b"}},
		{"two small ones that hide each other", []census.Cell{{Name: "all", Value: 95}, {Name: "a", Value: 10, Parent: "all"}, {Name: "b", Value: 15, Parent: "all"}, {Name: "c", Value: 70, Parent: "all"}}, []string{"a", "b"}},
		{"two small ones that do not", []census.Cell{{Name: "all", Value: 80}, {Name: "a", Value: 3, Parent: "all"}, {Name: "b", Value: 7, Parent: "all"}, {Name: "c", Value: 70, Parent: "all"}}, []string{"a", "b", "c"}},
		{"nobody is a small figure", []census.Cell{{Name: "all", Value: 50}, {Name: "a", Value: 0, Parent: "all"}, {Name: "b", Value: 50, Parent: "all"}}, []string{"a", "b"}},
		{"a part that nobody names", []census.Cell{{Name: "all", Value: 53}, {Name: "a", Value: 50, Parent: "all"}}, []string{"a"}},
		{"through the levels", []census.Cell{
			{Name: "all", Value: 160},
			{Name: "n", Value: 60, Parent: "all"}, {Name: "m", Value: 100, Parent: "all"},
			{Name: "n1", Value: 5, Parent: "n"}, {Name: "n2", Value: 55, Parent: "n"},
			{Name: "m1", Value: 30, Parent: "m"}, {Name: "m2", Value: 70, Parent: "m"},
		}, []string{"n1", "n2"}},
		{"a small node takes a zone of another", []census.Cell{
			{Name: "all", Value: 115},
			{Name: "n", Value: 15, Parent: "all"}, {Name: "m", Value: 100, Parent: "all"},
			{Name: "m1", Value: 30, Parent: "m"}, {Name: "m2", Value: 70, Parent: "m"},
		}, []string{"n", "m", "m1"}},
		{"only the total could hide it", []census.Cell{{Name: "all", Value: 20}, {Name: "a", Value: 1, Parent: "all"}, {Name: "b", Value: 19, Parent: "all"}}, []string{"a", "b"}},
		{"nothing hides it", []census.Cell{{Name: "top", Value: 90}, {Name: "all", Value: 25, Parent: "top"}, {Name: "rest", Value: 65, Parent: "top"}, {Name: "a", Value: 25, Parent: "all"}, {Name: "b", Value: 0, Parent: "all"}}, []string{"a", "b"}},
		{"a name twice", []census.Cell{{Name: "a", Value: 50}, {Name: "a", Value: 60}}, []string{"a", "a"}},
		{"no name", []census.Cell{{Value: 50}}, []string{""}},
		{"cells in each other", []census.Cell{{Name: "a", Value: 50, Parent: "b"}, {Name: "b", Value: 60, Parent: "a"}}, []string{"a", "b"}},
		{"a cell in itself", []census.Cell{{Name: "a", Value: 50, Parent: "a"}, {Name: "b", Value: 60}}, []string{"a", "b"}},
		{"what was withheld stays so", []census.Cell{{Name: "a", Value: 50, Withheld: true}}, []string{"a"}},
	} {
		got := census.Suppress(tt.cells)
		if names := withheld(got); !slices.Equal(names, tt.want) {
			t.Errorf("%s: withheld %v, want %v", tt.name, names, tt.want)
		}
		for i, c := range got {
			if c.Name != tt.cells[i].Name || c.Withheld && c.Value != 0 || !c.Withheld && c.Value != tt.cells[i].Value {
				t.Errorf("%s: %+v", tt.name, c)
			}
		}
	}
}

// TestSuppressedCannotBeComputed: a reader who subtracts whatever can be
// subtracted learns of no small cell that it is small. The reader works with
// intervals, which on a tree of sums is all that there is to know.
func TestSuppressedCannotBeComputed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cells := drawTable(t)
		published := census.Suppress(cells)
		for i, high := range bounds(published) {
			if cells[i].Value < ledger.Withheld && high < ledger.Withheld {
				t.Fatalf("%s is %d, and a reader sees that it is at most %v\n%+v", cells[i].Name, cells[i].Value, high, published)
			}
			if !published[i].Withheld && published[i].Value < ledger.Withheld {
				t.Fatalf("%+v is published", published[i])
			}
		}
		again := census.Suppress(cells)
		if !slices.Equal(again, published) {
			t.Fatal("it is another table the second time")
		}
	})
}

// drawTable draws a tree whose sums add up, in any order.
func drawTable(t *rapid.T) []census.Cell {
	var cells []census.Cell
	var grow func(parent string, depth int) uint64
	grow = func(parent string, depth int) uint64 {
		at := len(cells)
		name := fmt.Sprint("c", at)
		cells = append(cells, census.Cell{Name: name, Parent: parent})
		parts := 0
		if depth < 3 {
			parts = rapid.IntRange(0, 4).Draw(t, "parts")
		}
		var sum uint64
		for range parts {
			sum += grow(name, depth+1)
		}
		if parts == 0 {
			sum = rapid.OneOf(rapid.Uint64Range(0, 25), rapid.Uint64Range(0, 200)).Draw(t, "value")
		}
		cells[at].Value = sum
		return sum
	}
	grow("", 0)
	return rapid.Permutation(cells).Draw(t, "order")
}

// bounds is the most that each cell can be by what is published: intervals are
// tightened along every sum until nothing changes.
func bounds(cells []census.Cell) []float64 {
	low, high := make([]float64, len(cells)), make([]float64, len(cells))
	parts := map[string][]int{}
	for i, c := range cells {
		high[i] = math.Inf(1)
		if !c.Withheld {
			low[i], high[i] = float64(c.Value), float64(c.Value)
		}
		parts[c.Parent] = append(parts[c.Parent], i)
	}
	for changed := true; changed; {
		changed = false
		set := func(p *float64, v float64, better bool) {
			if better {
				*p, changed = v, true
			}
		}
		for i, c := range cells {
			if len(parts[c.Name]) == 0 {
				continue
			}
			var least, most float64
			for _, p := range parts[c.Name] {
				least, most = least+low[p], most+high[p]
			}
			set(&low[i], least, least > low[i])
			set(&high[i], most, most < high[i])
			for _, p := range parts[c.Name] {
				othersLeast, othersMost := 0.0, 0.0
				for _, q := range parts[c.Name] {
					if q != p {
						othersLeast, othersMost = othersLeast+low[q], othersMost+high[q]
					}
				}
				set(&high[p], high[i]-othersLeast, high[i]-othersLeast < high[p])
				set(&low[p], low[i]-othersMost, low[i]-othersMost > low[p])
			}
		}
	}
	return high
}

func TestFootprint(t *testing.T) {
	t.Parallel()
	node := func(id byte, time int64, doors, floor uint32) census.Registered {
		return census.Registered{Time: time, Body: ledger.NodeRegistered{Node: ledger.CharterID{id}, Slug: "n", Doors: doors, Floor: floor}}
	}
	all := []census.Registered{node(1, 10, 2, 100), node(2, 10, 3, 0), node(1, 20, 4, 90), node(3, 5, 1, 50), node(3, 5, 2, 50)}
	want := census.Estate{Nodes: 3, Doors: 9, Floor: 140}
	for range all {
		all = append(all[1:], all[0])
		if got := census.Footprint(all); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := census.Footprint(nil); got != (census.Estate{}) {
		t.Errorf("%+v of nothing", got)
	}
}

func TestAttest(t *testing.T) {
	t.Parallel()
	epoch := ledger.EpochID{1}
	signed := func(issuer byte, time int64, e ledger.EpochID, name string, amount int64, people uint32) census.Signed {
		return census.Signed{Issuer: ledger.KeyID{issuer}, Time: time, Body: ledger.FiguresSigned{Epoch: e, Figures: []ledger.Figure{{Name: name, Unit: "EUR", Amount: amount, People: people}}}}
	}
	got := census.Attest(epoch, []census.Signed{
		signed(1, 30, epoch, "income", 1010, 101), // differs by one person from the first: it would say what that one has
		signed(1, 10, epoch, "income", 1000, 100),
		signed(2, 10, epoch, "income", 7, 30),
		signed(1, 20, epoch, "area", 5, 40),
		signed(1, 40, epoch, "area", 9, 60),
		signed(1, 10, ledger.EpochID{2}, "area", 1000, 99),
	})
	want := []census.Attested{
		{Issuer: ledger.KeyID{1}, Name: "area", Unit: "EUR", Amount: 9, People: 60},
		{Issuer: ledger.KeyID{1}, Name: "income", Unit: "EUR", Amount: 1000, People: 100},
		{Issuer: ledger.KeyID{2}, Name: "income", Unit: "EUR", Amount: 7, People: 30},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
