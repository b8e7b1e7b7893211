package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

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

const estatePolicy = `version = %d
node = "casa"
[zones.street]
outside = true
[zones.house]
antipassback = "soft"
%s
[levels.house]
doors = ["d1", "d2", "d3"]
[classes.resident]
levels = ["house"]
`

const estateDoor = `[doors.d%d]
gateway = "gw%d"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
`

const estateWiring = `data = "."
%s
[sim]
socket = "sim.sock"
[doors.d%d]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.d%d.readers]]
kind = "sim"
`

// estate is a node of three gateways in one process, the first of which runs the
// broker, and a desk that is both its issuer's and its steward's.
type estate struct {
	t      *testing.T
	desk   *folder.Folder
	node   *peer.Node // the desk's
	listen string
	wallet *ecdsa.PrivateKey
	phone  *passport.SoftKey
	gws    []*unit
	nonce  byte
	log    daemontest.Log // the desk's
}

// unit is one gateway of an estate.
type unit struct {
	*gateway.Gateway
	e       *estate
	number  int
	dir     string
	board   *sim.Board
	records chan ledger.Body
	missing []string // as the log says before the decision that was met last
	stop    func()
	log     daemontest.Log
}

func newEstate(t *testing.T) *estate {
	e := &estate{t: t, wallet: must(crypto.GenerateKey()), phone: must(passport.GenerateSoftKey(passport.KindPhone, rand.Reader))}
	h := &house{t: t, wallet: e.wallet, phone: e.phone, steward: must(folder.Open(t.TempDir(), true))}
	e.desk = h.steward
	t.Cleanup(func() { e.desk.Close() })
	isle := h.found(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: domain.ChainID, Registry: domain.Registry}, folder.IssuerKey, ledger.Issuer)
	h.found(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: isle}, folder.StewardKey, ledger.Steward)
	h.write(ledger.CommunityLog, &ledger.Admit{
		Passport: 7, Owner: crypto.PubkeyToAddress(e.wallet.PublicKey), Class: "resident", NotAfter: time.Now().Add(time.Hour).Unix()})
	h.delegate(e.phone, passport.ModeTap|passport.ModeWindow)
	var doors strings.Builder
	for n := range 3 {
		fmt.Fprintf(&doors, estateDoor, n+1, n+1)
	}
	h.write(ledger.NodeLog, &ledger.Policy{Version: 1, File: fmt.Appendf(nil, estatePolicy, 1, doors.String())})
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	e.listen = l.Addr().String()
	l.Close()
	for n := range 3 {
		u := &unit{e: e, number: n + 1, dir: t.TempDir(), records: make(chan ledger.Body, 1000)}
		u.board = sim.New(sim.Config{
			Relays: []string{fmt.Sprintf("d%d/relay", n+1)}, Inputs: []string{fmt.Sprintf("d%d/contact", n+1)},
			Readers: []sim.Mount{{Door: fmt.Sprintf("d%d", n+1)}},
		})
		f := must(folder.Open(u.dir, true))
		r := must(f.NewGateway(fmt.Sprintf("gw%d", n+1)))
		f.Close()
		// Long enough ago that it answers what comes too late.
		enrolled := store.Draft{Body: &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys}, Time: time.Now().Add(-time.Minute)}
		if _, err := must(e.desk.Author(ledger.NodeLog)).Append(enrolled); err != nil {
			t.Fatal(err)
		}
		e.gws = append(e.gws, u)
	}
	for _, u := range e.gws {
		if err := os.WriteFile(filepath.Join(u.dir, gateway.ApprovalFile), h.export().Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *estate) run() *estate {
	e.t.Helper()
	for _, u := range e.gws {
		u.run()
	}
	e.take()
	for _, u := range e.gws {
		e.eventually(10*time.Second, func() error {
			// The door log begins once peers had the time to say how far it went.
			if s := u.StatusNow(); len(s.Missing) > 0 || len(s.Links) == 0 || u.Head().Size == 0 {
				return fmt.Errorf("%s misses %v; links %+v\n%s", u.Name, s.Missing, s.Links, u.log.String())
			}
			return nil
		})
	}
	return e
}

func (u *unit) run() {
	u.e.t.Helper()
	network := fmt.Sprintf("[links.node]\nbroker = \"tls://%s\"\nown = true\n[metrics]\nlisten = \"127.0.0.1:0\"", u.e.listen)
	if u.number == 1 {
		network = fmt.Sprintf("[broker]\nlisten = %q\n[links.node]\nbroker = \"own\"\nown = true\n[metrics]\nlisten = \"127.0.0.1:0\"", u.e.listen)
	}
	text := fmt.Sprintf(estateWiring, network, u.number, u.number)
	w := must(wiring.Parse(filepath.Join(u.dir, "gateway.toml"), []byte(text)))
	var err error
	u.Gateway, err = gateway.Open(gateway.Config{
		Wiring: w, Board: u.board, Software: "test", Log: slog.New(slog.NewTextHandler(&u.log, nil)),
		Observe: func(b ledger.Body, _ time.Time) { u.records <- b },
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
			u.e.t.Errorf("%s: Run: %v", u.Name, err)
		}
	})
	u.e.t.Cleanup(u.stop)
	<-u.Ready()
}

// take has the desk take part.
func (e *estate) take() {
	author := must(e.desk.Key(folder.StewardKey))
	links := must(wiring.ParseLinks("links.toml", fmt.Appendf(nil, "[links.casa]\nbroker = \"tls://%s\"\nown = true\n", e.listen)))
	log := slog.New(slog.NewTextHandler(&e.log, nil))
	self := ledger.KeyIDOf(author.Public().(ed25519.PublicKey))
	cfg := peer.Config{
		Store: e.desk.Store(), Self: self, Also: []ledger.KeyID{keyID(must(e.desk.Public(folder.IssuerKey)))}, Rights: e.desk.Rights, Observer: true, Log: log,
		Links: must(linking.Participant{
			Folder: e.desk, Self: self, Key: must(e.desk.EnsureKey(folder.TLSKey)), Name: "desk", Software: "test", Log: log,
			Own: func() (tls.Certificate, error) { return enroll.DeskCertificate(author, time.Now()) },
		}.Configs(links, "")),
	}
	e.node = must(peer.New(cfg))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.node.Run(ctx) }()
	e.t.Cleanup(func() { cancel(); <-done })
}

func keyID(key [32]byte) ledger.KeyID { return ledger.KeyIDOf(key[:]) }

func (e *estate) write(kind ledger.LogKind, bodies ...ledger.Body) {
	e.t.Helper()
	a := must(e.desk.Author(kind))
	for _, b := range bodies {
		if _, err := a.Append(store.Draft{Body: b, Time: time.Now()}); err != nil {
			e.t.Fatal(err)
		}
	}
	e.node.Appended()
}

func (e *estate) eventually(within time.Duration, check func() error) time.Duration {
	e.t.Helper()
	var err error
	begun := time.Now()
	for ; time.Since(begun) < within; time.Sleep(2 * time.Millisecond) {
		if err = check(); err == nil {
			return time.Since(begun)
		}
	}
	e.t.Fatalf("not within %v: %v", within, err)
	return 0
}

// tap presents the resident's key at the unit's door and returns the decision.
func (u *unit) tap() *ledger.Decision {
	u.e.t.Helper()
	return u.present(u.e.phone, false)
}

func (u *unit) present(k *passport.SoftKey, exit bool) *ledger.Decision {
	u.e.t.Helper()
	u.e.nonce++
	door := fmt.Sprintf("d%d", u.number)
	c := u.Controller.Challenge(door, [32]byte{u.e.nonce})
	if err := u.Controller.Tap(context.Background(), door, exit, c, k.Key(), must(k.Sign(c.Sum()))); err != nil {
		u.e.t.Fatal(err)
	}
	return u.decision()
}

// decision is the next; what the log says of siblings before it is kept.
func (u *unit) decision() *ledger.Decision {
	u.e.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case b := <-u.records:
			switch b := b.(type) {
			case *ledger.Siblings:
				u.missing = b.Missing
			case *ledger.Decision:
				return b
			}
		case <-timeout:
			u.e.t.Fatalf("%s decided nothing; its log says\n%s", u.Name, u.log.String())
		}
	}
}

// enter opens the unit's door and closes it again.
func (u *unit) enter() {
	u.e.t.Helper()
	for _, open := range []bool{true, false} {
		if err := u.board.SetInput(fmt.Sprintf("d%d/contact", u.number), open); err != nil {
			u.e.t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond) // longer than a contact bounces
	}
}

// TestNode: what one gateway sees counts at the others, what a desk signs counts
// at all, and doors decide whatever becomes of the broker.
func TestNode(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	gw1, gw2, gw3 := e.gws[0], e.gws[1], e.gws[2]

	if d := gw1.tap(); !d.Granted {
		t.Fatalf("a tap at gw1: %+v", d)
	}
	gw1.enter()
	took := e.eventually(5*time.Second, func() error {
		if d := gw2.tap(); d.Reason != "passback-noted" {
			return fmt.Errorf("at gw2: %+v", d)
		}
		return nil
	})
	t.Logf("inside by gw1, as gw2 knows after %v", took)

	// A revocation at the desk. A machine that is busy with other tests may be late
	// now and then, and not each time.
	everywhere := func(suspended bool) time.Duration {
		return e.eventually(10*time.Second, func() error {
			for _, u := range e.gws {
				if d := u.tap(); (d.Reason == "suspended") != suspended {
					return fmt.Errorf("%s: %+v", u.Name, d)
				}
			}
			return nil
		})
	}
	for rounds := 5; ; rounds-- {
		e.write(ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "a test"})
		took = everywhere(true)
		t.Logf("suspended at all three doors after %v", took)
		if took < 500*time.Millisecond {
			break
		}
		if rounds == 0 {
			t.Fatal("a revocation takes too long")
		}
		e.write(ledger.CommunityLog, &ledger.Reinstate{Passport: 7, Why: "once more"})
		everywhere(false)
	}

	// The broker goes. Doors decide, and say whom they do not hear.
	if err := gw1.CutBroker(func() {
		for _, u := range e.gws {
			if d := u.tap(); d.Reason != "suspended" {
				t.Errorf("without the broker at %s: %+v", u.Name, d)
			}
		}
		e.eventually(5*time.Second, func() error {
			if s := gw3.StatusNow(); !slices.Equal(s.Missing, []string{"gw1", "gw2"}) {
				return fmt.Errorf("gw3 misses %v", s.Missing)
			}
			return nil
		})
		e.write(ledger.CommunityLog, &ledger.Reinstate{Passport: 7, Why: "the test is over"})
	}); err != nil {
		t.Fatal(err)
	}
	took = everywhere(false)
	t.Logf("reinstated %v after the broker came back", took)

	// A gateway that is removed is cut off.
	f := must(folder.Open(gw3.dir, false))
	keys := must(f.GatewayKeys())
	f.Close()
	e.write(ledger.NodeLog, &ledger.GatewayRemoved{Gateway: "gw3", Signing: keys.Signing, Why: "stolen"})
	e.eventually(5*time.Second, func() error {
		s := gw3.StatusNow()
		if s.Links[0].Up || gw1.StatusNow().Broker.Clients != 3 {
			return fmt.Errorf("gw3's link: %+v; %+v", s.Links, gw1.StatusNow().Broker)
		}
		return nil
	})
}

// TestMetrics: what is shown keeps its names, and names no resident.
func TestMetrics(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	gw2 := e.gws[1]
	if d := gw2.tap(); !d.Granted {
		t.Fatalf("%+v", d)
	}
	get := func(path string) string {
		r, err := http.Get("http://" + gw2.MetricsAddress() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, r.Status)
		}
		return string(must(io.ReadAll(r.Body)))
	}
	if got := get("/healthz"); got != "ok\n" {
		t.Errorf("healthz says %q", got)
	}
	e.eventually(5*time.Second, func() error {
		if !strings.Contains(get("/metrics"), `tombolo_journal_queue{gateway="gw2",node="casa"} 0`) {
			return errors.New("the decision is not durable")
		}
		return nil
	})
	text := get("/metrics")
	for _, want := range []string{
		`tombolo_decisions_total{door="d2",gateway="gw2",granted="true",node="casa"} 1`,
		`tombolo_decisions_total{door="d2",gateway="gw2",granted="false",node="casa"} 0`,
		`tombolo_link_up{gateway="gw2",link="node",node="casa"} 1`,
		`tombolo_peer_reachable{gateway="gw2",node="casa",sibling="gw1"} 1`,
		`tombolo_sync_behind_entries{gateway="gw2",kind="community",node="casa"} 0`,
		`tombolo_policy_version{gateway="gw2",node="casa"} 1`,
		`tombolo_door_open{door="d2",gateway="gw2",node="casa"} 0`,
		`tombolo_records_lost_total{gateway="gw2",node="casa"} 0`,
		`tombolo_journal_queue{gateway="gw2",node="casa"} 0`,
		`tombolo_census_epochs{gateway="gw2",node="casa",state="waiting"} 0`, `tombolo_census_failing{gateway="gw2",node="casa"} 0`,
		"tombolo_roster_age_seconds{", "tombolo_link_bytes_total{", "tombolo_build_info{", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tombolo_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
	// Labels are of a short list, and no value of one is a person's, or a key's.
	known := []string{"node", "gateway", "door", "granted", "alarm", "part", "version", "kind", "sibling", "link", "direction", "type", "state"}
	resident := []string{`"7"`, fmt.Sprintf("%x", e.phone.Key().ID()), crypto.PubkeyToAddress(e.wallet.PublicKey).Hex(), e.gws[0].StatusNow().Self}
	labels := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for line := range strings.Lines(text) {
		for _, m := range labels.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("label %s in %s", m[1], line)
			}
		}
		for _, r := range resident {
			if strings.Contains(strings.ToLower(line), strings.ToLower(r)) {
				t.Errorf("%s stands in %s", r, line)
			}
		}
	}
	if r := must(http.Post("http://"+gw2.MetricsAddress()+"/metrics", "text/plain", nil)); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST: %s", r.Status)
	}
}
