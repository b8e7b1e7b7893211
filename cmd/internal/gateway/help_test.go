package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestMain keeps the guard, and where the machine has a place for that the many
// small databases, out of the way: none of these tests is about a disk.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if dir, err := os.MkdirTemp("/dev/shm", "gateway-test-"); err == nil {
		defer os.RemoveAll(dir)
		if err := os.Setenv("GOTMPDIR", dir); err != nil { // of T.TempDir; TMPDIR stays: the virtual card reader is shared by it
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp(os.Getenv("GOTMPDIR"), "guard-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Setenv("TOMBOLO_GUARD", filepath.Join(dir, "guard"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const policyText = `version = %d
node = "casa"
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
home = true
strike = "1s"
mechanical_exit = true
[levels.house]
doors = ["front"]
[classes.resident]
levels = ["house"]
`

const wiringText = `data = "."
%s
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
[[doors.front.readers]]
kind = "scanner"
port = %q
`

var domain = passport.Domain{ChainID: 1, Registry: [20]byte{1}}

// house is a steward's folder, a gateway's folder and its hardware, and a
// resident, passport 7.
type house struct {
	t       *testing.T
	steward *folder.Folder
	dir     string // the gateway's
	board   *sim.Board
	scanner *sim.Scanner
	port    string // a name for the scanner's, which stays when it is unplugged
	wallet  *ecdsa.PrivateKey
	phone   *passport.SoftKey
	nonce   byte
	now     func() time.Time // of the gateway, or nil
	killed  bool             // the board was: a gateway's last steps fail
	inputs  string           // the gateway's own, as in the wiring file
	readers string           // more of the front door's, as in the wiring file
	log     daemontest.Log
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir(), wallet: must(crypto.GenerateKey()), phone: must(passport.GenerateSoftKey(passport.KindPhone, rand.Reader))}
	h.steward = must(folder.Open(t.TempDir(), true))
	t.Cleanup(func() { h.steward.Close() })
	isle := h.found(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: domain.ChainID, Registry: domain.Registry}, folder.IssuerKey, ledger.Issuer)
	h.found(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: isle}, folder.StewardKey, ledger.Steward)
	h.board = sim.New(sim.Config{
		Relays: []string{"front/relay"}, Inputs: []string{"front/contact", "front/rex"},
		Readers: []sim.Mount{{Door: "front"}, {Door: "front", Exit: true}},
	})
	h.port = filepath.Join(h.dir, "scanner")
	h.plug()
	t.Cleanup(func() { h.scanner.Close() })
	h.write(ledger.CommunityLog, &ledger.Admit{
		Passport: 7, Owner: crypto.PubkeyToAddress(h.wallet.PublicKey), Class: "resident", NotAfter: time.Now().Add(time.Hour).Unix()})
	h.delegate(h.phone, passport.ModeTap|passport.ModeWindow)
	h.write(ledger.NodeLog, &ledger.Policy{Version: 1, File: fmt.Appendf(nil, policyText, 1)})
	return h
}

func (h *house) found(c ledger.Charter, role folder.Role, as ledger.AuthorRole) ledger.CharterID {
	chair := must(h.steward.EnsureKey(folder.CharterKey))
	key := must(h.steward.EnsureKey(role))
	c.Format, c.Version, c.Threshold = 1, 1, 1
	c.Keys = [][32]byte{[32]byte(chair.Public().(ed25519.PublicKey))}
	c.Authors = []ledger.Author{{Role: as, Key: [32]byte(key.Public().(ed25519.PublicKey))}}
	return must(h.steward.Found(ledger.SignCharter(must(c.Marshal()), chair)))
}

// write appends to the steward's own ledger of a kind.
func (h *house) write(kind ledger.LogKind, bodies ...ledger.Body) {
	h.t.Helper()
	a := must(h.steward.Author(kind))
	for _, b := range bodies {
		if _, err := a.Append(store.Draft{Body: b, Time: time.Now()}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// writeMany is write, in one commit for each thousand.
func (h *house) writeMany(kind ledger.LogKind, bodies []ledger.Body) {
	h.t.Helper()
	a := must(h.steward.Author(kind))
	for some := range slices.Chunk(bodies, 1000) {
		var drafts []store.Draft
		for _, b := range some {
			drafts = append(drafts, store.Draft{Body: b, Time: time.Now()})
		}
		if _, err := a.Append(drafts...); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) delegate(k *passport.SoftKey, mode passport.Mode) {
	h.t.Helper()
	d := passport.Delegation{Passport: 7, Key: k.Key(), NotBefore: 1, NotAfter: 1 << 40, Mode: mode}
	sig := must(passport.SignDelegation(h.wallet, domain, d))
	s := must(passport.NewSignedDelegation(domain, d, sig[:], must(k.Sign(passport.PossessionChallenge(d.Digest(domain))))))
	h.write(ledger.CommunityLog, &ledger.DoorKeyAdded{Delegation: must(s.MarshalBinary())})
}

// plug plugs a scanner in, under the one name.
func (h *house) plug() {
	h.t.Helper()
	h.scanner = must(sim.NewScanner())
	if err := errors.Join(os.RemoveAll(h.port), os.Symlink(h.scanner.Path(), h.port)); err != nil {
		h.t.Fatal(err)
	}
}

// init makes the gateway's keys, and request its request.
func (h *house) init() folder.Request {
	h.t.Helper()
	f := must(folder.Open(h.dir, true))
	defer f.Close()
	return must(f.NewGateway("gw1"))
}

// approve puts the steward's approval into the gateway's folder.
func (h *house) approve(r folder.Request) {
	h.t.Helper()
	h.write(ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys})
	if err := os.WriteFile(filepath.Join(h.dir, gateway.ApprovalFile), h.export().Bytes(), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) export() *bytes.Buffer {
	h.t.Helper()
	var b bytes.Buffer
	if _, err := h.steward.Export(&b, []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog}, nil); err != nil {
		h.t.Fatal(err)
	}
	return &b
}

// carry brings the steward's ledgers to the gateway's folder, as another
// process does.
func (h *house) carry() {
	h.t.Helper()
	f := must(folder.Open(h.dir, false))
	defer f.Close()
	report, err := f.Import(bytes.NewReader(h.export().Bytes()), nil, nil)
	if err != nil || report.Refused() {
		h.t.Fatalf("%+v, %v", report, err)
	}
}

func (h *house) wiring(more string) *wiring.Wiring {
	h.t.Helper()
	text := fmt.Sprintf(wiringText, more, h.port) + h.readers
	return must(wiring.Parse(filepath.Join(h.dir, "gateway.toml"), []byte(text)))
}

// running is a gateway that runs.
type running struct {
	*gateway.Gateway
	h       *house
	records chan ledger.Body
	stop    func()
}

func (h *house) config(w *wiring.Wiring) gateway.Config {
	return gateway.Config{Wiring: w, Board: h.board, Software: "test", Now: h.now, Log: slog.New(slog.NewTextHandler(&h.log, nil))}
}

func (h *house) run() *running {
	h.t.Helper()
	return h.runWith(func(*gateway.Gateway) {})
}

// runWith runs a gateway that was changed before.
func (h *house) runWith(change func(*gateway.Gateway)) *running {
	h.t.Helper()
	r := &running{h: h, records: make(chan ledger.Body, 1000)}
	cfg := h.config(h.wiring(h.inputs))
	cfg.Observe = func(b ledger.Body, _ time.Time) { r.records <- b }
	var err error
	if r.Gateway, err = gateway.Open(cfg); err != nil {
		h.t.Fatal(err)
	}
	change(r.Gateway)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; (err != nil) != h.killed {
			h.t.Errorf("Run: %v", err)
		}
	})
	h.t.Cleanup(r.stop)
	select {
	case <-r.Ready():
	case <-time.After(20 * time.Second):
		h.t.Fatal("not ready")
	}
	return r
}

// await returns the next record of a type that fits.
func await[B ledger.Body](r *running, what string, fits func(B) bool) B {
	r.h.t.Helper()
	timeout := time.After(20 * time.Second)
	var seen []string
	for {
		select {
		case b := <-r.records:
			if b, ok := b.(B); ok && fits(b) {
				return b
			}
			seen = append(seen, fmt.Sprintf("%v %+v", b.Kind(), b))
		case <-timeout:
			r.h.t.Fatalf("%s was not recorded; recorded were\n%s\nthe log says\n%s", what, strings.Join(seen, "\n"), r.h.log.String())
		}
	}
}

func every[B ledger.Body](B) bool { return true }

// code is a fresh code for the node.
func (h *house) code(at time.Time) string {
	h.nonce++
	node := must(h.steward.NodeID())
	s := passport.WindowStatement{
		Community: passport.CommunityID(must(h.steward.CommunityID())), Passport: 7, Target: passport.NodeTarget(passport.NodeID(node)),
		Start: uint32(at.Unix()), Length: 15, Nonce: [16]byte{h.nonce},
	}
	return qr.Encode(must(passport.SignWindow(h.phone, s)))
}

// scan shows a code to the scanner and returns the decision.
func (r *running) scan(code string) *ledger.Decision {
	r.h.t.Helper()
	if err := r.h.scanner.Scan(code); err != nil {
		r.h.t.Fatal(err)
	}
	return await(r, "a decision", every[*ledger.Decision])
}

// tap presents a key at the front door and returns the decision.
func (r *running) tap(k *passport.SoftKey) *ledger.Decision {
	r.h.t.Helper()
	r.h.nonce++
	c := r.Controller.Challenge("front", [32]byte{r.h.nonce})
	if err := r.Controller.Tap(context.Background(), "front", false, c, k.Key(), must(k.Sign(c.Sum()))); err != nil {
		r.h.t.Fatal(err)
	}
	return await(r, "a decision", every[*ledger.Decision])
}

// doorLog verifies the whole of the gateway's newest door log and returns it.
func (h *house) doorLog() (report ledger.Report, bodies []ledger.Body) {
	h.t.Helper()
	s := must(store.Open(filepath.Join(h.dir, "ledgers.db")))
	defer s.Close()
	logs := slices.DeleteFunc(must(s.Ledgers()), func(l store.Info) bool { return l.Origin.Kind != ledger.DoorLog })
	if len(logs) != 1 {
		h.t.Fatalf("%d door logs", len(logs))
	}
	v := ledger.NewVerifier(logs[0].Head)
	for c, err := range s.Chunks(logs[0], 0) {
		if err != nil {
			h.t.Fatal(err)
		}
		if err := v.Chunk(c); err != nil {
			h.t.Fatal(err)
		}
		for i, e := range c.Entries {
			_, b, err := e.Open(ledger.DoorLog, c.Start+int64(i))
			if err != nil {
				h.t.Fatal(err)
			}
			bodies = append(bodies, b)
		}
	}
	report, err := v.Finish()
	if err != nil {
		h.t.Fatal(err)
	}
	return report, bodies
}
