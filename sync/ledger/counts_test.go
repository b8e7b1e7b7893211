package ledger

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestCounts holds ledgers against what a charter counts of a retired issuer's.
func TestCounts(t *testing.T) {
	t.Parallel()
	m, other := newMemory().fill(t, 9, 1), newMemory().fill(t, 9, 2)
	chain, by := founded(t), []ed25519.PrivateKey{steward1, steward2}
	o := Origin{chain.ID(), CommunityLog, KeyIDOf(issuer.Key[:]), Incarnation{5}}
	if n, ok, err := chain.Counts(Issuer, o, 9, Hashes(m)); n != 9 || !ok || err != nil {
		t.Errorf("of an issuer in office: %d, %t, %v", n, ok, err)
	}
	retired := issuer
	retired.Retired, retired.Successor = true, successor.Key[:]
	retired.Counted = []Counted{{Incarnation: o.Incarnation, Size: 6, Root: m.rootAt(t, 6)}}
	chain, err := follow(t, chain, func(c *Charter) { c.Authors = authors(retired, successor) }, by...)
	if err != nil {
		t.Fatal(err)
	}
	held, forked := Hashes(m), Hashes(other)
	unread := tlog.HashReaderFunc(func([]int64) ([]tlog.Hash, error) { return nil, errUnread })
	later := o
	later.Incarnation = Incarnation{6}
	for name, c := range map[string]struct {
		role AuthorRole
		o    Origin
		size int64
		of   tlog.HashReader
		n    int64
		ok   bool
		err  error
	}{
		"more than counts":     {Issuer, o, 9, held, 6, true, nil},
		"as much as counts":    {Issuer, o, 6, held, 6, true, nil},
		"not yet all of it":    {Issuer, o, 5, held, 5, true, nil},
		"another history":      {Issuer, o, 9, forked, 0, false, ErrOtherHistory},
		"another incarnation":  {Issuer, later, 9, held, 0, false, nil},
		"in another role":      {Steward, o, 9, held, 0, false, nil},
		"what cannot be read":  {Issuer, o, 9, unread, 0, false, errUnread},
		"the first of another": {Issuer, o, 5, forked, 5, true, nil}, // nobody can tell yet
	} {
		n, ok, err := chain.Counts(c.role, c.o, c.size, c.of)
		if n != c.n || ok != c.ok || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %t, %v", name, n, ok, err)
		}
	}
}

var errUnread = errors.New("the disk is broken")

func TestCheckOffer(t *testing.T) {
	t.Parallel()
	keeper, former, stranger := testKey("keeper"), testKey("former keeper"), testKey("stranger")
	in := func(k ed25519.PrivateKey, retired bool) Author {
		return Author{Role: Evaluator, Key: [32]byte(public(k)), Retired: retired}
	}
	chain, err := follow(t, founded(t), func(c *Charter) {
		c.Authors = authors(issuer, in(keeper, false), in(former, true), Author{Role: Hub, Key: [32]byte(public(stranger))})
	}, steward1, steward2)
	if err != nil {
		t.Fatal(err)
	}
	offer := func(k ed25519.PrivateKey) *EpochOpened {
		b := &EpochOpened{Number: 7, Opens: 100, Closes: 200, Audit: 300, Key: [32]byte{1}, Evaluator: [32]byte(public(k)), Beacon: "a", Sample: 1, Quota: 1}
		b.Offer = [64]byte(ed25519.Sign(k, b.OfferText(chain.ID())))
		return b
	}
	for _, k := range []ed25519.PrivateKey{keeper, former} {
		if err := chain.CheckOffer(offer(k)); err != nil {
			t.Error(err)
		}
	}
	free := offer(keeper)
	free.Beacon, free.Sample, free.Quota = "b", 2, 3
	if err := chain.CheckOffer(free); err != nil {
		t.Errorf("what the issuer adds: %v", err)
	}
	for name, harm := range map[string]func(*EpochOpened){
		"another number":        func(b *EpochOpened) { b.Number++ },
		"another beginning":     func(b *EpochOpened) { b.Opens++ },
		"another end":           func(b *EpochOpened) { b.Closes++ },
		"another audit":         func(b *EpochOpened) { b.Audit++ },
		"another key":           func(b *EpochOpened) { b.Key[0]++ },
		"no signature":          func(b *EpochOpened) { b.Offer = [64]byte{} },
		"a damaged one":         func(b *EpochOpened) { b.Offer[3]++ },
		"the former's":          func(b *EpochOpened) { b.Offer = offer(former).Offer },
		"under another's name":  func(b *EpochOpened) { b.Evaluator = offer(former).Evaluator },
		"a stranger's":          func(b *EpochOpened) { *b = *offer(testKey("nobody")) },
		"the hub's":             func(b *EpochOpened) { *b = *offer(stranger) },
		"for another community": func(b *EpochOpened) { b.Offer = [64]byte(ed25519.Sign(keeper, b.OfferText(CharterID{1}))) },
	} {
		b := offer(keeper)
		harm(b)
		if err := chain.CheckOffer(b); !errors.Is(err, ErrOffer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
