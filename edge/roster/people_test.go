package roster_test

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// person is a passport and its wallet.
type person struct {
	w      *world
	number passport.ID
	wallet *ecdsa.PrivateKey
}

func (w *world) person(n int) person {
	return person{w, passport.ID(n), wallet(fmt.Sprint("wallet", n))}
}

func wallet(seed string) *ecdsa.PrivateKey {
	var b [32]byte
	seeded(seed).Read(b[:])
	k, err := crypto.ToECDSA(b[:])
	if err != nil {
		panic(err)
	}
	return k
}

func address(k *ecdsa.PrivateKey) [20]byte { return crypto.PubkeyToAddress(k.PublicKey) }

func (p person) admit() *ledger.Admit {
	return &ledger.Admit{
		Passport: uint64(p.number), Owner: address(p.wallet), Class: "resident",
		NotBefore: t0.Add(-day).Unix(), NotAfter: t0.Add(100 * day).Unix(),
	}
}

// lives asks for a passport with the wallet that it began with.
func lives(v *roster.View, door string, n int, at time.Time, clockKnown bool) bool {
	c := access.Clock{Now: at}
	if clockKnown {
		c = known(at)
	}
	return v.LivesHere(door, passport.ID(n), address(wallet(fmt.Sprint("wallet", n))), c)
}

// with is the same passport with another wallet.
func (p person) with(k *ecdsa.PrivateKey) person {
	p.wallet = k
	return p
}

func doorkey(seed string, kind passport.KeyKind) *passport.SoftKey {
	k, err := passport.GenerateSoftKey(kind, seeded(seed))
	if err != nil {
		panic(err)
	}
	return k
}

func (p person) delegation(k *passport.SoftKey) passport.Delegation {
	mode := passport.ModeTap
	if !k.Key().Kind.Card() {
		mode |= passport.ModeWindow
	}
	return passport.Delegation{
		Passport: p.number, Key: k.Key(), Mode: mode,
		NotBefore: uint64(t0.Add(-day).Unix()), NotAfter: uint64(t0.Add(50 * day).Unix()),
	}
}

// adds is the entry that delegates a key.
func (p person) adds(k *passport.SoftKey, change ...func(*passport.Delegation)) *ledger.DoorKeyAdded {
	p.w.t.Helper()
	return p.addsUnder(domain, k, change...)
}

func (p person) addsUnder(dom passport.Domain, k *passport.SoftKey, change ...func(*passport.Delegation)) *ledger.DoorKeyAdded {
	p.w.t.Helper()
	d := p.delegation(k)
	for _, f := range change {
		f(&d)
	}
	sig, err := passport.SignDelegation(p.wallet, dom, d)
	if err != nil {
		p.w.t.Fatal(err)
	}
	possession, err := k.Sign(passport.PossessionChallenge(d.Digest(dom)))
	if err != nil {
		p.w.t.Fatal(err)
	}
	s, err := passport.NewSignedDelegation(dom, d, sig[:], possession)
	if err != nil {
		p.w.t.Fatal(err)
	}
	b, err := s.MarshalBinary()
	if err != nil {
		p.w.t.Fatal(err)
	}
	return &ledger.DoorKeyAdded{Delegation: b}
}

func (p person) revokes(k *passport.SoftKey) *ledger.DoorKeyRevoked {
	return &ledger.DoorKeyRevoked{Passport: uint64(p.number), Key: k.Key().ID(), Why: "lost"}
}

// revokesSigned is a revocation with the wallet's own word.
func (p person) revokesSigned(k *passport.SoftKey) *ledger.DoorKeyRevoked {
	p.w.t.Helper()
	b := p.revokes(k)
	s := passport.SignedRevocation{Domain: domain, Revocation: passport.Revocation{Passport: p.number, Point: k.Key().Point}}
	var err error
	if s.Wallet, err = passport.SignRevocation(p.wallet, domain, s.Revocation); err != nil {
		p.w.t.Fatal(err)
	}
	if b.Wallet, err = s.MarshalBinary(); err != nil {
		p.w.t.Fatal(err)
	}
	return b
}

func (p person) home(door string, notice time.Duration) *ledger.Home {
	return &ledger.Home{Door: door, Passport: uint64(p.number), Owner: address(p.wallet), Notice: uint32(notice / time.Second)}
}

func (p person) homeEnded(door string, ends time.Time) *ledger.HomeEnded {
	return &ledger.HomeEnded{Door: door, Passport: uint64(p.number), Ends: ends.Unix(), Why: "moves out"}
}

// pinSet gives a passport PINs at the gateway of these tests, and at another.
func pinSet(n uint64, sealed string) *ledger.PinSet {
	b := &ledger.PinSet{Passport: n, Boxes: []ledger.PinBox{
		{Gateway: public(key("gateway")), Sealed: []byte(sealed)}, {Gateway: public(key("another")), Sealed: []byte("not ours")},
	}}
	slices.SortFunc(b.Boxes, func(a, b ledger.PinBox) int { return bytes.Compare(a.Gateway[:], b.Gateway[:]) })
	return b
}
