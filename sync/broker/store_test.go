package broker_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tombolo/sync/broker"
)

func headTopic(i int) string {
	return topic("all", "from", alice, "head/community", strconv.Itoa(i), "0")
}

// retainMany keeps n heads and waits until the store has them.
func retainMany(t testing.TB, p *peer, n int) {
	t.Helper()
	for i := range n {
		p.publish(headTopic(i), true, fmt.Sprint("head ", i))
	}
}

// wantMany fails unless a fresh subscriber is handed all of them at once.
func wantMany(t testing.TB, reader, marker *peer, n int) {
	t.Helper()
	got := retained(t, reader, marker, topic("all", "from/+/head/#"), topic("all", "from", alice, "head/mark"))
	for i := range n {
		if want := fmt.Sprint("head ", i); len(got[headTopic(i)]) != 1 || got[headTopic(i)][0] != want {
			t.Fatalf("head %d is %q after the restart; %d of %d are there", i, got[headTopic(i)], len(got), n)
		}
	}
	if len(got) != n {
		t.Errorf("%d topics are retained, want %d", len(got), n)
	}
}

// The first subscriber after the restart is handed everything: it comes in
// within a millisecond of the start.
func TestRetainedSurviveKill(t *testing.T) {
	t.Parallel()
	const heads = 300
	dir := t.TempDir()
	c := startChild(t, child{Dir: dir})
	retainMany(t, c.dial(t, alice), heads)
	for range 3 {
		c.kill(t)
		c = startChild(t, child{Dir: dir, Listen: c.addr})
		wantMany(t, c.dial(t, bob), c.dial(t, alice), heads)
	}
	if got := sessionsOnDisk(t, dir); got > 3 {
		t.Errorf("%d sessions of clients that died with the broker are kept", got)
	}
}

// sessionsOnDisk counts the records of sessions in their stream.
func sessionsOnDisk(t testing.TB, dir string) int {
	t.Helper()
	n, files := 0, 0
	err := filepath.WalkDir(filepath.Join(dir, "jetstream", "$G", "streams", "$MQTT_sess"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".blk" {
			return err
		}
		b, err := os.ReadFile(p)
		n += strings.Count(string(b), "$MQTT.sess.")
		files++
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files of sessions: %v", files, err)
	}
	return n
}

func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// A damaged store costs what was retained at most, never the start.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	killed, closed := t.TempDir(), t.TempDir()
	c := startChild(t, child{Dir: killed})
	retainMany(t, c.dial(t, alice), 50)
	c.kill(t)
	c = startChild(t, child{Dir: closed})
	retainMany(t, c.dial(t, alice), 50)
	c.stop(t)

	filesOf := func(dir string) []string {
		var files []string
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				rel, _ := filepath.Rel(dir, p)
				files = append(files, rel)
			}
			return err
		})
		if err != nil || len(files) < 4 {
			t.Fatalf("the store has %d files: %v", len(files), err)
		}
		return files
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	ruin := func(name string, how int) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch how {
		case 0:
			b = nil
		case 1:
			b = b[:len(b)/2]
		case 2:
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
		case 3:
			for range 8 {
				if len(b) > 0 {
					b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
				}
			}
		}
		return os.WriteFile(name, b, 0o600)
	}
	for how, what := range []string{"emptied", "halved", "random bytes", "flipped bits"} {
		for _, good := range []string{killed, closed} {
			dir := t.TempDir()
			copyTree(t, good, dir)
			for _, f := range filesOf(good) {
				if err := ruin(filepath.Join(dir, f), how); err != nil {
					t.Fatal(err)
				}
			}
			worksAnew(t, what, dir)
		}
		// What was retained, each file by itself; a closed store has an index
		// more.
		for _, f := range filesOf(closed) {
			if !strings.Contains(f, "$MQTT_rmsgs") || strings.Contains(f, "/obs/") {
				continue
			}
			dir := t.TempDir()
			copyTree(t, closed, dir)
			if err := ruin(filepath.Join(dir, f), how); err != nil {
				t.Fatal(err)
			}
			worksAnew(t, what+" "+f, dir)
		}
	}
	// A file where a folder belongs.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	worksAnew(t, "a file for a folder", dir)
}

// One bit of a sequence number, in a store that was closed in order: its index
// vouches for the records, and nats-server would count through 2^36 of them.
func TestGapInTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, child{Dir: dir})
	retainMany(t, c.dial(t, alice), 50)
	c.stop(t)
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "$MQTT_rmsgs", "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%q: %v", blocks, err)
	}
	b, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	// A record: length u32 (highest bit: has headers), sequence u64, …, little
	// endian.
	at := 0
	for range 20 {
		at += int(binary.LittleEndian.Uint32(b[at:]) &^ (1 << 31))
	}
	b[at+4+4] ^= 0x10
	if err := os.WriteFile(blocks[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	worksAnew(t, "a gap in the sequence", dir)
}

// worksAnew starts a broker on the folder and retains and reads a message.
func worksAnew(t *testing.T, what, dir string) {
	t.Helper()
	t.Logf("damage: %s", what)
	c := startChild(t, child{Dir: dir})
	if c.spare {
		t.Errorf("%s: the spare folder is in use", what)
	}
	a := c.dial(t, alice)
	at := topic("all", "from", alice, "head/community/after/0")
	a.publish(at, true, what)
	eventually(t, what+": a message is retained again", func() bool {
		got := retained(t, c.dial(t, bob), a, topic("all", "from/+/head/#"), topic("all", "from", alice, "head/mark"))
		return len(got[at]) == 1 && got[at][0] == what
	})
	c.kill(t)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := startChild(t, child{Dir: filepath.Join(t.TempDir(), "never"), Listen: "127.0.0.1:0"})
	if c.spare {
		t.Error("an empty folder was not good enough")
	}
	fill := t.TempDir()
	c = startChild(t, child{Dir: fill, Fill: fill, Spare: t.TempDir()})
	if !c.spare {
		t.Error("the spare folder is not in use")
	}
	retainMany(t, c.dial(t, alice), 10)
	wantMany(t, c.dial(t, bob), c.dial(t, alice), 10)
}

func TestNoFolderTakesTheStore(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := broker.Open(config(t, func(c *broker.Config) { c.Dir, c.Spare = file+"/dir", file+"/spare" }))
	wantError(t, err, broker.ErrStore)
}

// A busy port is no reason to erase anything.
func TestBusyPort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := broker.Open(config(t, func(c *broker.Config) { c.Dir = dir }))
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	kept := filepath.Join(dir, "jetstream", "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = broker.Open(config(t, func(c *broker.Config) { c.Dir, c.Listen = dir, l.Addr().String() }))
	wantError(t, err, broker.ErrListen)
	_, err = broker.Open(config(t, func(c *broker.Config) { c.Dir, c.Plain = dir, l.Addr().String() }))
	wantError(t, err, broker.ErrListen)
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the store was erased: %v", err)
	}
}

// One peer fills the store. Others come in all the same, are handed all of it,
// can still replace what they have retained, and when the peer is removed its
// share is free again.
func TestOnePeerFillsTheStore(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, func(c *broker.Config) { c.MaxStore = 2 << 20 })
	bobs := topic("all", "from", bob, "head/community/1/0")
	h.dial(t, b, bob).publish(bobs, true, "old")

	a := h.dial(t, b, alice)
	big := strings.Repeat("x", 100_000)
	for i := range 40 {
		a.publish(headTopic(i), true, big)
	}
	for i := range 2000 {
		a.publish(headTopic(1000+i), true, "y")
	}
	if s := b.Stats(); s.Stored > 3<<20 {
		t.Errorf("%d bytes are stored", s.Stored)
	}
	bo := h.dial(t, b, bob)
	bo.publish(bobs, true, "new")
	carols := topic("all", "from", carol, "head/community/1/0")
	ca := h.dial(t, b, carol)
	ca.publish(carols, true, "not kept")
	mark := topic("all", "from", bob, "head/mark")
	eventually(t, "bob's head is replaced", func() bool {
		got := retained(t, h.dial(t, b, desk), bo, topic("all", "from/+/head/#"), mark)
		return len(got) > 10 && len(got[carols]) == 0 && len(got[bobs]) == 1 && got[bobs][0] == "new"
	})
	if s := b.Stats(); s.Slow != 0 {
		t.Errorf("%d clients were cut off for being slow", s.Slow)
	}

	h.set(broker.Identity{Peer: alice}, false)
	b.Refresh()
	eventually(t, "the store is free again", func() bool { return b.Stats().Stored < 100_000 })
	ca.publish(carols, true, "kept")
	eventually(t, "carol's head is retained", func() bool {
		got := retained(t, h.dial(t, b, desk), ca, topic("all", "from", carol, "head/#"), topic("all", "from", carol, "head/mark"))
		return len(got[carols]) == 1
	})
}

// Two places' subscriptions for each client, and 100 heads retained.
func TestMemory(t *testing.T) {
	t.Parallel()
	c := startChild(t, child{Dir: t.TempDir()})
	idle := residentKB(t, c.Process.Pid)
	var first *peer
	connect := func(n int) {
		for i := range n {
			p := c.dial(t, fmt.Sprintf("%032x", i%50))
			for _, place := range []string{"all", node1} {
				for _, f := range []string{"from/+/alive", "from/+/head/#", "from/+/fork/#", "from/+/charter/#"} {
					p.subscribe(topic(place, f), 0)
				}
			}
			if first == nil {
				first = p
			}
		}
	}
	connect(10)
	for i := range 100 {
		first.publish(topic("all", "from", fmt.Sprintf("%032x", 0), "head/community", strconv.Itoa(i), "0"), true, strings.Repeat("h", 1000))
	}
	time.Sleep(100 * time.Millisecond)
	ten := residentKB(t, c.Process.Pid)
	connect(190)
	all := residentKB(t, c.Process.Pid)
	t.Logf("resident: idle %d kB, 10 clients %d kB, 200 clients %d kB", idle, ten, all)
	if ten > maxResidentKB {
		t.Errorf("%d kB with 10 clients, at most %d", ten, maxResidentKB)
	}
}
