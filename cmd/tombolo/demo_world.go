package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

const (
	demoStrike = time.Second
	demoWindow = 15 * time.Second
)

// demoPolicy: the front door is a home and takes anybody whom the roster knows
// for a week; the workshop wants to have heard of the issuers within a day.
const demoPolicy = `version = 1
node = "casa"

[zones.street]
outside = true
[zones.house]
[zones.workshop]

[doors.front]
gateway = "gw1"
from = "street"
to = "house"
home = true
strike = "1s"
mechanical_exit = true

[doors.workshop]
gateway = "gw1"
from = "house"
to = "workshop"
strike = "1s"
max_age = "1d"
codes = "door"
mechanical_exit = true

[levels.house]
doors = ["front"]
[levels.all]
doors = ["front", "workshop"]

[classes.resident]
levels = ["all"]
[classes.visitor]
levels = ["house"]
`

const demoWiring = `data = "."
%s
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
[[doors.front.readers]]
kind = "scanner"
port = %q

[doors.workshop]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.workshop.readers]]
kind = "scanner"
port = %q
`

// demoWorld is what the play needs of what was built.
type demoWorld struct {
	node     string // id
	started  time.Time
	scanners map[string]*sim.Scanner // by door
	*demoGateway
}

// demoGateway is the daemon's own code on simulated doors, in this process.
type demoGateway struct {
	board   *sim.Board
	records chan ledger.Body
	gateway *gateway.Gateway
	stop    func() error
}

// resident is somebody with a passport: a wallet and door keys.
type resident struct {
	passport uint64
	class    string
	wallet   string // keystore file
	owner    string // address
}

func (d *demo) steward() string { return d.path("steward") }
func (d *demo) edge() string    { return d.path("gateway") }

// lately is when the steward last sat at the desk: two days ago.
func (d *demo) lately() time.Time { return d.Now().Add(-48 * time.Hour) }

// build makes the community and the node with the steward's own commands.
func (d *demo) build() error {
	d.say("\nTwo days ago, at a steward's desk, without any network: a community, and a node of it.")
	desk := func(args ...string) error {
		_, err := d.tombolo(d.lately, d.steward(), args...)
		return err
	}
	if err := desk("community", "new", "aurora", "--chain-id", "100", "--registry", "0x00000000000000000000000000000000000a0701"); err != nil {
		return err
	}
	var node struct {
		Node string `json:"node"`
	}
	if err := d.tomboloJSON(&node, d.lately, d.steward(), "node", "new", "casa"); err != nil {
		return err
	}
	d.world.node = node.Node

	d.say("\nA gateway makes its keys; the steward approves it and signs the node's policy.")
	if err := d.initGateway(d.edge(), "gw1"); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("policy.toml"), []byte(demoPolicy), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"gateway", "approve", filepath.Join(d.edge(), folder.RequestFile), "--yes"},
		{"node", "policy", "check", d.path("policy.toml")},
		{"node", "policy", "sign", d.path("policy.toml")},
	} {
		if err := desk(args...); err != nil {
			return err
		}
	}

	d.say("\nThree people hold a wallet each. The steward admits them and notes who lives behind the front door;\ntheir wallets delegate a phone's key for codes, and one a card's key for taps.")
	for _, r := range []*resident{{passport: 1, class: "resident"}, {passport: 2, class: "resident"}, {passport: 3, class: "visitor"}} {
		if err := d.admit(r); err != nil {
			return err
		}
	}
	if err := desk("home", "add", "--door", "front", "--passport", "1"); err != nil {
		return err
	}
	d.say("\nThe ledgers travel to the gateway as a file, and the daemon starts on two simulated doors.")
	if err := d.carry(d.lately); err != nil {
		return err
	}
	return d.start()
}

func (d *demo) initGateway(dir, name string) (err error) {
	command := fmt.Sprintf("tombolod init --dir %s --name %s", filepath.Base(dir), name)
	d.tell(event{"event": "command", "command": command}, "  $ %s", command)
	f, err := folder.Open(dir, true)
	if err != nil {
		return err
	}
	_, err = f.NewGateway(name)
	return errors.Join(err, f.Close())
}

// wallet makes a resident's.
func (d *demo) wallet(r *resident) error {
	if err := os.WriteFile(d.path("password"), []byte("demo"), 0o600); err != nil {
		return err
	}
	// Light scrypt: the demo's wallets hold nothing.
	ks := keystore.NewKeyStore(d.path("wallets"), keystore.LightScryptN, keystore.LightScryptP)
	account, err := ks.NewAccount("demo")
	if err != nil {
		return err
	}
	r.wallet, r.owner = d.path("wallet-"+strconv.FormatUint(r.passport, 10)+".json"), account.Address.Hex()
	return os.Rename(account.URL.Path, r.wallet)
}

// admit makes a wallet and the door keys of a resident, and has the issuer
// enter them.
func (d *demo) admit(r *resident) error {
	if err := d.wallet(r); err != nil {
		return err
	}
	password, number := d.path("password"), strconv.FormatUint(r.passport, 10)
	if _, err := d.tombolo(d.lately, d.steward(), "passport", "issue", "--owner", r.owner, "--class", r.class, "--number", number); err != nil {
		return err
	}
	kinds := map[string]string{"phone": "window"}
	if r.passport == 1 {
		kinds["halo"] = "tap"
	}
	for _, kind := range []string{"phone", "halo"} {
		mode, ok := kinds[kind]
		if !ok {
			continue
		}
		if err := d.delegate(r, kind, mode, password); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) keyFile(kind string, number uint64) string {
	return d.path(fmt.Sprintf("%s-%d.key", kind, number))
}

func (d *demo) delegate(r *resident, kind, mode, password string) error {
	number := strconv.FormatUint(r.passport, 10)
	key, delegation := d.keyFile(kind, r.passport), d.path(kind+"-"+number+".delegation")
	if kind == "phone" {
		if _, err := d.tombolo(d.lately, d.steward(), "doorkey", "new", "--kind", kind, "--out", key); err != nil {
			return err
		}
	} else if err := newCard(key); err != nil {
		return err
	}
	if _, err := d.tombolo(d.lately, d.steward(), "doorkey", "delegate", "--key", key, "--passport", number, "--mode", mode,
		"--wallet", r.wallet, "--password-file", password, "--out", delegation); err != nil {
		return err
	}
	_, err := d.tombolo(d.lately, d.steward(), "doorkey", "add", delegation)
	return err
}

// newCard makes a simulated card: a key that signs as a HaLo chip's slot 2 does.
func newCard(path string) error {
	card, err := passport.GenerateSoftKey(passport.KindHalo, rand.Reader)
	if err != nil {
		return err
	}
	text, err := card.MarshalText()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// carry exports the steward's ledgers and imports them at the gateway, as on a
// stick. The gateway runs or does not.
func (d *demo) carry(now func() time.Time) error {
	stick := d.path("stick.tombolo")
	if _, err := d.tombolo(now, d.steward(), "ledger", "export", "--out", stick); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.edge(), gateway.RosterFile)); err != nil {
		// The first time the approval brings them: it is an export, too.
		data, err := os.ReadFile(stick)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(d.edge(), gateway.ApprovalFile), data, 0o600)
	}
	_, err := d.tombolo(d.Now, d.edge(), "ledger", "import", stick)
	return err
}

// start runs the daemon's code in this process.
func (d *demo) start() error {
	w := &d.world
	w.scanners = map[string]*sim.Scanner{}
	for _, name := range []string{"front", "workshop"} {
		s, err := sim.NewScanner()
		if err != nil {
			return err
		}
		w.scanners[name] = s
	}
	var err error
	w.demoGateway, err = d.startGateway(d.edge(), fmt.Sprintf(demoWiring, "[sim]\nsocket = \"sim.sock\"\n", w.scanners["front"].Path(), w.scanners["workshop"].Path()))
	return err
}

// startGateway runs the gateway of a folder, by a wiring, until its stop.
func (d *demo) startGateway(dir, text string) (*demoGateway, error) {
	path := filepath.Join(dir, "gateway.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	wires, err := wiring.Parse(path, []byte(text))
	if err != nil {
		return nil, err
	}
	g := &demoGateway{board: sim.New(gateway.SimConfig(wires)), records: make(chan ledger.Body, 1024)}
	level := slog.LevelError + 1 // what goes wrong shows in the outcomes
	g.gateway, err = gateway.Open(gateway.Config{
		Wiring: wires, Board: g.board, Software: "tombolo demo " + build.Version(), Now: d.Now,
		Log: slog.New(slog.NewTextHandler(d.Err, &slog.HandlerOptions{Level: level})),
		Observe: func(b ledger.Body, _ time.Time) {
			select {
			case g.records <- b:
			default: // nobody looks at them now
			}
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(d.ctx)
	done := make(chan error, 1)
	go func() { done <- g.gateway.Run(ctx) }()
	g.stop = func() error {
		cancel()
		return <-done
	}
	select {
	case <-g.gateway.Ready():
		return g, nil
	case err := <-done:
		cancel()
		return nil, err
	}
}

func hexID(s string) (id [32]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("not an id: %q", s)
	}
	return [32]byte(b), nil
}
