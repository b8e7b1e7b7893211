package folder

import (
	"bytes"
	"testing"

	"tombolo/sync/ledger"
)

// TestRobberyByOneThatReported: a gateway that has reported takes another's place on
// the links no more than one that has not.
func TestRobberyByOneThatReported(t *testing.T) {
	t.Parallel()
	gateway, accomplice := abroadKey("gateway"), abroadKey("accomplice")
	keys, own := gatewayKeys(7), gatewayKeys(9)
	keys.Signing, own.Signing = public32(gateway), public32(accomplice)
	taking := own
	taking.TLS = keys.TLS
	f := found(t, "isla")
	must2(f.NewService(ledger.Hub))
	honest, thief := newAbroad(t, f, "one"), newAbroad(t, f, "other")
	if bytes.Compare(thief.id[:], honest.id[:]) > 0 { // a charter's hash is its writer's choice
		honest, thief = thief, honest
	}
	write(t, f, ledger.CommunityLog, &ledger.NodeRegistered{Node: honest.id, Slug: "honest", Doors: 1, Floor: 1}, &ledger.NodeRegistered{Node: thief.id, Slug: "thief", Doors: 1, Floor: 1})
	honest.publish(&ledger.DirectoryKeys{Gateway: "gw", Keys: keys})
	thief.publish(&ledger.DirectoryKeys{Gateway: "gw2", Keys: own})
	reported(t, f, gateway, honest.id)
	reported(t, f, accomplice, thief.id)
	before := rightsOf(t, f)
	if len(before.Authors[ledger.KeyIDOf(keys.Signing[:])].TLS) != 32 || len(before.Authors[ledger.KeyIDOf(own.Signing[:])].TLS) != 32 {
		t.Fatal("not both are there")
	}
	thief.publish(&ledger.DirectoryKeys{Gateway: "gw2", Keys: taking})
	r := rightsOf(t, f)
	a, there := r.Authors[ledger.KeyIDOf(keys.Signing[:])]
	if !there || a.Charter[ledger.ReportLog] != honest.id || !bytes.Equal(a.TLS, keys.TLS[:]) {
		t.Errorf("robbed: %v, %+v", there, a)
	}
	if b := r.Authors[ledger.KeyIDOf(own.Signing[:])]; bytes.Equal(b.TLS, keys.TLS[:]) {
		t.Error("the thief is taken for it on a link")
	}
}

// TestRobberyByCharter: a node whose charter names another's gateway, which has
// reported, as its own steward takes nothing from it.
func TestRobberyByCharter(t *testing.T) {
	t.Parallel()
	gateway := abroadKey("gateway")
	keys := gatewayKeys(7)
	keys.Signing = public32(gateway)
	id := ledger.KeyIDOf(keys.Signing[:])
	f := found(t, "isla")
	must2(f.NewService(ledger.Hub))
	honest := newAbroad(t, f, "one")
	write(t, f, ledger.CommunityLog, &ledger.NodeRegistered{Node: honest.id, Slug: "honest", Doors: 1, Floor: 1})
	honest.publish(&ledger.DirectoryKeys{Gateway: "gw", Keys: keys})
	reported(t, f, gateway, honest.id)
	if a := rightsOf(t, f).Authors[id]; a.Charter[ledger.ReportLog] != honest.id {
		t.Fatalf("%+v", a)
	}
	thief := newAbroad(t, f, "other", keys.Signing)
	write(t, f, ledger.CommunityLog, &ledger.NodeRegistered{Node: thief.id, Slug: "thief", Doors: 1, Floor: 1})
	if a := rightsOf(t, f).Authors[id]; a.Charter[ledger.ReportLog] != honest.id || !bytes.Equal(a.TLS, keys.TLS[:]) || a.Retired {
		t.Errorf("robbed: %+v", a)
	}
}
