package linking

import (
	"crypto/tls"
	"errors"
	"slices"
	"testing"

	"tombolo/sync/broker"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// TestForNode is who may come in at a gateway's broker, and as whom: of the community's
// hub and evaluator the hub alone reads what is reported, and neither what is the node's.
func TestForNode(t *testing.T) {
	t.Parallel()
	play := newCast(t)
	kinds := func(all ...ledger.LogKind) []ledger.LogKind { return all }
	r := replica.Rights{Node: ledger.CharterID{7}, Authors: map[ledger.KeyID]replica.Author{
		id("gateway"):       {Key: pub("gateway"), Kinds: kinds(ledger.DoorLog)},
		id("far"):           {Key: pub("far"), TLS: pub("far tls")},
		id("far gone"):      {Key: pub("far gone"), TLS: pub("far gone tls"), Removed: true},
		id("issuer"):        {Key: pub("issuer"), Kinds: kinds(ledger.CommunityLog)},
		id("steward"):       {Key: pub("steward"), Kinds: kinds(ledger.NodeLog, ledger.DirectoryLog)},
		id("far steward"):   {Key: pub("far steward"), Kinds: kinds(ledger.DirectoryLog)},
		id("evaluator"):     {Key: pub("evaluator")},
		id("was evaluator"): {Key: pub("was evaluator"), Retired: true},
		id("hub"):           {Key: pub("hub"), Kinds: kinds(ledger.CensusLog)},
		id("was hub"):       {Key: pub("was hub"), Kinds: kinds(ledger.CensusLog), Retired: true},
	}}
	ids := ForNode(r, map[[32]byte]replica.Peer{[32]byte(pub("gateway tls")): id("gateway")})
	node := []string{r.Node.String()}
	for _, c := range []struct {
		name string
		cs   tls.ConnectionState
		want broker.Identity // no Peer: nobody
	}{
		{"a gateway", play.gateway("gateway tls"), broker.Identity{Peer: id("gateway").String(), Nodes: node}},
		{"another node's", play.gateway("far tls"), broker.Identity{Peer: id("far").String()}},
		{"a steward", play.desk("steward"), broker.Identity{Peer: id("steward").String(), Nodes: node, Observer: true}},
		{"an issuer", play.desk("issuer"), broker.Identity{Peer: id("issuer").String(), Observer: true}},
		{"the hub", play.desk("hub"), broker.Identity{Peer: id("hub").String(), Observer: true, Server: true}},
		{"the evaluator", play.desk("evaluator"), broker.Identity{Peer: id("evaluator").String()}},
		{"another node's steward", play.desk("far steward"), broker.Identity{}},
		{"a hub that was", play.desk("was hub"), broker.Identity{}},
		{"an evaluator that was", play.desk("was evaluator"), broker.Identity{}},
		{"a removed gateway", play.gateway("far gone tls"), broker.Identity{}},
		{"a gateway as a desk", play.desk("gateway"), broker.Identity{}},
		{"another node's gateway as a desk", play.desk("far"), broker.Identity{}},
		{"the hub as a gateway", play.gateway("hub"), broker.Identity{}},
		{"a stranger", play.desk("nobody"), broker.Identity{}},
	} {
		got, err := ids.Of(c.cs, play.now)
		if got.Peer != c.want.Peer || got.Observer != c.want.Observer || got.Server != c.want.Server || !slices.Equal(got.Nodes, c.want.Nodes) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if (err == nil) != (c.want.Peer != "") || err != nil && !errors.Is(err, ErrStranger) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// With the password of this machine, and by name.
	for name, there := range map[string]bool{"gateway": true, "steward": true, "hub": true, "far": false, "far steward": false} {
		if who, err := ids.Called(id(name).String()); (err == nil) != there || there && who.Peer != id(name).String() {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}
