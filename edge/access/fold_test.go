package access_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestFoldInHalves: however a log is cut, what was kept of the first half and
// the entries of the second are the whole.
func TestFoldInHalves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole, halves := access.NewPresence(), access.NewPresence()
		seq, at := uint64(0), now.UnixMilli()
		for i := range rapid.IntRange(0, 60).Draw(t, "entries") {
			body := drawBody(t, &seq)
			at += rapid.Int64Range(-minute, minute).Draw(t, "later")
			if rapid.IntRange(0, 9).Draw(t, "set") == 0 {
				to := at + rapid.Int64Range(-minute, minute).Draw(t, "by")
				body, at = &ledger.ClockStep{From: at, To: to}, to
			}
			whole.Apply(at, body)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				kept, err := json.Marshal(halves)
				halves = new(access.Presence)
				if err = errors.Join(err, json.Unmarshal(kept, halves)); err != nil {
					t.Fatalf("after entry %d: %v", i, err)
				}
			}
			halves.Apply(at, body)
		}
		a, _ := json.Marshal(whole)
		b, _ := json.Marshal(halves)
		if !bytes.Equal(a, b) {
			t.Fatalf("in one\n%s\nin pieces\n%s", a, b)
		}
	})
}

// TestPresenceAsTheLogSays holds Presence to a plain reading of the whole log at
// each question.
func TestPresenceAsTheLogSays(t *testing.T) {
	t.Parallel()
	basis := site(t)
	rapid.Check(t, func(t *rapid.T) {
		s := &teller{Presence: access.NewPresence(), basis: basis, now: now.UnixMilli()}
		var log []logged
		for range rapid.IntRange(0, 40).Draw(t, "entries") {
			body := drawBody(t, &s.seq)
			s.now += rapid.Int64Range(0, 40*minute).Draw(t, "later")
			s.Apply(s.now, body)
			log = append(log, logged{s.now, body})
		}
		for _, zone := range []string{"site", "house", "vault", "shed"} {
			z, people := s.zone(zone), 0
			for who := passport.ID(1); who <= crowd; who++ {
				in, coming := read(basis.Policy, log, zone, who, s.now)
				if in || coming["*"] {
					people++
				}
				for _, by := range siteDoors {
					want := in
					for door := range coming {
						want = want || door != "*" && door != by
					}
					if got := s.Inside(basis, z, by, who, s.now); got != want {
						t.Fatalf("passport %d in the %s, asked at %s: %v\n%v", who, zone, by, got, log)
					}
				}
			}
			if got := s.Count(basis, z, s.now); got != people {
				t.Fatalf("%d in the %s, want %d\n%v", got, zone, people, log)
			}
		}
	})
}

type logged struct {
	at   int64
	body ledger.Body
}

func (l logged) String() string { return fmt.Sprintf("%d %T%+v\n", l.at, l.body, l.body) }

const crowd = 3 // passports of the properties

// drawBody is an entry about a few people, doors and decisions.
func drawBody(t *rapid.T, seq *uint64) ledger.Body {
	door := rapid.SampledFrom(siteDoors).Draw(t, "door")
	exit := rapid.Bool().Draw(t, "exit")
	recent := func() uint64 { return *seq - uint64(rapid.IntRange(0, 3).Draw(t, "back")) }
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		return &ledger.Boot{Clock: rapid.SampledFrom([]string{"unknown", "ntp"}).Draw(t, "clock")}
	case 10:
		return &ledger.Basis{Clock: rapid.SampledFrom([]string{"unknown", "ntp"}).Draw(t, "clock")}
	case 11:
		return &ledger.Forgiven{Passport: uint64(rapid.IntRange(0, crowd).Draw(t, "who")), Before: now.UnixMilli() + rapid.Int64Range(0, 400*minute).Draw(t, "before")}
	case 1:
		return &ledger.PassUsed{Pass: ledger.PassID{byte(rapid.IntRange(1, 3).Draw(t, "pass"))}, Seq: recent()}
	case 2, 3, 4:
		return &ledger.Passage{Seq: recent(), Door: door, Exit: exit, Entered: rapid.Bool().Draw(t, "entered")}
	case 5:
		return &ledger.Decision{Seq: recent(), Door: door, Exit: exit, Mode: "tap", Reason: "again", Passport: 1}
	default:
		*seq++
		d := &ledger.Decision{Seq: *seq, Door: door, Exit: exit, Mode: "tap", Passport: uint64(rapid.IntRange(0, crowd).Draw(t, "who")),
			Granted: rapid.Bool().Draw(t, "granted"), Reason: "granted"}
		if !d.Granted && rapid.Bool().Draw(t, "wrong") {
			d.Mode, d.Reason = "tap+wrong-pin", access.WrongPin.String()
		}
		return d
	}
}

// read is who was where, by a log: in says that somebody has passed into the
// zone and not out of it, coming at which doors they were let into it and have
// not passed, with "*" if that is from without.
func read(p *policy.Policy, log []logged, zone string, who passport.ID, at int64) (in bool, coming map[string]bool) {
	pending := map[uint64]*ledger.Decision{}
	granted, words := map[uint64]int64{}, map[uint64]int64{}
	place, since := "", int64(0)
	to := func(d *ledger.Decision, back bool) string {
		if d.Exit == back {
			return p.Doors[d.Door].To
		}
		return p.Doors[d.Door].From
	}
	for _, l := range log {
		switch b := l.body.(type) {
		case *ledger.Boot: // let in: they may have gone
			for _, seq := range slices.Sorted(maps.Keys(pending)) {
				if d := pending[seq]; !d.Exit && d.Passport == uint64(who) {
					place, since = to(d, false), granted[seq]
				}
			}
			pending = map[uint64]*ledger.Decision{}
		case *ledger.Forgiven:
			word, done := words[b.Passport]
			words[b.Passport] = b.Before
			if (b.Passport == 0 || b.Passport == uint64(who)) && (!done || b.Before > word) && since <= b.Before {
				place = ""
			}
		case *ledger.Decision:
			delete(pending, b.Seq)
			if b.Granted {
				pending[b.Seq], granted[b.Seq] = b, l.at
			}
		case *ledger.Passage:
			if d := pending[b.Seq]; d != nil && b.Entered && d.Passport == uint64(who) {
				place, since = to(d, false), l.at
			}
			delete(pending, b.Seq)
		}
	}
	z := p.Zones[zone]
	in = p.Inside(zone, place) && (z.Forgive == 0 || time.Duration(at-since)*time.Millisecond < z.Forgive)
	coming = map[string]bool{}
	for _, d := range pending {
		if d.Passport == uint64(who) && p.Inside(zone, to(d, false)) {
			coming[d.Door] = true
			if !p.Inside(zone, to(d, true)) {
				coming["*"] = true
			}
		}
	}
	return in, coming
}
