package linking

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// TestForHub is who may come in at the hub's broker, and as whom.
func TestForHub(t *testing.T) {
	t.Parallel()
	play := newCast(t)
	report := []ledger.LogKind{ledger.ReportLog}
	r := replica.Rights{Authors: map[ledger.KeyID]replica.Author{
		id("gateway"):     {Key: pub("gateway"), Kinds: report, TLS: pub("gateway tls")},
		id("new gateway"): {Key: pub("new gateway"), TLS: pub("new gateway tls")},
		id("removed"):     {Key: pub("removed"), Kinds: report, TLS: pub("removed tls"), Removed: true},
		id("issuer"):      {Key: pub("issuer"), Kinds: []ledger.LogKind{ledger.CommunityLog}},
		id("was issuer"):  {Key: pub("was issuer"), Kinds: []ledger.LogKind{ledger.CommunityLog}, Retired: true},
		id("steward"):     {Key: pub("steward"), Kinds: []ledger.LogKind{ledger.DirectoryLog}},
		id("evaluator"):   {Key: pub("evaluator")},
		id("hub"):         {Key: pub("hub"), Kinds: []ledger.LogKind{ledger.CensusLog}},
	}}
	ids := ForHub([32]byte(pub("hub")), r)
	for _, c := range []struct {
		name string
		cs   tls.ConnectionState
		want broker.Identity // no Peer: nobody
	}{
		{"a gateway", play.gateway("gateway tls"), broker.Identity{Peer: id("gateway").String()}},
		{"a gateway of a node that is not registered yet", play.gateway("new gateway tls"), broker.Identity{Peer: id("new gateway").String()}},
		{"an issuer's desk", play.desk("issuer"), broker.Identity{Peer: id("issuer").String(), Observer: true}},
		{"a steward's desk", play.desk("steward"), broker.Identity{Peer: id("steward").String(), Observer: true}},
		{"the evaluator", play.desk("evaluator"), broker.Identity{Peer: id("evaluator").String()}},
		{"the hub itself", play.desk("hub"), broker.Identity{Peer: id("hub").String(), Observer: true, Server: true}},
		{"a removed gateway", play.gateway("removed tls"), broker.Identity{}},
		{"a gateway by its signing key", play.gateway("gateway"), broker.Identity{}},
		{"a gateway as a desk", play.desk("gateway"), broker.Identity{}},
		{"an issuer as a gateway", play.gateway("issuer"), broker.Identity{}},
		{"the hub as a gateway", play.gateway("hub"), broker.Identity{}},
		{"a retired issuer", play.desk("was issuer"), broker.Identity{}},
		{"a stranger", play.gateway("nobody"), broker.Identity{}},
		{"a stranger's desk", play.desk("nobody"), broker.Identity{}},
		{"a desk of yesterday", play.shown(enroll.DeskCertificate(key("issuer"), play.now.Add(-48*time.Hour))), broker.Identity{}},
		{"nobody at all", tls.ConnectionState{}, broker.Identity{}},
	} {
		got, err := ids.Of(c.cs, play.now)
		if got.Peer != c.want.Peer || got.Observer != c.want.Observer || got.Server != c.want.Server || len(got.Nodes) > 0 {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if (err == nil) != (c.want.Peer != "") || err != nil && !errors.Is(err, ErrStranger) && !errors.Is(err, enroll.ErrCertificate) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if !ids.Equal(ForHub([32]byte(pub("hub")), r)) {
		t.Error("the same rights give other identities")
	}
	delete(r.Authors, id("gateway"))
	if ids.Equal(ForHub([32]byte(pub("hub")), r)) {
		t.Error("a gateway that is gone changes nothing")
	}
}
