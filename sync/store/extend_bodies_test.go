package store

import (
	"slices"
	"testing"

	"tombolo/sync/ledger"
)

// A ledger that lacks a body which nothing covers is not taken, and what came of it
// is forgotten: somebody else has the body.
func TestExtendWithheld(t *testing.T) { both(t, testExtendWithheld) }

func testExtendWithheld(t *testing.T) {
	t.Parallel()
	for _, kind := range []ledger.LogKind{ledger.NodeLog, ledger.CommunityLog, ledger.DirectoryLog, ledger.DoorLog} {
		from := open(t)
		cfg := testConfig(t)
		cfg.Kind = kind
		a := author(t, from, cfg)
		body := map[ledger.LogKind]ledger.Body{
			ledger.NodeLog: &ledger.Bar{Passport: 1}, ledger.CommunityLog: &ledger.DoorKeyRevoked{Passport: 1, Key: [32]byte{1}},
			ledger.DirectoryLog: &ledger.DirectoryGone{Gateway: "gw1", Signing: [32]byte{1}}, ledger.DoorLog: passage(1).Body,
		}[kind]
		for range 30 {
			if _, err := a.Append(Draft{body, cfg.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		i := held(t, from, a.Head().Origin)
		entries, err := page(from.read, i.id, 0, i.Size)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			missing []int64
			at      int64 // that is withheld; for a door log 0 means that none is
		}{
			"Begin":           {[]int64{0}, 0},
			"the first":       {[]int64{1}, 1},
			"the first three": {[]int64{1, 2, 3}, 1},
			"one more":        {[]int64{1, 2, 3, 7}, 1},
			"in the middle":   {[]int64{15}, 15},
			"the last":        {[]int64{30}, 30},
		} {
			to := open(t)
			given := slices.Clone(entries)
			for _, n := range c.missing {
				given[n] = given[n].Drop()
			}
			var xs []ledger.Extension
			for _, cut := range [][2]int64{{0, 10}, {10, 20}, {20, 31}} {
				tree := ledger.Tree{}
				if len(xs) > 0 {
					tree = xs[len(xs)-1].Tree()
				}
				proof, err := ledger.ProveStretch(from.Reader(i), cut[1], 31)
				if err != nil {
					t.Fatal(err)
				}
				x, err := ledger.CheckStretch(tree, i.Head, ledger.Stretch{From: cut[0], Entries: given[cut[0]:cut[1]], Proof: proof})
				if err != nil {
					t.Fatal(err)
				}
				xs = append(xs, x)
			}
			if _, err := to.Extend(testTime, xs[:2]...); err != nil {
				t.Fatal(err)
			}
			at := c.at
			if kind == ledger.DoorLog && at == 1 { // retention leaves it so
				if at = 0; len(c.missing) == 4 {
					at = 7
				}
				if at == 0 {
					if _, err := to.Extend(testTime, xs[2]); err != nil {
						t.Errorf("%s, %s: %v", kind, name, err)
					}
					if r := verifies(t, to, i.Origin); r.Expired != int64(len(c.missing)) {
						t.Errorf("%s, %s: %+v", kind, name, r)
					}
					continue
				}
			}
			_, err := to.Extend(testTime, xs[2])
			refusedAt(t, err, at, at, ledger.ErrWithheld)
			invisible(t, to, i.Origin, 0, 0)
			if err := extend(t, from, to, i.Origin, 1<<20); err != nil {
				t.Errorf("%s, %s: the next giver: %v", kind, name, err)
			}
		}
	}
}

// A first run of missing bodies may grow from one head to the next.
func TestExtendExpiredGoesOn(t *testing.T) { both(t, testExtendExpiredGoesOn) }

func testExtendExpiredGoesOn(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 30)
	i := held(t, from, a.Head().Origin)
	entries, err := page(from.read, i.id, 0, i.Size)
	if err != nil {
		t.Fatal(err)
	}
	for n := range entries[:20] {
		if n > 0 {
			entries[n] = entries[n].Drop()
		}
	}
	to := open(t)
	tree := ledger.Tree{}
	for _, end := range []int64{10, 25, 30} {
		x, err := ledger.CheckStretch(tree, signed(t, from, i, end, testTime), ledger.Stretch{From: tree.Size(), Entries: entries[tree.Size():end]})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Extend(testTime, x); err != nil {
			t.Fatal(err)
		}
		tree = x.Tree()
	}
	if r := verifies(t, to, i.Origin); r.Expired != 19 {
		t.Errorf("%+v", r)
	}
}

// A drop that is recorded in what is kept beside touches nothing that is seen until
// its record is.
func TestExtendDropsWhenWhole(t *testing.T) { both(t, testExtendDropsWhenWhole) }

func testExtendDropsWhenWhole(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 300)
	o, to := a.Head().Origin, open(t)
	if err := extend(t, from, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := a.Drop(10, 290, "retention"); err != nil {
		t.Fatal(err)
	}
	fill(t, a, 400)
	for range 3 { // the record is in the first of them
		if _, err := to.Extend(testTime, stretchOf(t, from, to, o, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if r := verifies(t, to, o); r.Dropped != 0 || r.Size != 300 {
		t.Errorf("%+v", r)
	}
	if err := extend(t, from, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	if r := verifies(t, to, o); r.Dropped != 281 || r.Size != 400 {
		t.Errorf("%+v", r)
	}
}
