package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tombolo/sync/ledger"
)

// bodies has one of each kind: the test fails when a kind is added without words.
var bodies = []ledger.Body{
	&ledger.Begin{Charter: ledger.CharterID{1}, Generation: 1, Predecessor: &ledger.Predecessor{Incarnation: ledger.Incarnation{2}, Size: 3}},
	&ledger.Dropped{First: 1, Last: 2, Why: "retention"},
	&ledger.Admit{Passport: 1, Owner: [20]byte{1}, Class: "resident", NotAfter: 1},
	&ledger.Suspend{Passport: 1, Why: "dues"},
	&ledger.Reinstate{Passport: 1},
	&ledger.Expel{Passport: 1, Why: "theft"},
	&ledger.DoorKeyAdded{Delegation: []byte{1}},
	&ledger.DoorKeyRevoked{Passport: 1, Why: "lost"},
	&ledger.NodeRegistered{Node: ledger.CharterID{1}, Slug: "casa"},
	&ledger.NodeVouched{Node: ledger.CharterID{1}, Steward: [32]byte{1}, Signature: [64]byte{1}},
	&ledger.GatewayVouched{Gateway: [32]byte{1}, Reader: [33]byte{2}, Signature: [64]byte{1}},
	&ledger.GatewayEnrolled{Gateway: "gw"},
	&ledger.GatewayRemoved{Gateway: "gw"},
	&ledger.Policy{Version: 1, File: []byte("x")},
	&ledger.Home{Door: "flat", Passport: 1, Owner: [20]byte{1}, Notice: 86400},
	&ledger.HomeEnded{Door: "flat", Passport: 1},
	&ledger.Lockdown{Doors: []string{"front"}, Ends: 1, Why: "drill"},
	&ledger.LockdownLifted{},
	&ledger.Bar{Passport: 1, Ends: 1, Why: "fight"},
	&ledger.GuestPass{Pass: ledger.PassID{1}, Passport: 1, Levels: []string{"visitors"}, NotAfter: 1, Uses: 3, Why: "plumber"},
	&ledger.GuestEnded{Pass: ledger.PassID{1}, Why: "done"},
	&ledger.Forgive{Why: "drill"},
	&ledger.PinSet{Passport: 1, Boxes: []ledger.PinBox{{Gateway: [32]byte{1}, Sealed: []byte{1}}}},
	&ledger.Decision{Door: "front", Mode: "tap", Reason: "suspended"},
	&ledger.Passage{Door: "front"},
	&ledger.DoorState{Door: "front", State: "held open"},
	&ledger.Input{Door: "front", Input: "rex", Active: true},
	&ledger.Boot{Software: "tombolod", Clock: "known", Kinds: []ledger.Kind{1, 2}},
	&ledger.ClockStep{From: 1, To: 2},
	&ledger.Fault{Part: "journal", What: "disk full"},
	&ledger.ForkSeen{Evidence: []byte{1, 2}},
	&ledger.Basis{Clock: "ntp", Policy: 2, Hash: make([]byte, 32), Sources: []ledger.Source{{Origin: "tombolo/v1/…", Size: 3}}},
	&ledger.PassUsed{Pass: ledger.PassID{1}, Seq: 4},
	&ledger.Opening{Seq: 4, Door: "front"},
	&ledger.Line{Input: "mains", State: "cut"},
	&ledger.Forgiven{Passport: 7, Before: 1_000_000_000},
	&ledger.Open{Door: "front", Why: "a parcel"},
	&ledger.Snapshot{Size: 10, Superseded: []byte{1, 2}},
	&ledger.Siblings{Heard: []ledger.Source{{Origin: "tombolo/v1/…", Size: 3}}, Missing: []string{"gw2"}},
	&ledger.Ordered{Origin: "tombolo/v1/…", Index: 3, Seq: 4, Door: "front"},
	&ledger.PolicyTried{Version: 2, Why: "the daemon ended twice under it"},
	&ledger.Expired{Before: 100, Why: "90 days"},
	&ledger.DirectoryKeys{Gateway: "gw1"},
	&ledger.DirectoryGone{Gateway: "gw1", Signing: [32]byte{1}},
	&ledger.EpochOpened{Number: 3, Opens: 1, Closes: 2, Audit: 3, Beacon: "a block", Sample: 300, Auditors: []ledger.Auditor{{Name: "a newspaper", Sealing: [32]byte{1}}}},
	&ledger.FiguresSigned{Figures: []ledger.Figure{{Name: "income", Unit: "EUR", Amount: 1, People: 20}}},
	&ledger.Attendance{Passport: 7},
	&ledger.Occupancy{Zone: "house", Sure: 20, Most: 30, Age: 60},
	&ledger.CensusTags{Part: 1, Tags: make([]byte, 2*ledger.TagSize)},
	&ledger.Reported{Node: ledger.CharterID{1}, Parts: 1, Count: 2},
	&ledger.Opened{Tag: [32]byte{1}, Sealed: []byte{1}},
	&ledger.EpochClosed{Size: 20, Rules: 1},
	&ledger.Draw{Size: 20, Source: "a block"},
}

func TestEveryKindHasWords(t *testing.T) {
	t.Parallel()
	seen := map[ledger.Kind]bool{}
	for _, b := range bodies {
		seen[b.Kind()] = true
		if s := inWords(b); s == "" || strings.Contains(s, "{") {
			t.Errorf("%v: %q", b.Kind(), s)
		}
		text, err := json.Marshal(plain(reflect.ValueOf(b).Elem()))
		if err != nil || text[0] != '{' || string(text) == "{}" {
			t.Errorf("%v: %s, %v", b.Kind(), text, err)
		}
	}
	for _, k := range ledger.KnownKinds() {
		if !seen[k] {
			t.Errorf("no sample of %v", k)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	pass := ledger.PassID{0xab, 0xcd, 0xef, 1}
	epoch := ledger.EpochID{0xab, 0xcd}
	for _, c := range []struct {
		body ledger.Body
		want string
	}{
		{&ledger.Lockdown{Ends: 1_000_000, Why: "drill"}, "all doors, until " + when(unix(1_000_000)) + ": drill"},
		{&ledger.Lockdown{Doors: []string{"back", "front"}, Ends: 1_000_000}, "back, front, until " + when(unix(1_000_000))},
		{&ledger.LockdownLifted{Doors: []string{"front"}, Why: "over"}, "front: over"},
		{&ledger.Bar{Passport: 7, Ends: 1_000_000, Why: "fight"}, "passport 7, until " + when(unix(1_000_000)) + ": fight"},
		{&ledger.Bar{Passport: 7}, "passport 7, lifted"},
		{&ledger.GuestPass{Pass: pass, Passport: 7, Levels: []string{"a", "b"}, NotAfter: 1_000_000, Uses: 1},
			"pass abcdef01, passport 7, by a, b, from " + when(unix(0)) + " until " + when(unix(1_000_000)) + ", 1 entry"},
		{&ledger.GuestPass{Pass: pass, Passport: 7, Levels: []string{"a"}, NotAfter: 1_000_000, Why: "plumber"},
			"pass abcdef01, passport 7, by a, from " + when(unix(0)) + " until " + when(unix(1_000_000)) + ", any number of entries: plumber"},
		{&ledger.GuestEnded{Pass: pass, Why: "done"}, "pass abcdef01: done"},
		{&ledger.Forgive{Why: "drill"}, "everybody: drill"},
		{&ledger.Forgive{Passport: 7, Why: "drill"}, "passport 7: drill"},
		{&ledger.Forgiven{Passport: 7, Before: 1_000_000_000}, "passport 7, up to " + when(unix(1_000_000))},
		{&ledger.Forgiven{Before: 1_000_000_000}, "everybody, up to " + when(unix(1_000_000))},
		{&ledger.PinSet{Passport: 7}, "passport 7, cleared"},
		{&ledger.PinSet{Passport: 7, Boxes: make([]ledger.PinBox, 2)}, "passport 7, at 2 gateways"},
		{&ledger.Basis{Clock: "ntp", Policy: 2, Sources: make([]ledger.Source, 1)}, "policy 2, clock ntp, 1 ledger"},
		{&ledger.PassUsed{Pass: pass, Seq: 4}, "pass abcdef01, decision 4"},
		{&ledger.Opening{Seq: 4, Door: "front"}, "front, decision 4: recorded, and opens"},
		{&ledger.Line{Door: "front", Input: "rex", State: "active"}, "front rex active"},
		{&ledger.Line{Input: "mains", State: "cut"}, "gateway mains cut"},
		{&ledger.FiguresSigned{Epoch: epoch, Figures: []ledger.Figure{{Name: "income", Unit: "EUR a month", Amount: 41000, People: 25}, {Name: "rent", Unit: "EUR", Amount: -2, People: 20}}},
			"epoch id abcd000000000000, by the issuer's word alone: income 41000 EUR a month over 25 people; rent -2 EUR over 20 people"},
		{&ledger.Attendance{Epoch: epoch, Passport: 7, Window: true}, "epoch id abcd000000000000, passport 7, by code"},
		{&ledger.Attendance{Epoch: epoch, Passport: 7}, "epoch id abcd000000000000, passport 7, by tap"},
		{&ledger.Occupancy{Zone: "house", Sure: 20, Most: 30, Age: 90}, "house, at least 20 and at most 30, as of 1m30s before"},
		{&ledger.CensusTags{Epoch: epoch, Part: 1, Tags: make([]byte, ledger.TagSize)}, "epoch id abcd000000000000, part 1, 1 tag"},
		{&ledger.Reported{Epoch: epoch, Node: ledger.CharterID{1}, Parts: 1, Count: 2}, "epoch id abcd000000000000, node 0100000000000000, 2 tags in 1 part, root 0000000000000000"},
		{&ledger.Opened{Epoch: epoch, Tag: [32]byte{1}, Auditor: [32]byte{2}}, "epoch id abcd000000000000, tag 0100000000000000, opened to auditor 0200000000000000"},
		{&ledger.EpochClosed{Epoch: epoch, Size: 20, Reports: 1, Nodes: 2, Doors: 1, Floor: 90}, "epoch id abcd000000000000, 20 passports seen with valid evidence, root 0000000000000000, out of 1 report; 2 nodes, 1 door, 90 m²"},
		{&ledger.EpochClosed{Epoch: epoch, Withheld: true, Reports: 2, Nodes: 1}, "epoch id abcd000000000000, fewer than 20 passports seen with valid evidence, root 0000000000000000, out of 2 reports; 1 node, 0 doors, 0 m²"},
		{&ledger.Draw{Epoch: epoch, Size: 20, Source: "block 9"}, "epoch id abcd000000000000, from 20 under root 0000000000000000, by seed 0000000000000000, block 9"},
		{&ledger.ClockStep{From: 1_000_000_000, To: 2_000_000_000}, "from " + when(unix(1_000_000)) + " to " + when(unix(2_000_000))},
	} {
		if got := inWords(c.body); got != c.want {
			t.Errorf("%v: %q, want %q", c.body.Kind(), got, c.want)
		}
	}
}

func TestEpochInWords(t *testing.T) {
	t.Parallel()
	b := &ledger.EpochOpened{Number: 3, Opens: 1_000_000, Closes: 2_000_000, Audit: 3_000_000, Beacon: "block 9", Sample: 300}
	want := "epoch 3, epoch id " + b.ID().String()[:16] + ", from " + when(unix(1_000_000)) + " until " + when(unix(2_000_000)) +
		", audited until " + when(unix(3_000_000)) + ", 300 tags drawn by block 9, no auditors"
	if got := inWords(b); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.Auditors = []ledger.Auditor{{Name: "a newspaper"}, {Name: "a university"}}
	if got := inWords(b); !strings.HasSuffix(got, ", auditors a newspaper, a university") || strings.Contains(got, "no auditors") {
		t.Errorf("%q", got)
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body ledger.Body
		want string
	}{
		{&ledger.Suspend{Passport: 7, Why: "é"}, `{"passport":7,"why":"é"}`},
		{&ledger.Begin{Generation: 2}, `{"charter":"` + strings.Repeat("0", 64) + `","generation":2,"predecessor":null}`},
		{&ledger.ForkSeen{Evidence: []byte{0xab, 1}}, `{"evidence":"ab01"}`},
	} {
		text, err := json.Marshal(plain(reflect.ValueOf(c.body).Elem()))
		if err != nil || string(text) != c.want {
			t.Errorf("got %s, %v, want %s", text, err, c.want)
		}
	}
	for name, want := range map[string]string{"NotBefore": "not_before", "TLS": "tls", "Passport": "passport", "RosterAge": "roster_age"} {
		if got := snake(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
