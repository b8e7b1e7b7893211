package main

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const ordersPolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[doors.back]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[doors.flat]
gateway = "gw1"
from = "street"
to = "house"
home = true
mechanical_exit = true
[levels.all]
doors = ["front", "back"]
[classes.resident]
levels = ["all"]
`

// TestOrdersAreTheRosters: what lists and answers show is what gateways obey,
// whatever two stewards write in whatever order of times.
func TestOrdersAreTheRosters(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, round))
		n := newStewards(t)
		n.write(0, 0, &ledger.Policy{Version: 1, File: []byte(ordersPolicy)})
		for range 60 {
			// Few times, so that many are the same.
			n.write(r.IntN(2), r.IntN(40), randomOrder(r))
		}
		n.now = n.now.Add(time.Hour)
		view := n.project()
		p, err := currentPolicy(n.folder)
		if err != nil {
			t.Fatal(err)
		}
		got, err := basisOf(n.folder, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what      string
			got, want any
		}{
			{"homes", got.Homes, view.Homes}, {"lockdowns", got.Lockdowns, view.Lockdowns},
			{"bars", got.Bars, view.Bars}, {"passes", got.Passes, view.Passes},
		} {
			if !reflect.DeepEqual(c.got, c.want) {
				t.Errorf("round %d: %s: %v, and the roster has %v", round, c.what, c.got, c.want)
			}
		}
	}
}

// stewards are two of one node, and where they write.
type stewards struct {
	t       *testing.T
	folder  *folder.Folder
	authors [2]*store.Author
	now     time.Time
}

func newStewards(t *testing.T) *stewards {
	t.Helper()
	n := &stewards{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	f, err := folder.Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	f.Now = func() time.Time { return n.now }
	n.folder = f
	var keys [4]ed25519.PrivateKey // charter, issuer, stewards
	var pubs [4][32]byte
	for i := range keys {
		keys[i] = ed25519.NewKeyFromSeed(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i)))
		pubs[i] = [32]byte(keys[i].Public().(ed25519.PublicKey))
	}
	found := func(c ledger.Charter) ledger.CharterID {
		c.Format, c.Version, c.Threshold, c.Keys = 1, 1, 1, pubs[:1]
		slices.SortFunc(c.Authors, func(a, b ledger.Author) int { return slices.Compare(a.Key[:], b.Key[:]) })
		b, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		id, err := f.Found(ledger.SignCharter(b, keys[0]))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	community := found(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isla", ChainID: 1, Registry: [20]byte{1}, Authors: []ledger.Author{{Role: ledger.Issuer, Key: pubs[1]}}})
	node := found(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: community,
		Authors: []ledger.Author{{Role: ledger.Steward, Key: pubs[2]}, {Role: ledger.Steward, Key: pubs[3]}}})
	for i := range n.authors {
		n.authors[i], err = f.Store().OpenAuthor(store.AuthorConfig{Key: keys[2+i], Community: community, Kind: ledger.NodeLog, Charter: node,
			Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"}, Now: f.Now, Rand: rand.NewChaCha8([32]byte{byte(i)})})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// write has a steward write, some seconds after the start.
func (n *stewards) write(steward, second int, b ledger.Body) {
	n.t.Helper()
	if _, err := n.authors[steward].Append(store.Draft{Body: b, Time: n.now.Add(time.Duration(second) * time.Second)}); err != nil {
		n.t.Fatal(err)
	}
}

func randomOrder(r *rand.Rand) ledger.Body {
	who := 1 + r.Uint64N(3)
	ends := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).Unix() + r.Int64N(5)
	var doors []string
	for _, d := range []string{"back", "flat", "front", "gone"} {
		if r.IntN(2) == 0 {
			doors = append(doors, d)
		}
	}
	pass := ledger.PassID{1, byte(r.IntN(6))}
	switch r.IntN(7) {
	case 0, 1:
		return &ledger.Lockdown{Doors: doors, Ends: ends, Why: fmt.Sprint(r.IntN(9))}
	case 2:
		return &ledger.LockdownLifted{Doors: doors}
	case 3:
		return &ledger.Bar{Passport: who, Ends: ends * r.Int64N(2)}
	case 4:
		return &ledger.GuestPass{Pass: pass, Passport: who, Levels: []string{"all"}, NotBefore: ends - 1 - r.Int64N(9), NotAfter: ends, Uses: r.Uint32N(3)}
	case 5:
		return &ledger.GuestEnded{Pass: ledger.PassID{1, byte(r.IntN(20))}}
	}
	return &ledger.Home{Door: "flat", Passport: who, Owner: [20]byte{byte(who)}, Notice: 60}
}

// project is what a gateway makes of it.
func (n *stewards) project() *roster.View {
	n.t.Helper()
	community, err := n.folder.CommunityID()
	if err != nil {
		n.t.Fatal(err)
	}
	node, err := n.folder.NodeID()
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := roster.Open(roster.Config{Path: filepath.Join(n.t.TempDir(), "roster.db"), Source: stored{n.folder.Store()}, Community: community, Node: node})
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Close()
	v, err := r.Project(access.Clock{Now: n.now, Trust: access.TrustNTP})
	if err != nil || v.Policy == nil || v.Policy.Hash() != policy.Hash([]byte(ordersPolicy)) {
		n.t.Fatalf("projected: %v, %v", err, v.Problems)
	}
	return v
}

// stored is a store as a roster reads it.
type stored struct{ store *store.Store }

func (h stored) Charters(id ledger.CharterID) (ledger.Charters, error) { return h.store.Charters(id) }

func (h stored) Ledgers() (out []roster.Ledger, err error) {
	all, err := h.store.Ledgers()
	for _, l := range all {
		out = append(out, roster.Ledger{Head: l.Head, Seen: l.Seen, Generation: l.Generation, Charter: l.Charter,
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return h.store.Entries(l, lo, hi) },
			Root:    func(size int64) (tlog.Hash, error) { return tlog.TreeHash(size, ledger.Hashes(h.store.Reader(l))) }})
	}
	return out, err
}
