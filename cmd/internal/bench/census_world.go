package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// sea is a community whose gateways, one in each node, report to a hub. All of it
// follows from its fields, so that several processes have the same.
type sea struct {
	Gateways int
	Tags     int   // of each gateway's report
	Opens    int64 // Unix seconds: of the epoch, which lasts a day
}

const (
	seaHours = 24 // of figures in each report ledger
	seaDay   = seaHours * 3600
)

// newSea is one whose epoch ended a minute ago.
func newSea(gateways, tags int) sea {
	return sea{gateways, tags, time.Now().Unix() - seaDay - 60}
}

func (s sea) community() ledger.SignedCharter {
	key := isleKey("charter")
	c := ledger.Charter{
		Format: 1, Version: 1, Threshold: 1, Keys: [][32]byte{publicOf(key)}, Kind: ledger.CommunityCharter, Slug: "sea", ChainID: 1, Registry: [20]byte{1},
	}
	for role, name := range map[ledger.AuthorRole]string{
		ledger.Issuer: issuer, ledger.Hub: "hub", ledger.HubHold: "hub-hold", ledger.HubWitness: "hub-witness", ledger.Evaluator: "evaluator",
	} {
		c.Authors = append(c.Authors, ledger.Author{Role: role, Key: publicOf(isleKey(name))})
	}
	slices.SortFunc(c.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	text, err := c.Marshal()
	if err != nil {
		panic(err)
	}
	return ledger.SignCharter(text, key)
}

func (s sea) id() ledger.CharterID { return s.community().Hash() }

func (s sea) node(n int) ledger.CharterID {
	return sha256.Sum256(fmt.Append(nil, "node of ", gatewayName(n)))
}

// rights are what a hub goes by.
func (s sea) rights() replica.Rights {
	r := replica.Rights{Community: s.id(), Authors: map[ledger.KeyID]replica.Author{}}
	add := func(name string, charter ledger.CharterID, kind ledger.LogKind) {
		a := replica.Author{
			Key: islePublic(name), Name: name, Kinds: []ledger.LogKind{kind}, Charter: map[ledger.LogKind]ledger.CharterID{kind: charter},
		}
		if name == "hub" {
			a.Hold, a.Witness = islePublic("hub-hold"), islePublic("hub-witness")
		}
		r.Authors[islePeer(name)] = a
	}
	add(issuer, r.Community, ledger.CommunityLog)
	add("hub", r.Community, ledger.CensusLog)
	for n := range s.Gateways {
		add(gatewayName(n), s.node(n), ledger.ReportLog)
	}
	return r
}

// auditor is the one whom the epoch names.
func (s sea) auditor() *ecdh.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo bench auditor"))
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		panic(err)
	}
	return key
}

// epoch is the one that is closed. No tag of a sea is evaluated: any point is its key.
func (s sea) epoch() *ledger.EpochOpened {
	e := &ledger.EpochOpened{
		Number: 1, Opens: s.Opens, Closes: s.Opens + seaDay, Audit: s.Opens + 60*seaDay, Key: publicOf(isleKey("epoch")), Evaluator: publicOf(isleKey("evaluator")),
		Beacon: "block 1000 of chain 1", Sample: 300, Quota: 1 << 24, Auditors: []ledger.Auditor{{Name: "journal", Sealing: [32]byte(s.auditor().PublicKey().Bytes())}},
	}
	copy(e.Offer[:], ed25519.Sign(isleKey("evaluator"), e.OfferText(s.id())))
	return e
}

// tags are those that a gateway reports, sorted: nobody else's.
func (s sea) tags(n int) []byte {
	b := make([]byte, s.Tags*ledger.TagSize)
	_, _ = mrand.NewChaCha8(sha256.Sum256(fmt.Append(nil, "tags of ", gatewayName(n)))).Read(b)
	return census.Merge(b, nil)
}

// report is a gateway's whole report ledger: a day's figures, then its tags.
func (s sea) report(n int, epoch ledger.EpochID) (ledger.Head, ledger.Stretch, error) {
	key := isleKey(gatewayName(n))
	o := ledger.Origin{Community: s.id(), Kind: ledger.ReportLog, Author: islePeer(gatewayName(n))}
	binary.BigEndian.PutUint64(o.Incarnation[:], uint64(n)+1)
	bodies := []ledger.Body{&ledger.Begin{Charter: s.node(n)}}
	for hour := range uint32(seaHours) {
		bodies = append(bodies, &ledger.Occupancy{Zone: "house", Sure: 20 + hour, Most: 30 + hour})
	}
	tags := s.tags(n)
	list, err := census.NewList(tags)
	if err != nil {
		return ledger.Head{}, ledger.Stretch{}, err
	}
	var parts uint32
	for part := range slices.Chunk(tags, ledger.MaxTags*ledger.TagSize) {
		bodies = append(bodies, &ledger.CensusTags{Epoch: epoch, Part: parts, Tags: part})
		parts++
	}
	log := o
	log.Kind = ledger.DoorLog
	bodies = append(bodies, &ledger.Reported{
		Epoch: epoch, Node: s.node(n), Parts: parts, Count: uint64(s.Tags), Root: list.Root(nil), Log: ledger.Source{Origin: log.String(), Size: 10}, Head: [32]byte{1},
	})
	var tree ledger.Tree
	var out ledger.Stretch
	salts := mrand.NewChaCha8(sha256.Sum256(fmt.Append(nil, "salts of ", gatewayName(n))))
	for i, b := range bodies {
		data, err := ledger.MarshalBody(b)
		if err != nil {
			return ledger.Head{}, out, err
		}
		var salt ledger.Salt
		_, _ = salts.Read(salt[:])
		at := s.Opens + min(int64(i)*3600, seaDay+1)
		e := ledger.Seal(int64(i), b.Kind(), b.Kind().Critical(), salt, 1000*at, data)
		tree.Append(e.Leaf, nil)
		out.Entries = append(out.Entries, e)
	}
	note, err := ledger.Sign(ledger.Checkpoint{Origin: o, Size: tree.Size(), Root: tree.Root()}, key, uint64(time.Now().Unix()))
	if err != nil {
		return ledger.Head{}, out, err
	}
	head, err := ledger.OpenHead(note, key.Public().(ed25519.PublicKey))
	return head, out, err
}

// entries is how many a report ledger has.
func (s sea) entries() int {
	return 1 + seaHours + (s.Tags+ledger.MaxTags-1)/ledger.MaxTags + 1
}

// found puts the community and its epoch into a hub's store, and registers the
// nodes.
func (s sea) found(to *store.Store, dir string) error {
	if _, _, err := to.AddCharter(s.community()); err != nil {
		return err
	}
	a, err := to.OpenAuthor(store.AuthorConfig{
		Key: isleKey(issuer), Community: s.id(), Kind: ledger.CommunityLog, Charter: s.id(), Guard: s.guard(dir, issuer), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		return err
	}
	at := time.Unix(s.Opens-3600, 0)
	drafts := []store.Draft{{Body: s.epoch(), Time: at}}
	for n := range s.Gateways {
		drafts = append(drafts, store.Draft{Time: at, Body: &ledger.NodeRegistered{Node: s.node(n), Slug: "node-" + gatewayName(n), Doors: 4, Floor: 1000}})
	}
	for some := range slices.Chunk(drafts, 1000) {
		if _, err := a.Append(some...); err != nil {
			return err
		}
	}
	return nil
}

func (s sea) guard(dir, name string) store.Guard {
	return store.Guard{Dir: filepath.Join(dir, "guard-"+name), Boot: "boot"}
}

// hub is the real one, on a store.
func (s sea) hub(on *store.Store, dir string) hub.Config {
	rights, community := s.rights(), s.community()
	chain, bad := ledger.CheckCharter(ledger.Charters{}, community)
	return hub.Config{
		Store: on, Dir: dir, Author: isleKey("hub"), Hold: isleKey("hub-hold"), Witness: isleKey("hub-witness"), Guard: s.guard(dir, "hub"),
		Community: func() (ledger.Charters, error) { return chain, bad }, Rights: func() (replica.Rights, error) { return rights, nil },
		Software: "bench", Holder: "bench", Grace: -1, Log: faultsOnly(),
	}
}
