package census_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// town is a list that four nodes' reports make, of which the first two share five
// passports. Its lines stand for nobody.
func town(tb testing.TB, w *world) (census.Whole, census.Rules) {
	tb.Helper()
	rules := w.rules()
	whole := census.Whole{Rules: rules}
	var shared, all []byte
	for i := range 4 {
		node, key := ledger.CharterID{byte(i + 1)}, named(fmt.Sprint("town ", i))
		rules.Gateways[ledger.KeyIDOf(public(key))] = census.Gateway{Key: public(key), Node: node}
		tags := make([]byte, 30*ledger.TagSize)
		w.rnd.Read(tags)
		switch i {
		case 0:
			shared = bytes.Clone(tags[:5*ledger.TagSize])
		case 1:
			for n := range 5 {
				copy(tags[n*ledger.TagSize:], shared[n*ledger.TagSize:][:32]) // the tag, with another commitment
			}
		}
		tags = census.Merge(tags, nil)
		own, err := census.NewList(tags)
		if err != nil {
			tb.Fatal(err)
		}
		c := census.Covered{Origin: ledger.Origin{Community: w.community, Kind: ledger.ReportLog, Author: ledger.KeyIDOf(public(key))}, Size: 3, Root: [32]byte{byte(i)},
			Node: node, Count: 30, TagsRoot: own.Root(nil)}
		whole.Covers = append(whole.Covers, c)
		whole.Reports = append(whole.Reports, census.Tagged{Covered: c, Tags: tags})
		whole.Nodes = append(whole.Nodes, census.Registered{Time: 1000 * opens, Body: ledger.NodeRegistered{Node: node, Slug: fmt.Sprint("isle", i+1), Doors: 3, Floor: 50}})
		all = append(all, tags...)
	}
	setList(w, &whole, census.Merge(all, nil))
	return whole, rules
}

// more is one more node without doors.
func more(at int64) census.Registered {
	return census.Registered{Time: at, Body: ledger.NodeRegistered{Node: ledger.CharterID{200}, Slug: "late"}}
}

// setList closes with a list as it is.
func setList(w *world, whole *census.Whole, list []byte) {
	whole.List = list
	whole.Closed = census.Closed{Time: 1000 * (closes + 3600), Body: ledger.EpochClosed{Epoch: w.opened.ID(), Rules: census.RulesVersion,
		Size: uint64(len(list) / ledger.TagSize), Reports: uint32(len(whole.Covers)), Covers: census.CoversHash(whole.Covers),
		Nodes: 4, Doors: 12, Floor: 200}}
	if l, err := census.NewList(list); err == nil {
		whole.Closed.Body.Root = l.Root(nil)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	line := ledger.TagSize
	for _, tt := range []struct {
		name  string
		cheat func(t *testing.T, w *world, x *census.Whole)
		ok    bool
		says  string
	}{
		{"honest", nil, true, "holds every tag that they report, and no other"},
		{"for who is not named", func(t *testing.T, w *world, x *census.Whole) { x.Reports = nil }, true, "only auditors whom the epoch names can see"},
		{"a node without a report", func(t *testing.T, w *world, x *census.Whole) {
			x.Nodes = append(x.Nodes, more(1000*opens))
			x.Closed.Body.Nodes++
		}, true, `no report of node "late"`},
		{"more real estate than there is", func(t *testing.T, w *world, x *census.Whole) { x.Closed.Body.Floor++ }, false, "and 201 m², and the issuers registered 4, 12 and 200"},
		{"a node that was registered when all was closed", func(t *testing.T, w *world, x *census.Whole) {
			x.Nodes = append(x.Nodes, more(x.Closed.Time+1))
		}, true, `no report of node "late"`},
		{"a registration that came late", func(t *testing.T, w *world, x *census.Whole) {
			x.Nodes = append(x.Nodes, more(x.Closed.Time-1), more(x.Closed.Time+1))
			x.Nodes[5].Body.Node[1] = 1
		}, true, "by now the issuers registered 6, 12 and 200"},
		{"a resident left out", func(t *testing.T, w *world, x *census.Whole) {
			setList(w, x, slices.Delete(bytes.Clone(x.List), 7*line, 8*line))
		}, false, "1 tags that node"},
		{"one counted twice, by two commitments", func(t *testing.T, w *world, x *census.Whole) {
			twice := bytes.Clone(x.List[7*line : 8*line])
			twice[60] ^= 1
			setList(w, x, slices.Insert(bytes.Clone(x.List), 8*line, twice...))
			x.Closed.Body.Root = [32]byte{1} // the hub's root of it, whatever it is
		}, false, "not strictly ascending by tag: line 8"},
		{"one counted twice, by an invented tag", func(t *testing.T, w *world, x *census.Whole) {
			more := make([]byte, line)
			w.rnd.Read(more)
			setList(w, x, census.Merge(append(bytes.Clone(x.List), more...), nil))
		}, false, "1 lines of the list are in no report"},
		{"somebody else's evidence", func(t *testing.T, w *world, x *census.Whole) {
			list := bytes.Clone(x.List)
			list[7*line+40] ^= 1
			setList(w, x, list)
		}, false, "in no report"},
		{"not the lowest commitment", func(t *testing.T, w *world, x *census.Whole) {
			a, _ := census.NewList(x.Reports[0].Tags)
			b, _ := census.NewList(x.Reports[1].Tags)
			l, _ := census.NewList(x.List)
			for i := range a.Len() {
				if at, ok := b.Find(a.At(i).Tag); ok {
					p, q := a.At(i), b.At(at)
					high := p.Commitment
					if bytes.Compare(q.Commitment[:], high[:]) > 0 {
						high = q.Commitment
					}
					list := bytes.Clone(x.List)
					n, _ := l.Find(p.Tag)
					copy(list[int(n)*line+32:], high[:])
					setList(w, x, list)
					return
				}
			}
			t.Fatal("nothing is shared")
		}, false, "lowest of its commitments"},
		{"unsorted", func(t *testing.T, w *world, x *census.Whole) {
			list := bytes.Clone(x.List)
			copy(list[:line], x.List[line:2*line])
			copy(list[line:], x.List[:line])
			x.List = list
		}, false, "line 1"},
		{"a line cut short", func(t *testing.T, w *world, x *census.Whole) { x.List = x.List[:len(x.List)-1] }, false, "no multiple"},
		{"another list than was closed", func(t *testing.T, w *world, x *census.Whole) { x.Closed.Body.Root[0] ^= 1 }, false, "hashes to"},
		{"another size", func(t *testing.T, w *world, x *census.Whole) { x.Closed.Body.Size-- }, false, "the close says 114"},
		{"a report taken from the covers", func(t *testing.T, w *world, x *census.Whole) { x.Covers = x.Covers[1:] }, false, "are not the 4"},
		{"a report's root changed in the covers", func(t *testing.T, w *world, x *census.Whole) { x.Covers[0].TagsRoot[0] ^= 1 }, false, "are not the 4"},
		{"a report by nobody", func(t *testing.T, w *world, x *census.Whole) {
			delete(x.Rules.Gateways, x.Covers[0].Origin.Author)
		}, false, "nobody who may report"},
		{"a report for another node", func(t *testing.T, w *world, x *census.Whole) {
			g := x.Rules.Gateways[x.Covers[0].Origin.Author]
			g.Node = ledger.CharterID{99}
			x.Rules.Gateways[x.Covers[0].Origin.Author] = g
		}, false, "nobody who may report"},
		{"more tags than were reported", func(t *testing.T, w *world, x *census.Whole) {
			for i := range x.Covers {
				x.Covers[i].Count = 5
			}
			x.Closed.Body.Covers = census.CoversHash(x.Covers)
		}, false, "20 tags were reported, and the list has 115"},
		{"fewer than one node reported", func(t *testing.T, w *world, x *census.Whole) {
			x.Covers[0].Count = 900
			x.Closed.Body.Covers = census.CoversHash(x.Covers)
		}, false, "reported 900 tags"},
		{"a report whose tags are kept back", func(t *testing.T, w *world, x *census.Whole) { x.Reports = x.Reports[1:] }, false, "of 1 covered reports were not given"},
		{"a report given twice", func(t *testing.T, w *world, x *census.Whole) { x.Reports[1] = x.Reports[0] }, false, "or twice"},
		{"other tags than were reported", func(t *testing.T, w *world, x *census.Whole) {
			x.Reports[0].Tags = bytes.Clone(x.Reports[0].Tags)
			x.Reports[0].Tags[50] ^= 1
		}, false, "not those that it reported"},
		{"tags that are no list", func(t *testing.T, w *world, x *census.Whole) { x.Reports[0].Tags = x.Reports[0].Tags[1:] }, false, "not those that it reported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plain)
			x, _ := town(t, w)
			if tt.cheat != nil {
				tt.cheat(t, w, &x)
			}
			check, _ := census.CheckAll(x)
			if check.OK != tt.ok || check.Undone || check.Name != census.CheckedAll {
				t.Errorf("%+v", check)
			}
			if all := check.What + "\n" + strings.Join(check.Details, "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, all)
			}
		})
	}
}

// TestAllSuppressed: a report that the hub acknowledged and left out is found by
// whoever has it, and by nobody else.
func TestAllSuppressed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		held int64
		ok   bool
		says string
	}{
		{closes + 600, false, "it was suppressed"},
		{closes + 7200, true, "when the epoch had been closed"},
		{0, true, "nothing shows that the hub ever had it"},
	} {
		w := aWorld(t, twist{held: tt.held})
		x, rules := town(t, w)
		if check, _ := census.CheckAll(x); !check.OK {
			t.Fatalf("without it: %+v", check)
		}
		x.Rules = rules
		x.Shown = []census.Shown{w.open(t, w.visits[0], false).Report}
		check, _ := census.CheckAll(x)
		if check.OK != tt.ok || !strings.Contains(strings.Join(check.Details, "\n"), tt.says) {
			t.Errorf("held at %d: %+v", tt.held, check)
		}
		x.Shown[0].Proof = nil
		if check, _ := census.CheckAll(x); check.OK {
			t.Error("a report that is shown to stand in no ledger passes")
		}
	}
}

func TestAllUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	x, _ := town(t, w)
	y := x
	y.List = nil
	z := x
	z.Closed.Body.Rules = 2
	for _, x := range []census.Whole{y, z} {
		if check, l := census.CheckAll(x); !check.Undone || check.OK || check.Failed() || l != nil {
			t.Errorf("%+v", check)
		}
	}
	if check := census.CheckMine(w.rules(), x.Closed, nil, []census.Receipt{{}}); !check.Undone {
		t.Errorf("%+v", check)
	}
	if check := census.CheckMine(w.rules(), x.Closed, nil, nil); !check.Undone {
		t.Errorf("%+v", check)
	}
}

// TestWithheldClose: of a short list the size is not said, and auditors to whom
// it is shown check it all the same.
func TestWithheldClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	for _, tt := range []struct {
		reports int
		ok      bool
	}{{0, true}, {1, false}} { // 0 lines are few, 30 are not
		x, _ := town(t, w)
		x.Covers, x.Reports = x.Covers[:tt.reports], x.Reports[:tt.reports]
		var list []byte
		for _, r := range x.Reports {
			list = append(list, r.Tags...)
		}
		setList(w, &x, append([]byte{}, list...))
		x.Closed.Body.Withheld, x.Closed.Body.Size = true, 0
		if check, l := census.CheckAll(x); check.OK != tt.ok || l == nil {
			t.Errorf("%d reports: %+v", tt.reports, check)
		}
	}
}

// TestDetailsAreBounded: however much is wrong, a check is read to its end.
func TestDetailsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	x, _ := town(t, w)
	for i := range 100 {
		n := more(1000 * closes * 2)
		n.Body.Node[1] = byte(i)
		x.Nodes = append(x.Nodes, n)
	}
	check, _ := census.CheckAll(x)
	if n := len(check.Details); n != 25 || check.Details[24] != "and 76 more" || !check.OK {
		t.Errorf("%d details, the last %q", n, check.Details[n-1])
	}
}
