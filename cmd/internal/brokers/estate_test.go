package brokers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/store"
)

const doorPolicy = `[doors.d%[1]d]
gateway = "gw%[1]d"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
`

const nodePolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
%s
[levels.house]
doors = ["d1", "d2", "d3"]
[classes.resident]
levels = ["house"]
`

const unitWiring = `data = "."
[links.node]
broker = "tls://%[1]s"
own = true
%[2]s
[sim]
socket = "sim.sock"
[doors.d%[3]d]
lock = "fail-secure"
relay = { chip = "sim" }
[[doors.d%[3]d.readers]]
kind = "sim"
`

// Passports of the residents.
const (
	stays = 7 // is let in throughout
	comes = 8 // is suspended and reinstated again and again
)

var domain = passport.Domain{ChainID: 1, Registry: [20]byte{1}}

// estate is a node of three gateways and a desk, its issuer's and its steward's.
type estate struct {
	t         *testing.T
	desk      *folder.Folder
	author    ed25519.PrivateKey // the steward's
	node      *peer.Node         // the desk's
	community ledger.CharterID
	nodeID    ledger.CharterID
	wallet    *ecdsa.PrivateKey
	phones    map[uint64]*passport.SoftKey
	clients   []client // the gateways in their order, then the desk
	gws       []*unit
	log       daemontest.Log // the desk's
}

// unit is a gateway.
type unit struct {
	*gateway.Gateway
	e     *estate
	n     int // from 1
	dir   string
	self  ledger.KeyID
	board *sim.Board
	taps  chan *ledger.Decision // of taps
	disk  *store.Store          // as another process reads it
	stop  func()
	log   daemontest.Log

	mu   sync.Mutex
	seen []ledger.Decision // under mu: every decision that was recorded
}

func newEstate(t *testing.T) *estate {
	e := &estate{t: t, desk: must(folder.Open(t.TempDir(), true)), wallet: must(crypto.GenerateKey()), phones: map[uint64]*passport.SoftKey{}}
	t.Cleanup(func() { e.desk.Close() })
	e.community = e.found(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: domain.ChainID, Registry: domain.Registry}, folder.IssuerKey, ledger.Issuer)
	e.nodeID = e.found(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: e.community}, folder.StewardKey, ledger.Steward)
	e.author = must(e.desk.Key(folder.StewardKey))
	for _, number := range []uint64{stays, comes} {
		e.admit(number)
	}
	var doors strings.Builder
	for n := range 3 {
		fmt.Fprintf(&doors, doorPolicy, n+1)
	}
	e.write(ledger.NodeLog, &ledger.Policy{Version: 1, File: fmt.Appendf(nil, nodePolicy, doors.String())})
	for n := range 3 {
		u := &unit{e: e, n: n + 1, dir: t.TempDir(), taps: make(chan *ledger.Decision, 1)}
		u.board = sim.New(sim.Config{Relays: []string{u.door() + "/relay"}, Readers: []sim.Mount{{Door: u.door()}}})
		f := must(folder.Open(u.dir, true))
		r := must(f.NewGateway(fmt.Sprintf("gw%d", n+1)))
		e.clients = append(e.clients, client{peer: ledger.KeyIDOf(r.Keys.Signing[:]), tls: must(f.Key(folder.TLSKey))})
		t.Cleanup(func() { f.Close() })
		u.disk = f.Store()
		u.self = e.clients[n].peer
		e.write(ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys})
		e.gws = append(e.gws, u)
	}
	e.clients = append(e.clients, client{peer: e.self(), tls: must(e.desk.EnsureKey(folder.TLSKey)), desk: true})
	var approval bytes.Buffer
	must(e.desk.Export(&approval, []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog}, nil))
	for _, u := range e.gws {
		if err := os.WriteFile(filepath.Join(u.dir, gateway.ApprovalFile), approval.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *estate) self() ledger.KeyID { return ledger.KeyIDOf(e.author.Public().(ed25519.PublicKey)) }

func (e *estate) found(c ledger.Charter, role folder.Role, as ledger.AuthorRole) ledger.CharterID {
	chair, key := must(e.desk.EnsureKey(folder.CharterKey)), must(e.desk.EnsureKey(role))
	c.Format, c.Version, c.Threshold = 1, 1, 1
	c.Keys = [][32]byte{[32]byte(chair.Public().(ed25519.PublicKey))}
	c.Authors = []ledger.Author{{Role: as, Key: [32]byte(key.Public().(ed25519.PublicKey))}}
	return must(e.desk.Found(ledger.SignCharter(must(c.Marshal()), chair)))
}

// admit admits a resident with a phone.
func (e *estate) admit(number uint64) {
	k := must(passport.GenerateSoftKey(passport.KindPhone, rand.Reader))
	e.phones[number] = k
	d := passport.Delegation{Passport: passport.ID(number), Key: k.Key(), NotBefore: 1, NotAfter: 1 << 40, Mode: passport.ModeTap}
	sig := must(passport.SignDelegation(e.wallet, domain, d))
	s := must(passport.NewSignedDelegation(domain, d, sig[:], must(k.Sign(passport.PossessionChallenge(d.Digest(domain))))))
	e.write(ledger.CommunityLog,
		&ledger.Admit{Passport: number, Owner: crypto.PubkeyToAddress(e.wallet.PublicKey), Class: "resident", NotAfter: time.Now().Add(time.Hour).Unix()},
		&ledger.DoorKeyAdded{Delegation: must(s.MarshalBinary())})
}

func (e *estate) write(kind ledger.LogKind, bodies ...ledger.Body) {
	a := must(e.desk.Author(kind))
	for _, b := range bodies {
		if _, err := a.Append(store.Draft{Body: b, Time: time.Now()}); err != nil {
			e.t.Error(err)
			return
		}
	}
	if e.node != nil {
		e.node.Appended()
	}
}

// run has all take part over a broker, and returns once everybody hears everybody.
func (e *estate) run(s *site) {
	e.t.Helper()
	for _, u := range e.gws {
		u.run(s)
	}
	e.take(s)
	eventually(e.t, 60*time.Second, e.connected)
}

// connected is nil when everybody hears everybody.
func (e *estate) connected() error {
	for _, u := range e.gws {
		st, err := gateway.AskStatus(e.t.Context(), u.dir)
		if err != nil {
			return err
		}
		// A sibling that taps is always a little behind, and is counted among the
		// missing: here it is who is there that matters. The door log begins once
		// peers had the time to say how far it went.
		there := 0
		for _, p := range st.Peers {
			if len(p.Links) > 0 {
				there++
			}
		}
		if there < len(e.gws) || u.Head().Size == 0 {
			return fmt.Errorf("gw%d hears %d others; links %+v", u.n, there, st.Links)
		}
	}
	if l := e.node.Status().Links[0]; !l.Up {
		return fmt.Errorf("the desk's link: %+v", l)
	}
	return nil
}

func (u *unit) door() string { return fmt.Sprintf("d%d", u.n) }

func (u *unit) run(s *site) {
	text := fmt.Sprintf(unitWiring, s.at[(u.n-1)%len(s.at)], s.link(u.n-1), u.n)
	w, err := wiring.Parse(filepath.Join(u.dir, "gateway.toml"), []byte(text))
	if err != nil {
		u.e.t.Fatal(err)
	}
	u.Gateway, err = gateway.Open(gateway.Config{
		Wiring: w, Board: u.board, Software: "test", Log: slog.New(slog.NewTextHandler(&u.log, nil)),
		Observe: func(b ledger.Body, _ time.Time) {
			d, ok := b.(*ledger.Decision)
			if !ok {
				return
			}
			u.mu.Lock()
			u.seen = append(u.seen, *d)
			u.mu.Unlock()
			if d.Mode == "tap" {
				u.taps <- d
			}
		},
	})
	if err != nil {
		u.e.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	u.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			u.e.t.Errorf("gw%d: Run: %v", u.n, err)
		}
	})
	u.e.t.Cleanup(func() {
		u.stop()
		if u.e.t.Failed() {
			u.e.t.Logf("gw%d:\n%s", u.n, tail(u.log.String(), 4000))
		}
	})
	<-u.Ready()
}

// take has the desk take part.
func (e *estate) take(s *site) {
	links, err := wiring.ParseLinks("links.toml", fmt.Appendf(nil, "[links.casa]\nbroker = \"tls://%s\"\nown = true\n%s\n", s.at[3%len(s.at)], s.link(3)))
	if err != nil {
		e.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&e.log, nil))
	issuer := must(e.desk.Public(folder.IssuerKey))
	e.node = must(peer.New(peer.Config{
		Store: e.desk.Store(), Self: e.self(), Also: []ledger.KeyID{ledger.KeyIDOf(issuer[:])}, Rights: e.desk.Rights, Observer: true, Log: log,
		Links: must(linking.Participant{
			Folder: e.desk, Self: e.self(), Key: must(e.desk.EnsureKey(folder.TLSKey)), Name: "desk", Software: "test", Log: log,
			Own: func() (tls.Certificate, error) { return enroll.DeskCertificate(e.author, time.Now()) },
		}.Configs(links, "")),
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.node.Run(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			e.t.Errorf("the desk: Run: %v", err)
		}
		if e.t.Failed() {
			e.t.Logf("desk:\n%s", tail(e.log.String(), 4000))
		}
	})
}

// tap presents a resident's key at the unit's door and returns the decision.
func (u *unit) tap(ctx context.Context, number uint64) (*ledger.Decision, error) {
	var nonce [32]byte
	rand.Read(nonce[:])
	k := u.e.phones[number]
	c := u.Controller.Challenge(u.door(), nonce)
	sig, err := k.Sign(c.Sum())
	if err != nil {
		return nil, err
	}
	if err := u.Controller.Tap(ctx, u.door(), false, c, k.Key(), sig); err != nil {
		return nil, err
	}
	select {
	case d := <-u.taps:
		return d, nil
	case <-time.After(10 * time.Second):
		return nil, errors.New("nothing was decided")
	}
}

// recorded is nil once a decision is in the door log.
func (u *unit) recorded(seq uint64) error {
	err := fmt.Errorf("gw%d's log does not end with decision %d", u.n, seq)
	u.e.read(u.disk, ledger.DoorLog, u.self, func(_ ledger.Origin, _ int64, b ledger.Body) {
		if d, ok := b.(*ledger.Decision); ok && d.Seq == seq {
			err = nil
		}
	})
	return err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func eventually(t *testing.T, within time.Duration, check func() error) time.Duration {
	t.Helper()
	var err error
	begun := time.Now()
	for ; time.Since(begun) < within; time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return time.Since(begun)
		}
	}
	t.Fatalf("not within %v: %v", within, err)
	return 0
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
