package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

const isletPolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
%s
[doors.portico]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[doors.postern]
gateway = "gw2"
from = "street"
to = "house"
mechanical_exit = true
[levels.house]
doors = ["portico", "postern"]
[classes.resident]
levels = ["house"]
`

// islet is a node of two gateways whose door logs are written by a test, an issuer,
// an evaluator and a hub.
type islet struct {
	t         testing.TB
	desk      *folder.Folder
	community ledger.CharterID
	node      ledger.CharterID
	domain    passport.Domain
	key       census.Key
	evaluator ed25519.PrivateKey
	hub       ed25519.PrivateKey
	hold      ed25519.PrivateKey
	hubStore  *store.Store
	hubLog    *store.Author
	auditors  []*auditor
	opened    *ledger.EpochOpened
	people    []*guest
	gws       []*keeper // by key id: the first has its turn first
	now       time.Time
	quota     uint32
	asks      map[string]int // how often each batch was asked
}

type auditor struct {
	name string
	key  *folderKey
}

// guest is somebody with a passport.
type guest struct {
	passport uint64
	wallet   *ecdsa.PrivateKey
	key      *passport.SoftKey
}

// keeper is a gateway of the islet.
type keeper struct {
	i      *islet
	name   string
	door   string
	dir    string
	guard  string
	key    [32]byte
	folder *folder.Folder
	roster *roster.Roster
	log    *store.Author
	seq    uint64
	boots  string // names the machine's boot; "" is the first
	status peer.Status
	mu     sync.Mutex
	faults []string
}

func yes[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newIslet(t testing.TB, people int, more string) *islet {
	return newIsletAt(t, people, more, time.Unix(1_900_000_000, 0))
}

func newIsletAt(t testing.TB, people int, more string, now time.Time) *islet {
	i := &islet{
		t: t, domain: passport.Domain{ChainID: 1, Registry: [20]byte{1}}, key: yes(census.NewKey(rand.Reader)),
		now: now, quota: 1 << 20, asks: map[string]int{},
	}
	for _, k := range []*ed25519.PrivateKey{&i.evaluator, &i.hub, &i.hold} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		*k = private
	}
	i.desk = yes(folder.Open(t.TempDir(), true))
	i.desk.Now = i.clock
	t.Cleanup(func() { i.desk.Close() })
	i.community = i.found(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: i.domain.ChainID, Registry: i.domain.Registry, Authors: []ledger.Author{
		{Role: ledger.Issuer, Key: i.own(folder.IssuerKey)}, {Role: ledger.Evaluator, Key: public(i.evaluator)},
		{Role: ledger.Hub, Key: public(i.hub)}, {Role: ledger.HubHold, Key: public(i.hold)},
	}})
	i.node = i.found(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: i.community, Authors: []ledger.Author{{Role: ledger.Steward, Key: i.own(folder.StewardKey)}}})
	for n := range people {
		i.admit(uint64(n + 1))
	}
	i.write(ledger.NodeLog, &ledger.Policy{Version: 1, File: fmt.Appendf(nil, isletPolicy, more)})
	for n := range 2 {
		k := &keeper{i: i, name: fmt.Sprintf("gw%d", n+1), door: []string{"portico", "postern"}[n], dir: t.TempDir(), guard: t.TempDir()}
		k.folder = yes(folder.Open(k.dir, true))
		r := yes(k.folder.NewGateway(k.name))
		k.key = r.Keys.Signing
		i.write(ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys})
		i.gws = append(i.gws, k)
	}
	var bundle bytes.Buffer
	if _, err := i.desk.Export(&bundle, []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog}, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range i.gws {
		yes(0, os.WriteFile(filepath.Join(k.dir, ApprovalFile), bundle.Bytes(), 0o600))
		if _, _, err := enrolled(k.folder, silent); err != nil {
			t.Fatal(err)
		}
		k.open()
	}
	slices.SortFunc(i.gws, func(a, b *keeper) int { x, y := a.id(), b.id(); return bytes.Compare(x[:], y[:]) })
	for n, k := range i.gws {
		k.status = there(i.gws[1-n])
	}
	i.hubStore = yes(store.Open(filepath.Join(t.TempDir(), "hub.db")))
	t.Cleanup(func() { i.hubStore.Close() })
	i.hubLog = yes(i.hubStore.OpenAuthor(store.AuthorConfig{Key: i.hub, Community: i.community, Kind: ledger.CensusLog, Charter: i.community, Guard: store.Guard{Dir: t.TempDir(), Boot: "1"}, Now: i.clock, Rand: rand.Reader}))
	return i
}

func (i *islet) clock() time.Time { return i.now }

func public(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

func (i *islet) own(role folder.Role) [32]byte { return public(yes(i.desk.EnsureKey(role))) }

func (i *islet) found(c ledger.Charter) ledger.CharterID {
	chair := yes(i.desk.EnsureKey(folder.CharterKey))
	c.Format, c.Version, c.Threshold, c.Keys = 1, 1, 1, [][32]byte{public(chair)}
	slices.SortFunc(c.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return yes(i.desk.Found(ledger.SignCharter(yes(c.Marshal()), chair)))
}

func (i *islet) write(kind ledger.LogKind, bodies ...ledger.Body) {
	i.t.Helper()
	a := yes(i.desk.Author(kind))
	for _, b := range bodies {
		yes(a.Append(store.Draft{Body: b, Time: i.now.Add(-24 * time.Hour)}))
	}
}

func (i *islet) admit(number uint64) *guest {
	g := &guest{passport: number, wallet: yes(crypto.GenerateKey()), key: yes(passport.GenerateSoftKey(passport.KindPhone, rand.Reader))}
	i.write(ledger.CommunityLog, &ledger.Admit{Passport: number, Owner: crypto.PubkeyToAddress(g.wallet.PublicKey), Class: "resident", NotAfter: 1 << 40})
	d := passport.Delegation{Passport: passport.ID(number), Key: g.key.Key(), NotBefore: 1, NotAfter: 1 << 40, Mode: passport.ModeTap | passport.ModeWindow}
	sig := yes(passport.SignDelegation(g.wallet, i.domain, d))
	s := yes(passport.NewSignedDelegation(i.domain, d, sig[:], yes(g.key.Sign(passport.PossessionChallenge(d.Digest(i.domain))))))
	i.write(ledger.CommunityLog, &ledger.DoorKeyAdded{Delegation: yes(s.MarshalBinary())})
	i.people = append(i.people, g)
	return g
}

// open begins an epoch that has closed a quarter of an hour ago.
func (i *islet) open(sample uint32) *ledger.EpochOpened {
	i.write(ledger.CommunityLog, i.sign(sample))
	i.carry()
	return i.opened
}

// sign is that epoch, before anybody hears of it.
func (i *islet) sign(sample uint32) *ledger.EpochOpened {
	i.opened = &ledger.EpochOpened{
		Number: 1, Opens: i.now.Add(-3 * time.Hour).Unix(), Closes: i.now.Add(-15 * time.Minute).Unix(), Audit: i.now.Add(24 * time.Hour).Unix(),
		Key: i.key.Public(), Evaluator: public(i.evaluator), Beacon: "a block", Sample: sample, Quota: i.quota,
	}
	for _, a := range i.auditors {
		i.opened.Auditors = append(i.opened.Auditors, ledger.Auditor{Name: a.name, Sealing: a.key.public()})
	}
	slices.SortFunc(i.opened.Auditors, func(a, b ledger.Auditor) int { return bytes.Compare(a.Sealing[:], b.Sealing[:]) })
	copy(i.opened.Offer[:], ed25519.Sign(i.evaluator, i.opened.OfferText(i.community)))
	return i.opened
}

// carry brings what the desk and the hub wrote to the gateways, and their door logs
// to each other.
func (i *islet) carry() {
	for _, k := range i.gws {
		carry(i.desk.Store(), k.folder.Store(), ledger.CommunityLog, ledger.NodeLog)
		carry(i.hubStore, k.folder.Store(), ledger.CensusLog)
		for _, other := range i.gws {
			if other != k {
				carry(other.folder.Store(), k.folder.Store(), ledger.DoorLog)
			}
		}
		yes(k.roster.Project(access.Clock{Now: i.now, Trust: access.TrustNTP}))
	}
}

func carry(from, to *store.Store, kinds ...ledger.LogKind) {
	for _, l := range yes(from.Ledgers()) {
		if !slices.Contains(kinds, l.Origin.Kind) {
			continue
		}
		have, err := to.Ledger(l.Origin)
		if err == nil && have.Size >= l.Size {
			continue
		}
		yes(to.Ingest(l.Head, 1, from.Chunks(l, have.Size)))
	}
}

// asked is the evaluator, of a gateway that it knows.
func (i *islet) asked(body []byte) []byte {
	a, err := census.ParseAsk(body)
	if err != nil {
		i.t.Errorf("the evaluator is asked %d bytes: %v", len(body), err)
		return nil
	}
	ask := a.(census.EvaluateAsk)
	if i.now.Unix() < i.opened.Closes {
		i.t.Error("the evaluator is asked before the epoch has closed")
	}
	i.asks[string(body)]++
	if uint32(len(i.asks))*census.BatchSize > i.opened.Quota {
		return census.EvaluateAnswer{Refused: census.RefusedQuota}.Marshal()
	}
	var out census.EvaluateAnswer
	for _, e := range ask.Elements {
		out.Evaluations = append(out.Evaluations, yes(i.key.Evaluate(e)))
	}
	return out.Marshal()
}

// close ends the epoch with a list of all that was reported, as a hub does.
func (i *islet) close(lists ...[]byte) *census.List {
	l := yes(census.NewList(census.Merge(slices.Concat(lists...), nil)))
	yes(i.hubLog.Append(store.Draft{Time: i.now, Body: &ledger.EpochClosed{Epoch: i.opened.ID(), Size: uint64(l.Len()), Root: l.Root(nil), Rules: 1, Reports: uint32(len(lists))}}))
	i.carry()
	return l
}

func (i *islet) draw(l *census.List, seed byte) *ledger.Draw {
	d := &ledger.Draw{Epoch: i.opened.ID(), Root: l.Root(nil), Size: uint64(l.Len()), Seed: [32]byte{seed}, Source: "a block"}
	yes(i.hubLog.Append(store.Draft{Time: i.now, Body: d}))
	i.carry()
	return d
}

func (k *keeper) id() ledger.KeyID { return ledger.KeyIDOf(k.key[:]) }

// open opens what belongs to a running gateway, anew after a kill.
func (k *keeper) open() {
	if k.folder == nil {
		k.folder = yes(folder.Open(k.dir, false))
	}
	k.folder.Now = k.i.clock
	k.roster = yes(openRoster(k.folder, silent, nil))
	yes(k.roster.Project(access.Clock{Now: k.i.now, Trust: access.TrustNTP}))
	k.log = k.author(ledger.DoorLog)
	k.i.t.Cleanup(k.close)
}

func (k *keeper) close() {
	if k.folder != nil {
		yes(0, errors.Join(k.roster.Close(), k.folder.Close()))
		k.folder = nil
	}
}

func (k *keeper) author(kind ledger.LogKind) *store.Author {
	return yes(k.folder.Store().OpenAuthor(store.AuthorConfig{
		Key: yes(k.folder.Key(folder.SigningKey)), Community: k.i.community, Kind: kind, Charter: k.i.node,
		Guard: store.Guard{Dir: k.guard, Boot: "1" + k.boots}, Now: k.i.clock, Rand: rand.Reader,
	}))
}

func (k *keeper) boot(at time.Time) {
	k.seq = 0
	k.record(at, &ledger.Boot{Software: "test", Clock: "ntp"})
	k.record(at, &ledger.Line{Door: k.door, Input: "contact", State: "normal"})
}

func (k *keeper) record(at time.Time, bodies ...ledger.Body) {
	var drafts []store.Draft
	for _, b := range bodies {
		drafts = append(drafts, store.Draft{Body: b, Time: at})
	}
	yes(k.log.Append(drafts...))
}

// enter lets somebody in by this gateway's door.
func (k *keeper) enter(g *guest, at time.Time) {
	k.record(at, k.entry(g, at)...)
}

func (k *keeper) entry(g *guest, at time.Time) []ledger.Body {
	k.seq++
	c := passport.Challenge{
		Community: passport.CommunityID(k.i.community), Time: uint64(at.Unix()), Nonce: [32]byte{byte(k.seq), byte(k.seq >> 8), k.door[2], byte(at.Unix())},
		Place: passport.TapPlace(yes(k.folder.Public(folder.SigningKey)), passport.DoorTarget(passport.NodeID(k.i.node), k.door)),
	}
	tap := yes(passport.NewTap(c, g.key.Key(), yes(g.key.Sign(c.Sum()))))
	id := g.key.Key().ID()
	return []ledger.Body{
		&ledger.Decision{Seq: k.seq, Door: k.door, Mode: "tap", Granted: true, Reason: "granted", Passport: g.passport, Key: id[:], Presentation: yes(tap.MarshalBinary()), Policy: 1},
		&ledger.Line{Door: k.door, Input: "contact", State: "active"},
		&ledger.Passage{Seq: k.seq, Door: k.door, Entered: true},
		&ledger.Line{Door: k.door, Input: "contact", State: "normal"},
	}
}

// show lets somebody in by a code.
func (k *keeper) show(g *guest, at time.Time, mode string, to passport.Target) {
	b := k.entry(g, at)
	w := passport.WindowStatement{Community: passport.CommunityID(k.i.community), Passport: passport.ID(g.passport), Target: to, Start: uint32(at.Unix()), Length: 15, Nonce: [16]byte{byte(k.seq)}}
	d := b[0].(*ledger.Decision)
	d.Mode, d.Presentation = mode, yes(yes(passport.SignWindow(g.key, w)).MarshalBinary())
	k.record(at, b...)
}

// killed is a context that ends at its nth look, as a process may.
type killed struct {
	context.Context
	mu   sync.Mutex
	left int // -1: never
}

var errKilled = errors.New("killed")

func (k *killed) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left == 0 {
		return errKilled
	}
	if k.left > 0 {
		k.left--
	}
	return nil
}

// never is a context of a process that is not killed.
func never() *killed { return &killed{Context: context.Background(), left: -1} }

// door is the door log as the census writes to it, killed before or after any of it.
type testDoor struct {
	k   *keeper
	ctx *killed
}

func (d testDoor) Record(draft store.Draft) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	_, err := d.k.log.Append(draft)
	return errors.Join(err, d.ctx.Err())
}

func (d testDoor) RecordFirst(draft store.Draft) func(context.Context) error {
	err := d.Record(draft)
	return func(context.Context) error { return err }
}

func (d testDoor) Waiting() int      { return 0 }
func (d testDoor) Head() ledger.Head { return d.k.log.Head() }

// reporter is the census of this gateway; to whom it is asked goes to ask.
func (k *keeper) reporter(ctx *killed, ask func(context.Context, replica.Peer, []byte) ([]byte, error)) *reporter {
	k.i.t.Helper()
	return yes(newReporter(censusConfig{
		Folder: k.folder, Self: k.id(), Node: k.i.node, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Times: wiring.Census{Grace: 10 * time.Minute, Patience: 10 * time.Minute},
		Clock: func() access.Clock { return access.Clock{Now: k.i.now, Trust: access.TrustNTP} },
		View:  k.roster.View, Project: k.roster.Project, Holder: k.roster.ByKey, Door: testDoor{k, ctx},
		Report: func(context.Context) (*store.Author, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return k.author(ledger.ReportLog), nil
		},
		Ask: func(c context.Context, to replica.Peer, body []byte) ([]byte, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if ask != nil {
				return ask(c, to, body)
			}
			if to != ledger.KeyIDOf(k.i.evaluator.Public().(ed25519.PublicKey)) {
				return nil, peer.ErrNobody
			}
			b := k.i.asked(body)
			return b, ctx.Err()
		},
		Appended: func() {}, Status: func() peer.Status { return k.status },
		Fault: func(_ context.Context, part, what string, cleared bool) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.faults = append(k.faults, fmt.Sprintf("%s: %s (%v)", part, what, cleared))
		},
	}))
}

// report is what stands in the gateway's report ledgers of the epoch: the parts
// before each Reported, and it.
func (k *keeper) report() (lists [][]byte, all []*ledger.Reported) {
	var tags []byte
	next := uint32(0)
	for _, l := range yes(ownLedgers(k.folder.Store(), ledger.ReportLog, k.id())) {
		for index, e := range entriesOf(k.folder.Store(), l) {
			_, b, err := e.Open(ledger.ReportLog, int64(index))
			if err != nil {
				k.i.t.Fatal(err)
			}
			switch b := b.(type) {
			case *ledger.CensusTags:
				if b.Part != next {
					k.i.t.Errorf("part %d follows %d parts", b.Part, next)
				}
				next++
				tags = append(tags, b.Tags...)
			case *ledger.Reported:
				if b.Parts != next {
					k.i.t.Errorf("%d parts before a report of %d", next, b.Parts)
				}
				lists, all = append(lists, tags), append(all, b)
				tags, next = nil, 0
			}
		}
	}
	if next != 0 {
		k.i.t.Errorf("%d parts without a report", next)
	}
	return lists, all
}

func entriesOf(s *store.Store, i store.Info) (out []ledger.Entry) {
	for e, err := range s.Entries(i, 0, i.Size) {
		out = append(out, yes(e, err))
	}
	return out
}

// tags are those that the epoch's key makes of these people.
func (i *islet) tags(people ...*guest) map[census.Tag]uint64 {
	out := map[census.Tag]uint64{}
	for _, g := range people {
		in := census.Input(i.community, i.opened.ID(), g.passport)
		blind := yes(census.NewBlind(rand.Reader))
		out[yes(census.Finish(i.key.Public(), in, blind, yes(i.key.Evaluate(yes(blind.Element(in))))))] = g.passport
	}
	return out
}

// holds checks that a report is of these people and of nobody else.
func (i *islet) holds(list []byte, r *ledger.Reported, people ...*guest) {
	i.t.Helper()
	l, err := census.NewList(list)
	if err != nil {
		i.t.Fatal(err)
	}
	want := i.tags(people...)
	if uint64(l.Len()) != r.Count || l.Len() != int64(len(want)) || l.Root(nil) != r.Root || r.Node != i.node || r.Epoch != i.opened.ID() {
		i.t.Fatalf("a report of %d tags, it says %d, and %d came", l.Len(), r.Count, len(want))
	}
	for n := range l.Len() {
		if want[l.At(n).Tag] == 0 {
			i.t.Errorf("tag %d is nobody's who came", n)
		}
	}
}
