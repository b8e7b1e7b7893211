package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// raw sorts the public keys.
func raw(keys ...ed25519.PrivateKey) (out [][32]byte) {
	for _, k := range keys {
		out = append(out, [32]byte(public(k)))
	}
	slices.SortFunc(out, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	return out
}

var (
	steward1, steward2, steward3 = testKey("charter 1"), testKey("charter 2"), testKey("charter 3")
	issuer                       = Author{Role: Issuer, Key: [32]byte(public(testKey("issuer")))}
	successor                    = Author{Role: Issuer, Key: [32]byte(public(testKey("issuer 2")))}
)

// firstCharter is a community's, by two of three.
func firstCharter() Charter {
	return Charter{
		Format: 1, Kind: CommunityCharter, Version: 1, Slug: "azul", ChainID: 100, Registry: [20]byte{1},
		Keys: raw(steward1, steward2, steward3), Threshold: 2, Authors: []Author{issuer},
	}
}

func mustCharter(tb testing.TB, c Charter) []byte {
	tb.Helper()
	b, err := c.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// follow adds the next version, which f changes, signed by keys.
func follow(tb testing.TB, chain Charters, f func(*Charter), keys ...ed25519.PrivateKey) (Charters, error) {
	tb.Helper()
	c := chain.Next()
	f(&c)
	return CheckCharter(chain, SignCharter(mustCharter(tb, c), keys...))
}

func founded(tb testing.TB) Charters {
	tb.Helper()
	chain, err := CheckCharter(Charters{}, SignCharter(mustCharter(tb, firstCharter()), steward1, steward2))
	if err != nil {
		tb.Fatal(err)
	}
	return chain
}

func authors(all ...Author) []Author {
	slices.SortFunc(all, func(a, b Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return all
}

// Each version needs a threshold of the keys before it and of its own.
func TestCharterThresholds(t *testing.T) {
	t.Parallel()
	chain := founded(t)
	if id := sha256.Sum256(mustCharter(t, firstCharter())); chain.ID() != id || chain.Len() != 1 {
		t.Errorf("%v, %d", chain.ID(), chain.Len())
	}
	stranger, young := testKey("stranger"), testKey("charter 4")
	type keys = []ed25519.PrivateKey
	for name, c := range map[string]struct {
		to  keys // the next version's keys
		of  uint // and threshold
		by  keys
		err error
	}{
		"by two of the same":          {keys{steward1, steward2, steward3}, 2, keys{steward3, steward1}, nil},
		"by one of the same":          {keys{steward1, steward2, steward3}, 2, keys{steward3}, ErrThreshold},
		"by nobody":                   {keys{steward1, steward2, steward3}, 2, nil, ErrThreshold},
		"by strangers":                {keys{steward1, steward2, steward3}, 2, keys{stranger, young}, ErrThreshold},
		"by one, and a stranger":      {keys{steward1, steward2, steward3}, 2, keys{steward1, stranger}, ErrThreshold},
		"threshold lowered, by one":   {keys{steward1, steward2, steward3}, 1, keys{steward1}, ErrThreshold},
		"threshold lowered, by two":   {keys{steward1, steward2, steward3}, 1, keys{steward1, steward2}, nil},
		"threshold raised, by two":    {keys{steward1, steward2, steward3}, 3, keys{steward1, steward2}, ErrThreshold},
		"threshold raised, by three":  {keys{steward1, steward2, steward3}, 3, keys{steward1, steward2, steward3}, nil},
		"handed over, by the old":     {keys{young}, 1, keys{steward1, steward2}, ErrThreshold},
		"handed over, by the new":     {keys{young}, 1, keys{young}, ErrThreshold},
		"handed over, by both":        {keys{young}, 1, keys{steward1, steward2, young}, nil},
		"handed over, by half of old": {keys{young}, 1, keys{steward1, young}, ErrThreshold},
		"rotated, by one who stays":   {keys{steward2, steward3, young}, 2, keys{steward1, steward2}, ErrThreshold},
		"rotated, by two who stay":    {keys{steward2, steward3, young}, 2, keys{steward2, steward3}, nil},
		"rotated, by old and new":     {keys{steward2, steward3, young}, 2, keys{steward1, steward2, young}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, err := follow(t, chain, func(n *Charter) { n.Keys, n.Threshold = raw(c.to...), c.of }, c.by...)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if want := 1; next.Len() != want && c.err != nil || chain.Len() != want || next.ID() != chain.ID() {
				t.Errorf("%d versions, and %d", next.Len(), chain.Len())
			}
		})
	}
}

// However often one key's signature stands there, it is one key.
func TestThresholdCountsKeys(t *testing.T) {
	t.Parallel()
	s := SignCharter(mustCharter(t, firstCharter()), steward1)
	s.Signatures = append(s.Signatures, s.Signatures[0])
	_, err := CheckCharter(Charters{}, s)
	refused(t, err, ErrThreshold, "1 of its own keys signed, 2 have to")
}

func TestCharterChain(t *testing.T) {
	t.Parallel()
	chain := founded(t)
	by := []ed25519.PrivateKey{steward1, steward2}
	longer, err := follow(t, chain, func(*Charter) {}, by...)
	if err != nil {
		t.Fatal(err)
	}
	_, second := longer.Version(2)
	if _, err := CheckCharter(Charters{}, second); !errors.Is(err, ErrCharterChain) {
		t.Errorf("the second first: %v", err)
	}
	if _, err := CheckCharter(longer, second); !errors.Is(err, ErrCharterChain) {
		t.Errorf("the second again: %v", err)
	}
	for name, c := range map[string]struct {
		f    func(*Charter)
		says string
	}{
		"a version left out":     {func(c *Charter) { c.Version++ }, "version 3 after 1"},
		"another predecessor":    {func(c *Charter) { c.Previous[0]++ }, "it follows"},
		"another slug":           {func(c *Charter) { c.Slug = "verde" }, "never change"},
		"an author forgotten":    {func(c *Charter) { c.Authors = nil }, "is gone"},
		"an author's other role": {func(c *Charter) { c.Authors[0].Role = Heartbeat }, "is gone"},
		"a node's": {func(c *Charter) {
			c.Kind, c.Community, c.ChainID, c.Registry, c.Authors = NodeCharter, testCommunity, 0, [20]byte{}, nil
		}, "never change"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := follow(t, chain, c.f, by...)
			refused(t, err, ErrCharterChain, c.says)
		})
	}
}

// A stolen key's ledgers count as far as the charter says, and the rest of what
// is signed with it does not.
func TestRetiredAuthor(t *testing.T) {
	t.Parallel()
	chain := founded(t)
	by := []ed25519.PrivateKey{steward1, steward2}
	o := Origin{chain.ID(), CommunityLog, KeyIDOf(issuer.Key[:]), Incarnation{5}}
	if l, ok := chain.Limit(Issuer, o); !ok || l.Size != math.MaxInt64 || l.Root != nil {
		t.Errorf("%+v, %v", l, ok)
	}
	retired := issuer
	retired.Retired, retired.Successor = true, successor.Key[:]
	retired.Counted = []Counted{{Incarnation: Incarnation{5}, Size: 9, Root: [32]byte{9}}, {Incarnation: Incarnation{6}, Size: 2}}
	chain, err := follow(t, chain, func(c *Charter) { c.Authors = authors(retired, successor); c.Registry[0]++ }, by...)
	if err != nil {
		t.Fatal(err)
	}
	root := tlog.Hash{9}
	if l, ok := chain.Limit(Issuer, o); !ok || l.Size != 9 || *l.Root != root {
		t.Errorf("%+v, %v", l, ok)
	}
	for name, c := range map[string]struct {
		role AuthorRole
		o    Origin
		ok   bool
	}{
		"the other incarnation":    {Issuer, Origin{o.Community, o.Kind, o.Author, Incarnation{6}}, true},
		"an incarnation after":     {Issuer, Origin{o.Community, o.Kind, o.Author, Incarnation{7}}, false},
		"another role":             {Heartbeat, o, false},
		"the successor's":          {Issuer, Origin{o.Community, o.Kind, KeyIDOf(successor.Key[:]), Incarnation{7}}, true},
		"somebody that it forgets": {Issuer, Origin{o.Community, o.Kind, KeyID{1}, Incarnation{5}}, false},
	} {
		if _, ok := chain.Limit(c.role, c.o); ok != c.ok {
			t.Errorf("%s: %v", name, ok)
		}
	}
	if r := chain.Registries(); len(r) != 2 || r[0] != (Registry{100, [20]byte{1}}) || r[1] != (Registry{100, [20]byte{2}}) {
		t.Errorf("%v", r)
	}
	// Next is a copy down to the ends: changing it changes no verified charter.
	next := chain.Next()
	for i := range next.Authors {
		if next.Authors[i].Retired {
			next.Authors[i].Counted[0].Size = 1000
		}
	}
	if l, _ := chain.Limit(Issuer, o); l.Size != 9 {
		t.Errorf("the verified charter now says %d", l.Size)
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	beat, late := Author{Role: Heartbeat, Key: [32]byte{1}}, Author{Role: Heartbeat, Key: [32]byte{2}, Retired: true}
	chain, err := follow(t, founded(t), func(c *Charter) { c.Authors = authors(issuer, beat, late) }, steward1, steward2)
	if err != nil {
		t.Fatal(err)
	}
	if got := chain.Cosigners(); len(got) != 1 || got[0].Role != RoleHeartbeat || !bytes.Equal(got[0].Key, beat.Key[:]) {
		t.Errorf("%v", got)
	}
}

func TestMergeSignatures(t *testing.T) {
	t.Parallel()
	b := mustCharter(t, firstCharter())
	one, two := SignCharter(b, steward1), SignCharter(b, steward2)
	if _, err := CheckCharter(Charters{}, one); !errors.Is(err, ErrThreshold) {
		t.Errorf("%v", err)
	}
	damaged := SignCharter(b, steward1, steward3)
	for i := range damaged.Signatures {
		damaged.Signatures[i].Signature[0]++
	}
	// A damaged copy comes first: it takes nobody's place.
	merged := SignedCharter{Charter: b}
	for _, s := range []SignedCharter{damaged, one, damaged, two, one} {
		if err := merged.Merge(s); err != nil {
			t.Fatal(err)
		}
	}
	if want := SignCharter(b, steward2, steward1); !bytes.Equal(merged.Marshal(), want.Marshal()) {
		t.Errorf("%d signatures", len(merged.Signatures))
	}
	if _, err := CheckCharter(Charters{}, merged); err != nil {
		t.Error(err)
	}
	if err := damaged.Merge(one); err != nil || damaged.valid(raw(steward1, steward2, steward3)) != 1 {
		t.Errorf("a valid signature does not replace a damaged one: %v", err)
	}
	if len(one.Signatures) != 1 || len(two.Signatures) != 1 {
		t.Error("merging changed what was merged")
	}
	other := firstCharter()
	other.Slug = "verde"
	if err := merged.Merge(SignCharter(mustCharter(t, other), steward1)); !errors.Is(err, ErrCharterChain) {
		t.Errorf("%v", err)
	}
}

// A community's charter names a hub and an evaluator, each with one key in force,
// and says how far a retired hub's census counts.
func TestCharterServes(t *testing.T) {
	t.Parallel()
	role := func(r AuthorRole, name string) Author { return Author{Role: r, Key: [32]byte(public(testKey(name)))} }
	chain, err := follow(t, founded(t), func(c *Charter) {
		c.Authors = authors(append(c.Authors, role(Hub, "hub"), role(HubHold, "hub hold"), role(HubWitness, "hub witness"), role(Evaluator, "evaluator"))...)
	}, steward1, steward2)
	if err != nil {
		t.Fatal(err)
	}
	o := Origin{Community: chain.ID(), Kind: CensusLog, Author: KeyIDOf(public(testKey("hub"))), Incarnation: Incarnation{1}}
	if l, ok := chain.Limit(Hub, o); !ok || l.Size != math.MaxInt64 {
		t.Errorf("%+v, %t", l, ok)
	}
	if _, ok := chain.Limit(Evaluator, o); ok {
		t.Error("the hub's census counts as the evaluator's")
	}
	// The key is lost: another takes its place, and what was closed stays closed.
	ended := role(Hub, "hub")
	ended.Retired, ended.Counted, ended.Successor = true, []Counted{{Incarnation: o.Incarnation, Size: 7, Root: [32]byte{7}}}, public(testKey("hub 2"))
	next, err := follow(t, chain, func(c *Charter) {
		c.Authors = authors(append(slices.DeleteFunc(slices.Clone(c.Authors), func(a Author) bool { return a.Role == Hub }), ended, role(Hub, "hub 2"))...)
	}, steward1, steward2)
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := next.Limit(Hub, o); !ok || l.Size != 7 {
		t.Errorf("%+v, %t", l, ok)
	}
	o.Incarnation = Incarnation{2}
	if _, ok := next.Limit(Hub, o); ok {
		t.Error("a census counts that a lost key began later")
	}
	if _, err := follow(t, next, func(c *Charter) {
		c.Authors = slices.DeleteFunc(slices.Clone(c.Authors), func(a Author) bool { return a.Role == Evaluator })
	}, steward1, steward2); !errors.Is(err, ErrCharterChain) {
		t.Errorf("the evaluator vanishes: %v", err)
	}
}
