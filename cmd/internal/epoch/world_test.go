package epoch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/folder"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// bin is where TestMain builds the programs, as a user would run them.
var bin string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "tombolo-epoch-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", dir+"/", "tombolo/cmd/tombolo", "tombolo/cmd/tombolod", "tombolo/cmd/tombolo-hub")
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}()
	os.Exit(code)
}

const policyHead = `version = 1
node = %q
[zones.street]
outside = true
[zones.house]
[levels.house]
doors = [%s]
[classes.resident]
levels = ["house"]
`

const policyDoor = `[doors.%[1]s]
gateway = "%[1]s"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
`

const gatewayWiring = `data = "."
%s
[links.hub]
broker = "tls://%s"
[sim]
socket = "sim.sock"
[doors.%[3]s]
lock = "fail-secure"
relay = { chip = "sim" }
[[doors.%[3]s.readers]]
kind = "sim"
`

// world is a community of three nodes, its hub and its evaluator.
type world struct {
	t         *testing.T
	dir       string
	broker    string // the hub's
	web       string // the hub's HTTP API
	domain    passport.Domain
	wallet    *ecdsa.PrivateKey
	nodes     []*node
	residents []*resident
	hub       *process
	evaluator *process
}

// node is a place with its desk and its gateways; the first node's desk is the
// issuer's, too.
type node struct {
	slug     string
	desk     string
	gateways []*unit
}

// unit is a gateway with one door, which is called as it is.
type unit struct {
	*process
	name, dir string
}

type resident struct {
	number uint64
	card   *passport.SoftKey
}

// process is a daemon of a folder.
type process struct {
	*daemontest.Daemon // nil while it does not run
	w                  *world
	args               []string
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// try runs a command; its error holds what it said.
func (w *world) try(program string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(bin, program), args...)
	cmd.Env = append(os.Environ(), "TOMBOLO_GUARD="+w.path("guard"))
	cmd.Dir = w.dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), err
}

func (w *world) run(program string, args ...string) string {
	w.t.Helper()
	out, err := w.try(program, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// at is `tombolo` in a folder.
func (w *world) at(dir string, args ...string) string {
	w.t.Helper()
	return w.run("tombolo", append([]string{"--dir", dir}, args...)...)
}

func (w *world) file(name, text string) string {
	w.t.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *world) until(within time.Duration, what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// start runs a daemon and waits for a word in its log.
func (p *process) start(ready string) {
	p.w.t.Helper()
	cmd := exec.Command(filepath.Join(bin, p.args[0]), p.args[1:]...)
	cmd.Env = append(os.Environ(), "TOMBOLO_GUARD="+p.w.path("guard"))
	cmd.Dir = p.w.dir
	p.Daemon = daemontest.Start(p.w.t, cmd, ready)
	p.w.t.Cleanup(func() { p.stop(syscall.SIGTERM) })
}

func (p *process) stop(sig syscall.Signal) {
	p.w.t.Helper()
	if p.Daemon != nil {
		p.End(sig)
		p.Daemon = nil
	}
}

func (w *world) daemon(args ...string) *process { return &process{w: w, args: args} }

// admit admits residents with a chip card each.
func (w *world) admit(numbers int) {
	w.t.Helper()
	desk := must(folder.Open(w.nodes[0].desk, false))
	defer desk.Close()
	os.Setenv("TOMBOLO_GUARD", w.path("guard"))
	a := must(desk.Author(ledger.CommunityLog))
	var drafts []store.Draft
	for range numbers {
		r := &resident{uint64(len(w.residents) + 1), must(passport.GenerateSoftKey(passport.KindHalo, rand.Reader))}
		w.residents = append(w.residents, r)
		d := passport.Delegation{Passport: passport.ID(r.number), Key: r.card.Key(), NotBefore: 1, NotAfter: 1 << 40, Mode: passport.ModeTap}
		sig := must(passport.SignDelegation(w.wallet, w.domain, d))
		s := must(passport.NewSignedDelegation(w.domain, d, sig[:], must(r.card.Sign(passport.PossessionChallenge(d.Digest(w.domain))))))
		for _, b := range []ledger.Body{
			&ledger.Admit{Passport: r.number, Owner: crypto.PubkeyToAddress(w.wallet.PublicKey), Class: "resident", NotAfter: time.Now().Add(24 * time.Hour).Unix()},
			&ledger.DoorKeyAdded{Delegation: must(s.MarshalBinary())},
		} {
			drafts = append(drafts, store.Draft{Body: b, Time: time.Now()})
		}
	}
	if _, err := a.Append(drafts...); err != nil {
		w.t.Fatal(err)
	}
}

// tap holds a resident's card to a gateway's reader and tells whether it opened.
func (u *unit) tap(r *resident) bool {
	u.w.t.Helper()
	board, err := sim.Dial(filepath.Join(u.dir, "sim.sock"))
	if err != nil {
		u.w.t.Fatal(err)
	}
	defer board.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := board.WaitRelay(ctx, u.name+"/relay", false); err != nil {
		u.w.t.Fatalf("%s: the relay stays energised: %v", u.name, err)
	}
	at := sim.Mount{Door: u.name}
	challenge := must(board.Challenge(at))
	sig := must(r.card.Sign([32]byte(challenge)))
	answer := must(r.card.Key().AppendBinary(nil))
	began := time.Now()
	if err := board.Tap(at, append(answer, sig[:]...)); err != nil {
		u.w.t.Fatal(err)
	}
	opened := false
	for {
		ev, err := board.Next(ctx)
		if err != nil {
			u.w.t.Fatalf("%s: the reader shows nothing: %v", u.name, err)
		}
		switch now := !ev.T.Before(began); {
		case now && ev.Relay == u.name+"/relay" && ev.Energised:
			opened = true
		case now && ev.Shown != nil && ev.Shown.Mount == at && !ev.Shown.Loop:
			return opened
		}
	}
}

// get reads the hub's API.
func (w *world) get(path string) (int, []byte) {
	w.t.Helper()
	res, err := http.Get("http://" + w.web + path)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, b
}
