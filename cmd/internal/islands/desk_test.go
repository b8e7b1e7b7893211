package islands

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"

	"tombolo/cmd/internal/gateway"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

const wiringFile = "/etc/tombolo/gateway.toml"

// enrol starts a new gateway with its wiring and has a desk approve it by the
// code that it shows.
func (h *host) enrol(wiring string, desk *host) {
	h.t.Helper()
	h.file(wiring, "etc/tombolo/gateway.toml")
	h.start("tombolod", "run", "--config", wiringFile)
	var code string
	h.until(20*time.Second, h.name+" shows a code", func() bool {
		for line := range strings.Lines(h.logged()) {
			if at := strings.Index(line, "tombolo:enroll?"); at >= 0 {
				code = strings.Trim(strings.Fields(line[at:])[0], `"'`)
				return true
			}
		}
		return false
	})
	desk.run("tombolo", "gateway", "approve", "--code", code, "--yes")
	h.ready()
}

func (h *host) ready() {
	h.t.Helper()
	h.until(30*time.Second, h.name+" is ready", func() bool { return strings.Contains(h.logged(), "msg=ready") })
}

// restart starts the daemon again after whatever ended it.
func (h *host) restart() {
	h.t.Helper()
	h.stop(syscall.SIGTERM)
	h.mu.Lock()
	h.log.Reset()
	h.mu.Unlock()
	h.start("tombolod", "run", "--config", wiringFile)
	h.ready()
}

// person is somebody with a passport and a card.
type person struct {
	number string
	card   *passport.SoftKey
}

// admit makes somebody's wallet and card and enters both.
func (h *host) admit(number string) person {
	h.t.Helper()
	path := func(name string) string { return filepath.Join(h.dir, name+"-"+number) }
	if err := os.WriteFile(path("password"), []byte("a wallet's password"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	account, err := keystore.NewKeyStore(path("wallet"), keystore.LightScryptN, keystore.LightScryptP).NewAccount("a wallet's password")
	if err != nil {
		h.t.Fatal(err)
	}
	card, err := passport.GenerateSoftKey(passport.KindHalo, rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := card.MarshalText()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path("key"), text, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.run("tombolo", "passport", "issue", "--owner", account.Address.Hex(), "--class", "resident", "--number", number)
	h.run("tombolo", "doorkey", "delegate", "--key", path("key"), "--passport", number, "--mode", "tap",
		"--wallet", account.URL.Path, "--password-file", path("password"), "--out", path("delegation"))
	h.run("tombolo", "doorkey", "add", path("delegation"))
	return person{number, card}
}

// tap holds somebody's card to a door's reader and tells whether the lock opened.
func (h *host) tap(door string, p person) (opened bool) {
	h.t.Helper()
	board, err := sim.Dial(filepath.Join(h.dir, "var/lib/tombolo/sim.sock"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer board.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := board.WaitRelay(ctx, door+"/relay", false); err != nil { // whoever went in before
		h.t.Fatalf("%s: the relay of %s stays energised: %v", h.name, door, err)
	}
	at := sim.Mount{Door: door}
	challenge, err := board.Challenge(at)
	if err != nil {
		h.t.Fatal(err)
	}
	sig, err := p.card.Sign([32]byte(challenge))
	if err != nil {
		h.t.Fatal(err)
	}
	answer, err := p.card.Key().AppendBinary(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	began := time.Now()
	if err := board.Tap(at, append(answer, sig[:]...)); err != nil {
		h.t.Fatal(err)
	}
	for {
		ev, err := board.Next(ctx)
		if err != nil {
			h.t.Fatalf("%s: the reader at %s shows nothing: %v", h.name, door, err)
		}
		switch now := !ev.T.Before(began); {
		case now && ev.Relay == door+"/relay" && ev.Energised:
			opened = true
		case now && ev.Shown != nil && ev.Shown.Mount == at && !ev.Shown.Loop:
			return opened
		}
	}
}

// opens is a tap that has to open, or has not to.
func (h *host) opens(door string, p person, want bool) {
	h.t.Helper()
	if got := h.tap(door, p); got != want {
		h.t.Fatalf("passport %s at %s's %s: opened %v, want %v\n%s", p.number, h.name, door, got, want, h.logged())
	}
}

// statusOf is `tombolo sync status --json` of a folder on the host.
func (h *host) statusOf(dir string) (rows []map[string]any) {
	h.t.Helper()
	for line := range strings.Lines(h.run("tombolo", "--dir", dir, "sync", "status", "--json")) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			h.t.Fatalf("%v: %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// status is what the daemon on the host says of itself; it is asked again until it
// is there.
func (h *host) status() (s gateway.Status) {
	h.t.Helper()
	h.until(10*time.Second, h.name+" says how it is", func() (ok bool) {
		var err error
		s, err = gateway.AskStatus(h.t.Context(), filepath.Join(h.dir, "var/lib/tombolo"))
		return err == nil
	})
	return s
}

// linked waits until all links of some gateways are up, and each hears its node's
// others.
func (l *lan) linked(gws ...*host) {
	l.t.Helper()
	for _, h := range gws {
		l.until(30*time.Second, h.name+" is linked", func() bool {
			s := h.status()
			return len(s.Missing) == 0 && !slices.ContainsFunc(s.Links, func(l peer.LinkStatus) bool { return !l.Up })
		})
	}
}

// counted is how many entries of the community's ledgers the doors go by.
func (h *host) counted() (n int64) {
	h.t.Helper()
	for origin, size := range h.status().Projected {
		if o, err := ledger.ParseOrigin(origin); err == nil && o.Kind == ledger.CommunityLog {
			n += size
		}
	}
	return n
}

// reaches runs a command that writes one entry for the community: its doors go by
// it soon after the command began, at every one of some gateways.
func (h *host) reaches(within time.Duration, gws []*host, command ...string) {
	h.t.Helper()
	before := map[*host]int64{}
	h.until(20*time.Second, "all gateways know what was written before", func() bool {
		for _, g := range gws {
			before[g] = g.counted()
		}
		return !slices.ContainsFunc(gws, func(g *host) bool { return before[g] != before[gws[0]] })
	})
	began := time.Now()
	told := make(chan string, 1)
	go func() {
		out, err := h.attempt("tombolo", command...)
		told <- fmt.Sprintf("%s%v after %v", out, err, time.Since(began).Round(time.Millisecond))
	}()
	waiting := slices.Clone(gws)
	h.until(20*time.Second, strings.Join(command, " ")+" counts at every door", func() bool {
		waiting = slices.DeleteFunc(waiting, func(g *host) bool {
			if g.counted() == before[g] {
				return false
			}
			quick(h.t, strings.Join(command[:2], " ")+", from the command's start to the doors of "+g.name, time.Since(began), within)
			return true
		})
		return len(waiting) == 0
	})
	h.t.Logf("the desk says: %s", <-told)
}

func quick(t *testing.T, what string, took, most time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if took > most {
		t.Errorf("%s took %v, want at most %v", what, took, most)
	}
}
