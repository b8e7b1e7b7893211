package edge_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"iter"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// stored is a roster's source as a gateway has it.
type stored struct{ *store.Store }

func (s stored) Ledgers() ([]roster.Ledger, error) {
	all, err := s.Store.Ledgers()
	var out []roster.Ledger
	for _, l := range all {
		out = append(out, roster.Ledger{
			Head: l.Head, Seen: l.Seen, Generation: l.Generation, Charter: l.Charter,
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return s.Entries(l, lo, hi) },
			Root:    func(size int64) (tlog.Hash, error) { return tlog.TreeHash(size, ledger.Hashes(s.Reader(l))) },
		})
	}
	return out, err
}

// found makes a first charter with one author, and prepares that author.
func found(t *testing.T, s *store.Store, c ledger.Charter, role ledger.AuthorRole, kind ledger.LogKind, of ledger.CharterID) (ledger.CharterID, *store.Author) {
	t.Helper()
	pub, key := must2(ed25519.GenerateKey(rand.Reader))
	chairPub, chair := must2(ed25519.GenerateKey(rand.Reader))
	c.Format, c.Version, c.Threshold, c.Keys = 1, 1, 1, [][32]byte{[32]byte(chairPub)}
	c.Authors = []ledger.Author{{Role: role, Key: [32]byte(pub)}}
	id, _, err := s.AddCharter(ledger.SignCharter(must(c.Marshal()), chair))
	if err != nil {
		t.Fatal(err)
	}
	if of.IsZero() {
		of = id
	}
	a, err := s.OpenAuthor(store.AuthorConfig{
		Key: key, Community: of, Kind: kind, Charter: id, Guard: store.Guard{Dir: t.TempDir(), Boot: "boot"}, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, a
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// TestHomeBypassesEverything: with a real roster and a disk that fails, a card
// opens its owner's home by tap, whoever suspended, revoked and expelled; and
// it opens nothing else.
func TestHomeBypassesEverything(t *testing.T) {
	t.Parallel()
	s := must(store.Open(filepath.Join(t.TempDir(), "ledgers.db")))
	defer s.Close()
	isle, issuer := found(t, s, ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: 1, Registry: [20]byte{1}}, ledger.Issuer, ledger.CommunityLog, ledger.CharterID{})
	casa, steward := found(t, s, ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: isle}, ledger.Steward, ledger.NodeLog, isle)

	wallet := must(crypto.GenerateKey())
	card := softKey(t, passport.KindHalo, 5)
	dom := passport.Domain{ChainID: 1, Registry: [20]byte{1}}
	d := passport.Delegation{Passport: 7, Key: card.Key(), NotBefore: 1, NotAfter: 2, Mode: passport.ModeTap} // long over
	sig := must(passport.SignDelegation(wallet, dom, d))
	signed := must(passport.NewSignedDelegation(dom, d, sig[:], must(card.Sign(passport.PossessionChallenge(d.Digest(dom))))))
	write := func(a *store.Author, bodies ...ledger.Body) {
		t.Helper()
		for _, b := range bodies {
			if _, err := a.Append(store.Draft{Body: b, Time: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	policy := policyHead + policyDoor("front", "home = true\nrecord_first = true\nmax_age = \"1m\"\ncodes = \"none\"") + policyDoor("back", "home = true\nrecord_first = true")
	write(steward, &ledger.Policy{Version: 4, File: []byte(policy)}, &ledger.Home{Door: "front", Passport: 7, Owner: crypto.PubkeyToAddress(wallet.PublicKey), Notice: 1000})
	write(issuer, &ledger.Admit{Passport: 7, Owner: crypto.PubkeyToAddress(wallet.PublicKey), Class: "resident", NotAfter: 1},
		&ledger.DoorKeyAdded{Delegation: must(signed.MarshalBinary())},
		&ledger.Suspend{Passport: 7}, &ledger.Expel{Passport: 7}, &ledger.DoorKeyRevoked{Passport: 7, Key: card.Key().ID()})

	people := must(roster.Open(roster.Config{Path: filepath.Join(t.TempDir(), "roster.db"), Source: stored{s}, Community: isle, Node: casa}))
	defer people.Close()
	if v := must(people.Project(access.Clock{Now: time.Now(), Trust: access.TrustNTP})); len(v.Problems) != 0 {
		t.Fatal(v.Problems)
	}
	board := sim.New(sim.Config{Relays: []string{"front", "back"}})
	journal := &journal{t: t, err: errors.New("disk full")}
	doors := map[string]edge.Door{}
	for _, name := range []string{"front", "back"} {
		relay := must(board.OpenRelay(name))
		defer relay.Close()
		doors[name] = edge.Door{Relay: relay, Contact: true}
	}
	c := edge.New(edge.Config{
		Community: passport.CommunityID(isle), Node: passport.NodeID(casa), Gateway: self, Name: "gw1", Doors: doors,
		Roster: people, Journal: journal, Software: "test", Log: slog.New(slog.DiscardHandler),
		Clock: func() access.Clock { return access.Clock{Now: time.Now()} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for _, name := range []string{"front", "back"} {
		ch := c.Challenge(name, [32]byte{1})
		if err := c.Tap(ctx, name, false, ch, card.Key(), must(card.Sign(ch.Sum()))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if !board.Energised("front") || board.Energised("back") {
		t.Errorf("front %v, back %v", board.Energised("front"), board.Energised("back"))
	}
	all := decisions(journal.take())
	if len(all) != 2 || all[0].Reason != access.Home.String() || !all[0].Granted || all[1].Reason != access.Revoked.String() {
		t.Errorf("%+v", all)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
