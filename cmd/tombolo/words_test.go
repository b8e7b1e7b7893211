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
	&ledger.GatewayEnrolled{Gateway: "gw"},
	&ledger.GatewayRemoved{Gateway: "gw"},
	&ledger.Policy{Version: 1, File: []byte("x")},
	&ledger.Home{Door: "flat", Passport: 1, Owner: [20]byte{1}, Notice: 86400},
	&ledger.HomeEnded{Door: "flat", Passport: 1},
	&ledger.Decision{Door: "front", Mode: "tap", Reason: "suspended"},
	&ledger.Passage{Door: "front"},
	&ledger.DoorState{Door: "front", State: "held open"},
	&ledger.Input{Door: "front", Input: "rex", Active: true},
	&ledger.Boot{Software: "tombolod", Clock: "known", Kinds: []ledger.Kind{1, 2}},
	&ledger.ClockStep{From: 1, To: 2},
	&ledger.Fault{Part: "journal", What: "disk full"},
	&ledger.ForkSeen{Evidence: []byte{1, 2}},
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
