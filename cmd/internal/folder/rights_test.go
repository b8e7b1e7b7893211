package folder

import (
	"fmt"
	"slices"
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func gatewayKeys(n byte) ledger.GatewayKeys {
	return ledger.GatewayKeys{Signing: [32]byte{n, 1}, Hold: [32]byte{n, 2}, Witness: [32]byte{n, 3}, Sealing: [32]byte{n, 4}, TLS: [32]byte{n, 5}}
}

func rightsOf(t *testing.T, f *Folder) replica.Rights {
	t.Helper()
	r, err := f.Rights()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRights: whose ledgers count follows the charters and what the steward
// writes, at once.
func TestRights(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	r := rightsOf(t, f)
	community, _ := f.CommunityID()
	node, _ := f.NodeID()
	if r.Community != community || r.Node != node || len(r.Authors) != 2 || len(r.Heartbeats) != 0 {
		t.Fatalf("%+v", r)
	}
	for role, kinds := range map[Role][]ledger.LogKind{IssuerKey: {ledger.CommunityLog}, StewardKey: {ledger.NodeLog, ledger.DirectoryLog}} {
		key, err := f.Public(role)
		if err != nil {
			t.Fatal(err)
		}
		a := r.Authors[ledger.KeyIDOf(key[:])]
		if !slices.Equal(a.Kinds, kinds) || a.Retired || a.Removed || [32]byte(a.Key) != key || a.Name != string(role) {
			t.Errorf("%s: %+v", role, a)
		}
		for _, k := range kinds {
			want := node
			if k == ledger.CommunityLog {
				want = community
			}
			if a.Charter[k] != want {
				t.Errorf("%s: a %s ledger begins with %v", role, k, a.Charter[k])
			}
		}
	}
	gateway := func(n byte) replica.Author {
		keys := gatewayKeys(n)
		return rightsOf(t, f).Authors[ledger.KeyIDOf(keys.Signing[:])]
	}
	for n := range byte(3) {
		write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: fmt.Sprint("gw", n), Keys: gatewayKeys(n + 1)})
		a := gateway(n + 1)
		keys := gatewayKeys(n + 1)
		if a.Name != fmt.Sprint("gw", n) || a.Removed || !slices.Equal(a.Kinds, []ledger.LogKind{ledger.DoorLog}) || a.Charter[ledger.DoorLog] != node ||
			[32]byte(a.Hold) != keys.Hold || [32]byte(a.Witness) != keys.Witness {
			t.Errorf("gateway %d: %+v", n, a)
		}
	}
	// Taken out for good: enrolling the same keys anew changes nothing.
	write(t, f, ledger.NodeLog, &ledger.GatewayRemoved{Gateway: "gw1", Signing: gatewayKeys(2).Signing, Why: "stolen"}, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: gatewayKeys(2)})
	if !gateway(2).Removed || gateway(1).Removed || gateway(3).Removed {
		t.Errorf("%+v", rightsOf(t, f).Authors)
	}
	// An issuer stays one, whoever enrols its key as a gateway's, or removes that.
	issuer, err := f.Public(IssuerKey)
	if err != nil {
		t.Fatal(err)
	}
	taken := gatewayKeys(9)
	taken.Signing = issuer
	write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw9", Keys: taken}, &ledger.GatewayRemoved{Gateway: "gw9", Signing: issuer, Why: "a trick"})
	if a := rightsOf(t, f).Authors[ledger.KeyIDOf(issuer[:])]; a.Removed || !slices.Equal(a.Kinds, []ledger.LogKind{ledger.CommunityLog}) {
		t.Errorf("the issuer is %+v", a)
	}
	same, err := f.Enrolled()
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Gateways()
	if err != nil || !slices.Equal(same, all) {
		t.Errorf("they are\n%+v, %v, and as they were read from the beginning\n%+v", same, err, all)
	}
}

// TestRightsGrow: what is read again is what was added, and the answer is the one
// that a folder gives that reads all of it.
func TestRightsGrow(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	for n := range 3 * ledger.ChunkSize / 100 {
		var bodies []ledger.Body
		for i := range 100 {
			bodies = append(bodies, &ledger.Forgive{Passport: uint64(100*n + i + 1), Why: "a test"})
		}
		bodies = append(bodies, &ledger.GatewayEnrolled{Gateway: fmt.Sprint("gw", n), Keys: gatewayKeys(byte(n + 1))})
		write(t, f, ledger.NodeLog, bodies...)
		if got := len(rightsOf(t, f).Authors); got != 2+n+1 {
			t.Fatalf("%d authors after %d gateways", got, n+1)
		}
	}
	if fresh, err := open2(t, f).Rights(); err != nil || fmt.Sprint(fresh) != fmt.Sprint(rightsOf(t, f)) {
		t.Errorf("%+v, %v, and before\n%+v", fresh, err, rightsOf(t, f))
	}
	f.rights.mu.Lock()
	defer f.rights.mu.Unlock()
	for o, e := range f.rights.all {
		if o.Kind == ledger.NodeLog && (len(e.found) != 7 || e.upTo != e.limit) {
			t.Errorf("%d entries are kept of %d that were read", len(e.found), e.upTo)
		}
	}
}

// open2 opens a folder a second time.
func open2(t *testing.T, f *Folder) *Folder {
	t.Helper()
	again, err := Open(f.Dir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}
