package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// diary is a gateway's folder, and somebody who writes door logs into it.
type diary struct {
	t    testing.TB
	g    *Gateway
	key  ed25519.PrivateKey
	log  bytes.Buffer
	rand *rand.ChaCha8
	seq  uint64
	now  int64 // Unix ms
	all  *access.Presence
}

func newDiary(t testing.TB) *diary {
	t.Helper()
	seed := sha256.Sum256([]byte(t.Name()))
	d := &diary{t: t, key: ed25519.NewKeyFromSeed(seed[:]), rand: rand.NewChaCha8(seed), now: 1_800_000_000_000, all: access.NewPresence()}
	f, err := folder.Open(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	d.g = &Gateway{folder: f, self: ledger.KeyIDOf(d.key.Public().(ed25519.PublicKey)), cfg: Config{Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: time.Now}}
	return d
}

// incarnation begins a door log, or goes on with the newest. What it knows of a
// guard decides which.
func (d *diary) incarnation(key ed25519.PrivateKey, guard string) *store.Author {
	d.t.Helper()
	a, err := d.g.folder.Store().OpenAuthor(store.AuthorConfig{
		Key: key, Community: ledger.CharterID{1}, Kind: ledger.DoorLog, Charter: ledger.CharterID{2},
		Guard: store.Guard{Dir: guard, Boot: "boot"}, Now: func() time.Time { return time.UnixMilli(d.now) }, Rand: d.rand,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

// write appends visits: a Boot, and then people who come, go, err and use up
// passes. What it appends is folded beside.
func (d *diary) write(a *store.Author, visits int) {
	d.t.Helper()
	lots := rand.New(d.rand)
	bodies := []ledger.Body{&ledger.Boot{Software: "test", Clock: "unknown"}, &ledger.Basis{Clock: []string{"unknown", "ntp"}[lots.IntN(2)]}}
	d.seq = 0
	for range visits {
		d.seq++
		who, door := 1+lots.Uint64N(20), fmt.Sprintf("door-%d", lots.IntN(3))
		switch lots.IntN(7) {
		case 5:
			bodies = append(bodies, &ledger.ClockStep{To: lots.Int64N(43_200_000)}) // From when it is written
		case 6:
			if lots.IntN(8) == 0 { // seldom, or there would be nothing to recall
				bodies = append(bodies, &ledger.Forgiven{Passport: who - 1, Before: d.now})
			} else {
				bodies = append(bodies, &ledger.Basis{Clock: []string{"unknown", "ntp"}[lots.IntN(2)]})
			}
		case 0:
			bodies = append(bodies, &ledger.Decision{Seq: d.seq, Door: door, Mode: "tap+wrong-pin", Reason: "wrong-pin", Passport: who})
		case 1:
			bodies = append(bodies, &ledger.PassUsed{Pass: ledger.PassID{byte(who)}, Seq: d.seq},
				&ledger.Decision{Seq: d.seq, Door: door, Mode: "tap", Granted: true, Reason: "guest", Passport: who})
		case 2:
			bodies = append(bodies, &ledger.Fault{Part: "journal", What: "slow"}, &ledger.Line{Door: door, Input: "rex", State: "active"})
		default:
			exit := lots.IntN(2) == 0
			bodies = append(bodies, &ledger.Decision{Seq: d.seq, Door: door, Exit: exit, Mode: "tap", Granted: true, Reason: "granted", Passport: who},
				&ledger.Passage{Seq: d.seq, Door: door, Exit: exit, Entered: lots.IntN(4) > 0})
		}
	}
	for len(bodies) > 0 {
		n := min(len(bodies), 1000)
		var drafts []store.Draft
		for _, b := range bodies[:n] {
			d.now += 1000
			if step, ok := b.(*ledger.ClockStep); ok {
				step.From, step.To = d.now, d.now+step.To
				d.now = step.To
			}
			drafts = append(drafts, store.Draft{Body: b, Time: time.UnixMilli(d.now)})
			d.all.Apply(d.now, b)
		}
		if _, err := a.Append(drafts...); err != nil {
			d.t.Fatal(err)
		}
		bodies = bodies[n:]
	}
}

// recalls holds what is recalled against all that was written.
func (d *diary) recalls(what string) {
	d.t.Helper()
	p, err := d.g.recall(d.g.self)
	if err != nil {
		d.t.Errorf("%s: %v", what, err)
	}
	d.same(what, p)
}

func (d *diary) same(what string, p *access.Presence) {
	d.t.Helper()
	got, err := json.Marshal(p)
	if err != nil {
		d.t.Fatal(err)
	}
	want, err := json.Marshal(d.all)
	if err != nil {
		d.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		d.t.Errorf("%s: recalled\n%s\nwant\n%s", what, got, want)
	}
}

// hour does what an hour's refresh does.
func (d *diary) hour() int64 {
	d.t.Helper()
	m, err := d.g.fold(d.t.Context(), d.g.self)
	if err == nil {
		err = d.g.keep(m)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return m.fresh
}

// TestRecall: what is kept and what came since are what all the logs say, through
// several incarnations, and others' logs are nobody's business.
func TestRecall(t *testing.T) {
	t.Parallel()
	d := newDiary(t)
	d.recalls("nothing")
	first := d.incarnation(d.key, t.TempDir())
	d.write(first, 200)
	d.recalls("never kept")
	if n := d.hour(); n < 200 {
		t.Errorf("%d entries were folded", n)
	}
	if n := d.hour(); n != 0 {
		t.Errorf("%d entries were folded again", n)
	}
	d.recalls("kept")
	d.write(first, 50)
	d.recalls("kept, and more")
	d.hour()

	sibling := ed25519.NewKeyFromSeed(make([]byte, 32))
	was := d.all
	d.all = access.NewPresence()
	d.write(d.incarnation(sibling, t.TempDir()), 50)
	d.all = was
	d.recalls("beside a sibling's")

	second := d.incarnation(d.key, t.TempDir()) // another guard: the folder was restored
	d.write(second, 50)
	d.recalls("a second incarnation")
	if logs, err := DoorLogs(d.g.folder.Store(), d.g.self); err != nil || len(logs) != 2 || logs[0].Generation >= logs[1].Generation {
		t.Fatalf("%+v, %v", logs, err)
	}
	d.hour()
	d.write(second, 50)
	d.recalls("it goes on")
	if s := d.log.String(); s != "" {
		t.Errorf("logged: %s", s)
	}

	reached := func(now int64) time.Time {
		t.Helper()
		logs, err := DoorLogs(d.g.folder.Store(), d.g.self)
		if err != nil {
			t.Fatal(err)
		}
		at, err := Reached(d.g.folder.Store(), logs, time.UnixMilli(now))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := reached(d.now); at.UnixMilli() != d.now {
		t.Errorf("reached %v, want %v", at, time.UnixMilli(d.now))
	}
	if at := reached(0); !at.IsZero() {
		t.Errorf("by a clock that was set right the log reached %v", at)
	}
}

// TestRecallAgain: what does not hold is made again.
func TestRecallAgain(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]struct {
		do  func(d *diary, path string, text []byte)
		why error
	}{
		"cut off":           {func(d *diary, path string, text []byte) { d.put(path, text[:len(text)/2]) }, errKept},
		"empty":             {func(d *diary, path string, text []byte) { d.put(path, nil) }, errKept},
		"no JSON":           {func(d *diary, path string, text []byte) { d.put(path, []byte("presence")) }, errKept},
		"something follows": {func(d *diary, path string, text []byte) { d.put(path, append(text, '{')) }, errKept},
		"another format":    {func(d *diary, path string, _ []byte) { d.put(path, []byte(`{"format":2}`)) }, errKept},
		"a digit": {func(d *diary, path string, text []byte) {
			d.put(path, bytes.Replace(text, []byte(`"at":18`), []byte(`"at":17`), 1))
		}, errKept},
		"a size": {func(d *diary, path string, text []byte) {
			d.put(path, bytes.Replace(text, []byte(`"size":`), []byte(`"size":1`), 1))
		}, errKept},
		"no checksum":         {func(d *diary, path string, _ []byte) { d.put(path, []byte(`{"format":1,"logs":null,"presence":{}}`)) }, errKept},
		"an unreadable state": {func(d *diary, path string, _ []byte) { d.forge(func(k *kept) { k.Presence = []byte(`{"format":99}`) }) }, access.ErrPresence},
		"a head that is less": {func(d *diary, path string, _ []byte) { d.forge(func(k *kept) { k.Logs[0].Size++ }) }, errMoved},
		"a negative size":     {func(d *diary, path string, _ []byte) { d.forge(func(k *kept) { k.Logs[0].Size = -1 }) }, errMoved},
		"another history": {func(d *diary, path string, _ []byte) {
			d.forge(func(k *kept) { k.Logs[0].Root = strings.Repeat("0", 64) })
		}, errMoved},
		"another log":        {func(d *diary, path string, _ []byte) { d.forge(func(k *kept) { k.Logs[0].Origin = "another" }) }, errMoved},
		"a log that is gone": {func(d *diary, path string, _ []byte) { d.forge(func(k *kept) { k.Logs = append(k.Logs, k.Logs[0]) }) }, errMoved},
		"a directory": {func(d *diary, path string, _ []byte) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				d.t.Fatal(err)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDiary(t)
			d.write(d.incarnation(d.key, t.TempDir()), 50)
			d.hour()
			text, err := os.ReadFile(d.g.presencePath())
			if err != nil {
				t.Fatal(err)
			}
			spoil.do(d, d.g.presencePath(), text)
			logs, err := DoorLogs(d.g.folder.Store(), d.g.self)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.g.readKept(logs); err == nil || spoil.why != nil && !errors.Is(err, spoil.why) {
				t.Errorf("read: %v", err)
			}
			d.recalls(name)
			if !strings.Contains(d.log.String(), "made again from the door logs") {
				t.Errorf("nobody is told: %s", d.log.String())
			}
		})
	}
}

func (d *diary) put(path string, text []byte) {
	d.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// forge changes what was kept under a right checksum.
func (d *diary) forge(change func(*kept)) {
	d.t.Helper()
	data, err := os.ReadFile(d.g.presencePath())
	if err != nil {
		d.t.Fatal(err)
	}
	k, err := parseKept(data)
	if err != nil {
		d.t.Fatal(err)
	}
	change(&k)
	if k.Sum, err = k.sum(); err != nil {
		d.t.Fatal(err)
	}
	if data, err = json.Marshal(k); err != nil {
		d.t.Fatal(err)
	}
	d.put(d.g.presencePath(), data)
}

// TestRecallOlderGrows: entries of an earlier incarnation that were recovered
// later are folded in their place.
func TestRecallOlderGrows(t *testing.T) {
	t.Parallel()
	d := newDiary(t)
	d.write(d.incarnation(d.key, t.TempDir()), 20)
	d.write(d.incarnation(d.key, t.TempDir()), 20)
	d.hour()
	d.forge(func(k *kept) {
		logs, err := DoorLogs(d.g.folder.Store(), d.g.self)
		if err != nil {
			t.Fatal(err)
		}
		k.Logs[0].Size-- // as if it had been kept before the last was recovered
		if logs[0].Size == 0 {
			t.Fatal("an empty log")
		}
	})
	d.recalls("recovered")
	if !strings.Contains(d.log.String(), errMoved.Error()) {
		t.Error("folded behind what came later")
	}
}

// TestRecallDamaged: an entry that is not what its leaf says is a fault that
// names it; all others are remembered, and nothing is kept.
func TestRecallDamaged(t *testing.T) {
	t.Parallel()
	d := newDiary(t)
	a := d.incarnation(d.key, t.TempDir())
	d.write(a, 10)
	was := d.all
	d.all = access.NewPresence()
	at := a.Head().Size
	if _, err := a.Append(store.Draft{Body: &ledger.PassUsed{Pass: ledger.PassID{99}, Seq: 1}, Time: time.UnixMilli(d.now)}); err != nil {
		t.Fatal(err)
	}
	d.all = was
	d.write(a, 10)
	db, err := sql.Open("sqlite3", filepath.Join(d.g.folder.Dir(), "ledgers.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if r, err := db.Exec("UPDATE entry SET time = time + 1 WHERE idx = ?", at); err != nil {
		t.Fatal(err)
	} else if n, err := r.RowsAffected(); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	p, err := d.g.recall(d.g.self)
	var bad *ledger.At
	if !errors.Is(err, ledger.ErrCommitment) || !errors.As(err, &bad) || bad.First != at {
		t.Errorf("got %v", err)
	}
	d.same("but for one", p)
	if _, err := os.Stat(d.g.presencePath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a fault was kept: %v", err)
	}

	if _, err := db.Exec("DELETE FROM entry WHERE idx = ?", at); err != nil {
		t.Fatal(err)
	}
	if _, err := d.g.recall(d.g.self); !errors.Is(err, ledger.ErrTruncated) {
		t.Errorf("a row that is gone: %v", err)
	}
}

// TestRecallKeeps: a start that had much to read keeps it for the next.
func TestRecallKeeps(t *testing.T) {
	t.Parallel()
	d := newDiary(t)
	d.write(d.incarnation(d.key, t.TempDir()), recallKeeps)
	d.recalls("all of it")
	if _, err := os.Stat(d.g.presencePath()); err != nil {
		t.Error(err)
	}
	if m, err := d.g.fold(t.Context(), d.g.self); err != nil || m.fresh != 0 {
		t.Errorf("%d entries were folded again, %v", m.fresh, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.Remove(d.g.presencePath()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.g.fold(ctx, d.g.self); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on after the end: %v", err)
	}
}

// TestRemember: what came in is kept every hour; what cannot be kept is told
// once.
func TestRemember(t *testing.T) {
	t.Parallel()
	d := newDiary(t)
	d.write(d.incarnation(d.key, t.TempDir()), 10)
	path := d.g.presencePath()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.g.remember(ctx) }()
		time.Sleep(rememberEvery - time.Second)
		synctest.Wait()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("kept at once: %v", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if m, err := d.g.fold(ctx, d.g.self); err != nil || m.fresh != 0 {
			t.Errorf("after an hour %d entries are not kept, %v", m.fresh, err)
		}
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * rememberEvery)
		synctest.Wait()
		if n := strings.Count(d.log.String(), "is not kept"); n != 1 {
			t.Errorf("told %d times:\n%s", n, d.log.String())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkRecall(b *testing.B) {
	const visits = 100_000
	d := newDiary(b)
	d.write(d.incarnation(d.key, b.TempDir()), visits)
	logs, err := DoorLogs(d.g.folder.Store(), d.g.self)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := foldLog(d.g.folder.Store(), logs[0], 0, access.NewPresence(), func(int64) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(logs[0].Size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
