package replica_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simEpoch is when every simulated world begins.
var simEpoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const simDay = 24 * time.Hour

// simCast are the keys, charters and people that all worlds share: making them
// takes longer than a world does.
type simCast struct {
	charterKey ed25519.PrivateKey
	community  ledger.Charters
	nodes      [2]ledger.Charters
	issuers    [3]ed25519.PrivateKey // the third succeeds the second
	stewards   [2]ed25519.PrivateKey
	gateways   []simGatewayKeys
	hub        simGatewayKeys
	stranger   ed25519.PrivateKey
	people     []simPerson
	policies   [2][]ledger.Body // versions of each node's
}

type simGatewayKeys struct {
	name                   string
	node                   int
	signing, hold, witness ed25519.PrivateKey
	keys                   ledger.GatewayKeys
}

func (g simGatewayKeys) peer() replica.Peer { return simPeer(g.signing) }

// simPerson has a passport with two keys; a key's bodies are those that add it
// and revoke it, by an issuer's word and by the wallet's.
type simPerson struct {
	number passport.ID
	wallet [20]byte
	admit  *ledger.Admit
	keys   [2]simDoorKey
}

type simDoorKey struct {
	id               passport.KeyID
	added            *ledger.DoorKeyAdded
	revoked, byOwner *ledger.DoorKeyRevoked
}

var simDomain = passport.Domain{ChainID: 1, Registry: [20]byte{0xaa}}

func simRandom(seed string) *rand.ChaCha8 {
	var s [32]byte
	copy(s[:], seed)
	return rand.NewChaCha8(s)
}

func simKey(name string) ed25519.PrivateKey {
	var b [ed25519.SeedSize]byte
	simRandom("key " + name).Read(b[:])
	return ed25519.NewKeyFromSeed(b[:])
}

func simPublic(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func simPeer(k ed25519.PrivateKey) replica.Peer { return ledger.KeyIDOf(simPublic(k)) }

func simMust[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var simCastOnce = sync.OnceValue(func() *simCast {
	c := &simCast{charterKey: simKey("charter"), stranger: simKey("stranger")}
	for i := range c.issuers {
		c.issuers[i] = simKey(fmt.Sprint("issuer ", i))
	}
	c.community = c.sign(ledger.Charters{}, ledger.Charter{
		Format: 1, Kind: ledger.CommunityCharter, Version: 1, Slug: "isle",
		ChainID: simDomain.ChainID, Registry: simDomain.Registry,
		Authors: []ledger.Author{
			{Role: ledger.Issuer, Key: [32]byte(simPublic(c.issuers[0]))},
			{Role: ledger.Issuer, Key: [32]byte(simPublic(c.issuers[1]))},
		},
	})
	for i := range c.nodes {
		c.stewards[i] = simKey(fmt.Sprint("steward ", i))
		c.nodes[i] = c.sign(ledger.Charters{}, ledger.Charter{
			Format: 1, Kind: ledger.NodeCharter, Version: 1, Slug: simNodeNames[i], Community: c.community.ID(),
			Authors: []ledger.Author{{Role: ledger.Steward, Key: [32]byte(simPublic(c.stewards[i]))}},
		})
		for v := range uint64(simPolicies) {
			c.policies[i] = append(c.policies[i], simPolicy(i, v+1))
		}
	}
	for node, names := range simGatewayNames {
		for _, name := range names {
			c.gateways = append(c.gateways, simGateway(name, node))
		}
	}
	c.hub = simGateway("hub", -1)
	for n := range 6 {
		c.people = append(c.people, simMakePerson(n+1))
	}
	return c
})

var (
	simNodeNames    = [2]string{"casa", "mole"}
	simGatewayNames = [2][]string{{"casa-1", "casa-2", "casa-3"}, {"mole-1", "mole-2"}}
)

func simGateway(name string, node int) simGatewayKeys {
	g := simGatewayKeys{name: name, node: node, signing: simKey(name), hold: simKey(name + " hold"), witness: simKey(name + " witness")}
	g.keys = ledger.GatewayKeys{
		Signing: [32]byte(simPublic(g.signing)), Hold: [32]byte(simPublic(g.hold)), Witness: [32]byte(simPublic(g.witness)),
		Sealing: [32]byte(simPublic(simKey(name + " sealing"))), TLS: [32]byte(simPublic(simKey(name + " tls"))),
	}
	return g
}

// sign makes the next charter of a chain.
func (c *simCast) sign(chain ledger.Charters, next ledger.Charter) ledger.Charters {
	next.Keys, next.Threshold = [][32]byte{[32]byte(simPublic(c.charterKey))}, 1
	slices.SortFunc(next.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return simMust(ledger.CheckCharter(chain, ledger.SignCharter(simMust(next.Marshal()), c.charterKey)))
}

// doors of each gateway; the first of each node's first gateway is a home.
var simDoors = map[string][]string{
	"casa-1": {"flat", "front"}, "casa-2": {"back"}, "casa-3": {"shed"},
	"mole-1": {"hut", "gate"}, "mole-2": {"yard"},
}

var simHomes = [2]string{"flat", "hut"}

const simPolicies = 4

// simPolicy grows by its version, so that some do not fit one message.
func simPolicy(node int, version uint64) *ledger.Policy {
	var b bytes.Buffer
	fmt.Fprintf(&b, "version = %d\nnode = %q\n[zones.street]\noutside = true\n[zones.house]\n", version, simNodeNames[node])
	for _, gateway := range simGatewayNames[node] {
		for _, door := range simDoors[gateway] {
			fmt.Fprintf(&b, "[doors.%s]\ngateway = %q\nfrom = \"street\"\nto = \"house\"\nmechanical_exit = true\n", door, gateway)
			if door == simHomes[node] {
				b.WriteString("home = true\n")
			}
		}
	}
	b.WriteString("[levels.all]\ndoors = [\"*\"]\n[classes.resident]\nlevels = [\"all\"]\n[classes.visitor]\nlevels = [\"all\"]\n")
	for n := range int(version) * 12 {
		fmt.Fprintf(&b, "# remark %d of version %d\n", n, version)
	}
	return &ledger.Policy{Version: version, File: b.Bytes()}
}

func simMakePerson(n int) simPerson {
	wallet := simWallet(fmt.Sprint("wallet ", n))
	p := simPerson{number: passport.ID(n), wallet: crypto.PubkeyToAddress(wallet.PublicKey)}
	p.admit = &ledger.Admit{
		Passport: uint64(n), Owner: p.wallet, Class: []string{"resident", "visitor"}[n%2],
		NotBefore: simEpoch.Add(-simDay).Unix(), NotAfter: simEpoch.Add(4000 * simDay).Unix(),
	}
	for i, kind := range []passport.KeyKind{passport.KindPhone, passport.KindHalo} {
		k := simMust(passport.GenerateSoftKey(kind, simRandom(fmt.Sprint("door key ", n, i))))
		d := passport.Delegation{
			Passport: p.number, Key: k.Key(), Mode: passport.ModeTap,
			NotBefore: uint64(p.admit.NotBefore), NotAfter: uint64(p.admit.NotAfter),
		}
		sig := simMust(passport.SignDelegation(wallet, simDomain, d))
		possession := simMust(k.Sign(passport.PossessionChallenge(d.Digest(simDomain))))
		s := simMust(passport.NewSignedDelegation(simDomain, d, sig[:], possession))
		p.keys[i] = simDoorKey{id: k.Key().ID(), added: &ledger.DoorKeyAdded{Delegation: simMust(s.MarshalBinary())}}
		r := passport.SignedRevocation{Domain: simDomain, Revocation: passport.Revocation{Passport: p.number, Point: k.Key().Point}}
		r.Wallet = simMust(passport.SignRevocation(wallet, simDomain, r.Revocation))
		p.keys[i].revoked = &ledger.DoorKeyRevoked{Passport: uint64(n), Key: k.Key().ID(), Why: "lost"}
		p.keys[i].byOwner = &ledger.DoorKeyRevoked{Passport: uint64(n), Key: k.Key().ID(), Why: "lost", Wallet: simMust(r.MarshalBinary())}
	}
	return p
}

func simWallet(seed string) *ecdsa.PrivateKey {
	var b [32]byte
	simRandom(seed).Read(b[:])
	return simMust(crypto.ToECDSA(b[:]))
}
