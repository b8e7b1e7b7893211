package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/hw/sim"
	"tombolo/sync/ledger"
)

// The second act: two islands, three gateways, one broker, and a cable between
// the islands that is cut and mended.

const casaPolicy = `version = 2
node = "casa"

[zones.street]
outside = true
[zones.house]
antipassback = "soft"

[doors.front]
gateway = "gw1"
from = "street"
to = "house"
home = true
strike = "1s"
mechanical_exit = true

[doors.garden]
gateway = "gw2"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true

[levels.house]
doors = ["front", "garden"]
[classes.resident]
levels = ["house"]
`

const marePolicy = `version = 1
node = "mare"

[zones.quay]
outside = true
[zones.boathouse]

[doors.boathouse]
gateway = "gw1"
from = "quay"
to = "boathouse"
strike = "1s"
mechanical_exit = true

[levels.all]
doors = ["boathouse"]
[classes.resident]
levels = ["all"]
`

const islandWiring = `data = "."
%s
[census]
grace = "1s"
patience = "1m"
[sim]
socket = "sim.sock"
[doors.%s]
lock = "fail-secure"
relay = { chip = "sim" }
[[doors.%s.readers]]
kind = "sim"
`

// archipelago is what the second act plays on.
type archipelago struct {
	*demo
	front, garden, boathouse *demoGateway
	sea                      *cable
	broker                   string // where casa's listens
}

func (d *demo) mare() string { return d.path("mare-steward") }

// islands builds the second act and plays it.
func (d *demo) islands() (err error) {
	d.say("\nThe second act. The house gets a second gateway, and the community a second island, mare. Casa's first\ngateway runs the broker, in its own process; what crosses it are signed ledgers and nothing else.")
	a := &archipelago{demo: d}
	defer func() {
		for _, g := range []*demoGateway{a.boathouse, a.garden, a.front} {
			if g != nil {
				err = errors.Join(err, g.stop())
			}
		}
		if a.sea != nil {
			err = errors.Join(err, a.sea.Close())
		}
	}()
	if err := a.build(); err != nil {
		return err
	}
	for _, scene := range []func() error{a.everywhere, a.suspension, a.afar, a.cut, a.mended, a.status, a.census} {
		if err := scene(); err != nil {
			return err
		}
	}
	return nil
}

func (a *archipelago) desk(dir string, args ...string) (string, error) {
	return a.tombolo(a.Now, dir, args...)
}

// do runs commands of which nothing is shown but the line.
func (a *archipelago) do(dir string, all ...[]string) error {
	for _, args := range all {
		if _, err := a.desk(dir, args...); err != nil {
			return err
		}
	}
	return nil
}

func (a *archipelago) build() error {
	for name, text := range map[string]string{"casa.toml": casaPolicy, "mare.toml": marePolicy} {
		if err := os.WriteFile(a.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		return err
	}
	broker := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	a.broker = broker
	if a.sea, err = newCable(broker); err != nil {
		return err
	}
	gw2, mare1 := a.path("casa-gw2"), a.path("mare-gw1")
	if err := errors.Join(a.initGateway(gw2, "gw2"), a.initGateway(mare1, "gw1")); err != nil {
		return err
	}
	if err := a.do(a.steward(),
		[]string{"node", "policy", "sign", a.path("casa.toml")},
		[]string{"gateway", "approve", filepath.Join(gw2, folder.RequestFile), "--yes"},
		[]string{"ledger", "export", "--kind", "community", "--out", a.path("community.tombolo")},
	); err != nil {
		return err
	}
	if err := a.do(a.mare(),
		[]string{"ledger", "import", a.path("community.tombolo"), "--pin=community"},
		[]string{"node", "new", "mare"},
		[]string{"node", "policy", "sign", a.path("mare.toml")},
		[]string{"gateway", "approve", filepath.Join(mare1, folder.RequestFile), "--yes"},
		[]string{"ledger", "export", "--kind", "community,directory", "--out", a.path("mare.tombolo")},
	); err != nil {
		return err
	}
	if err := a.do(a.steward(), []string{"node", "register", a.path("mare.tombolo"), "--doors", "1"}); err != nil {
		return err
	}
	for _, number := range []uint64{11, 12} {
		if err := a.newcomer(number); err != nil {
			return err
		}
	}
	if err := a.carry(a.Now); err != nil { // casa's first gateway, which ran without a network until now
		return err
	}
	return a.start(broker, gw2, mare1)
}

// newcomer is somebody with a card.
func (a *archipelago) newcomer(number uint64) error {
	r := &resident{passport: number, class: "resident"}
	if err := a.wallet(r); err != nil {
		return err
	}
	n := strconv.FormatUint(number, 10)
	if err := a.do(a.steward(), []string{"passport", "issue", "--owner", r.owner, "--class", r.class, "--number", n}); err != nil {
		return err
	}
	key, delegation := a.keyFile("halo", number), a.path("halo-"+n+".delegation")
	if err := newCard(key); err != nil {
		return err
	}
	return a.do(a.steward(),
		[]string{"doorkey", "delegate", "--key", key, "--passport", n, "--mode", "tap", "--wallet", r.wallet, "--password-file", a.path("password"), "--out", delegation},
		[]string{"doorkey", "add", delegation})
}

func (a *archipelago) start(broker, gw2, mare1 string) (err error) {
	server, err := serverOf(a.edge())
	if err != nil {
		return err
	}
	casa := fmt.Sprintf("[links.node]\nbroker = \"tls://%s\"\nown = true\n", broker)
	if err := os.WriteFile(filepath.Join(a.steward(), linksFile), []byte(casa), 0o600); err != nil {
		return err
	}
	wiring := func(door, network string) string { return fmt.Sprintf(islandWiring, network, door, door) }
	a.front, err = a.startGateway(a.edge(), wiring("front", fmt.Sprintf("[broker]\nlisten = %q\n[links.node]\nbroker = \"own\"\nown = true\n", broker)))
	if err != nil {
		return err
	}
	// The other island's gateways are named to casa's broker by their directory.
	if err := a.do(a.edge(), []string{"ledger", "import", a.path("mare.tombolo")}); err != nil {
		return err
	}
	if a.garden, err = a.startGateway(gw2, wiring("garden", casa)); err != nil {
		return err
	}
	a.boathouse, err = a.startGateway(mare1, wiring("boathouse", fmt.Sprintf("[links.sea]\nbroker = \"tls://%s\"\nserver = %q\n", a.sea.Addr(), server)))
	return err
}

// serverOf is the fingerprint of a gateway's TLS key.
func serverOf(dir string) (string, error) {
	f, err := folder.Open(dir, false)
	if err != nil {
		return "", err
	}
	key, err := f.Public(folder.TLSKey)
	return folder.Fingerprint(key), errors.Join(err, f.Close())
}

// tap holds a card to a simulated reader and compares the decision.
func (a *archipelago) tap(what string, g *demoGateway, door string, number uint64, want access.Reason) error {
	expected := outcome(want.Grants(), want.String())
	a.demo.tell(event{"event": "attempt", "what": what, "door": door, "expected": expected}, "%s → %s", what, expected)
	d, err := a.answer(g, door, number)
	if err != nil {
		return err
	}
	a.expect(what, outcome(d.Granted, d.Reason), expected)
	return nil
}

func (a *archipelago) answer(g *demoGateway, door string, number uint64) (*ledger.Decision, error) {
	card, err := a.card(number)
	if err != nil {
		return nil, err
	}
	at := sim.Mount{Door: door}
	challenge, err := g.board.Challenge(at)
	if err != nil {
		return nil, err
	}
	sig, err := card.Sign([32]byte(challenge))
	if err != nil {
		return nil, err
	}
	answer, err := card.Key().AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	if err := g.board.Tap(at, append(answer, sig[:]...)); err != nil {
		return nil, err
	}
	return awaitAt(a.demo, g, "a decision", func(d *ledger.Decision) bool {
		return d.Door == door && d.Mode == "tap"
	})
}

// becomes taps until the answer is the one that is to come.
func (a *archipelago) becomes(what string, g *demoGateway, door string, number uint64, want access.Reason) error {
	expected := outcome(want.Grants(), want.String())
	a.demo.tell(event{"event": "attempt", "what": what, "door": door, "expected": expected}, "%s → %s", what, expected)
	began := time.Now()
	for {
		d, err := a.answer(g, door, number)
		if err != nil {
			return err
		}
		if got := outcome(d.Granted, d.Reason); got == expected || time.Since(began) > islandPatience {
			a.expect(what, got, expected)
			return nil
		}
		a.sleepFor(100 * time.Millisecond)
	}
}

// islandPatience is how long a link that was cut may take to come back.
const islandPatience = 60 * time.Second

func (a *archipelago) everywhere() error {
	a.say("\nA passport is the community's: it opens doors on both islands.")
	if err := a.becomes("Passport 11 taps at casa's garden door", a.garden, "garden", 11, access.Granted); err != nil {
		return err
	}
	return a.becomes("Passport 11 taps at mare's boathouse", a.boathouse, "boathouse", 11, access.Granted)
}

func (a *archipelago) suspension() error {
	a.say("\nThe issuer suspends passport 12. The command says whom it reached.")
	out, err := a.desk(a.steward(), "passport", "suspend", "12", "--why", "lost card")
	if err != nil {
		return err
	}
	a.say("%s", out)
	if err := a.tap("Passport 12 at casa's garden door, at once", a.garden, "garden", 12, access.Suspended); err != nil {
		return err
	}
	return a.becomes("Passport 12 at mare's boathouse", a.boathouse, "boathouse", 12, access.Suspended)
}

func (a *archipelago) afar() error {
	a.say("\nA steward opens a door from afar: an order is an entry, recorded before the lock moves, and stale in half a minute.")
	if err := a.do(a.steward(), []string{"door", "open", "garden", "--why", "a parcel"}); err != nil {
		return err
	}
	d, err := awaitAt(a.demo, a.garden, "a remote opening", func(d *ledger.Decision) bool { return d.Door == "garden" && d.Mode == "remote" })
	if err != nil {
		return err
	}
	a.expect("an order from afar", outcome(d.Granted, d.Reason), outcome(true, access.Remote.String()))
	return nil
}

func (a *archipelago) cut() error {
	a.say("\nThe sea cable is cut: nothing comes through, and nobody is told. Every door decides as before.")
	a.sea.cut(true)
	if err := a.do(a.steward(), []string{"passport", "reinstate", "12", "--why", "found"}); err != nil {
		return err
	}
	if err := a.becomes("Passport 12, reinstated, at casa's garden door", a.garden, "garden", 12, access.Granted); err != nil {
		return err
	}
	if err := a.tap("Passport 12 at mare's boathouse, which cannot know yet", a.boathouse, "boathouse", 12, access.Suspended); err != nil {
		return err
	}
	return a.tap("Passport 11 at mare's boathouse", a.boathouse, "boathouse", 11, access.Granted)
}

func (a *archipelago) mended() error {
	a.say("\nThe cable is mended. The ledgers catch up by themselves.")
	a.sea.cut(false)
	return a.becomes("Passport 12 at mare's boathouse", a.boathouse, "boathouse", 12, access.Granted)
}

func (a *archipelago) status() error {
	out, err := a.desk(a.steward(), "sync", "status")
	if err != nil {
		return err
	}
	a.say("\n%s", out)
	return nil
}

// cable carries TCP connections to a broker until it is cut: then it swallows
// what is sent, as the sea does.
type cable struct {
	net.Listener
	to      string
	severed atomic.Bool

	mu    sync.Mutex
	conns []net.Conn // under mu
}

func newCable(to string) (*cable, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cable{Listener: l, to: to}
	go c.serve()
	return c, nil
}

// cut severs the cable or mends it. What was on it when it was mended is lost with
// its connections, as when both ends have given up.
func (c *cable) cut(severed bool) {
	c.severed.Store(severed)
	if severed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func (c *cable) serve() {
	for {
		near, err := c.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		go c.carry(far, near)
		go c.carry(near, far)
	}
}

func (c *cable) carry(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if c.severed.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// Close ends the cable and what is on it.
func (c *cable) Close() error {
	err := c.Listener.Close()
	c.cut(false)
	return err
}
