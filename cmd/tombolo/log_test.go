package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestLogWords: every kind of a door log has words of its own, which say what the
// columns do not.
func TestLogWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body ledger.Body
		want string
	}{
		{&ledger.Decision{Door: "front", Mode: "tap", Granted: true, Reason: "granted"}, "let in by tap"},
		{&ledger.Decision{Door: "front", Mode: "tap+pin", Granted: true, Reason: "granted"}, "let in by tap and PIN"},
		{&ledger.Decision{Door: "front", Mode: "tap+duress", Granted: true, Reason: "duress"}, "let in by tap and a DURESS PIN: let in by a duress PIN: somebody may be in danger"},
		{&ledger.Decision{Door: "front", Mode: "tap+duress", Reason: "locked-out-duress"}, "DENIED by tap and a DURESS PIN: too many wrong PINs, and then a duress PIN: somebody may be in danger"},
		{&ledger.Decision{Door: "front", Mode: "tap+duress", Reason: "awaits-second"}, "has to wait, by tap and a DURESS PIN: a second person has to present a passport: somebody may be in danger"},
		{&ledger.Decision{Door: "front", Mode: "window+duress", Granted: true, Reason: "granted"}, "let in by code and a DURESS PIN: somebody may be in danger"},
		{&ledger.Decision{Door: "front", Mode: "tap", Granted: true, Reason: "home"}, "let in by tap: lives here"},
		{&ledger.Decision{Door: "front", Mode: "rex", Exit: true, Granted: true, Reason: "exit"}, "let out by button"},
		{&ledger.Decision{Door: "front", Mode: "window", Reason: "code-expired"}, "DENIED by code: the code's time is over"},
		{&ledger.Decision{Door: "front", Mode: "tap", Reason: "awaits-second"}, "has to wait, by tap: a second person has to present a passport"},
		{&ledger.Decision{Door: "front", Mode: "unread", Reason: "unreadable"}, "DENIED by something unreadable: not a code of ours"},
		{&ledger.Decision{Door: "front", Mode: "tap", Reason: "stale-roster", RosterAge: 200_000}, "DENIED by tap: the issuers were not heard for longer than the door allows (for 2d7h)"},
		{&ledger.Decision{Door: "front", Mode: "iris+blink", Reason: "blinked"}, "DENIED by iris+blink: blinked"},
		{&ledger.Passage{Door: "front", Entered: true}, "went in"},
		{&ledger.Passage{Door: "front", Exit: true, Entered: true}, "went out"},
		{&ledger.Passage{Door: "front"}, "let through, and nobody went"},
		{&ledger.DoorState{Door: "front", State: "forced-open"}, "FORCED OPEN"},
		{&ledger.DoorState{Door: "front", State: "held-open"}, "LEFT OPEN for longer than it may be"},
		{&ledger.DoorState{Door: "front", State: "ajar"}, "ajar"},
		{&ledger.Input{Door: "front", Input: "contact", Active: true}, "the contact is open"},
		{&ledger.Line{Door: "front", Input: "rex", State: "normal"}, "the exit button is not pressed"},
		{&ledger.Line{Input: "fire", State: "active"}, "FIRE"},
		{&ledger.Line{Input: "fire", State: "cut"}, "fire: the line is CUT"},
		{&ledger.Line{Input: "moisture", State: "active"}, "moisture active"},
		{&ledger.Boot{Software: "tombolod 1", Clock: "ntp"}, "started: tombolod 1, no policy, clock ntp"},
		{&ledger.Basis{Clock: "rtc", Policy: 3, Sources: make([]ledger.Source, 1)}, "decides by policy version 3, clock rtc, 1 ledger"},
		{&ledger.ClockStep{From: 1_000_000_000, To: 1_000_090_500}, "the clock was set ahead by 1m30s, to 1970-01-12 13:48:10Z"},
		{&ledger.ClockStep{From: 1_000_000_600, To: 1_000_000_000}, "the clock was set back by 600ms, to 1970-01-12 13:46:40Z"},
		{&ledger.Fault{Part: "door/front/relay", What: "it cannot be driven"}, "FAULT: relay: it cannot be driven"},
		{&ledger.Fault{Part: "journal", What: "written again", Cleared: true}, "fault over: journal: written again"},
		{&ledger.Forgiven{Passport: 7, Before: 1_000_000_000}, "the passport is forgiven what was remembered up to 1970-01-12 13:46:40Z"},
		{&ledger.Forgiven{Before: 1_000_000_000}, "everybody is forgiven what was remembered up to 1970-01-12 13:46:40Z"},
		{&ledger.PassUsed{Pass: ledger.PassID{0xab, 0xcd, 0xef, 1}, Seq: 4}, "an entry of guest pass abcdef01 is spent, decision 4"},
		{&ledger.Opening{Seq: 4, Door: "front"}, "decision 4 is recorded: the door opens"},
		{&ledger.Begin{Generation: 2, Predecessor: &ledger.Predecessor{Size: 9}}, "a new log begins, generation 2, after 9 entries of incarnation 0000000000000000"},
		{&ledger.Dropped{First: 3, Last: 9, Why: "retention"}, "the bodies of entries 3 to 9 were dropped: retention"},
		{&ledger.ForkSeen{Evidence: []byte{1}}, "an author signed TWO HISTORIES; the proof cannot be read: "},
	} {
		got := logEntry{body: c.body, kind: c.body.Kind()}.words(time.UTC)
		if got != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%+v:\n got %s\nwant %s", c.body, got, c.want)
		}
	}
	if got := (logEntry{kind: ledger.KindDecision, dropped: true}).words(time.UTC); got != "(Decision: the body was dropped)" {
		t.Errorf("dropped: %s", got)
	}
	if got := (logEntry{kind: 999, raw: make([]byte, 7)}).words(time.UTC); got != "(kind 999: of a newer version, 7 bytes)" {
		t.Errorf("unknown: %s", got)
	}
	for _, k := range ledger.KnownKinds() {
		if k.In(ledger.DoorLog) && kindName(k) == "" {
			t.Errorf("no name for %v", k)
		}
	}
}

// TestNotFormula: no field begins as a formula, and what is written is read back
// as RFC 4180 has it.
func TestNotFormula(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"": "", "front": "front", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@sum": "'@sum", "\tx": "'\tx", "1-1": "1-1", "é": "é",
	} {
		row := (&logRow{Text: field, Door: field}).columns()
		if got := row[len(row)-1]; got != want || row[5] != want {
			t.Errorf("%q becomes %q, want %q", field, got, want)
		}
	}
	var b bytes.Buffer
	p := &logPrinter{classes: &classes{read: true}, csv: csv.NewWriter(&b)}
	p.csv.UseCRLF = true
	hostile := logEntry{body: &ledger.Fault{Part: "=cmd|' /C calc'!A0", What: `a "quoted", what`}, at: time.UnixMilli(1_000)}
	if err := errors.Join(p.head(), p.print(hostile)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 2 || !slices.Equal(rows[0], csvColumns) {
		t.Fatalf("%q, %v", rows, err)
	}
	if got := rows[1][12]; got != `FAULT: =cmd|' /C calc'!A0: a "quoted", what` || rows[1][0] != "1970-01-01T00:00:01.000Z" {
		t.Errorf("%q", rows[1])
	}
}

// TestLogColours: on a terminal what somebody has to look into is red.
func TestLogColours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body ledger.Body
		want string
	}{
		{&ledger.DoorState{State: "forced-open"}, "\x1b[1;31m"},
		{&ledger.DoorState{State: "open"}, ""},
		{&ledger.Decision{Granted: true, Reason: "granted"}, "\x1b[32m"},
		{&ledger.Decision{Granted: true, Reason: "duress"}, "\x1b[1;31m"},
		{&ledger.Decision{Mode: "tap+duress", Granted: true, Reason: "granted"}, "\x1b[1;31m"},
		{&ledger.Decision{Mode: "tap+duress", Reason: "awaits-second"}, "\x1b[1;31m"},
		{&ledger.Decision{Reason: "no-level"}, "\x1b[33m"},
		{&ledger.Fault{Part: "journal"}, "\x1b[1;31m"},
		{&ledger.Fault{Part: "journal", Cleared: true}, ""},
		{&ledger.Line{Input: "fire", State: "normal"}, ""},
		{&ledger.Line{Input: "fire", State: "shorted"}, "\x1b[1;31m"},
		{&ledger.Basis{}, "\x1b[2m"},
	} {
		if got := colour(logEntry{body: c.body}); got != c.want {
			t.Errorf("%+v: %q, want %q", c.body, got, c.want)
		}
	}
}

func TestAgeWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Millisecond: "90ms", 61500 * time.Millisecond: "1m1s", 3*time.Hour + 59*time.Second: "3h", 50*time.Hour + time.Minute: "2d2h",
	} {
		if got := ageWords(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// logbook is a folder with a door log, and no hand but the test's.
type logbook struct {
	t      testing.TB
	dir    string
	f      *folder.Folder
	author *store.Author
	seq    uint64
	now    time.Time
}

func newLogbook(t testing.TB) *logbook {
	t.Helper()
	b := &logbook{t: t, dir: t.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	if b.f, err = folder.Open(b.dir, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.f.Close() })
	b.author = b.incarnation()
	return b
}

// incarnation begins a log: the guard is new each time.
func (b *logbook) incarnation() *store.Author {
	b.t.Helper()
	seed := sha256.Sum256([]byte(b.t.Name()))
	a, err := b.f.Store().OpenAuthor(store.AuthorConfig{
		Key: ed25519.NewKeyFromSeed(seed[:]), Community: ledger.CharterID{1}, Kind: ledger.DoorLog, Charter: ledger.CharterID{2},
		Guard: store.Guard{Dir: b.t.TempDir(), Boot: "boot"}, Now: func() time.Time { return b.now }, Rand: rand.NewChaCha8(sha256.Sum256([]byte(b.t.TempDir()))),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *logbook) write(bodies ...ledger.Body) {
	b.t.Helper()
	var drafts []store.Draft
	for _, body := range bodies {
		b.now = b.now.Add(time.Second)
		drafts = append(drafts, store.Draft{Body: body, Time: b.now})
	}
	if _, err := b.author.Append(drafts...); err != nil {
		b.t.Fatal(err)
	}
}

// visits are decisions and what became of them, by passports 1 to 9.
func (b *logbook) visits(n int) (out []ledger.Body) {
	for range n {
		b.seq++
		out = append(out, &ledger.Decision{Seq: b.seq, Door: "front", Mode: "tap", Granted: true, Reason: "granted", Passport: 1 + b.seq%9},
			&ledger.Passage{Seq: b.seq, Door: "front", Entered: true})
	}
	return out
}

func (b *logbook) env(out io.Writer) *env {
	return &env{Now: func() time.Time { return b.now }, Sleep: sleep, In: strings.NewReader(""), Out: out, Err: io.Discard}
}

// rows are what `tombolo log --json` prints.
func (b *logbook) rows(args ...string) []logRow {
	b.t.Helper()
	var out bytes.Buffer
	if code := b.env(&out).run(b.t.Context(), append([]string{"--dir", b.dir, "log", "--json"}, args...)); code != 0 {
		b.t.Fatalf("%q: exit status %d", args, code)
	}
	return parseRows(b.t, out.Bytes())
}

func parseRows(t testing.TB, text []byte) (rows []logRow) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	for d.More() {
		var row struct {
			logRow
			Time time.Time `json:"time"`
		}
		if err := d.Decode(&row); err != nil {
			t.Fatal(err)
		}
		row.logRow.Time = stamp(row.Time)
		rows = append(rows, row.logRow)
	}
	return rows
}

// TestLogNewest: the newest few are the end of all of them, whatever is wanted
// and however far back they lie, and who passed is known.
func TestLogNewest(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	b.write(&ledger.Boot{Software: "first", Clock: "ntp"})
	b.write(&ledger.Fault{Part: "journal", What: "slow"})
	b.write(b.visits(1500)...)
	b.author = b.incarnation()
	b.write(&ledger.Boot{Software: "second", Clock: "ntp"})
	for range 3 {
		b.write(b.visits(1200)...)
	}
	for _, args := range [][]string{{}, {"--kind", "boot"}, {"--alarms"}, {"--passport", "3"}, {"--kind", "passage", "--passport", "9,2"}} {
		all := b.rows(args...)
		if len(all) == 0 {
			t.Fatalf("%q: nothing", args)
		}
		for _, n := range []int{2, 1500} {
			got := b.rows(append(args, "-n", fmt.Sprint(n))...)
			want := all[max(0, len(all)-n):]
			if len(got) != len(want) {
				t.Fatalf("%q -n %d: %d rows, want %d", args, n, len(got), len(want))
			}
			for i := range got {
				if got[i].Log != want[i].Log || got[i].Entry != want[i].Entry || got[i].Passport != want[i].Passport {
					t.Fatalf("%q -n %d: row %d is %+v, want %+v", args, n, i, got[i], want[i])
				}
			}
		}
	}
	if rows := b.rows("--kind", "passage", "-n", "1"); rows[0].Passport != 1+b.seq%9 {
		t.Errorf("nobody knows who passed: %+v", rows[0])
	}
}

// TestLogDuress: a duress PIN is an alarm whatever came of it.
func TestLogDuress(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	reasons := []access.Reason{
		access.Duress, access.LockedOutDuress, access.AwaitsSecond, access.AwaitsEscort, access.Interlock, access.Lockdown,
		access.ZoneFull, access.Passback, access.OutsideHours, access.Suspended, access.NotRecorded, access.Granted,
	}
	for i, r := range reasons {
		for _, mode := range []string{"tap+pin", "tap+duress"} {
			b.write(&ledger.Decision{Seq: uint64(2*i + 1), Door: "front", Mode: mode, Passport: 7, Granted: r.Grants(), Reason: r.String()})
		}
	}
	rows := b.rows("--alarms")
	if len(rows) != len(reasons)+2 { // two reasons tell it by themselves
		t.Errorf("%d rows of %d", len(rows), len(reasons)+2)
	}
	for _, row := range rows {
		if !strings.Contains(row.Text, "somebody may be in danger") {
			t.Errorf("%s", row.Text)
		}
	}
}

// TestLogDropped: a body that was dropped is shown as such, at the time of the
// entry before it.
func TestLogDropped(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	b.write(&ledger.Boot{Software: "first", Clock: "ntp"}, &ledger.Fault{Part: "journal", What: "slow"})
	b.write(b.visits(1)...)
	when := b.now
	if err := b.author.Drop(3, 4, "retention"); err != nil {
		t.Fatal(err)
	}
	rows := b.rows("--since", when.Add(-2*time.Second).Format(time.RFC3339))
	if len(rows) != 5 || !rows[2].Dropped || rows[2].Kind != "decision" || !asTime(rows[2].Time).IsZero() || rows[2].Text != "(Decision: the body was dropped)" ||
		rows[2].Body != nil || rows[4].Kind != "dropped" {
		t.Errorf("%+v", rows)
	}
	var out bytes.Buffer
	if code := b.env(&out).run(t.Context(), []string{"--dir", b.dir, "log", "--utc"}); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	const dropped = "     3  2026-03-01 12:00:02Z  -         -                         (the bodies up to entry 4 were dropped)\n"
	if !strings.Contains(out.String(), dropped) || strings.Count(out.String(), "\n") != 5 {
		t.Errorf("%s", out.String())
	}
	if rows := b.rows("--denied"); len(rows) != 0 {
		t.Errorf("denied: %+v", rows)
	}
}

// TestLogBad: a log that is damaged is shown up to there, and the entry is named.
func TestLogBad(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	b.write(b.visits(2)...)
	db, err := store.Database(filepath.Join(b.dir, "ledgers.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE entry SET time = time + 1 WHERE idx = 3"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"-n", "2"}, {"--csv"}} {
		var out, errs bytes.Buffer
		e := b.env(&out)
		e.Err = &errs
		if code := e.run(t.Context(), append([]string{"--dir", b.dir, "log"}, args...)); code != 1 || !strings.Contains(errs.String(), "entry 3: the leaf does not commit") {
			t.Errorf("%q: exit status %d, %s", args, code, errs.String())
		}
		if shown := strings.Contains(out.String(), "went in"); shown != (len(args) != 2) {
			t.Errorf("%q shows %s", args, out.String())
		}
	}
}

// shared is an output that is read while it is written.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}

// TestLogFollow: after the newest ten come those that are committed, each once,
// from a new incarnation too; ^C is no error.
func TestLogFollow(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	b.write(b.visits(100)...)
	var out shared
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	e := b.env(&out)
	e.Sleep = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, 5*time.Millisecond) }
	go func() { done <- e.run(ctx, []string{"--dir", b.dir, "--json", "log", "-f"}) }()
	await := func(n int) []logRow {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			text := out.bytes()
			rows := parseRows(t, text[:bytes.LastIndexByte(text, '\n')+1])
			if len(rows) >= n {
				if len(rows) > n {
					t.Errorf("%d rows, want %d", len(rows), n)
				}
				return rows
			}
			if time.Now().After(end) {
				t.Fatalf("%d rows, want %d", len(rows), n)
			}
		}
	}
	if rows := await(10); rows[0].Entry != 191 || rows[9].Entry != 200 {
		t.Errorf("it begins with %d to %d", rows[0].Entry, rows[9].Entry)
	}
	b.write(b.visits(1)...)
	if rows := await(12); rows[11].Entry != 202 || rows[11].Passport == 0 {
		t.Errorf("%+v", rows[11])
	}
	b.author = b.incarnation()
	b.write(&ledger.Boot{Software: "second", Clock: "ntp"})
	if rows := await(14); rows[12].Kind != "begin" || rows[13].Kind != "boot" || rows[13].Log == rows[11].Log {
		t.Errorf("%+v", rows[12:])
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestLogMemory: a long log is not held in memory.
func TestLogMemory(t *testing.T) {
	b := newLogbook(t)
	const visits = 50_000
	for range visits / 1000 {
		b.write(b.visits(1000)...)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	lines := 0
	out := writerFunc(func(p []byte) (int, error) {
		lines += bytes.Count(p, []byte("\n"))
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc)
		return len(p), nil
	})
	began := time.Now()
	if code := b.env(out).run(t.Context(), []string{"--dir", b.dir, "log"}); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	if lines != 2*visits+1 {
		t.Errorf("%d lines", lines)
	}
	t.Logf("%.0f entries a second, %d KiB more than before", float64(lines)/time.Since(began).Seconds(), (int64(peak)-int64(before.HeapAlloc))>>10)
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap grew by %d MiB over %d entries", grown>>20, lines)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestColourful(t *testing.T) {
	if colourful(&bytes.Buffer{}) {
		t.Error("a buffer is no terminal")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if colourful(null) {
		t.Error("nor is " + os.DevNull)
	}
}

// TestLogBesideDamage: a ledger that cannot be read is told, and the others are
// shown.
func TestLogBesideDamage(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	b.write(b.visits(1)...)
	b.author = b.incarnation()
	b.write(&ledger.Boot{Software: "second", Clock: "ntp"})
	db, err := store.Database(filepath.Join(b.dir, "ledgers.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE ledger SET tree = x'00' WHERE generation = 0"); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	e := b.env(&out)
	e.Err = &errs
	if code := e.run(t.Context(), []string{"--dir", b.dir, "log"}); code != 0 || !strings.Contains(errs.String(), "damaged") {
		t.Errorf("exit status %d: %s", code, errs.String())
	}
	if s := out.String(); strings.Contains(s, "went in") || !strings.Contains(s, "started: second") {
		t.Errorf("shown: %s", s)
	}
}
