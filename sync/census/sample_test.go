package census_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// crowd is a world whose list is 24 people who were really there, and a sample
// with all their openings.
func crowd(tb testing.TB, sample uint32) (*world, census.Sample) {
	tb.Helper()
	tw := plain
	tw.opened = func(b *ledger.EpochOpened) { b.Sample = sample }
	w := newWorld(tb, tw)
	for i := range 24 {
		w.visit(tb, w.admitOne(tb, passport.KindHalo, passport.ModeTap), i%2, "front", int64(opens+10*i), false)
	}
	w.report(tb)
	rules := w.rules()
	rules.Covered = []census.Covered{w.covered}
	s := census.Sample{Rules: rules, Closed: w.closed, List: w.list, Answers: map[census.Tag][]census.Answer{}, Beacon: &[32]byte{42}}
	s.Draws = []census.Drawing{{Origin: w.closed.Origin, Index: 2, Time: w.closed.Time + 1000,
		Body: ledger.Draw{Epoch: w.opened.ID(), Root: w.closed.Body.Root, Size: w.closed.Body.Size, Seed: [32]byte{42}, Source: "block 900000, mainnet"}}}
	for _, v := range w.visits {
		s.Answers[v.tag] = []census.Answer{{Opening: w.open(tb, v, v.who.id%2 == 0)}}
	}
	return w, s
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	w, whole := crowd(t, 300)
	first := func(s *census.Sample) census.Tag { return s.List.At(0).Tag }
	for _, tt := range []struct {
		name             string
		cheat            func(t *testing.T, w *world, s *census.Sample)
		good, bad, quiet int
		ok               bool
		says             string
	}{
		{"honest", nil, 24, 0, 0, true, "All 24 drawn tags"},
		{"the beacon is not known, and all are drawn", func(t *testing.T, w *world, s *census.Sample) { s.Beacon = nil }, 24, 0, 0, true, ""},
		{"no answer", func(t *testing.T, w *world, s *census.Sample) { delete(s.Answers, first(s)) }, 23, 0, 1, false, "1 drawn tags were not opened"},
		{"somebody else's opening", func(t *testing.T, w *world, s *census.Sample) {
			s.Answers[first(s)] = s.Answers[s.List.At(1).Tag]
		}, 23, 1, 0, false, "line 0 is bad: tag"},
		{"what cannot be opened", func(t *testing.T, w *world, s *census.Sample) {
			s.Answers[first(s)] = []census.Answer{{Err: census.ErrSealed}}
		}, 23, 1, 0, false, "line 0 is bad: sealed"},
		{"a bad answer before a good one", func(t *testing.T, w *world, s *census.Sample) {
			s.Answers[first(s)] = append([]census.Answer{{Err: census.ErrMalformed}}, s.Answers[first(s)]...)
		}, 24, 0, 0, true, ""},
		{"the seed is not the beacon's", func(t *testing.T, w *world, s *census.Sample) { s.Beacon = &[32]byte{43} }, 24, 0, 0, false, "the beacon says 2b"},
		{"the seed is from elsewhere", func(t *testing.T, w *world, s *census.Sample) { s.Draws[0].Body.Source = "my own dice" }, 24, 0, 0, false, "the rules say"},
		{"drawn before the close", func(t *testing.T, w *world, s *census.Sample) { s.Draws[0].Index = 0 }, 24, 0, 0, false, "before the epoch was closed"},
		{"drawn before the close, in another ledger", func(t *testing.T, w *world, s *census.Sample) {
			s.Draws[0].Origin.Incarnation[0]++
			s.Draws[0].Time = w.closed.Time - 1
		}, 24, 0, 0, false, "before the epoch was closed"},
		{"drawn from another list", func(t *testing.T, w *world, s *census.Sample) { s.Draws[0].Body.Root[0] ^= 1 }, 24, 0, 0, false, "another list"},
		{"covers made up after the draw", func(t *testing.T, w *world, s *census.Sample) {
			s.Rules.Covered = append(slices.Clone(s.Rules.Covered), census.Covered{Origin: ledger.Origin{Author: ledger.KeyID{1}}, Size: 9})
		}, 24, 0, 0, false, "not those that the close covers"},
		{"drawn from another size", func(t *testing.T, w *world, s *census.Sample) { s.Draws[0].Body.Size-- }, 24, 0, 0, false, "another list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := whole
			s.Draws, s.Answers = slices.Clone(whole.Draws), maps.Clone(whole.Answers)
			if tt.cheat != nil {
				tt.cheat(t, w, &s)
			}
			check, drawn := census.CheckEvidence(s)
			good, bad, quiet := census.Tally(drawn)
			if check.OK != tt.ok || good != tt.good || bad != tt.bad || quiet != tt.quiet {
				t.Errorf("%d good, %d bad, %d unanswered: %+v", good, bad, quiet, check)
			}
			if all := check.What + "\n" + strings.Join(check.Details, "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, all)
			}
			for _, d := range drawn {
				if (d.Evidence != "") != (d.Result == census.Good) || d.Disclosed && d.Result != census.Good {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

// TestEvidenceEarly: while answers may still come, those that are missing decide
// nothing, and hide nothing that is wrong.
func TestEvidenceEarly(t *testing.T) {
	t.Parallel()
	_, s := crowd(t, 300)
	s.Early = true
	if check, _ := census.CheckEvidence(s); !check.OK {
		t.Errorf("all answered: %+v", check)
	}
	delete(s.Answers, s.List.At(0).Tag)
	if check, drawn := census.CheckEvidence(s); !check.Undone || check.Failed() || len(drawn) != 24 || !strings.Contains(check.What, "1 were not opened yet") {
		t.Errorf("one to come: %+v", check)
	}
	chosen, worse := s, s
	chosen.Beacon = &[32]byte{43}
	worse.Answers = maps.Clone(s.Answers)
	worse.Answers[s.List.At(1).Tag] = []census.Answer{{Err: census.ErrSealed}}
	for _, s := range []census.Sample{chosen, worse} {
		if check, _ := census.CheckEvidence(s); !check.Failed() {
			t.Errorf("one to come, and something wrong: %+v", check)
		}
	}
}

func TestEvidenceUndone(t *testing.T) {
	t.Parallel()
	_, s := crowd(t, 5)
	z := s
	z.Beacon = nil
	if check, _ := census.CheckEvidence(z); !check.OK || !strings.Contains(strings.Join(check.Details, "\n"), "was not compared with the beacon") {
		t.Errorf("the beacon is not known: %+v", check)
	}
	x, y := s, s
	x.List = nil
	z.Closed.Body.Withheld, z.Draws = true, nil
	if check, _ := census.CheckEvidence(z); !check.Undone || !strings.Contains(check.What, "withheld") {
		t.Errorf("withheld: %+v", check)
	}
	y.Draws = []census.Drawing{{Body: ledger.Draw{Epoch: ledger.EpochID{1}}}}
	for _, s := range []census.Sample{x, y} {
		if check, drawn := census.CheckEvidence(s); !check.Undone || check.OK || drawn != nil {
			t.Errorf("%+v", check)
		}
	}
	if _, drawn := census.CheckEvidence(s); len(drawn) != 5 {
		t.Errorf("%d were drawn", len(drawn))
	}
}

// TestShownTwice: one tap cannot stand for two passports, even if both delegated
// the key.
func TestShownTwice(t *testing.T) {
	t.Parallel()
	tw := plain
	w := newWorld(t, tw)
	for i := range 20 {
		w.visit(t, w.admitOne(t, passport.KindHalo, passport.ModeTap), 0, "front", int64(opens+10*i), false)
	}
	a, b := w.visits[0], w.visits[1]
	b.who.key = a.who.key
	b.who.delegation = w.delegate(t, b.who, a.who.key, passport.ModeTap)
	b.attendance = a.attendance
	b.attendance.Passport = b.who.id // a tap names no passport
	w.report(t)
	s := census.Sample{Rules: w.rules(), Closed: w.closed, List: w.list, Answers: map[census.Tag][]census.Answer{}}
	s.Draws = []census.Drawing{{Origin: w.closed.Origin, Index: 2, Time: w.closed.Time, Body: ledger.Draw{Epoch: w.opened.ID(), Root: w.closed.Body.Root, Size: 20, Source: w.opened.Beacon}}}
	for _, v := range w.visits {
		o := w.open(t, v, false)
		if err := o.Verify(w.rules(), w.listed(t, v)); err != nil {
			t.Fatalf("by itself: %v", err)
		}
		s.Answers[v.tag] = []census.Answer{{Opening: o}}
	}
	check, drawn := census.CheckEvidence(s)
	if _, bad, _ := census.Tally(drawn); check.OK || bad != 1 || !strings.Contains(strings.Join(check.Details, "\n"), "shown-twice") {
		t.Errorf("%+v", check)
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	if b := census.Bound(0, 300, 20000); b >= 0.01 || b < 0.009 {
		t.Errorf("0 of 300: %v", b)
	}
	if b := census.Bound(0, 0, 20000); b != 1 {
		t.Errorf("nothing drawn: %v", b)
	}
	if b := census.Bound(1, 24, 24); b != 1.0/24 {
		t.Errorf("all drawn: %v", b)
	}
	if b := census.Bound(6, 300, 20000); b < 0.02 || b > 0.05 {
		t.Errorf("6 of 300: %v", b)
	}
}
