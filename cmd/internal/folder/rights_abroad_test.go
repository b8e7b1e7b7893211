package folder

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// abroad is another node of the folder's community, whose stewards are not to be
// trusted.
type abroad struct {
	t       *testing.T
	f       *Folder
	steward ed25519.PrivateKey
	id      ledger.CharterID
	store   *store.Store
	author  *store.Author
}

func abroadKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo abroad " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public32(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// newAbroad founds a node, which names these keys as its stewards beside its own.
func newAbroad(t *testing.T, f *Folder, slug string, also ...[32]byte) *abroad {
	t.Helper()
	a := &abroad{t: t, f: f, steward: abroadKey(slug)}
	community, err := f.CommunityID()
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.Charter{Format: 1, Version: 1, Threshold: 1, Kind: ledger.NodeCharter, Slug: slug, Community: community, Keys: [][32]byte{public32(abroadKey("chair"))}}
	for _, k := range append(also, public32(a.steward)) {
		c.Authors = append(c.Authors, ledger.Author{Role: ledger.Steward, Key: k})
	}
	slices.SortFunc(c.Authors, func(x, y ledger.Author) int { return slices.Compare(x.Key[:], y.Key[:]) })
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if a.id, _, err = f.Store().AddCharter(ledger.SignCharter(b, abroadKey("chair"))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if a.store, err = store.Open(filepath.Join(dir, "ledgers.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.store.Close() })
	a.author, err = a.store.OpenAuthor(store.AuthorConfig{
		Key: a.steward, Community: community, Kind: ledger.DirectoryLog, Charter: a.id,
		Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"}, Now: f.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// publish writes to the node's directory, and brings that to the folder.
func (a *abroad) publish(bodies ...ledger.Body) {
	a.t.Helper()
	for _, b := range bodies {
		if _, err := a.author.Append(store.Draft{Body: b, Time: a.f.Now()}); err != nil {
			a.t.Fatal(err)
		}
	}
	i, err := a.store.Ledger(a.author.Head().Origin)
	if err == nil {
		_, err = a.f.Store().Ingest(i.Head, time.Now().Unix(), a.store.Chunks(i, 0))
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// TestRightsAbroad: what another node publishes, or charters, gives and takes
// nothing of the rights that somebody has by the community's charter, this node's
// or yet another's.
func TestRightsAbroad(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: gatewayKeys(1)}, &ledger.GatewayEnrolled{Gateway: "gw2", Keys: gatewayKeys(2)},
		&ledger.GatewayRemoved{Gateway: "gw2", Signing: gatewayKeys(2).Signing, Why: "stolen"})
	// This node's steward is followed by another: the key may be a thief's now.
	node, err := f.Node()
	if err != nil {
		t.Fatal(err)
	}
	next := node.Next()
	retired := next.Authors[0].Key
	next.Authors[0].Retired = true
	for _, i := range must2(f.Store().Ledgers()) {
		if i.Origin.Kind == ledger.NodeLog {
			next.Authors[0].Counted = []ledger.Counted{{Incarnation: i.Origin.Incarnation, Size: i.Size, Root: i.Root}}
		}
	}
	b, err := next.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Store().AddCharter(ledger.SignCharter(b, must2(f.Key(CharterKey)))); err != nil {
		t.Fatal(err)
	}
	before := rightsOf(t, f)

	issuer, err := f.Public(IssuerKey)
	if err != nil {
		t.Fatal(err)
	}
	isleB, isleC := newAbroad(t, f, "b", retired, issuer), newAbroad(t, f, "c")
	claim := func(key [32]byte) ledger.Body {
		return &ledger.DirectoryKeys{Gateway: "mine", Keys: ledger.GatewayKeys{Signing: key, Hold: [32]byte{9, 2}, Witness: [32]byte{9, 3}, Sealing: [32]byte{9, 4}, TLS: [32]byte{9, 5}}}
	}
	for _, a := range []*abroad{isleB, isleC} {
		other := isleB
		if a == isleB {
			other = isleC
		}
		a.publish(claim(issuer), claim(retired), claim(gatewayKeys(1).Signing), claim(gatewayKeys(2).Signing), claim(public32(other.steward)), claim([32]byte{9, 1}))
	}
	after := rightsOf(t, f)
	for id, a := range before.Authors {
		b := after.Authors[id]
		b.Kinds = slices.DeleteFunc(slices.Clone(b.Kinds), func(k ledger.LogKind) bool { return !slices.Contains(a.Kinds, k) })
		if !slices.Equal(a.Kinds, b.Kinds) || a.Retired != b.Retired || a.Removed != b.Removed || len(a.Counted) != len(b.Counted) ||
			!slices.Equal(a.Hold, b.Hold) || !slices.Equal(a.TLS, b.TLS) || a.Name != b.Name {
			t.Errorf("%s was\n%+v and is\n%+v", a.Name, a, b)
		}
		for _, k := range a.Kinds {
			if a.Charter[k] != b.Charter[k] {
				t.Errorf("%s: a %s ledger begins with %v", a.Name, k, b.Charter[k])
			}
		}
	}
	for _, n := range []*abroad{isleB, isleC} {
		key := public32(n.steward)
		a := after.Authors[ledger.KeyIDOf(key[:])]
		if !slices.Equal(a.Kinds, []ledger.LogKind{ledger.DirectoryLog}) || a.Charter[ledger.DirectoryLog] != n.id || a.Retired || a.TLS != nil || a.Hold != nil {
			t.Errorf("the steward of another node: %+v", a)
		}
	}
	if a, ok := after.Authors[ledger.KeyIDOf(append([]byte{9, 1}, make([]byte, 30)...))]; !ok || a.Name != "mine" || len(a.Kinds) != 0 {
		t.Errorf("another node's gateway: %+v", a)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
