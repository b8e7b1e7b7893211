package census_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestDisclosureOfAnotherVisit: what is disclosed has to be the presentation that
// the attendance was made of, and of that time.
func TestDisclosureOfAnotherVisit(t *testing.T) {
	t.Parallel()
	build := func(after int64) (*world, *visit, *visit) {
		w := newWorld(t, plain)
		p := w.admitOne(t, passport.KindHalo, passport.ModeTap)
		a := w.visit(t, p, 0, "front", opens+100, false)
		b := w.visit(t, p, 0, "front", opens+100+after, false)
		w.visits = w.visits[:1]
		return w, a, b
	}
	w, a, b := build(900)
	a.attendance.Seen = census.SeenCommit(a.secret.SeenSalt(), b.seen) // the reporter commits to the later visit's records
	w.report(t)
	a.seen = b.seen
	if err := w.open(t, a, true).Verify(w.rules(), w.listed(t, a)); !errors.Is(err, census.ErrFull) || !strings.Contains(err.Error(), "not what was committed to") {
		t.Errorf("another presentation: %v", err)
	}

	w, a, _ = build(900)
	log := w.doors[0]
	d, err := ledger.ParseBody(ledger.KindDecision, log.entries[a.seen.Decision].Body)
	if err != nil {
		t.Fatal(err)
	}
	again := d.(*ledger.Decision)
	again.Seq = 1000
	late := census.Seen{Log: log.origin, Decision: log.add(t, opens+100+1000, again),
		Passage: log.add(t, opens+100+1001, &ledger.Passage{Seq: 1000, Door: "front", Entered: true})}
	late.DecisionLeaf, late.PassageLeaf = census.LeafHash(log.entries[late.Decision]), census.LeafHash(log.entries[late.Passage])
	a.attendance.Seen, a.seen = census.SeenCommit(a.secret.SeenSalt(), late), late
	w.report(t)
	if err := w.open(t, a, true).Verify(w.rules(), w.listed(t, a)); !errors.Is(err, census.ErrFull) || !strings.Contains(err.Error(), "away from its decision") {
		t.Errorf("an old tap in a late decision: %v", err)
	}
}

func TestNoEvidence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		window bool
		change func(p *census.Presence)
		want   error
	}{
		{"refused", false, func(p *census.Presence) { p.Decision.Granted = false }, census.ErrNoEvidence},
		{"nobody's", false, func(p *census.Presence) { p.Decision.Passport = 0 }, census.ErrNoEvidence},
		{"no key", false, func(p *census.Presence) { p.Decision.Key = nil }, census.ErrNoEvidence},
		{"another key", false, func(p *census.Presence) { p.Key.Point[5] ^= 1 }, census.ErrNoEvidence},
		{"another kind of key", false, func(p *census.Presence) { p.Key.Kind = passport.KindKeycard }, census.ErrNoEvidence},
		{"a request to exit", false, func(p *census.Presence) { p.Decision.Mode = "rex" }, census.ErrNoEvidence},
		{"no presentation", false, func(p *census.Presence) { p.Decision.Presentation = nil }, census.ErrNoEvidence},
		{"a code called a tap", true, func(p *census.Presence) { p.Decision.Mode = "tap" }, census.ErrNoEvidence},
		{"a tap called a code", false, func(p *census.Presence) { p.Decision.Mode = "window" }, census.ErrNoEvidence},
		{"another passport's code", true, func(p *census.Presence) { p.Decision.Passport++ }, census.ErrNoEvidence},
		{"a code of another node", true, func(p *census.Presence) { p.Node[0] ^= 1 }, census.ErrPlace},
		{"a code of another community", true, func(p *census.Presence) { p.Community[0] ^= 1 }, census.ErrPlace},
		{"a tap at another door", false, func(p *census.Presence) { p.Decision.Door = "back" }, passport.ErrSignature},
		{"a tap at another gateway", false, func(p *census.Presence) { p.Gateway[0] ^= 1 }, passport.ErrSignature},
		{"a tap in another community", false, func(p *census.Presence) { p.Community[0] ^= 1 }, passport.ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plain)
			who := w.admitOne(t, passport.KindSoftware, passport.ModeTap|passport.ModeWindow)
			v := w.visit(t, who, 0, "front", opens+5, tt.window)
			body, err := ledger.ParseBody(ledger.KindDecision, w.doors[0].entries[v.seen.Decision].Body)
			if err != nil {
				t.Fatal(err)
			}
			p := census.Presence{Community: w.community, Node: w.node, Gateway: [32]byte(public(w.doors[0].key)), Decision: body.(*ledger.Decision), Key: who.key.Key()}
			if _, err := census.NewAttendance(w.opened.ID(), p, [32]byte{}); err != nil {
				t.Fatalf("before: %v", err)
			}
			tt.change(&p)
			if _, err := census.NewAttendance(w.opened.ID(), p, [32]byte{}); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// TestOpeningHidesDoorAndTime: the openings of one person at two doors in two
// hours are of one length, hold nothing of either, and cannot be used to find
// them: no door and no second of the epoch opens the commitments with anything
// that the opening holds.
func TestOpeningHidesDoorAndTime(t *testing.T) {
	t.Parallel()
	for _, window := range []bool{false, true} {
		t.Run(fmt.Sprint("window ", window), func(t *testing.T) {
			t.Parallel()
			doors := []string{"front-of-the-house", "garden-by-the-quay"}
			times := []int64{opens + 301, opens + 3299}
			var lengths, boxes [2]int
			for i := range doors {
				w := newWorld(t, plain)
				p := w.admitOne(t, passport.KindSoftware, passport.ModeTap|passport.ModeWindow)
				v := w.visit(t, p, 0, doors[i], times[i], window)
				// An index that cannot stand in the bytes by chance.
				v.seen.Decision, v.seen.Passage = 0x0a1b2c3d, 0x0a1b2c3e
				v.attendance.Seen = census.SeenCommit(v.secret.SeenSalt(), v.seen)
				w.report(t)
				o := w.open(t, v, false)
				if err := o.Verify(w.rules(), w.listed(t, v)); err != nil {
					t.Fatal(err)
				}
				b := o.Marshal()
				key, s := auditorKey(t, w, v.tag)
				box, err := census.Seal(s, o)
				if err != nil {
					t.Fatal(err)
				}
				if back, err := census.Unseal(key, s, box); err != nil || string(back.Marshal()) != string(b) {
					t.Fatalf("unsealed: %v", err)
				}
				lengths[i], boxes[i] = len(b), len(box)
				for what, hidden := range hiddenOf(t, w, v, doors[i], times[i]) {
					if strings.Contains(string(b), hidden) || strings.Contains(string(box), hidden) {
						t.Errorf("the opening holds the %s", what)
					}
				}
				searched(t, w, o, v, doors)
			}
			if lengths[0] != lengths[1] || boxes[0] != boxes[1] {
				t.Errorf("openings of %v bytes, sealed %v", lengths, boxes)
			}
		})
	}
}

// hiddenOf is what would say door or time.
func hiddenOf(t *testing.T, w *world, v *visit, door string, at int64) map[string]string {
	t.Helper()
	body, err := ledger.ParseBody(ledger.KindDecision, w.doors[0].entries[1].Body)
	if err != nil {
		t.Fatal(err)
	}
	d := body.(*ledger.Decision)
	target := passport.DoorTarget(passport.NodeID(w.node), door)
	tap := passport.TapPlace([32]byte(public(w.doors[0].key)), target)
	short := target.Short()
	be, le := binary.BigEndian, binary.LittleEndian
	hidden := map[string]string{
		"door": door, "door's id": string(target[:]), "door's short id": string(short[:]), "place": string(tap[:]),
		"index":         string(be.AppendUint32(nil, uint32(v.seen.Decision))),
		"passage":       string(be.AppendUint32(nil, uint32(v.seen.Passage))),
		"index swapped": string(le.AppendUint32(nil, uint32(v.seen.Decision))),
		"decision":      string(v.seen.DecisionLeaf[:]),
		"presentation":  string(d.Presentation),
	}
	for name, n := range map[string]int64{"second": at, "millisecond": 1000 * at, "passage's second": at + 2, "passage's millisecond": 1000 * (at + 2)} {
		hidden[name] = string(be.AppendUint64(nil, uint64(n))[3:]) // 5 bytes tell a millisecond
		hidden[name+" swapped"] = string(le.AppendUint64(nil, uint64(n))[:5])
		hidden[name+" in digits"] = fmt.Sprint(n)
		if n < 1<<32 {
			hidden[name] = string(be.AppendUint32(nil, uint32(n)))
			hidden[name+" swapped"] = string(le.AppendUint32(nil, uint32(n)))
		}
	}
	nonce := nonceOf(t, d)
	place, time := passport.PlaceSalt(nonce), passport.TimeSalt(nonce)
	hidden["nonce"], hidden["place's salt"], hidden["time's salt"] = string(nonce), string(place[:]), string(time[:])
	seen := v.secret.SeenSalt()
	hidden["secret"], hidden["salt of what was seen"] = string(v.secret[:]), string(seen[:])
	return hidden
}

func nonceOf(t *testing.T, d *ledger.Decision) []byte {
	t.Helper()
	if d.Mode == "window" {
		code, err := passport.ParseWindow(d.Presentation)
		if err != nil {
			t.Fatal(err)
		}
		return code.Nonce[:]
	}
	tap, err := passport.ParseTap(d.Presentation)
	if err != nil {
		t.Fatal(err)
	}
	return tap.Nonce[:]
}

// searched tries every place with everything in the opening as salt or nonce, and
// every second with each of its fields.
func searched(t *testing.T, w *world, o census.Opening, v *visit, doors []string) {
	t.Helper()
	place, time := passport.Commitment(v.attendance.Place), passport.Commitment(v.attendance.Time)
	var targets []passport.Target
	for _, door := range doors {
		target := passport.DoorTarget(passport.NodeID(w.node), door)
		targets = append(targets, target)
		for _, log := range w.doors {
			targets = append(targets, passport.TapPlace([32]byte(public(log.key)), target))
		}
	}
	targets = append(targets, passport.NodeTarget(passport.NodeID(w.node)))
	b := o.Marshal()
	for i := range len(b) - 32 {
		for _, salt := range [][32]byte{[32]byte(b[i:]), passport.PlaceSalt(b[i : i+32]), passport.PlaceSalt(b[i : i+16])} {
			for _, target := range targets {
				if place.OpenPlace(salt, target) == nil {
					t.Fatal("the place can be found")
				}
			}
		}
	}
	a := v.attendance
	for _, field := range [][]byte{make([]byte, 32), o.Blind[:], o.Salt[:], o.Tag[:], o.Evaluation.Element[:], a.Place[:], a.Time[:], a.Seen[:], a.Signature[:32], a.Signature[32:], o.Attendance.Salt[:]} {
		salts := [][32]byte{passport.TimeSalt(field), passport.TimeSalt(field[:16])}
		if len(field) == 32 {
			salts = append(salts, [32]byte(field))
		}
		for _, salt := range salts {
			for at := uint64(opens); at < closes; at++ {
				for _, length := range []uint8{0, 30} {
					if time.OpenTime(salt, at, length) == nil {
						t.Fatal("the time can be found")
					}
				}
			}
		}
	}
	// With the salt the search would have found it: the test can fail.
	body, err := ledger.ParseBody(ledger.KindDecision, w.doors[0].entries[1].Body)
	if err != nil {
		t.Fatal(err)
	}
	nonce := nonceOf(t, body.(*ledger.Decision))
	found := false
	for at := uint64(opens); at < closes; at++ {
		found = found || time.OpenTime(passport.TimeSalt(nonce), at, 0) == nil || time.OpenTime(passport.TimeSalt(nonce), at, 30) == nil
	}
	if !found {
		t.Error("the search would never find anything")
	}
}
