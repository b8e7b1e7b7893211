package panel_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// still is a world in which nothing changes.
type still struct {
	basis  *access.Basis
	holder access.Holder
}

func (s still) Basis(*ledger.Basis, access.Clock) (*access.Basis, error) { return s.basis, nil }
func (s still) ByKey(passport.KeyID) (access.Holder, error)              { return s.holder, nil }
func (s still) Sibling(ledger.Origin, int64, int64) ([]panel.Logged, error) {
	return nil, panel.ErrNotHeld
}

func replayConfig() panel.ReplayConfig {
	return panel.ReplayConfig{
		Config:    panel.Config{Node: casa, Gateway: gateway, Doors: map[string]panel.Hardware{"front": {}}},
		Community: community, Key: gatewayKey,
	}
}

// codeOf is a code in its stored form.
func codeOf(t *testing.T, who passport.ID, target passport.Target, at time.Time) []byte {
	t.Helper()
	w, err := passport.SignWindow(keyOf(who), passport.WindowStatement{Community: community, Passport: who, Target: target, Start: uint32(at.Unix()), Length: 15})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// tapOf is a tap in its stored form.
func tapOf(t *testing.T, key *passport.SoftKey, c passport.Challenge) []byte {
	t.Helper()
	sig, err := key.Sign(c.Sum())
	if err != nil {
		t.Fatal(err)
	}
	tap, err := passport.NewTap(c, key.Key(), sig)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tap.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestReplayForged: whoever holds a gateway's signing key writes what they like in
// its log, but not what a door key has signed.
func TestReplayForged(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy", []byte(completed(1, "[doors.front]\n")))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	at := start.Add(10 * time.Minute)
	h := newHolder(7, "resident")
	place := passport.TapPlace(gatewayKey, passport.DoorTarget(casa, "front"))
	challenge := passport.Challenge{Community: community, Place: place, Time: uint64(at.Unix()), Nonce: [32]byte{9}}
	tap, code := tapOf(t, keyOf(7), challenge), codeOf(t, 7, passport.NodeTarget(casa), at)
	elsewhere, abroad := challenge, challenge
	elsewhere.Place, abroad.Community = passport.TapPlace(gatewayKey, passport.DoorTarget(casa, "back")), passport.CommunityID{8}
	bent := func(raw []byte) []byte {
		raw = bytes.Clone(raw)
		raw[len(raw)-1] ^= 1
		return raw
	}
	for _, c := range []struct {
		name string
		ledger.Decision
		note string // "" where it is the same
	}{
		{"as it was", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tap}, ""},
		{"a code", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: code}, ""},
		{"a code for the door", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: codeOf(t, 7, passport.DoorTarget(casa, "front"), at)}, ""},
		{"nothing readable", ledger.Decision{Mode: "unread", Reason: "unreadable"}, ""},
		{"on the way out", ledger.Decision{Mode: "unread", Exit: true, Granted: true, Reason: "exit"}, ""},
		{"no presentation", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:]}, "nobody has presented"},
		{"nobody", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted"}, "nobody has presented"},
		{"put down to somebody", ledger.Decision{Mode: "tap", Reason: "wrong-pin", Passport: 7}, "nobody has presented"},
		{"granted for a refusal", ledger.Decision{Mode: "tap", Granted: true, Reason: "revoked", Passport: 7, Key: h.KeyID[:], Presentation: tap}, "another thing"},
		{"refused for a grant", ledger.Decision{Mode: "tap", Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tap}, "another thing"},
		{"granted as unreadable", ledger.Decision{Mode: "unread", Granted: true, Reason: "unreadable"}, "another thing"},
		{"granted as internal", ledger.Decision{Mode: "tap", Granted: true, Reason: "internal", Passport: 7, Key: h.KeyID[:], Presentation: tap}, "another thing"},
		{"a tap that is none", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tap[1:]}, "cannot be read"},
		{"a code that is none", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tap}, "cannot be read"},
		{"another passport", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 8, Key: h.KeyID[:], Presentation: tap}, "another passport or key"},
		{"another passport's code", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: codeOf(t, 8, passport.NodeTarget(casa), at)}, "another passport or key"},
		{"another key", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tapOf(t, keyOf(8), challenge)}, "another passport or key"},
		{"no key", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Presentation: code}, "another passport or key"},
		{"a bent tap", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: bent(tap)}, "nobody has signed"},
		{"a bent code", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: bent(code)}, "nobody has signed"},
		{"another door's tap", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tapOf(t, keyOf(7), elsewhere)}, "nobody has signed"},
		{"another community's tap", ledger.Decision{Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tapOf(t, keyOf(7), abroad)}, "nobody has signed"},
		{"another door's code", ledger.Decision{Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: codeOf(t, 7, passport.DoorTarget(casa, "back"), at)}, "another place"},
		{"another way", ledger.Decision{Mode: "word", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: tap}, "in this way"},
		{"a button for the way in", ledger.Decision{Mode: "rex", Granted: true, Reason: "granted"}, "would not have unlocked"},
	} {
		c.Door, c.Seq = "front", 1
		log := func(yield func(panel.Logged, error) bool) {
			for i, b := range []ledger.Body{&ledger.Boot{Software: software, Clock: "ntp"}, &ledger.Basis{Clock: "ntp"}, &c.Decision} {
				when := start
				if i == 2 {
					when = at
				}
				if !yield(panel.Logged{Index: int64(i), Time: when.UnixMilli(), Body: b}, nil) {
					return
				}
			}
		}
		n := 0
		for o, err := range panel.Replay(replayConfig(), still{&access.Basis{Generation: 1, Policy: p}, h}, log) {
			n++
			asLogged := c.Mode == "unread" && !c.Exit && c.note == ""
			if err != nil || o.Same != (c.note == "") || !strings.Contains(o.Note, c.note) || o.Same && o.Note != "" != asLogged {
				t.Errorf("%s: same is %v (%s), error %v", c.name, o.Same, o.Note, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d decisions", c.name, n)
		}
	}
}

// TestReplayWentBack: no gateway knows less in mid-run than it did.
func TestReplayWentBack(t *testing.T) {
	t.Parallel()
	source := func(origin string, size int64) ledger.Source { return ledger.Source{Origin: origin, Size: size} }
	full := func(size int64, last string) (all []ledger.Source) {
		for i := range ledger.MaxSources - 1 {
			all = append(all, source(fmt.Sprintf("a%06d", i), size))
		}
		return append(all, source(last, size))
	}
	for _, c := range []struct {
		name          string
		before, after ledger.Basis
		boot          bool
		note          string
	}{
		{"grows", ledger.Basis{Policy: 2, Sources: []ledger.Source{source("a", 5)}}, ledger.Basis{Policy: 3, Sources: []ledger.Source{source("a", 6), source("b", 1)}}, false, ""},
		{"the same", ledger.Basis{Policy: 2, Sources: []ledger.Source{source("a", 5)}}, ledger.Basis{Policy: 2, Sources: []ledger.Source{source("a", 5)}}, false, ""},
		{"shrinks", ledger.Basis{Sources: []ledger.Source{source("a", 5)}}, ledger.Basis{Sources: []ledger.Source{source("a", 4)}}, false, "a shrinks from 5 entries to 4"},
		{"loses one", ledger.Basis{Sources: []ledger.Source{source("a", 5), source("b", 1)}}, ledger.Basis{Sources: []ledger.Source{source("a", 5)}}, false, "b shrinks from 1 entries to 0"},
		{"an older policy", ledger.Basis{Policy: 2}, ledger.Basis{Policy: 1}, false, "from version 2 to 1"},
		{"no policy", ledger.Basis{Policy: 2}, ledger.Basis{}, false, "from version 2 to 0"},
		{"more than are named", ledger.Basis{Sources: full(1, "b")}, ledger.Basis{Sources: full(1, "aa")}, false, ""},
		{"over a start", ledger.Basis{Policy: 2, Sources: []ledger.Source{source("a", 5)}}, ledger.Basis{Policy: 1, Sources: []ledger.Source{source("a", 4)}}, true, ""},
	} {
		bodies := []ledger.Body{&ledger.Boot{Software: software, Clock: "ntp"}, &c.before}
		if c.boot {
			bodies = append(bodies, bodies[0])
		}
		bodies = append(bodies, &c.after)
		log := func(yield func(panel.Logged, error) bool) {
			for i, b := range bodies {
				if !yield(panel.Logged{Index: int64(i), Time: 1_800_000_000_000, Body: b}, nil) {
					return
				}
			}
		}
		note := ""
		for o, err := range panel.Replay(replayConfig(), still{&access.Basis{Generation: 1}, access.Holder{}}, log) {
			if err != nil || o.Same || o.Decision != nil || o.Index != 2 {
				t.Errorf("%s: %+v, %v", c.name, o, err)
			}
			note += o.Note
		}
		if (note == "") != (c.note == "") || !strings.Contains(note, c.note) {
			t.Errorf("%s: %q, want %q", c.name, note, c.note)
		}
	}
}

// TestReplayReached: who replays from a later start says what the log had reached
// before it, as codes of that time were refused then.
func TestReplayReached(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy", []byte(completed(1, "[doors.front]\n")))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	at := start.Add(10 * time.Minute)
	h := newHolder(7, "resident")
	raw := codeOf(t, 7, passport.NodeTarget(casa), at)
	for _, c := range []struct {
		name    string
		reached time.Time
		want    access.Reason
	}{
		{"nothing", time.Time{}, access.Granted},
		{"less", at.Add(-time.Minute), access.Granted},
		{"more: the clock was set back", at.Add(time.Hour), access.CodeBeforeStart},
		{"far more: that was the wrong clock", start.Add(25 * time.Hour), access.Granted},
	} {
		entries := []panel.Logged{
			{Index: 1, Time: start.UnixMilli(), Body: &ledger.Boot{Software: software, Clock: "ntp"}},
			{Index: 2, Time: start.UnixMilli(), Body: &ledger.Basis{Clock: "ntp", Policy: 1, Hash: make([]byte, 32)}},
			{Index: 3, Time: at.UnixMilli(), Body: &ledger.Decision{
				Seq: 1, Door: "front", Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: raw,
			}},
		}
		log := func(yield func(panel.Logged, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
		cfg := replayConfig()
		cfg.Reached = c.reached
		n := 0
		for o, err := range panel.Replay(cfg, still{&access.Basis{Generation: 1, Policy: p}, h}, log) {
			n++
			if err != nil || o.Again.Reason != c.want || o.Same != (c.want == access.Granted) {
				t.Errorf("%s: %v, %v, want %v", c.name, o.Again.Reason, err, c.want)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d decisions", c.name, n)
		}
	}
}

// TestReplayRemote: a door that was opened from afar answers a steward's order, once.
func TestReplayRemote(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy", []byte(completed(1, "[doors.front]\n[doors.back]\n")))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	order := access.Order{Origin: deskLog.String(), Index: 4, At: start.Add(10 * time.Second).UnixMilli(), Door: "front"}
	down := map[string]int64{"front": start.Add(time.Hour).Unix()}
	ordered := func(seq uint64, index int64, door string) *ledger.Ordered {
		return &ledger.Ordered{Origin: deskLog.String(), Index: index, Seq: seq, Door: door}
	}
	remote := func(seq uint64, door string, r access.Reason) *ledger.Decision {
		return &ledger.Decision{Seq: seq, Door: door, Mode: "remote", Granted: r.Grants(), Reason: r.String()}
	}
	named := remote(1, "front", access.Remote)
	named.Passport = 7
	for _, c := range []struct {
		name   string
		late   time.Duration
		locked bool
		log    []ledger.Body
		again  access.Reason // of the last decision
		note   string
	}{
		{"as it was", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Remote)}, access.Remote, ""},
		{"to the last second", 40 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Remote)}, access.Remote, ""},
		{"too late", 41 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.OrderStale)}, access.OrderStale, ""},
		{"opened though it was too late", 41 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Remote)}, access.OrderStale, ""},
		{"dated ahead", 4 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.OrderAhead)}, access.OrderAhead, ""},
		{"under a lockdown", 20 * time.Second, true, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Lockdown)}, access.Lockdown, ""},
		{"opened under a lockdown", 20 * time.Second, true, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Remote)}, access.Lockdown, ""},
		{"as a level grants", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Granted)}, access.Remote, ""},
		{"not durable", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.NotRecorded)}, access.NotRecorded, "what became of its record"},
		{"no order named", 20 * time.Second, false, []ledger.Body{remote(1, "front", access.Remote)}, access.None, "which order it answers"},
		{"another decision's", 20 * time.Second, false, []ledger.Body{ordered(2, 4, "front"), remote(1, "front", access.Remote)}, access.None, "which order it answers"},
		{"nobody's order", 20 * time.Second, false, []ledger.Body{ordered(1, 5, "front"), remote(1, "front", access.Remote)}, access.None, "no steward has ordered it"},
		{"another door's", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "back"), remote(1, "back", access.Remote)}, access.None, "no steward has ordered it"},
		{"twice", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), remote(1, "front", access.Remote), ordered(2, 4, "front"), remote(2, "front", access.Remote)}, access.None, "answered the order before"},
		{"somebody's", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), named}, access.None, "another passport"},
		{"a refusal that lets in", 20 * time.Second, false, []ledger.Body{ordered(1, 4, "front"), &ledger.Decision{Seq: 1, Door: "front", Mode: "remote", Granted: true, Reason: "order-stale"}}, access.None, "another thing"},
	} {
		basis := &access.Basis{Generation: 1, Policy: p, Opens: []access.Order{order}}
		if c.locked {
			basis.Lockdowns = down
		}
		log := func(yield func(panel.Logged, error) bool) {
			for i, b := range append([]ledger.Body{&ledger.Boot{Software: software, Clock: "ntp"}, &ledger.Basis{Clock: "ntp"}}, c.log...) {
				when := start
				if i > 1 {
					when = start.Add(c.late)
				}
				if !yield(panel.Logged{Index: int64(i), Time: when.UnixMilli(), Body: b}, nil) {
					return
				}
			}
		}
		cfg := replayConfig()
		cfg.Doors = map[string]panel.Hardware{"front": {}, "back": {}}
		var last panel.Outcome
		for o, err := range panel.Replay(cfg, still{basis, access.Holder{}}, log) {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			last = o
		}
		same := c.again.String() == last.Decision.Reason
		if last.Again.Reason != c.again || last.Same != same || !strings.Contains(last.Note, c.note) || c.note == "" && last.Note != "" {
			t.Errorf("%s: again %v, the same %v (%s), want %v (%s)", c.name, last.Again.Reason, last.Same, last.Note, c.again, c.note)
		}
	}
}

// TestReplayOddSiblings: what no gateway writes of its siblings ends in no panic, and
// a log's name that is none is an error.
func TestReplayOddSiblings(t *testing.T) {
	t.Parallel()
	gw2 := doorLogOf("gw2").String()
	for _, c := range []struct {
		name  string
		heard [][]ledger.Source
		fails bool
	}{
		{"backwards", [][]ledger.Source{{{Origin: gw2, Size: 9}}, {{Origin: gw2, Size: 3}}, {{Origin: gw2, Size: 9}}}, false},
		{"not held", [][]ledger.Source{{{Origin: gw2, Size: 0}}, {{Origin: gw2, Size: 1 << 60}}}, false},
		{"no log", [][]ledger.Source{{{Origin: "gw2", Size: 0}}}, true},
	} {
		log := func(yield func(panel.Logged, error) bool) {
			bodies := []ledger.Body{&ledger.Boot{Software: software, Clock: "ntp"}, &ledger.Basis{Clock: "ntp"}}
			for _, h := range c.heard {
				bodies = append(bodies, &ledger.Siblings{Heard: h})
			}
			for i, b := range bodies {
				if !yield(panel.Logged{Index: int64(i), Time: 1_800_000_000_000, Body: b}, nil) {
					return
				}
			}
		}
		var failed error
		for o, err := range panel.Replay(replayConfig(), still{&access.Basis{Generation: 1}, access.Holder{}}, log) {
			failed = err
			if err == nil {
				t.Errorf("%s: %+v", c.name, o)
			}
		}
		if (failed != nil) != c.fails || c.fails && !errors.Is(failed, ledger.ErrOrigin) {
			t.Errorf("%s: %v", c.name, failed)
		}
	}
}
