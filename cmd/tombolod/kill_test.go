package main_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/folder"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

const killPolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
[zones.room]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
[doors.room]
gateway = "gw1"
from = "house"
to = "room"
strike = "1s"
mechanical_exit = true
[levels.all]
doors = ["front"]
[levels.guests]
doors = ["room"]
[classes.resident]
levels = ["all"]
`

const killWiring = `data = "."
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.front.readers]]
kind = "sim"
[[doors.front.readers]]
kind = "scanner"
port = %[1]q
[doors.room]
lock = "fail-secure"
relay = { chip = "sim" }
[[doors.room.readers]]
kind = "sim"
`

// kills is how often the daemon is killed; `make soak` says how often then.
func kills(t *testing.T) int {
	text, ok := os.LookupEnv("TOMBOLO_KILLS")
	if !ok {
		return 40
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("TOMBOLO_KILLS=%q", text)
	}
	return n
}

// victim is a daemon that is killed again and again, and what was seen of it.
type victim struct {
	*site
	random  *mrand.Rand
	scanner *sim.Scanner
	phone   *passport.SoftKey
	card    *passport.SoftKey
	node    passport.NodeID
	of      passport.CommunityID

	mu    sync.Mutex
	codes []string                              // that opened
	heads map[ledger.Origin]map[int64]tlog.Hash // by size
	moves int                                   // the room's relay was energised so often
	tries int
}

// TestKilled: a stream of taps and codes, and kill -9 at random instants. After
// each start nothing moves by itself and no earlier code opens; in the end every
// head that anybody saw is a head of the log, which verifies, and no entry of the
// guest's was spent that the log does not know.
func TestKilled(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	v := &victim{site: newSite(t), random: mrand.New(mrand.NewPCG(seed, 1)), scanner: newScanner(t), heads: map[ledger.Origin]map[int64]tlog.Hash{}}
	n := kills(t)
	uses := 8 * n // spent before the end
	v.write("policy.toml", strings.Replace(killPolicy, "version = 1", "version = 2", 1))
	v.tool("tombolo", "node", "policy", "sign", v.path("policy.toml"))
	v.admit("1", "phone", "tap+window")
	v.admit("2", "halo", "tap")
	v.tool("tombolo", "guest", "add", "--passport", "2", "--level", "guests", "--until", "2030-01-01", "--uses", strconv.Itoa(uses), "--why", "a test")
	v.tool("tombolo", "gateway", "approve", v.path("gw/gateway.request"), "--yes")
	v.tool("cp", v.path("gw/gateway.approval"), v.path("gw/gateway.approval.1")) // the daemon takes in the first
	v.write("gw/gateway.toml", fmt.Sprintf(killWiring, v.scanner.Path()))
	v.phone, v.card = v.softKey("1"), v.softKey("2")
	f, err := folder.Open(v.path("desk"), false)
	if err != nil {
		t.Fatal(err)
	}
	community, err := f.CommunityID()
	if err != nil {
		t.Fatal(err)
	}
	node, err := f.NodeID()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	v.of, v.node = passport.CommunityID(community), passport.NodeID(node)

	for i := range n {
		v.live(time.Duration(v.random.Int64N(int64(2300 * time.Millisecond))))
		if t.Failed() {
			t.Fatalf("at kill %d of %d", i, n)
		}
	}
	v.start()
	v.end(syscall.SIGTERM)
	v.judge(uses, n)
}

func (v *victim) softKey(number string) *passport.SoftKey {
	text, err := os.ReadFile(v.path("key-" + number))
	if err != nil {
		v.t.Fatal(err)
	}
	k, err := passport.ParseSoftKey(text)
	if err != nil {
		v.t.Fatal(err)
	}
	return k
}

// live starts the daemon, keeps it busy for so long, and kills it.
func (v *victim) live(d time.Duration) {
	v.t.Helper()
	v.start()
	began := time.Now()
	ctx, cancel := context.WithTimeout(v.t.Context(), d)
	defer cancel()
	v.quiet()
	for _, code := range v.codes[max(0, len(v.codes)-2):] { // of the run before
		if err := v.scanner.Scan(code); err != nil {
			v.t.Fatal(err)
		}
	}
	var busy sync.WaitGroup
	busy.Go(func() { v.tap(ctx, "front", v.phone) })
	busy.Go(func() { v.tap(ctx, "room", v.card) })
	busy.Go(func() { v.show(ctx, began) })
	busy.Go(func() { v.watchHeads(ctx) })
	busy.Go(func() { v.watchRelays(ctx) })
	<-ctx.Done()
	v.daemon.End(syscall.SIGKILL)
	busy.Wait()
	v.relay.Close()
}

// quiet sees that no relay moves by itself after a start.
func (v *victim) quiet() {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 60*time.Millisecond)
	defer cancel()
	for {
		e, err := v.relay.Next(ctx)
		if err != nil {
			return
		}
		if e.Relay != "" && e.Energised {
			v.t.Errorf("%s is energised after a start:\n%s", e.Relay, v.daemon.Log)
		}
	}
}

// tap presents a key again and again, at random moments; the daemon dies on the way.
func (v *victim) tap(ctx context.Context, door string, key *passport.SoftKey) {
	c, err := sim.Dial(v.path("gw/sim.sock"))
	if err != nil {
		return
	}
	defer c.Close()
	random := mrand.New(mrand.NewPCG(v.seed(), 2))
	for at := (sim.Mount{Door: door}); ctx.Err() == nil; {
		sum, err := c.Challenge(at)
		if err != nil {
			return
		}
		sig, err := key.Sign([32]byte(sum))
		if err != nil {
			v.t.Error(err)
			return
		}
		public, err := key.Key().MarshalBinary()
		if err != nil {
			v.t.Error(err)
			return
		}
		if c.Tap(at, append(public, sig[:]...)) != nil {
			return
		}
		v.mu.Lock()
		v.tries++
		v.mu.Unlock()
		time.Sleep(time.Duration(random.Int64N(int64(40 * time.Millisecond))))
	}
}

func (v *victim) seed() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.random.Uint64()
}

// show makes codes of the first windows that a gateway takes after a start, and
// shows some of them twice.
func (v *victim) show(ctx context.Context, began time.Time) {
	const length = 15
	for ctx.Err() == nil {
		w := passport.WindowStatement{Community: v.of, Passport: 1, Target: passport.NodeTarget(v.node), Start: uint32(time.Now().Unix()) + length, Length: length}
		if _, err := rand.Read(w.Nonce[:]); err != nil {
			v.t.Error(err)
			return
		}
		if int64(w.Start) > began.Unix()+length+1 {
			signed, err := passport.SignWindow(v.phone, w)
			if err != nil {
				v.t.Error(err)
				return
			}
			code := qr.Encode(signed)
			v.mu.Lock()
			v.codes = append(v.codes, code)
			v.mu.Unlock()
			for range 2 {
				if v.scanner.Scan(code) != nil {
					return
				}
			}
		}
		time.Sleep(70 * time.Millisecond)
	}
}

// watchHeads notes every head that is in the store, as whoever replicates it would.
func (v *victim) watchHeads(ctx context.Context) {
	f, err := folder.Open(v.path("gw"), false)
	if err != nil {
		v.t.Error(err)
		return
	}
	defer f.Close()
	for ctx.Err() == nil {
		all, err := f.Store().Ledgers()
		if err != nil {
			v.t.Error(err)
			return
		}
		v.mu.Lock()
		for _, l := range all {
			if l.Origin.Kind != ledger.DoorLog {
				continue
			}
			if v.heads[l.Origin] == nil {
				v.heads[l.Origin] = map[int64]tlog.Hash{}
			}
			if was, ok := v.heads[l.Origin][l.Size]; ok && was != l.Root {
				v.t.Errorf("two heads of %d entries", l.Size)
			}
			v.heads[l.Origin][l.Size] = l.Root
		}
		v.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

func (v *victim) watchRelays(ctx context.Context) {
	for {
		e, err := v.relay.Next(ctx)
		if err != nil {
			return
		}
		if e.Relay == "room/relay" && e.Energised {
			v.moves++ // read after this goroutine has ended
		}
	}
}

func (v *victim) judge(uses, kills int) {
	t := v.t
	if out := v.tool("tombolo", "ledger", "verify", "--dir", v.path("gw")); !strings.Contains(out, "verified") {
		t.Errorf("the log does not verify: %s", out)
	}
	f, err := folder.Open(v.path("gw"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.Store().Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	spent, boots, opened, nonces := 0, 0, 0, map[string]int64{}
	logs, heads := 0, 0
	for _, l := range all {
		if l.Origin.Kind != ledger.DoorLog {
			continue
		}
		logs++
		heads += len(v.heads[l.Origin])
		for size, root := range v.heads[l.Origin] {
			if size > l.Size {
				t.Errorf("a head of %d entries was seen, and the log has %d", size, l.Size)
				continue
			}
			if got, err := tlog.TreeHash(size, ledger.Hashes(f.Store().Reader(l))); err != nil || got != root {
				t.Errorf("the head of %d entries that was seen is not the log's: %v", size, err)
			}
		}
		index := int64(-1)
		for e, err := range f.Store().Entries(l, 0, l.Size) {
			index++
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := e.Open(ledger.DoorLog, index)
			if err != nil {
				t.Fatal(err)
			}
			switch b := body.(type) {
			case *ledger.Begin:
				// Killed between the guard and the commit, an author begins anew rather
				// than sign what it may have signed.
				if (b.Generation > 0) != (b.Predecessor != nil) {
					t.Errorf("a later log names no predecessor: %+v", b)
				}
			case *ledger.Boot:
				boots++
			case *ledger.PassUsed:
				spent++
			case *ledger.Opening:
				opened++
			case *ledger.Decision:
				if b.Mode != "window" || !b.Granted {
					continue
				}
				w, err := passport.ParseWindow(b.Presentation)
				if err != nil {
					t.Fatal(err)
				}
				nonce := string(w.Nonce[:])
				if was, twice := nonces[nonce]; twice {
					t.Errorf("one code opened twice, entries %d and %d", was, index)
				}
				nonces[nonce] = index
			}
		}
	}
	t.Logf("%d kills, %d logs, %d presentations, %d codes of %d opened, %d heads, %d entries of the pass spent and %d openings on record, the room's lock moved %d times",
		kills, logs, v.tries, len(nonces), len(v.codes), heads, spent, opened, v.moves)
	switch {
	case len(v.heads) > logs:
		t.Errorf("%d logs were seen, and %d are here", len(v.heads), logs)
	case boots > kills+1 || boots <= kills/2: // one that is killed at once leaves no record
		t.Errorf("%d starts on record, %d happened", boots, kills+1)
	case spent > uses:
		t.Errorf("%d of %d entries of a pass were spent", spent, uses)
	case v.moves > spent:
		t.Errorf("the room's lock moved %d times, the log knows of %d", v.moves, spent+opened)
	case len(nonces) == 0 || spent == 0 || v.moves == 0 || heads < kills:
		t.Error("nothing was tried")
	}
}
