package store_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// What the roster makes of a ledger is what it makes of it without the bodies that
// its snapshots let go, whichever words its issuers wrote.

var (
	noon   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	domain = passport.Domain{ChainID: 1, Registry: [20]byte{0xaa}}
)

func seed(name string) [32]byte { return sha256.Sum256([]byte("tombolo test key " + name)) }

func edKey(name string) ed25519.PrivateKey {
	s := seed(name)
	return ed25519.NewKeyFromSeed(s[:])
}

func edPublic(name string) [32]byte { return [32]byte(edKey(name).Public().(ed25519.PublicKey)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// isle is a community of two issuers and one node.
type isle struct {
	community, node ledger.CharterID
	charters        []ledger.SignedCharter
	keys            []*passport.SoftKey
	added           []ledger.Body // delegations of these by the passports 1 to 3
}

func newIsle(t *testing.T) *isle {
	t.Helper()
	w := &isle{}
	sign := func(c ledger.Charter) ledger.CharterID {
		c.Format, c.Version, c.Keys, c.Threshold = 1, 1, [][32]byte{edPublic("charter")}, 1
		signed := ledger.SignCharter(must(c.Marshal()), edKey("charter"))
		w.charters = append(w.charters, signed)
		return must(ledger.CheckCharter(ledger.Charters{}, signed)).ID()
	}
	issuers := []ledger.Author{{Role: ledger.Issuer, Key: edPublic("issuer 0")}, {Role: ledger.Issuer, Key: edPublic("issuer 1")}}
	if string(issuers[0].Key[:]) > string(issuers[1].Key[:]) {
		issuers[0], issuers[1] = issuers[1], issuers[0]
	}
	w.community = sign(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: domain.ChainID, Registry: domain.Registry, Authors: issuers})
	w.node = sign(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: w.community, Authors: []ledger.Author{{Role: ledger.Steward, Key: edPublic("steward")}}})
	for n := range 6 {
		source := seed(fmt.Sprint("door key ", n))
		k := must(passport.GenerateSoftKey(passport.KindPhone, rand.NewChaCha8(source)))
		w.keys = append(w.keys, k)
		w.added = append(w.added, w.adds(1+n%3, k), w.adds(1+(n+1)%3, k)) // some claim what is another's
	}
	return w
}

func wallet(n int) *ecdsa.PrivateKey {
	s := seed(fmt.Sprint("wallet ", n))
	return must(crypto.ToECDSA(s[:]))
}

func (w *isle) adds(n int, k *passport.SoftKey) ledger.Body {
	d := passport.Delegation{Passport: passport.ID(n), Key: k.Key(), Mode: passport.ModeTap, NotBefore: 1, NotAfter: uint64(noon.Unix()) + 1e6}
	sig := must(passport.SignDelegation(wallet(n), domain, d))
	s := must(passport.NewSignedDelegation(domain, d, sig[:], must(k.Sign(passport.PossessionChallenge(d.Digest(domain))))))
	return &ledger.DoorKeyAdded{Delegation: must(s.MarshalBinary())}
}

func (w *isle) open(t *testing.T) *store.Store {
	t.Helper()
	var s *store.Store
	if strings.HasSuffix(t.Name(), "/postgres") {
		s = must(store.Databases.Open(store.Databases.URL(t)))
	} else {
		s = must(store.Open(filepath.Join(t.TempDir(), "ledgers.db")))
	}
	t.Cleanup(func() { s.Close() })
	for _, c := range w.charters {
		if _, _, err := s.AddCharter(c); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (w *isle) author(t *testing.T, s *store.Store, name string, kind ledger.LogKind, charter ledger.CharterID) *store.Author {
	t.Helper()
	return must(s.OpenAuthor(store.AuthorConfig{
		Key: edKey(name), Community: w.community, Kind: kind, Charter: charter,
		Guard: store.Guard{Dir: filepath.Join(t.TempDir(), "guard"), Boot: "boot"}, Now: func() time.Time { return noon }, Rand: rand.NewChaCha8(seed(name)),
	}))
}

// word is a random one about one of few passports.
func (w *isle) word(r *rand.Rand) ledger.Body {
	p := 1 + r.Uint64N(3)
	switch r.IntN(10) {
	case 0, 1:
		return &ledger.Admit{Passport: p, Owner: crypto.PubkeyToAddress(wallet(int(1 + r.Uint64N(2)*p%3)).PublicKey), Class: []string{"resident", "visitor"}[r.IntN(2)],
			NotBefore: r.Int64N(3), NotAfter: noon.Unix() + r.Int64N(3)}
	case 2, 3:
		return &ledger.Suspend{Passport: p}
	case 4, 5:
		return &ledger.Reinstate{Passport: p}
	case 6:
		if r.IntN(4) == 0 {
			return &ledger.Expel{Passport: p}
		}
		return &ledger.NodeRegistered{Node: w.node, Slug: "casa"}
	case 7:
		return &ledger.DoorKeyRevoked{Passport: p, Key: w.keys[r.IntN(len(w.keys))].Key().ID()}
	default:
		return w.added[r.IntN(len(w.added))]
	}
}

// source is what a roster reads of a store.
type source struct{ *store.Store }

func (s source) Ledgers() (out []roster.Ledger, err error) {
	all, err := s.Store.Ledgers()
	for _, l := range all {
		out = append(out, roster.Ledger{
			Head: l.Head, Seen: l.Seen, Generation: l.Generation, Charter: l.Charter,
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return s.Entries(l, lo, hi) },
			Root:    func(size int64) (tlog.Hash, error) { return tlog.TreeHash(size, ledger.Hashes(s.Reader(l))) },
		})
	}
	return out, err
}

// projected is what decisions read of a store.
type projected struct {
	Holders []access.Holder
	Homes   map[string]map[access.Resident]int64
	Fresh   int64
}

func (w *isle) project(t *testing.T, s *store.Store) (p projected) {
	t.Helper()
	r := must(roster.Open(roster.Config{Path: filepath.Join(t.TempDir(), "roster.db"), Source: source{s}, Community: w.community, Node: w.node}))
	defer r.Close()
	v := must(r.Project(access.Clock{Now: noon, Trust: access.TrustNTP}))
	for _, k := range w.keys {
		p.Holders = append(p.Holders, must(r.ByKey(k.Key().ID())))
	}
	p.Homes, p.Fresh = v.Homes, v.Fresh
	for _, problem := range v.Problems {
		if problem.Part != "policy" {
			t.Errorf("%+v", problem)
		}
	}
	return p
}

// carry brings everything that from holds.
func carry(t *testing.T, from, to *store.Store) {
	t.Helper()
	for _, i := range must(from.Ledgers()) {
		for {
			edge, _ := to.Edge(i.Origin) // none is the empty one
			s := must(from.Stretch(i, edge.Size(), 4000))
			x := must(ledger.CheckStretch(edge, i.Head, s))
			if _, err := to.Extend(noon.Unix(), x); err != nil {
				t.Fatal(err)
			}
			if x.Whole() {
				break
			}
		}
	}
}

func TestReducedProjectsTheSame(t *testing.T) {
	t.Run("sqlite", testReducedProjectsTheSame)
	t.Run("postgres", testReducedProjectsTheSame)
}

func testReducedProjectsTheSame(t *testing.T) {
	t.Parallel()
	w := newIsle(t)
	went := int64(0)
	for n := range uint64(4) {
		r := rand.New(rand.NewPCG(n, 5))
		authors, whole := w.open(t), w.open(t)
		steward := w.author(t, authors, "steward", ledger.NodeLog, w.node)
		if _, err := steward.Append(store.Draft{Body: &ledger.Home{Door: "front", Passport: 1, Owner: crypto.PubkeyToAddress(wallet(1).PublicKey)}, Time: noon}); err != nil {
			t.Fatal(err)
		}
		issuers := []*store.Author{w.author(t, authors, "issuer 0", ledger.CommunityLog, w.community), w.author(t, authors, "issuer 1", ledger.CommunityLog, w.community)}
		for range 2 {
			for _, a := range issuers {
				var drafts []store.Draft
				for range 20 + r.IntN(60) {
					drafts = append(drafts, store.Draft{Body: w.word(r), Time: noon})
				}
				if _, err := a.Append(drafts...); err != nil {
					t.Fatal(err)
				}
			}
			carry(t, authors, whole)
			want := w.project(t, whole) // all bodies are there, but for an earlier snapshot's
			for _, a := range issuers {
				gone, err := a.Snapshot(1)
				if err != nil {
					t.Fatal(err)
				}
				went += gone
			}
			late := w.open(t)
			carry(t, authors, late)
			carry(t, authors, whole) // it obeys, too
			for name, s := range map[string]*store.Store{"author": authors, "newcomer": late, "holder": whole} {
				if got := w.project(t, s); !reflect.DeepEqual(got, want) {
					t.Fatalf("seed %d: the %s projects\n%+v\nwant\n%+v", n, name, got, want)
				}
			}
		}
	}
	if went < 150 {
		t.Errorf("only %d bodies went in all", went)
	}
}
