package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cloudflare/circl/oprf"
	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// censusWorld is a community with its issuer, hub and evaluator, two nodes of one
// gateway each, residents whose door keys were held to the doors, and an epoch:
// all of it made by the programs' own code, but for the hub, which the tests are.
type censusWorld struct {
	t         testing.TB
	now       time.Time
	dir       string
	issuer    *folder.Folder
	hub       *folder.Folder
	evaluator ed25519.PrivateKey
	key       census.Key
	chain     ledger.Charters
	opened    *ledger.EpochOpened
	islands   []*island
	auditors  []*auditorDesk
	people    map[uint64]*person
}

// person is a passport with its wallet and one door key.
type person struct {
	number     uint64
	wallet     *ecdsa.PrivateKey
	key        *passport.SoftKey
	delegation []byte
	admitted   int64 // in the issuer's ledger
}

// auditorDesk is an auditor's folder.
type auditorDesk struct {
	dir string
	key *ecdh.PrivateKey
}

var worldDomain = passport.Domain{ChainID: 1, Registry: [20]byte{1}}

func newCensusWorld(t testing.TB) *censusWorld {
	t.Helper()
	w := &censusWorld{t: t, now: time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC), dir: t.TempDir(), people: map[uint64]*person{}}
	guard := t.TempDir()
	t.(*testing.T).Setenv("TOMBOLO_GUARD", guard)
	w.issuer, w.hub = w.folder("issuer"), w.folder("hub")
	service := must(w.hub.NewService(ledger.Hub))
	evaluator := w.folder("evaluator")
	must(evaluator.NewService(ledger.Evaluator))
	w.evaluator = must(evaluator.Key(folder.EvaluatorKey))
	authors := []ledger.Author{{Role: ledger.Issuer, Key: public(must(w.issuer.EnsureKey(folder.IssuerKey)))}, {Role: ledger.Evaluator, Key: public(w.evaluator)}}
	for role, key := range service.Keys {
		authors = append(authors, ledger.Author{Role: role, Key: key})
	}
	signed := w.charter(w.issuer, ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isla", ChainID: worldDomain.ChainID, Registry: worldDomain.Registry, Authors: authors})
	for _, f := range []*folder.Folder{w.issuer, w.hub} {
		must(f.Found(signed))
	}
	w.chain = must(w.issuer.Community())
	for i, slug := range []string{"north", "south"} {
		w.settle(slug, signed, uint32(i+2))
	}
	for _, name := range []string{"press", "university"} {
		w.auditors = append(w.auditors, w.auditor(name))
	}
	return w
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func public(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

func (w *censusWorld) folder(name string) *folder.Folder {
	w.t.Helper()
	f, err := folder.Open(filepath.Join(w.dir, name), true)
	if err != nil {
		w.t.Fatal(err)
	}
	f.Now = func() time.Time { return w.now }
	w.t.Cleanup(func() {
		if err := f.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return f
}

// charter signs a first charter with a folder's charter key.
func (w *censusWorld) charter(f *folder.Folder, c ledger.Charter) ledger.SignedCharter {
	w.t.Helper()
	key := must(f.EnsureKey(folder.CharterKey))
	c.Format, c.Version, c.Threshold, c.Keys = 1, 1, 1, [][32]byte{public(key)}
	slices.SortFunc(c.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return ledger.SignCharter(must(c.Marshal()), key)
}

// settle makes a node with its gateway, and has the issuer register it.
func (w *censusWorld) settle(slug string, community ledger.SignedCharter, doors uint32) {
	w.t.Helper()
	n := &island{slug: slug, steward: w.folder(slug), gateway: w.folder(slug + "-gw")}
	must(n.steward.Found(community))
	signed := w.charter(n.steward, ledger.Charter{Kind: ledger.NodeCharter, Slug: slug, Community: w.chain.ID(),
		Authors: []ledger.Author{{Role: ledger.Steward, Key: public(must(n.steward.EnsureKey(folder.StewardKey)))}}})
	n.node = must(n.steward.Found(signed))
	request := must(n.gateway.NewGateway("gw1"))
	n.self = request.Keys.Signing
	w.write(n.steward, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: request.Keys})
	w.write(n.steward, ledger.DirectoryLog, &ledger.DirectoryKeys{Gateway: "gw1", Keys: request.Keys})
	w.write(w.issuer, ledger.CommunityLog, &ledger.NodeRegistered{Node: n.node, Slug: slug, Doors: doors, Floor: 100 * doors})
	var approval bytes.Buffer
	must(n.steward.Export(&approval, []ledger.LogKind{ledger.NodeLog}, nil))
	must(n.gateway.Enrol(bytes.NewReader(approval.Bytes())))
	_, _, err := w.hub.Store().AddCharter(signed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.islands = append(w.islands, n)
}

func (w *censusWorld) auditor(name string) *auditorDesk {
	w.t.Helper()
	d := &auditorDesk{dir: filepath.Join(w.dir, name)}
	f := w.folder(name)
	if err := f.NewKey(folder.AuditorKey); err != nil {
		w.t.Fatal(err)
	}
	d.key = must(f.Auditor())
	return d
}

// write appends to a folder's own ledger, and returns the first entry's index.
func (w *censusWorld) write(f *folder.Folder, kind ledger.LogKind, bodies ...ledger.Body) int64 {
	return w.writeAt(f, kind, w.now, bodies...)
}

func (w *censusWorld) writeAt(f *folder.Folder, kind ledger.LogKind, at time.Time, bodies ...ledger.Body) int64 {
	w.t.Helper()
	a, err := f.Author(kind)
	if err != nil {
		w.t.Fatal(err)
	}
	drafts := make([]store.Draft, 0, len(bodies))
	for _, b := range bodies {
		drafts = append(drafts, store.Draft{Body: b, Time: at})
	}
	first, err := a.Append(drafts...)
	if err != nil {
		w.t.Fatal(err)
	}
	return first
}

// own is a folder's newest ledger of a kind that it writes itself.
func (w *censusWorld) own(f *folder.Folder, kind ledger.LogKind) store.Info {
	w.t.Helper()
	role := map[ledger.LogKind]folder.Role{ledger.CommunityLog: folder.IssuerKey, ledger.DoorLog: folder.SigningKey, ledger.ReportLog: folder.SigningKey,
		ledger.DirectoryLog: folder.StewardKey, ledger.CensusLog: folder.HubKey}[kind]
	author := ledger.KeyIDOf(must(f.Key(role)).Public().(ed25519.PublicKey))
	for _, i := range must(f.Store().Ledgers()) {
		if i.Origin.Kind == kind && i.Origin.Author == author {
			return i
		}
	}
	w.t.Fatalf("no %s ledger", kind)
	return store.Info{}
}

func (w *censusWorld) entry(f *folder.Folder, i store.Info, index int64) ledger.Entry {
	w.t.Helper()
	for e, err := range f.Store().Entries(i, index, index+1) {
		if err != nil {
			w.t.Fatal(err)
		}
		return e
	}
	w.t.Fatalf("no entry %d", index)
	return ledger.Entry{}
}

// admit admits people with these numbers, one wallet and one door key each.
func (w *censusWorld) admit(numbers ...uint64) {
	w.t.Helper()
	var bodies []ledger.Body
	all := parallelly(len(numbers), func(i int) *person { return newPerson(w.t, numbers[i], w.now) })
	for _, p := range all {
		w.people[p.number] = p
		bodies = append(bodies, &ledger.Admit{Passport: p.number, Owner: crypto.PubkeyToAddress(p.wallet.PublicKey), Class: "resident",
			NotBefore: w.now.AddDate(-1, 0, 0).Unix(), NotAfter: w.now.AddDate(1, 0, 0).Unix()})
	}
	keys := make([]ledger.Body, len(all))
	for i, p := range all {
		keys[i] = &ledger.DoorKeyAdded{Delegation: p.delegation}
	}
	first := w.writeAt(w.issuer, ledger.CommunityLog, w.now.AddDate(0, -1, 0), append(bodies, keys...)...)
	for i, p := range all {
		p.admitted = first + int64(i)
	}
}

func newPerson(t testing.TB, number uint64, now time.Time) *person {
	p := &person{number: number, wallet: must(crypto.ToECDSA(binary.BigEndian.AppendUint64(make([]byte, 24), number)))}
	kind := passport.KindPhone
	if number <= 5 {
		kind = passport.KindHalo
	}
	p.key = must(passport.GenerateSoftKey(kind, crand.Reader))
	d := passport.Delegation{Passport: passport.ID(number), Key: p.key.Key(), NotBefore: uint64(now.AddDate(0, -6, 0).Unix()), NotAfter: uint64(now.AddDate(0, 6, 0).Unix()), Mode: passport.ModeTap}
	wallet := must(passport.SignDelegation(p.wallet, worldDomain, d))
	possession := must(p.key.Sign(passport.PossessionChallenge(d.Digest(worldDomain))))
	p.delegation = must((passport.SignedDelegation{Domain: worldDomain, Delegation: d, Wallet: wallet, Possession: possession}).MarshalBinary())
	return p
}

// parallelly makes n values on both cores.
func parallelly[T any](n int, do func(int) T) []T {
	out := make([]T, n)
	const workers = 2
	done := make(chan struct{}, workers)
	for k := range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := k; i < n; i += workers {
				out[i] = do(i)
			}
		}()
	}
	for range workers {
		<-done
	}
	return out
}

// openEpoch has the evaluator offer a key and the issuer open an epoch of the ten
// days before now.
func (w *censusWorld) openEpoch(sample uint32, auditors ...*auditorDesk) {
	w.t.Helper()
	w.key = must(census.NewKey(crand.Reader))
	b := &ledger.EpochOpened{Number: 1, Opens: w.now.AddDate(0, 0, -10).Unix(), Closes: w.now.Add(-time.Hour).Unix(), Audit: w.now.AddDate(0, 2, 0).Unix(),
		Key: w.key.Public(), Evaluator: public(w.evaluator), Beacon: "the block hash at noon", Sample: sample, Quota: 1 << 20}
	for i, a := range auditors {
		b.Auditors = append(b.Auditors, ledger.Auditor{Name: fmt.Sprint("auditor ", i+1), Sealing: [32]byte(a.key.PublicKey().Bytes())})
	}
	slices.SortFunc(b.Auditors, func(a, b ledger.Auditor) int { return bytes.Compare(a.Sealing[:], b.Sealing[:]) })
	b.Offer = [64]byte(ed25519.Sign(w.evaluator, b.OfferText(w.chain.ID())))
	w.writeAt(w.issuer, ledger.CommunityLog, unix(b.Opens).Add(-time.Hour), b)
	w.opened = b
}

// quickTag is a passport's tag of the epoch, computed by whoever has its key.
func (w *censusWorld) quickTag(number uint64) census.Tag {
	var key oprf.PrivateKey
	if err := key.UnmarshalBinary(oprf.SuiteRistretto255, w.key.Marshal()); err != nil {
		panic(err)
	}
	out := must(oprf.NewVerifiableServer(oprf.SuiteRistretto255, &key).FullEvaluate(census.Input(w.chain.ID(), w.opened.ID(), number)))
	return census.Tag(out[:32])
}

// tag is a passport's tag of the epoch, as its gateway learns it.
func (w *censusWorld) tag(number uint64) (census.Tag, census.Blind, census.Evaluation) {
	input := census.Input(w.chain.ID(), w.opened.ID(), number)
	blind := must(census.NewBlind(crand.Reader))
	evaluation := must(w.key.Evaluate(must(blind.Element(input))))
	return must(census.Finish(w.key.Public(), input, blind, evaluation)), blind, evaluation
}

// numbers are passports from one to another.
func numbers(from, to uint64) (out []uint64) {
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

// auditing runs a command at an auditor's desk.
func (w *censusWorld) run(dir string, args ...string) (out, errs string, status int) {
	var o, x bytes.Buffer
	e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: bytes.NewReader(nil), Out: &o, Err: &x}
	status = e.run(w.t.Context(), append([]string{"--dir", dir, "--offline"}, args...))
	return o.String(), x.String(), status
}

// copyKeys copies keys from one folder to another, as whoever has both may.
func copyKeys(t testing.TB, from, to string, roles ...folder.Role) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(to, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		name := filepath.Join("keys", string(role)+".pem")
		if err := os.WriteFile(filepath.Join(to, name), must(os.ReadFile(filepath.Join(from, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
