package brokers

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/daemontest"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// TestHubOnMosquitto, as TestHubOnCluster: over a broker that is not the hub's own
// gateways report to the hub alone, the hub acknowledges and tells all its census, and
// the evaluator answers. Of a cluster each is a client of another server.
func TestHubOnMosquitto(t *testing.T) {
	t.Parallel()
	reportOver(t, mosquitto)
}

func TestHubOnCluster(t *testing.T) {
	t.Parallel()
	reportOver(t, cluster)
}

// member takes part in a census over an outside broker.
type member struct {
	e     *estate
	name  string
	key   ed25519.PrivateKey
	hold  ed25519.PrivateKey
	store *store.Store
	node  *peer.Node
	log   daemontest.Log
}

func newKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func (m *member) id() ledger.KeyID { return ledger.KeyIDOf(publicOf(m.key)) }

// author opens a ledger of this member's, which counts by a charter.
func (m *member) author(kind ledger.LogKind, charter ledger.CharterID) *store.Author {
	return must(m.store.OpenAuthor(store.AuthorConfig{
		Key: m.key, Community: m.e.community, Kind: kind, Charter: charter,
		Guard: store.Guard{Dir: filepath.Join(m.e.t.TempDir(), "guard"), Boot: "boot"}, Now: time.Now, Rand: rand.Reader,
	}))
}

func (m *member) size(o ledger.Origin) int64 {
	i, err := m.store.Ledger(o)
	if err != nil {
		return 0
	}
	return i.Size
}

// run has the member take part, with rights of its own.
func (m *member) run(s *site, n int, rights replica.Rights) {
	t := m.e.t
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(s.path("ca.pem"))))
	der := must(x509.MarshalPKCS8PrivateKey(m.e.clients[n].tls))
	own := must(tls.X509KeyPair(must(os.ReadFile(s.path(fmt.Sprintf("client%d.pem", n)))), pemOf("PRIVATE KEY", der)))
	m.node = must(peer.New(peer.Config{
		Store: m.store, Self: m.id(), Hold: m.hold, Rights: func() (replica.Rights, error) { return rights, nil },
		Observer: m.name == "hub", Server: m.name == "hub", Log: slog.New(slog.NewTextHandler(&m.log, nil)),
		Answer: func(_ context.Context, _ replica.Peer, body []byte) []byte {
			if m.name != "evaluator" {
				return nil
			}
			return append([]byte("answered: "), body...)
		},
		Links: []link.Config{{
			Name: "isles", Broker: "tls://" + s.at[n%len(s.at)], Community: m.e.community, Scopes: []replica.Scope{replica.All},
			SelfName: m.name, Software: "test", TLS: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{own}},
		}},
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.node.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: Run: %v", m.name, err)
		}
		if t.Failed() {
			t.Logf("%s:\n%s", m.name, tail(m.log.String(), 3000))
		}
		m.store.Close()
	})
}

func reportOver(t *testing.T, kind func(*estate) *site) {
	founder := newKey()
	charter := ledger.SignCharter(must(ledger.Charter{
		Format: 1, Kind: ledger.CommunityCharter, Version: 1, Slug: "isle", ChainID: 1, Registry: [20]byte{1}, Threshold: 1,
		Keys: [][32]byte{[32]byte(publicOf(founder))}, Authors: []ledger.Author{{Role: ledger.Issuer, Key: [32]byte(publicOf(newKey()))}},
	}.Marshal()), founder)
	e := &estate{t: t, community: charter.Hash()}
	node := ledger.CharterID{4, 5, 6}
	names := []string{"hub", "evaluator", "gw1", "gw2"}
	all := map[string]*member{}
	rights := replica.Rights{Community: e.community, Authors: map[ledger.KeyID]replica.Author{}}
	kinds := map[string]map[ledger.LogKind]ledger.CharterID{"hub": {ledger.CensusLog: e.community}, "gw1": {ledger.ReportLog: node}, "gw2": {ledger.ReportLog: node}}
	for _, name := range names {
		m := &member{e: e, name: name, key: newKey(), hold: newKey(), store: must(store.Open(filepath.Join(t.TempDir(), "ledgers.db")))}
		if _, _, err := m.store.AddCharter(charter); err != nil {
			t.Fatal(err)
		}
		all[name] = m
		e.clients = append(e.clients, client{peer: m.id(), tls: newKey(), hub: name == "hub"})
		a := replica.Author{Key: publicOf(m.key), Hold: publicOf(m.hold), Name: name, Charter: kinds[name]}
		for k := range kinds[name] {
			a.Kinds = append(a.Kinds, k)
		}
		rights.Authors[m.id()] = a
	}
	s := kind(e)
	for i := range s.command {
		s.start(i)
	}
	for n, name := range names {
		m := all[name]
		own := rights
		own.Authors = maps.Clone(rights.Authors)
		for _, other := range []string{"gw1", "gw2"} { // who may report is known to the hub, and to each of itself
			if a := own.Authors[all[other].id()]; name != "hub" && name != other {
				a.Kinds, a.Charter = nil, nil
				own.Authors[all[other].id()] = a
			}
		}
		m.run(s, n, own)
	}
	for _, m := range all {
		eventually(t, 60*time.Second, func() error {
			if l := m.node.Status().Links[0]; !l.Up {
				return fmt.Errorf("%s: %+v", m.name, l)
			}
			return nil
		})
	}
	hub, gw1, gw2, evaluator := all["hub"], all["gw1"], all["gw2"], all["evaluator"]
	report := gw1.author(ledger.ReportLog, node)
	for i := range 3 {
		must(report.Append(store.Draft{Body: &ledger.Occupancy{Zone: "house", Sure: 20, Most: uint32(20 + i)}, Time: time.Now()}))
	}
	gw1.node.Appended()
	o := report.Head().Origin
	eventually(t, 30*time.Second, func() error {
		held, err := gw1.store.Held(o)
		if err == nil && (hub.size(o) != 4 || len(held) != 1 || held[0].Peer != hub.id() || held[0].Size != 4) {
			err = fmt.Errorf("the hub holds %d entries, gw1 knows of %+v", hub.size(o), held)
		}
		return err
	})
	census := hub.author(ledger.CensusLog, e.community)
	must(census.Append(store.Draft{Body: &ledger.EpochClosed{Epoch: ledger.EpochID{1}, Size: 20, Rules: 1, Reports: 1}, Time: time.Now()}))
	hub.node.Appended()
	for _, m := range []*member{gw1, gw2, evaluator} {
		eventually(t, 30*time.Second, func() error {
			if n := m.size(census.Head().Origin); n != 2 {
				return fmt.Errorf("%s holds %d entries of the census", m.name, n)
			}
			return nil
		})
	}
	for _, m := range []*member{gw1, gw2} {
		eventually(t, 30*time.Second, func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			answer, err := m.node.Ask(ctx, evaluator.id(), []byte(m.name))
			if err == nil && string(answer) != "answered: "+m.name {
				err = errors.New(string(answer))
			}
			return err
		})
	}
	for _, m := range []*member{gw2, evaluator} {
		text := string(must(json.Marshal(m.node.Status())))
		if m.size(o) != 0 || strings.Contains(text, "/report/") {
			t.Errorf("%s has heard of gw1's report: %s", m.name, text)
		}
	}
}
