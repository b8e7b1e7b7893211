package census

import (
	"cmp"
	"slices"

	"tombolo/sync/ledger"
)

// What is published beside the list: only totals, and none that is small or from
// which a small one could be subtracted.

// Rounded is an interval in tens: sure down, most up.
func Rounded(sure, most uint32) (uint32, uint32) {
	up := (uint64(most) + 9) / 10 * 10
	if up > 1<<32-1 {
		up = 1<<32 - 1
	}
	return sure / 10 * 10, uint32(up)
}

// Publishable tells whether a live figure may leave its node: at least
// [ledger.Withheld] are surely there, or the steward chose to publish.
func Publishable(sure uint32, steward bool) bool { return sure >= ledger.Withheld || steward }

// Cell is one figure of a table, whose rows add up: the Values of all cells with
// the same Parent make the parent's, as zones make a node and nodes the whole.
// Withheld, its Value is 0 and means nothing.
type Cell struct {
	Name     string
	Value    uint64
	Parent   string // name of the cell that it is a part of; empty at the top
	Withheld bool
}

// Suppress withholds what is small, and as much more as it takes that nothing
// small can be computed: of what is published, together with all totals, neither
// does a withheld figure below [ledger.Withheld] follow, nor that it is below.
// The cells come back in their order. Where rows do not add up, as people who
// are counted in two places do, it withholds rather more. A table that is none (a
// name twice, a cell that contains itself) is withheld whole.
func Suppress(cells []Cell) []Cell {
	t := newTable(slices.Clone(cells))
	if t == nil {
		out := slices.Clone(cells)
		for i := range out {
			out[i].Withheld, out[i].Value = true, 0
		}
		return out
	}
	for i := range t.cells {
		t.cells[i].Withheld = t.cells[i].Withheld || t.cells[i].Value < ledger.Withheld
	}
	for t.withholdMore() {
	}
	for i := range t.cells {
		if t.cells[i].Withheld {
			t.cells[i].Value = 0
		}
	}
	return t.cells
}

type table struct {
	cells []Cell
	parts [][]int  // of each cell
	order []int    // parts before what they are parts of
	rest  []uint64 // what a cell's parts do not account for: one more withheld part
}

func newTable(cells []Cell) *table {
	t := &table{cells: cells, parts: make([][]int, len(cells)), rest: make([]uint64, len(cells))}
	at := map[string]int{}
	for i, c := range cells {
		if _, twice := at[c.Name]; twice || c.Name == "" {
			return nil
		}
		at[c.Name] = i
	}
	top := []int{}
	for i, c := range cells {
		if p, ok := at[c.Parent]; ok {
			t.parts[p] = append(t.parts[p], i)
		} else {
			top = append(top, i)
		}
	}
	for ; len(top) > 0; top = top[1:] {
		t.order = append(t.order, top[0])
		top = append(top, t.parts[top[0]]...)
	}
	if len(t.order) != len(cells) { // some contain themselves
		return nil
	}
	slices.Reverse(t.order)
	for i, c := range cells {
		var sum uint64
		for _, p := range t.parts[i] {
			sum += cells[p].Value
		}
		if len(t.parts[i]) > 0 && c.Value > sum {
			t.rest[i] = c.Value - sum
		}
	}
	return t
}

// withholdMore finds published cells whose withheld parts add up to less than
// may be known, withholds one more cell for each, and reports whether it did.
//
// The sum of the withheld parts is all that a reader can compute, and no part is
// more than that. A withheld part that has parts of its own stands for those,
// since published ones among them are subtracted, too.
func (t *table) withholdMore() (more bool) {
	for _, i := range t.order {
		if t.cells[i].Withheld || len(t.parts[i]) == 0 {
			continue
		}
		hidden, some, least := t.frontier(i)
		if !some || hidden >= ledger.Withheld {
			continue
		}
		if least < 0 {
			least = i // there is nothing else that could hide them
		}
		t.cells[least].Withheld = true
		more = true
	}
	return more
}

// frontier is what the withheld parts of a cell add up to, whether there are any,
// and the smallest of the published ones; -1 if there are none.
func (t *table) frontier(i int) (hidden uint64, some bool, least int) {
	hidden, some, least = t.rest[i], t.rest[i] > 0, -1
	for _, p := range t.parts[i] {
		c := t.cells[p]
		best := p
		if c.Withheld && len(t.parts[p]) == 0 {
			hidden, some, best = hidden+c.Value, true, -1
		} else if c.Withheld {
			var h uint64
			var s bool
			h, s, best = t.frontier(p)
			hidden, some = hidden+h, some || s
		}
		if best >= 0 && (least < 0 || t.cells[best].Value < t.cells[least].Value) {
			least = best
		}
	}
	return hidden, some, least
}

// Estate is a community's real estate, as its issuers registered it.
type Estate struct {
	Nodes uint32 `json:"nodes"`
	Doors uint32 `json:"doors"`
	Floor uint64 `json:"floor"` // square metres
}

// Registered is a NodeRegistered entry and its time, Unix milliseconds.
type Registered struct {
	Time int64
	Body ledger.NodeRegistered
}

// Footprint adds up the nodes, each by its last entry; of two of one time, by the
// larger. The order in which they come does not matter.
func Footprint(all []Registered) (e Estate) {
	last := map[ledger.CharterID]Registered{}
	for _, r := range all {
		if old, ok := last[r.Body.Node]; !ok || cmp.Or(cmp.Compare(r.Time, old.Time),
			cmp.Compare(r.Body.Floor, old.Body.Floor), cmp.Compare(r.Body.Doors, old.Body.Doors)) > 0 {
			last[r.Body.Node] = r
		}
	}
	for _, r := range last {
		e.Nodes++
		e.Doors += r.Body.Doors
		e.Floor += uint64(r.Body.Floor)
	}
	return e
}

// Attested is a total that an issuer signed: its word, which nobody checks. It is
// published under that name and beside no figure that was counted.
type Attested struct {
	Issuer ledger.KeyID
	Name   string
	Unit   string
	Amount int64
	People uint32
}

// Signed is a FiguresSigned entry of an issuer whose ledger counts.
type Signed struct {
	Issuer ledger.KeyID
	Time   int64 // Unix milliseconds
	Body   ledger.FiguresSigned
}

// Attest gathers what issuers attested for an epoch, ascending by name and
// issuer. An issuer's later figure takes the place of its earlier one unless the
// two are over numbers of people that differ by less than [ledger.Withheld]: then
// their difference would say what few people have, and the first one stays.
func Attest(epoch ledger.EpochID, all []Signed) []Attested {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Signed) int { return cmp.Compare(a.Time, b.Time) })
	type key struct {
		issuer ledger.KeyID
		name   string
	}
	last := map[key]Attested{}
	for _, s := range all {
		if s.Body.Epoch != epoch {
			continue
		}
		for _, f := range s.Body.Figures {
			k := key{s.Issuer, f.Name}
			old, again := last[k]
			if again && max(old.People, f.People)-min(old.People, f.People) < ledger.Withheld {
				continue
			}
			last[k] = Attested{Issuer: s.Issuer, Name: f.Name, Unit: f.Unit, Amount: f.Amount, People: f.People}
		}
	}
	out := make([]Attested, 0, len(last))
	for _, a := range last {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Attested) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Issuer[:], b.Issuer[:]))
	})
	return out
}
