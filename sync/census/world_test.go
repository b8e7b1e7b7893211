package census_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// The world of these tests: a community with one issuer, an evaluator and a hub,
// and a node with two gateways, of which the first reports. Its epoch is one hour.
const (
	opens  = 1767225600 // 2026-01-01, Unix seconds
	closes = opens + 3600
	audit  = closes + 86400
)

func source(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], seed)
	return rand.NewChaCha8(s)
}

func named(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo census test " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// person is a passport with a wallet and a door key.
type person struct {
	id         uint64
	wallet     *ecdsa.PrivateKey
	key        *passport.SoftKey
	delegation []byte
	admitted   int64
}

// visit is one presence that is reported.
type visit struct {
	who     *person
	gateway int
	door    string
	at      int64 // Unix seconds
	window  bool

	seen       census.Seen
	secret     census.Salt
	attendance ledger.Attendance
	index      int64 // of the attendance
	blind      census.Blind
	evaluation census.Evaluation
	tag        census.Tag
}

// twist changes one thing while a world is made.
type twist struct {
	charter    func(*ledger.Charter)
	delegation func(*passport.Delegation)
	signed     func(*passport.SignedDelegation)
	domain     func(*passport.Domain)
	signer     func(*ecdsa.PrivateKey) *ecdsa.PrivateKey
	admit      func(*ledger.Admit)
	decision   func(*ledger.Decision)
	passage    func(*ledger.Passage)
	attendance func(*ledger.Attendance)
	opened     func(*ledger.EpochOpened)
	reported   func(*ledger.Reported)
	held       int64 // when the hub held the report; 0 for never
}

type world struct {
	twist
	rnd       *rand.ChaCha8
	community ledger.CharterID
	node      ledger.CharterID
	chain     ledger.Charters
	domain    passport.Domain
	key       census.Key
	opened    *ledger.EpochOpened
	issuer    *book
	doors     [2]*book
	reports   *book
	people    []*person
	visits    []*visit
	reported  *ledger.Reported
	reportAt  int64
	covered   census.Covered
	own       *census.List // the node's tags
	hold      ledger.Head
	list      *census.List // everybody's
	closed    census.Closed
}

var plain = twist{held: closes + 600}

func newWorld(tb testing.TB, tw twist) *world {
	tb.Helper()
	w := &world{twist: tw, rnd: source(1)}
	w.domain = passport.Domain{ChainID: 100, Registry: [20]byte{7}}
	w.charters(tb)
	w.node = sha256.Sum256([]byte("a node's first charter"))
	var err error
	if w.key, err = census.NewKey(w.rnd); err != nil {
		tb.Fatal(err)
	}
	w.opened = &ledger.EpochOpened{Number: 3, Opens: opens, Closes: closes, Audit: audit, Key: w.key.Public(), Evaluator: [32]byte(public(named("evaluator"))),
		Beacon: "block 900000", Sample: 300, Quota: 10000}
	if tw.opened != nil {
		tw.opened(w.opened)
	}
	copy(w.opened.Offer[:], ed25519.Sign(named("evaluator"), w.opened.OfferText(w.community)))
	w.issuer = newBook(tb, ledger.CommunityLog, w.community, w.community, named("issuer"))
	w.issuer.add(tb, opens-900, w.opened)
	for i := range w.doors {
		w.doors[i] = newBook(tb, ledger.DoorLog, w.community, w.node, named(fmt.Sprint("gateway ", i)))
	}
	w.reports = newBook(tb, ledger.ReportLog, w.community, w.node, named("gateway 0"))
	return w
}

func (w *world) charters(tb testing.TB) {
	tb.Helper()
	root := named("root")
	c := ledger.Charter{Format: 1, Kind: ledger.CommunityCharter, Version: 1, Slug: "isle", Keys: [][32]byte{[32]byte(public(root))}, Threshold: 1,
		ChainID: w.domain.ChainID, Registry: w.domain.Registry}
	for name, role := range map[string]ledger.AuthorRole{"issuer": ledger.Issuer, "hub": ledger.Hub, "hub-hold": ledger.HubHold, "evaluator": ledger.Evaluator} {
		c.Authors = append(c.Authors, ledger.Author{Role: role, Key: [32]byte(public(named(name)))})
	}
	slices.SortFunc(c.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	w.extend(tb, c)
	w.community = w.chain.ID()
}

// extend signs the next charter.
func (w *world) extend(tb testing.TB, c ledger.Charter) {
	tb.Helper()
	if w.charter != nil {
		w.charter(&c)
	}
	b, err := c.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	if w.chain, err = ledger.CheckCharter(w.chain, ledger.SignCharter(b, named("root"))); err != nil {
		tb.Fatal(err)
	}
}

// admit makes a person with a key of a kind.
func (w *world) admitOne(tb testing.TB, kind passport.KeyKind, mode passport.Mode) *person {
	tb.Helper()
	p := &person{id: uint64(len(w.people) + 1)}
	var d [32]byte
	w.rnd.Read(d[:])
	var err error
	if p.wallet, err = crypto.ToECDSA(d[:]); err != nil {
		tb.Fatal(err)
	}
	if p.key, err = passport.GenerateSoftKey(kind, w.rnd); err != nil {
		tb.Fatal(err)
	}
	p.delegation = w.delegate(tb, p, p.key, mode)
	a := &ledger.Admit{Passport: p.id, Owner: crypto.PubkeyToAddress(p.wallet.PublicKey), Class: "resident", NotBefore: opens - 500, NotAfter: audit}
	if w.admit != nil {
		w.admit(a)
	}
	p.admitted = w.issuer.add(tb, opens-500, a)
	w.people = append(w.people, p)
	return p
}

// delegate lets a door key speak for a person.
func (w *world) delegate(tb testing.TB, p *person, key *passport.SoftKey, mode passport.Mode) []byte {
	tb.Helper()
	s := passport.SignedDelegation{Domain: w.domain, Delegation: passport.Delegation{Passport: passport.ID(p.id), Key: key.Key(), NotBefore: opens - 500, NotAfter: audit, Mode: mode}}
	if w.delegation != nil {
		w.delegation(&s.Delegation)
	}
	if w.twist.domain != nil {
		w.twist.domain(&s.Domain)
	}
	wallet := p.wallet
	if w.signer != nil {
		wallet = w.signer(wallet)
	}
	var err error
	if s.Wallet, err = passport.SignDelegation(wallet, s.Domain, s.Delegation); err != nil {
		tb.Fatal(err)
	}
	if s.Possession, err = key.Sign(passport.PossessionChallenge(s.Digest())); err != nil {
		tb.Fatal(err)
	}
	if w.signed != nil {
		w.signed(&s)
	}
	b, err := s.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// visit lets a person in and records it as a gateway does.
func (w *world) visit(tb testing.TB, p *person, gateway int, door string, at int64, window bool) *visit {
	tb.Helper()
	v := &visit{who: p, gateway: gateway, door: door, at: at, window: window}
	log := w.doors[gateway]
	d := &ledger.Decision{Seq: uint64(log.tree.Size()), Door: door, Mode: "tap", Granted: true, Reason: "granted", Passport: p.id, RosterAge: 5, Policy: 1}
	id := p.key.Key().ID()
	d.Key = id[:]
	var err error
	if window {
		d.Mode = "window"
		s := passport.WindowStatement{Community: passport.CommunityID(w.community), Passport: passport.ID(p.id),
			Target: passport.NodeTarget(passport.NodeID(w.node)), Start: uint32(at), Length: 30}
		w.rnd.Read(s.Nonce[:])
		code, err := passport.SignWindow(p.key, s)
		if err != nil {
			tb.Fatal(err)
		}
		d.Presentation, _ = code.MarshalBinary()
	} else {
		c := passport.Challenge{Community: passport.CommunityID(w.community), Time: uint64(at),
			Place: passport.TapPlace([32]byte(public(log.key)), passport.DoorTarget(passport.NodeID(w.node), door))}
		w.rnd.Read(c.Nonce[:])
		d.Presentation = answer(tb, p.key, c)
	}
	if w.decision != nil {
		w.decision(d)
	}
	v.seen.Log = log.origin
	v.seen.Decision = log.add(tb, at, d)
	pass := &ledger.Passage{Seq: d.Seq, Door: d.Door, Entered: true}
	if w.passage != nil {
		w.passage(pass)
	}
	v.seen.Passage = log.add(tb, at+2, pass)
	v.seen.DecisionLeaf, v.seen.PassageLeaf = census.LeafHash(log.entries[v.seen.Decision]), census.LeafHash(log.entries[v.seen.Passage])
	w.rnd.Read(v.secret[:])
	a, err := census.NewAttendance(w.opened.ID(), census.Presence{Community: w.community, Node: w.node, Gateway: [32]byte(public(log.key)), Decision: d, Key: p.key.Key()},
		census.SeenCommit(v.secret.SeenSalt(), v.seen))
	if err != nil {
		tb.Fatal(err)
	}
	v.attendance = *a
	if w.attendance != nil {
		w.attendance(&v.attendance)
	}
	w.visits = append(w.visits, v)
	return v
}

// answer taps a challenge.
func answer(tb testing.TB, key *passport.SoftKey, c passport.Challenge) []byte {
	tb.Helper()
	sig, err := key.Sign(c.Sum())
	if err != nil {
		tb.Fatal(err)
	}
	t, err := passport.NewTap(c, key.Key(), sig)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := t.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func (w *world) rules() census.Rules {
	return census.Rules{Community: w.community, Opened: w.opened, Chain: w.chain, Gateways: map[ledger.KeyID]census.Gateway{
		w.doors[0].origin.Author: {Key: public(w.doors[0].key), Node: w.node},
		w.doors[1].origin.Author: {Key: public(w.doors[1].key), Node: w.node},
	}}
}

// aWorld has three people: a tap and a code at the first gateway, a tap at the second.
func aWorld(tb testing.TB, tw twist) *world {
	tb.Helper()
	w := newWorld(tb, tw)
	w.visit(tb, w.admitOne(tb, passport.KindHalo, passport.ModeTap), 0, "front", opens+100, false)
	w.visit(tb, w.admitOne(tb, passport.KindPhone, passport.ModeTap|passport.ModeWindow), 0, "front", opens+200, true)
	w.visit(tb, w.admitOne(tb, passport.KindKeycard, passport.ModeTap), 1, "garden", opens+300, false)
	w.report(tb)
	return w
}
