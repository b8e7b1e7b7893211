package store

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// at is an entry of a door log of that second.
func at(second int64) Draft {
	return Draft{&ledger.Passage{Seq: uint64(second), Door: "front", Entered: true}, time.Unix(testTime+second, 0)}
}

// retainAll calls Retain until it is done, and returns how much went each time.
func retainAll(tb testing.TB, a *Author, before int64) (went []int64) {
	tb.Helper()
	for {
		n, err := a.Retain(time.Unix(testTime+before, 0), "kept for 90 days")
		if err != nil {
			tb.Fatal(err)
		}
		if n == 0 {
			return went
		}
		went = append(went, n)
	}
}

// steady is a clock that stands still, far behind all that is written.
func steady(tb testing.TB) AuthorConfig {
	tb.Helper()
	cfg := testConfig(tb)
	cfg.Now = func() time.Time { return time.Unix(testTime+10_000, 0) }
	return cfg
}

func TestRetain(t *testing.T) { both(t, testRetain) }

func testRetain(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := author(t, s, steady(t))
	o := a.Head().Origin
	if went := retainAll(t, a, 1<<30); len(went) != 0 || a.Head().Size != 0 {
		t.Errorf("nothing was written, and %v went", went)
	}
	for second := range int64(100) {
		if _, err := a.Append(at(second)); err != nil {
			t.Fatal(err)
		}
	}
	to := open(t)
	if err := extend(t, s, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before int64
		went   []int64
		first  int64 // that is left behind Begin
	}{
		{0, nil, 1}, {1, []int64{1}, 2}, {1, nil, 2}, {40, []int64{39}, 41}, {30, nil, 41},
		{500, []int64{60}, 101}, // the records of the two before stay
		{9_999, nil, 101},       // and of the last
	} {
		if went := retainAll(t, a, c.before); !slices.Equal(went, c.went) {
			t.Errorf("before %d: %v went, want %v", c.before, went, c.went)
		}
		if err := extend(t, s, to, o, 1<<20); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Store{s, to} {
			verifies(t, s, o)
			if left := with(t, s, o); left[0] != 0 || left[1] != c.first {
				t.Errorf("before %d: %v is left", c.before, left[:3])
			}
		}
	}
	if r := verifies(t, to, o); r.Dropped != 100 || r.Expired != 0 || r.Kinds[ledger.KindDropped] != 3 {
		t.Errorf("%+v", r)
	}
}

// A clock that was wrong for a while neither holds up what is old nor takes what is
// not.
func TestRetainClock(t *testing.T) { both(t, testRetainClock) }

func testRetainClock(t *testing.T) {
	t.Parallel()
	a := author(t, open(t), steady(t))
	for _, second := range []int64{1, 2, 1_000_000, 1_000_001, 3, 50, 4, 5, 2_000_000} {
		if _, err := a.Append(at(second)); err != nil {
			t.Fatal(err)
		}
	}
	if went := retainAll(t, a, 40); !slices.Equal(went, []int64{5}) { // up to 3; then something new stands
		t.Errorf("%v went", went)
	}
	if went := retainAll(t, a, 60); !slices.Equal(went, []int64{3}) { // the last is not known to be old
		t.Errorf("%v went", went)
	}
}

// However much there is, no commit takes long.
func TestRetainInPieces(t *testing.T) { both(t, testRetainInPieces) }

func testRetainInPieces(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	s := open(t)
	a := author(t, s, cfg)
	fill(t, a, 40_001)
	cfg.Now = func() time.Time { return time.Unix(testTime+100_000, 0) }
	a = author(t, s, cfg)
	if went := retainAll(t, a, 50_000); !slices.Equal(went, []int64{maxRetained, maxRetained, 40_000 - 2*maxRetained}) {
		t.Errorf("%v went", went)
	}
	verifies(t, s, a.Head().Origin)
}

// Earlier incarnations go by the word of the one that writes now, at everybody who
// hears of it, in whichever order the two come.
func TestRetainEarlier(t *testing.T) { both(t, testRetainEarlier) }

func testRetainEarlier(t *testing.T) {
	t.Parallel()
	s := open(t)
	cfg := steady(t)
	var origins []ledger.Origin
	for boot := range int64(3) {
		cfg.Guard = Guard{Dir: filepath.Join(t.TempDir(), "guard"), Boot: string(rune('a' + boot))}
		nextBoot(t, s)
		a := author(t, s, cfg)
		for second := range int64(10) {
			if _, err := a.Append(at(100*boot + second)); err != nil {
				t.Fatal(err)
			}
		}
		origins = append(origins, a.Head().Origin)
	}
	early, late, other := open(t), open(t), open(t)
	for _, to := range []*Store{early, other} {
		for _, o := range origins {
			if err := extend(t, s, to, o, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := extend(t, s, late, origins[2], 1<<20); err != nil {
		t.Fatal(err)
	}
	a := author(t, s, cfg)
	if a.Head().Origin != origins[2] {
		t.Fatal("another incarnation")
	}
	if went := retainAll(t, a, 105); !slices.Equal(went, []int64{10, 5}) {
		t.Errorf("%v went", went)
	}
	if went := retainAll(t, a, 203); !slices.Equal(went, []int64{5, 3}) {
		t.Errorf("%v went", went)
	}
	// Late hears of it before it gets the earlier ones, from somebody who has them all.
	for _, o := range []ledger.Origin{origins[2], origins[1], origins[0]} {
		from := s
		if o != origins[2] {
			from = other
		}
		if err := extend(t, s, early, o, 300); err != nil {
			t.Fatal(err)
		}
		if err := extend(t, from, late, o, 300); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]*Store{"here": s, "early": early, "late": late} {
		for n, want := range [][]int64{{0}, {0}, {0, 4, 5}} {
			if left := with(t, to, origins[n]); !slices.Equal(left[:min(3, len(left))], want) {
				t.Errorf("%s: of %d, %v is left", name, n, left)
			}
		}
		if r := verifies(t, to, origins[0]); r.Expired != 10 || r.Dropped != 10 {
			t.Errorf("%s: %+v", name, r)
		}
		if r := verifies(t, to, origins[2]); r.Expired != 0 || r.Dropped != 3 || r.Kinds[ledger.KindExpired] != 3 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// What another's log says of it is nothing.
	cfg.Key = testKey("somebody else")
	b := author(t, other, cfg)
	b.mu.Lock()
	err := b.letGo(&ledger.Expired{Incarnation: origins[0].Incarnation, Before: 5, Why: "x"}, &ledger.Expired{Incarnation: b.info.Origin.Incarnation, Before: 2, Why: "x"})
	b.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if left := with(t, other, origins[0]); len(left) != 11 {
		t.Errorf("%v is left", left)
	}
	// Of a node's ledger nothing goes for its age.
	cfg.Kind = ledger.NodeLog
	node := author(t, s, cfg)
	if _, err := node.Append(Draft{&ledger.Bar{Passport: 1}, time.Unix(testTime, 0)}); err != nil {
		t.Fatal(err)
	}
	if n, err := node.Retain(time.Unix(1<<40, 0), "x"); n != 0 || !errors.Is(err, ledger.ErrWrongLog) {
		t.Errorf("%d went, %v", n, err)
	}
}
