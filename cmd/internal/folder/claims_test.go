package folder

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// reported has a gateway begin its report ledger for a node, and brings that to the
// folder.
func reported(t *testing.T, f *Folder, gateway ed25519.PrivateKey, node ledger.CharterID) {
	t.Helper()
	dir := t.TempDir()
	s := must2(store.Open(filepath.Join(dir, "ledgers.db")))
	defer s.Close()
	a := must2(s.OpenAuthor(store.AuthorConfig{
		Key: gateway, Community: must2(f.CommunityID()), Kind: ledger.ReportLog, Charter: node,
		Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"}, Now: f.Now, Rand: rand.Reader,
	}))
	must2(a.Append(store.Draft{Body: &ledger.Occupancy{Zone: "hall", Sure: 30, Most: 30}, Time: f.Now()}))
	i := must2(s.Ledger(a.Head().Origin))
	must2(f.Store().Ingest(i.Head, time.Now().Unix(), s.Chunks(i, 0)))
}

// TestRobbery: a registered node that publishes another's gateway, whose keys are
// public, as its own neither takes the right to report for its node from it nor its
// place on the links.
func TestRobbery(t *testing.T) {
	t.Parallel()
	gateway := abroadKey("gateway")
	keys := gatewayKeys(7)
	keys.Signing = public32(gateway)
	id := ledger.KeyIDOf(keys.Signing[:])
	// The thief shows its own keys for the gateway's name, or has the gateway's place
	// on the links taken for its own.
	posing, taking := gatewayKeys(8), gatewayKeys(9)
	posing.Signing, taking.TLS = keys.Signing, keys.TLS
	for _, c := range []struct {
		name                           string
		thiefFirst, reported, withdrew bool
		nobodys                        bool
	}{
		{name: "of a node that was registered before"},
		{name: "of a gateway that has reported", thiefFirst: true, reported: true},
		{name: "of a gateway that has reported, and is gone", reported: true, withdrew: true, nobodys: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := found(t, "isla")
			must2(f.NewService(ledger.Hub))
			honest, thief := newAbroad(t, f, "one"), newAbroad(t, f, "other")
			if bytes.Compare(thief.id[:], honest.id[:]) > 0 { // a charter's hash is its writer's choice
				honest, thief = thief, honest
			}
			nodes := []ledger.Body{&ledger.NodeRegistered{Node: honest.id, Slug: "honest", Doors: 1, Floor: 1}, &ledger.NodeRegistered{Node: thief.id, Slug: "thief", Doors: 1, Floor: 1}}
			if c.thiefFirst {
				slices.Reverse(nodes)
			}
			write(t, f, ledger.CommunityLog, nodes...)
			thief.publish(&ledger.DirectoryKeys{Gateway: "gw", Keys: posing}, &ledger.DirectoryKeys{Gateway: "gw2", Keys: taking})
			honest.publish(&ledger.DirectoryKeys{Gateway: "gw", Keys: keys})
			if c.reported {
				reported(t, f, gateway, honest.id)
			}
			if c.withdrew {
				honest.publish(&ledger.DirectoryGone{Gateway: "gw", Signing: keys.Signing})
			}
			r := rightsOf(t, f)
			if a, there := r.Authors[id]; there == c.nobodys || !c.nobodys && (a.Charter[ledger.ReportLog] != honest.id || [32]byte(a.TLS) != keys.TLS || [32]byte(a.Hold) != keys.Hold) {
				t.Errorf("%v, %+v", there, a)
			}
			if _, there := r.Authors[ledger.KeyIDOf(taking.Signing[:])]; there != c.nobodys {
				t.Errorf("who shows another's key on a link: %v", there)
			}
		})
	}
}
