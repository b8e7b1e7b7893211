package sim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/hw/sim"
)

const soon = 5 * time.Second

func TestParseCommand(t *testing.T) {
	t.Parallel()
	front, out := sim.Mount{Door: "front"}, sim.Mount{Door: "front", Exit: true}
	for line, want := range map[string]sim.Command{
		`{"input":"front/contact","active":true}`:                      sim.DriveInput{Input: "front/contact", Active: true},
		` { "active" : false , "input" : "a" } `:                       sim.DriveInput{Input: "a"},
		`{"input":"\u0061\"b","active":true}`:                          sim.DriveInput{Input: `a"b`, Active: true},
		"{\"input\":\"tür\",\"active\":true}\r":                        sim.DriveInput{Input: "tür", Active: true},
		`{"input":"` + strings.Repeat("x", 990) + `","active":true}`:   sim.DriveInput{Input: strings.Repeat("x", 990), Active: true},
		`{"channel":0,"reading":0}`:                                    sim.DriveChannel{},
		`{"reading":1000,"channel":63}`:                                sim.DriveChannel{Channel: 63, Reading: 1000},
		`{"channel":3,"fault":true}`:                                   sim.BreakChannel{Channel: 3},
		`{"challenge":"front"}`:                                        sim.AskChallenge{At: front},
		`{"challenge":"front","exit":false}`:                           sim.AskChallenge{At: front},
		`{"exit":true,"challenge":"front"}`:                            sim.AskChallenge{At: out},
		`{"tap":"front","answer":"00ff7b"}`:                            sim.PresentTap{At: front, Answer: "\x00\xff{"},
		`{"tap":"front","exit":true,"answer":"00"}`:                    sim.PresentTap{At: out, Answer: "\x00"},
		`{"tap":"front","answer":"` + strings.Repeat("ab", 256) + `"}`: sim.PresentTap{At: front, Answer: strings.Repeat("\xab", 256)},
		`{"press":"front","key":"0"}`:                                  sim.PressKey{At: front, Key: '0'},
		`{"press":"front","exit":true,"key":"#"}`:                      sim.PressKey{At: out, Key: '#'},
	} {
		if got, err := sim.ParseCommand([]byte(line)); err != nil || got != want {
			t.Errorf("%.60s: %v, %v", line, got, err)
		}
	}
}

var malformed = []struct {
	line string
	want error
}{
	{``, sim.ErrSyntax},
	{`x`, sim.ErrSyntax},
	{`[]`, sim.ErrSyntax},
	{`"input"`, sim.ErrSyntax},
	{`null`, sim.ErrSyntax},
	{`{"input":"a","active":true`, sim.ErrSyntax},
	{`{"input":"a" "active":true}`, sim.ErrSyntax},
	{`{"input":"a","active":tru}`, sim.ErrSyntax},
	{`{"input":"a","active":true,}`, sim.ErrSyntax},
	{`{input:"a","active":true}`, sim.ErrSyntax},
	{"{\"input\":\"\xff\",\"active\":true}", sim.ErrSyntax},
	{`{}`, sim.ErrMissing},
	{`{"input":"a"}`, sim.ErrMissing},
	{`{"active":true}`, sim.ErrMissing},
	{`{"input":"a","active":true,"for":1}`, sim.ErrField},
	{`{"Input":"a","active":true}`, sim.ErrField},
	{`{"relay":"front","energised":true}`, sim.ErrField},
	{`{"input":"a","input":"b","active":true}`, sim.ErrTwice},
	{`{"input":"a","active":true,"active":false}`, sim.ErrTwice},
	{`{"input":1,"active":true}`, sim.ErrType},
	{`{"input":"","active":true}`, sim.ErrType},
	{`{"input":null,"active":true}`, sim.ErrType},
	{`{"input":["a"],"active":true}`, sim.ErrType},
	{`{"input":"a","active":1}`, sim.ErrType},
	{`{"input":"a","active":"true"}`, sim.ErrType},
	{`{"input":"a","active":{"active":true}}`, sim.ErrType},
	{`{"input":"a","active":true}{}`, sim.ErrTrailing},
	{`{"input":"a","active":true} x`, sim.ErrTrailing},
	{`{"input":"` + strings.Repeat("x", sim.MaxLine) + `","active":true}`, sim.ErrLong},

	{`{"channel":3}`, sim.ErrMissing},
	{`{"reading":3}`, sim.ErrMissing},
	{`{"fault":true}`, sim.ErrMissing},
	{`{"channel":3,"reading":1001}`, sim.ErrValue},
	{`{"channel":3,"reading":-1}`, sim.ErrValue},
	{`{"channel":3,"reading":-0}`, sim.ErrValue},
	{`{"channel":3,"reading":5e2}`, sim.ErrValue},
	{`{"channel":3,"reading":512.0}`, sim.ErrValue},
	{`{"channel":3,"reading":65537}`, sim.ErrValue},
	{`{"channel":64,"reading":512}`, sim.ErrValue},
	{`{"channel":"3","reading":512}`, sim.ErrType},
	{`{"channel":3,"reading":"512"}`, sim.ErrType},
	{`{"channel":3,"reading":01}`, sim.ErrSyntax},
	{`{"channel":3,"reading":512,"fault":true}`, sim.ErrField},
	{`{"channel":3,"fault":false}`, sim.ErrValue},
	{`{"channel":3,"fault":1}`, sim.ErrType},
	{`{"channel":3,"active":true}`, sim.ErrField},
	{`{"channel":3,"channel":3,"reading":1}`, sim.ErrTwice},

	{`{"challenge":""}`, sim.ErrType},
	{`{"challenge":true}`, sim.ErrType},
	{`{"challenge":"front","exit":"true"}`, sim.ErrType},
	{`{"challenge":"front","exit":null}`, sim.ErrType},
	{`{"challenge":"front","side":"out"}`, sim.ErrField},
	{`{"challenge":"front","answer":"00"}`, sim.ErrField},
	{`{"challenge":"front","tap":"front","answer":"00"}`, sim.ErrField},
	{`{"challenge":"front","challenge":"front"}`, sim.ErrTwice},
	{`{"exit":true}`, sim.ErrMissing},
	{`{"challenge":"front"}}`, sim.ErrTrailing},

	{`{"tap":"front"}`, sim.ErrMissing},
	{`{"answer":"00"}`, sim.ErrMissing},
	{`{"tap":"front","answer":""}`, sim.ErrValue},
	{`{"tap":"front","answer":"0"}`, sim.ErrValue},
	{`{"tap":"front","answer":"0g"}`, sim.ErrValue},
	{`{"tap":"front","answer":"AB"}`, sim.ErrValue},
	{`{"tap":"front","answer":"0x00"}`, sim.ErrValue},
	{`{"tap":"front","answer":"` + strings.Repeat("00", 257) + `"}`, sim.ErrValue},
	{`{"tap":"front","answer":0}`, sim.ErrType},
	{`{"tap":["front"],"answer":"00"}`, sim.ErrType},
	{`{"tap":"front","answer":"00","key":"1"}`, sim.ErrField},
	{`{"tap":"front","answer":"00","answer":"00"}`, sim.ErrTwice},

	{`{"press":"front"}`, sim.ErrMissing},
	{`{"key":"1"}`, sim.ErrMissing},
	{`{"press":"front","key":""}`, sim.ErrValue},
	{`{"press":"front","key":"12"}`, sim.ErrValue},
	{`{"press":"front","key":"a"}`, sim.ErrValue},
	{`{"press":"front","key":" "}`, sim.ErrValue},
	{`{"press":"front","key":"١"}`, sim.ErrValue},
	{`{"press":"front","key":1}`, sim.ErrType},
	{`{"press":"","key":"1"}`, sim.ErrType},
	{`{"press":"front","key":"1","active":true}`, sim.ErrField},
	{`{"press":"front","key":"1","press":"front"}`, sim.ErrTwice},
}

func TestParseCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range malformed {
		if got, err := sim.ParseCommand([]byte(c.line)); !errors.Is(err, c.want) {
			t.Errorf("%.60s: %v, %v, want %v", c.line, got, err, c.want)
		}
	}
}

// FuzzParseCommand: what is taken is bounded and encodes to what is taken again.
func FuzzParseCommand(f *testing.F) {
	for _, line := range []string{
		`{"input":"front/contact","active":true}`, `{"channel":3,"reading":512}`, `{"channel":3,"fault":true}`,
		`{"challenge":"front","exit":true}`, `{"tap":"front","answer":"00ff"}`, `{"press":"front","key":"*","exit":false}`,
	} {
		f.Add([]byte(line))
	}
	for _, c := range malformed {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := sim.ParseCommand(line)
		if err != nil {
			return
		}
		if len(line) > sim.MaxLine || !bounded(c) {
			t.Fatalf("%q gave %v", line, c)
		}
		enc, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(enc) > sim.MaxLine { // escapes may take more room than they took
			return
		}
		if again, err := sim.ParseCommand(enc); err != nil || again != c {
			t.Fatalf("%q gave %v, and again %v, %v", line, c, again, err)
		}
	})
}

func bounded(c sim.Command) bool {
	switch c := c.(type) {
	case sim.DriveInput:
		return c.Input != ""
	case sim.DriveChannel:
		return c.Channel >= 0 && c.Channel <= sim.MaxChannel && c.Reading >= 0 && c.Reading <= sim.MaxReading
	case sim.BreakChannel:
		return c.Channel >= 0 && c.Channel <= sim.MaxChannel
	case sim.AskChallenge:
		return c.At.Door != ""
	case sim.PresentTap:
		return c.At.Door != "" && c.Answer != "" && len(c.Answer) <= sim.MaxAnswer
	case sim.PressKey:
		return c.At.Door != "" && sim.IsKey(c.Key)
	}
	return false
}

// serve gives a board's control socket, and how to end it.
func serve(t *testing.T, b *sim.Board) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(l) }()
	stop = func() {
		t.Helper()
		l.Close()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
			done <- nil
		case <-time.After(soon):
			t.Error("Serve goes on after its listener was closed")
		}
	}
	t.Cleanup(stop)
	return path, stop
}

func TestServe(t *testing.T) {
	t.Parallel()
	b := newBoard()
	r := must(b.OpenRelay("front"))
	defer r.Close()
	var got []bool
	in := must(b.OpenInput("front/contact", func(a bool, _ time.Time) { got = append(got, a) }))
	defer in.Close()
	path, stop := serve(t, b)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := sim.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	first := make(map[string]bool)
	for range 4 {
		e, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		first[e.Relay+e.Input] = e.Energised || e.Active
	}
	if len(first) != 4 || first["front"] || first["front/contact"] {
		t.Errorf("first events %v", first)
	}
	if err := r.Set(true); err != nil {
		t.Fatal(err)
	}
	if e, err := c.WaitRelay(ctx, "front", true); err != nil || !e.T.Equal(b.Transitions()[0].At) {
		t.Errorf("%v, %v", e, err)
	}
	if err := c.SetInput("front/contact", true); err != nil || len(got) != 2 || !got[1] {
		t.Errorf("%v, reported %v", err, got)
	}
	if e, err := c.Next(ctx); err != nil || e.Input != "front/contact" || !e.Active {
		t.Errorf("%v, %v", e, err)
	}
	if err := c.SetInput("nowhere", true); !errors.Is(err, sim.ErrRefused) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("unknown input: %v", err)
	}
	if err := c.SetInput(strings.Repeat("x", sim.MaxLine+1-len(`{"input":"","active":true}`)), true); !errors.Is(err, sim.ErrRefused) {
		t.Errorf("long line: %v", err)
	}
	if err := r.Set(false); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitRelay(ctx, "front", false); err != nil {
		t.Error(err)
	}

	stop()
	if _, err := c.Next(ctx); !errors.Is(err, sim.ErrHungUp) {
		t.Errorf("after the end: %v", err)
	}
	if err := c.SetInput("front/contact", false); !errors.Is(err, sim.ErrHungUp) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := sim.Dial(path); err == nil {
		t.Error("the socket still answers")
	}
}

// TestServeTellsToTheEnd: what happened before the end is told, however late it is read.
func TestServeTellsToTheEnd(t *testing.T) {
	t.Parallel()
	b := newBoard()
	r := must(b.OpenRelay("front"))
	defer r.Close()
	path, stop := serve(t, b)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := sim.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const before, moves = 4, 500
	for range before { // how everything stood
		if _, err := c.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i := range moves {
		if err := r.Set(i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	told := 0
	for {
		e, err := c.Next(ctx)
		if errors.Is(err, sim.ErrHungUp) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Relay == "front" {
			told++
		}
	}
	if told != moves {
		t.Errorf("%d of %d moves were told", told, moves)
	}
}

// TestServeRefuses sends every malformed line over a socket: each gets its one
// reply, and the connection is as good as before.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	b := newBoard()
	path, _ := serve(t, b)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	lines := bufio.NewScanner(conn)
	reply := func() (ok bool, text string) {
		t.Helper()
		for lines.Scan() {
			var r struct {
				T     *time.Time
				OK    bool
				Error string
			}
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if r.T == nil {
				return r.OK, r.Error
			}
		}
		return false, fmt.Sprint("hung up: ", lines.Err())
	}
	for _, c := range malformed {
		if errors.Is(c.want, sim.ErrLong) {
			continue
		}
		fmt.Fprintf(conn, "%s\n", c.line)
		if ok, text := reply(); ok || !strings.HasPrefix(text, c.want.Error()) {
			t.Errorf("%s: %v %q", c.line, ok, text)
		}
	}
	fmt.Fprintf(conn, "%s\r\n", `{"input":"front/rex","active":true}`)
	if ok, text := reply(); !ok || !b.Active("front/rex") {
		t.Errorf("a good line: %q", text)
	}
	// The end of an endless line is not waited for.
	fmt.Fprint(conn, strings.Repeat("x", 1<<16))
	if ok, text := reply(); ok || text != sim.ErrLong.Error() {
		t.Errorf("endless line: %v %q", ok, text)
	}
	if ok, text := reply(); ok || !strings.HasPrefix(text, "hung up") {
		t.Errorf("after an endless line: %q", text)
	}
}

// TestSlowWatcher: who does not read is cut off and holds nothing up.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	b := sim.New(sim.Config{Relays: []string{"front"}})
	path, _ := serve(t, b)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it watches
		t.Fatal(err)
	}
	r := must(b.OpenRelay("front"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40_000 {
			r.Set(i%2 == 0)
		}
	}()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatal("a watcher holds the relay up")
	}
	conn.SetReadDeadline(time.Now().Add(soon))
	n := 0
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		n++
	}
	if lines.Err() != nil || n >= 40_000 {
		t.Errorf("%d events, then %v; want the end of the connection", n, lines.Err())
	}
	r.Close()
	b.Check(t)
}

func TestScanner(t *testing.T) {
	t.Parallel()
	s, err := sim.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.Path(), "/dev/pts/") {
		t.Errorf("path %q", s.Path())
	}
	if err := s.Scan("CODE"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Scan("CODE"); err == nil {
		t.Error("a scanner that is unplugged takes a code")
	}
}
