package folder

import (
	"bytes"
	"errors"
	"testing"

	"tombolo/sync/ledger"
)

func TestEnrol(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	g := gateway(t, f, "gw1")
	if name := must(g.Gateway()); name != "gw1" {
		t.Errorf("it is %q", name)
	}
	write(t, g, ledger.DoorLog, &ledger.DoorState{Door: "front", State: "locked"})
	carry(t, g, f, ledger.DoorLog)

	// A newer approval is an import.
	write(t, f, ledger.CommunityLog, admit(1))
	if _, err := g.Enrol(bytes.NewReader(export(t, f, ledger.CommunityLog, ledger.NodeLog))); err != nil {
		t.Error(err)
	}
	if n := size(t, g, ledger.CommunityLog); n != 2 {
		t.Errorf("%d entries of the community's", n)
	}

	all := must(f.Gateways())
	if len(all) != 1 || all[0].Name != "gw1" || !all[0].Active() || all[0].Keys != must(g.GatewayKeys()) || !all[0].Enrolled.Equal(noon) {
		t.Errorf("%+v", all)
	}
	write(t, f, ledger.NodeLog, &ledger.GatewayRemoved{Gateway: "gw1", Signing: all[0].Keys.Signing, Why: "stolen"})
	if all = must(f.Gateways()); all[0].Active() || all[0].Why != "stolen" {
		t.Errorf("%+v", all)
	}
	if _, err := g.Enrol(bytes.NewReader(export(t, f, ledger.CommunityLog, ledger.NodeLog))); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("after its removal: %v", err)
	}
	// What it wrote is still vouched for.
	write(t, g, ledger.DoorLog, &ledger.DoorState{Door: "front", State: "open"})
	carry(t, g, f, ledger.DoorLog)
}

func TestEnrolRefuses(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	fresh := func() (*Folder, Request) {
		g := open(t, t.TempDir())
		return g, must(g.NewGateway("gw1"))
	}
	unpinned := func(g *Folder) {
		t.Helper()
		if c, n, name := must(g.CommunityID()), must(g.NodeID()), must(g.Gateway()); !c.IsZero() || !n.IsZero() || name != "" {
			t.Errorf("pinned to %v, %v, %q", c, n, name)
		}
		if _, err := g.Author(ledger.DoorLog); !errors.Is(err, ErrUnpinned) {
			t.Errorf("it may write: %v", err)
		}
	}
	kinds := []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog}

	if _, err := open(t, t.TempDir()).Enrol(bytes.NewReader(export(t, f, kinds...))); !errors.Is(err, ErrNoKey) {
		t.Errorf("a folder of no gateway: %v", err)
	}
	g, r := fresh()
	if _, err := g.Enrol(bytes.NewReader(export(t, f, kinds...))); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("not enrolled: %v", err)
	}
	unpinned(g)

	// One of the five keys is somebody else's.
	other := r.Keys
	other.Sealing[0] ^= 1
	write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: other})
	if _, err := g.Enrol(bytes.NewReader(export(t, f, kinds...))); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("another sealing key: %v", err)
	}
	unpinned(g)

	// The enrolment's signature is broken, so the ledger is refused.
	g, r = fresh()
	write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: r.Keys})
	good := export(t, f, kinds...)
	bad := rebundle(t, good, func(i *ledger.BundleItem) bool {
		if i.Chunk != nil && len(i.Chunk.Entries) > 2 {
			i.Chunk.Entries[2].Body[5] ^= 1
		}
		return true
	})
	if _, err := g.Enrol(bytes.NewReader(bad)); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("a damaged node ledger: %v", err)
	}
	unpinned(g)

	// No node's charter.
	lone := rebundle(t, good, func(i *ledger.BundleItem) bool {
		if i.Charter == nil {
			return false
		}
		return must(ledger.ParseCharter(i.Charter.Charter)).Kind == ledger.CommunityCharter
	})
	if _, err := g.Enrol(bytes.NewReader(lone)); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("no node: %v", err)
	}
	unpinned(g)

	if _, err := g.Enrol(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	// Another community's steward enrols the same keys.
	thief := found(t, "otra")
	write(t, thief, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: r.Keys})
	if _, err := g.Enrol(bytes.NewReader(export(t, thief, kinds...))); !errors.Is(err, ErrPinned) {
		t.Errorf("stolen by another community: %v", err)
	}
	if got := must(g.CommunityID()); got != must(f.CommunityID()) {
		t.Error("it changed sides")
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	// SHA-256("tombolo/v1/key\n" ‖ 32 zero bytes), its first 16 bytes.
	id := ledger.KeyIDOf(make([]byte, 32)).String()
	got := Fingerprint([32]byte{})
	if len(got) != 39 || got[:4] != id[:4] || got[35:] != id[28:] {
		t.Errorf("%q of %s", got, id)
	}
}

// TestEnrolBesideOthers: a desk that knows another node's directory gives it with the
// approval, and not that node's charter; the gateway is enrolled all the same.
func TestEnrolBesideOthers(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	other := open(t, t.TempDir())
	if _, err := other.Import(bytes.NewReader(export(t, f, ledger.CommunityLog)), PinBoth[:1], nil); err != nil {
		t.Fatal(err)
	}
	charter(t, other, ledger.Charter{Kind: ledger.NodeCharter, Slug: "mare", Community: must(f.CommunityID())}, StewardKey, ledger.Steward)
	carry(t, other, f, ledger.DirectoryLog)

	g := open(t, t.TempDir())
	r := must(g.NewGateway("gw1"))
	write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: r.Keys})
	if name, err := g.Enrol(bytes.NewReader(export(t, f, ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog))); err != nil || name != "gw1" {
		t.Errorf("enrolled as %q, %v", name, err)
	}
}
