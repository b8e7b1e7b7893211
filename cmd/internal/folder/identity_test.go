package folder

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/sync/ledger"
)

// missing asserts that phones cannot be used, and why.
func missing(t *testing.T, g *Folder, says string) {
	t.Helper()
	id, err := g.Vouched()
	if id != nil || !errors.Is(err, ErrUnvouched) || errors.Is(err, ErrRetired) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, %v, want %q", id, err, says)
	}
}

// outdated asserts that the credential is still the one of before, and that it
// is told why not every phone believes it.
func outdated(t *testing.T, g *Folder, before card.Credential, says string) {
	t.Helper()
	id, err := g.Vouched()
	if id == nil || id.Credential != before || !errors.Is(err, ErrRetired) || !errors.Is(err, ErrUnvouched) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, %v, want %q", id, err, says)
	}
}

func proves(t *testing.T, g *Folder) card.Credential {
	t.Helper()
	id, err := g.Vouched()
	if err != nil || id == nil {
		t.Fatalf("identity %v, %v", id, err)
	}
	c := id.Credential
	community, node := must(g.Community()), must(g.Node())
	if c.Community != passport.CommunityID(community.ID()) || c.Node != passport.NodeID(node.ID()) || c.Gateway != must(g.Public(SigningKey)) {
		t.Errorf("credential %+v", c)
	}
	key, reader, err := g.Reader()
	if err != nil || c.Reader != reader || !id.Key.Equal(key) {
		t.Errorf("reader key %x, %v", reader, err)
	}
	var issuers [][32]byte
	for _, a := range community.Latest().Authors {
		issuers = append(issuers, a.Key)
	}
	if err := c.Verify(issuers); err != nil {
		t.Error(err)
	}
	return c
}

// news carries what f wrote to the gateway g.
func news(t *testing.T, f, g *Folder) {
	t.Helper()
	if _, err := g.Enrol(bytes.NewReader(export(t, f, ledger.CommunityLog, ledger.NodeLog))); err != nil {
		t.Fatal(err)
	}
}

func vouchGateway(t *testing.T, f, g *Folder) {
	t.Helper()
	_, reader, err := g.Reader()
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.VouchGateway(must(g.Public(SigningKey)), reader)
	if err != nil || b == nil {
		t.Fatalf("%v, %v", b, err)
	}
	write(t, f, ledger.NodeLog, b)
	if b, err := f.VouchGateway(must(g.Public(SigningKey)), reader); b != nil || err != nil {
		t.Errorf("again: %v, %v", b, err)
	}
}

func vouchNode(t *testing.T, f *Folder) {
	t.Helper()
	node := must(f.Node())
	all, err := f.VouchNode(node)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	write(t, f, ledger.CommunityLog, all...)
	if all, err := f.VouchNode(node); len(all) != 0 || err != nil {
		t.Errorf("again: %v, %v", all, err)
	}
}

// TestIdentity: both links travel in the ledgers, in whatever order.
func TestIdentity(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	g := gateway(t, f, "gw1")
	missing(t, g, "no steward of node \"casa\" has vouched")
	signing := must(g.Public(SigningKey))
	_, reader, err := g.Reader()
	if err != nil {
		t.Fatal(err)
	}
	claim := func(by Role, community passport.CommunityID, node passport.NodeID, signing [32]byte, reader [33]byte) [64]byte {
		return [64]byte(ed25519.Sign(must(f.Key(by)), card.GatewayLinkPreimage(community, node, signing, reader)))
	}
	isla, casa := passport.CommunityID(must(f.CommunityID())), passport.NodeID(must(f.NodeID()))
	write(t, f, ledger.NodeLog,
		&ledger.GatewayVouched{Gateway: signing, Reader: reader, Signature: [64]byte{1}},
		&ledger.GatewayVouched{Gateway: signing, Reader: reader, Signature: claim(IssuerKey, isla, casa, signing, reader)},
		&ledger.GatewayVouched{Gateway: signing, Reader: reader, Signature: claim(StewardKey, passport.CommunityID{1}, casa, signing, reader)},
		&ledger.GatewayVouched{Gateway: signing, Reader: reader, Signature: claim(StewardKey, isla, passport.NodeID{1}, signing, reader)},
		&ledger.GatewayVouched{Gateway: signing, Reader: reader, Signature: claim(StewardKey, isla, casa, [32]byte{1}, reader)},
		&ledger.GatewayVouched{Gateway: signing, Reader: [33]byte{2}, Signature: claim(StewardKey, isla, casa, signing, [33]byte{2})})
	news(t, f, g)
	missing(t, g, "no steward of node \"casa\" has vouched")
	vouchGateway(t, f, g)
	news(t, f, g)
	missing(t, g, "no issuer of community \"isla\" has vouched for node \"casa\"")

	// Words that are not the issuer's, and some for others; then they do not keep
	// it from giving its own.
	steward := must(f.Public(StewardKey))
	node := must(f.NodeID())
	word := func(by Role, community passport.CommunityID, node ledger.CharterID, steward [32]byte) [64]byte {
		return [64]byte(ed25519.Sign(must(f.Key(by)), card.NodeLinkPreimage(community, passport.NodeID(node), steward)))
	}
	other := ledger.CharterID{1}
	write(t, f, ledger.CommunityLog,
		&ledger.NodeVouched{Node: node, Steward: steward, Signature: [64]byte{1}},
		&ledger.NodeVouched{Node: node, Steward: steward, Signature: word(StewardKey, isla, node, steward)},
		&ledger.NodeVouched{Node: node, Steward: steward, Signature: word(IssuerKey, passport.CommunityID{1}, node, steward)},
		&ledger.NodeVouched{Node: node, Steward: steward, Signature: word(IssuerKey, isla, other, steward)},
		&ledger.NodeVouched{Node: node, Steward: steward, Signature: word(IssuerKey, isla, node, [32]byte{1})},
		&ledger.NodeVouched{Node: node, Steward: [32]byte{1}, Signature: word(IssuerKey, isla, node, [32]byte{1})},
		&ledger.NodeVouched{Node: other, Steward: steward, Signature: word(IssuerKey, isla, other, steward)})
	news(t, f, g)
	missing(t, g, "no issuer")
	vouchNode(t, f)
	var more []ledger.Body
	for n := range 2 * ledger.ChunkSize {
		more = append(more, admit(uint64(n+1)))
	}
	write(t, f, ledger.CommunityLog, more...)
	news(t, f, g)
	first := proves(t, g)
	if again := proves(t, g); again != first {
		t.Error("it changes")
	}

	// Removed, its doors go on, and so does what phones are shown.
	write(t, f, ledger.NodeLog, &ledger.GatewayRemoved{Gateway: "gw1", Signing: must(g.Public(SigningKey)), Why: "moved"})
	if _, err := g.Import(bytes.NewReader(export(t, f, ledger.CommunityLog, ledger.NodeLog)), PinBoth, nil); err != nil {
		t.Fatal(err)
	}
	if again := proves(t, g); again != first {
		t.Error("it changes with a removal")
	}
}

// TestIdentityOfAnotherReaderKey: it waits for another approval.
func TestIdentityOfAnotherReaderKey(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	g := gateway(t, f, "gw1")
	vouchGateway(t, f, g)
	vouchNode(t, f)
	news(t, f, g)
	first := proves(t, g)
	if err := os.Remove(file(t, g, "keys/reader.pem")); err != nil {
		t.Fatal(err)
	}
	missing(t, g, "no reader key yet: `tombolod init`")
	must(g.NewGateway("gw1"))
	missing(t, g, "no steward")
	vouchGateway(t, f, g)
	news(t, f, g)
	if proves(t, g).Reader == first.Reader {
		t.Error("the old reader key")
	}
}

// TestIdentityAfterRetiring: with a retired issuer's or steward's word a gateway
// goes on, and says so, until a successor's takes its place.
func TestIdentityAfterRetiring(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	g := gateway(t, f, "gw1")
	vouchGateway(t, f, g)
	vouchNode(t, f)
	news(t, f, g)
	before := proves(t, g)

	for _, c := range []struct {
		chain func(*Folder) (ledger.Charters, error)
		key   Role
		says  string
		again func(*testing.T)
	}{
		{(*Folder).Community, IssuerKey, "no longer one of community \"isla\"", func(t *testing.T) { vouchNode(t, f) }},
		{(*Folder).Node, StewardKey, "no longer one of node \"casa\"", func(t *testing.T) { vouchGateway(t, f, g); vouchNode(t, f) }},
	} {
		succeed(t, f, must(c.chain(f)), c.key)
		news(t, f, g)
		outdated(t, g, before, c.says)
		c.again(t)
		news(t, f, g)
		after := proves(t, g)
		if after == before || after.Reader != before.Reader {
			t.Errorf("%+v", after)
		}
		before = after
	}
}

// succeed retires an author's key in a new charter, with all that it wrote, and
// puts another in its place.
func succeed(t *testing.T, f *Folder, chain ledger.Charters, role Role) {
	t.Helper()
	old := must(f.Public(role))
	if err := os.Remove(file(t, f, "keys/"+string(role)+".pem")); err != nil {
		t.Fatal(err)
	}
	next := must(f.EnsureKey(role))
	c := chain.Next()
	a := &c.Authors[0]
	as := a.Role
	a.Retired = true
	for _, l := range must(f.Store().Ledgers()) {
		if [32]byte(l.Author) == old {
			a.Counted = []ledger.Counted{{Incarnation: l.Origin.Incarnation, Size: l.Size, Root: l.Root}}
		}
	}
	if a.Key != old || len(a.Counted) != 1 {
		t.Fatalf("author %+v", a)
	}
	added := ledger.Author{Role: as, Key: [32]byte(next.Public().(ed25519.PublicKey))}
	c.Authors = append(c.Authors, added)
	if bytes.Compare(added.Key[:], old[:]) < 0 {
		c.Authors[0], c.Authors[1] = c.Authors[1], c.Authors[0]
	}
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Store().AddCharter(ledger.SignCharter(b, must(f.Key(CharterKey)))); err != nil {
		t.Fatal(err)
	}
}

// TestIdentityOfNoGateway: a steward's folder has none, and no folder has one
// before it is pinned.
func TestIdentityOfNoGateway(t *testing.T) {
	t.Parallel()
	if _, err := open(t, t.TempDir()).Vouched(); !errors.Is(err, ErrUnpinned) {
		t.Errorf("unpinned: %v", err)
	}
	if _, err := found(t, "isla").Vouched(); !errors.Is(err, ErrNoKey) {
		t.Errorf("a steward's: %v", err)
	}
}
