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
	for line, want := range map[string]sim.Command{
		`{"input":"front/contact","active":true}`:                    {Input: "front/contact", Active: true},
		` { "active" : false , "input" : "a" } `:                     {Input: "a"},
		`{"input":"\u0061\"b","active":true}`:                        {Input: `a"b`, Active: true},
		"{\"input\":\"tür\",\"active\":true}\r":                      {Input: "tür", Active: true},
		`{"input":"` + strings.Repeat("x", 990) + `","active":true}`: {Input: strings.Repeat("x", 990), Active: true},
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
	f.Add([]byte(`{"input":"front/contact","active":true}`))
	for _, c := range malformed {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := sim.ParseCommand(line)
		if err != nil {
			return
		}
		if c.Input == "" || len(line) > sim.MaxLine {
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
