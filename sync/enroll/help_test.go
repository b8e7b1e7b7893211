package enroll

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// testKey is an Ed25519 key that follows from its name.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicKey(key ed25519.PrivateKey) [32]byte {
	return [32]byte(key.Public().(ed25519.PublicKey))
}

var (
	gatewayKey = testKey("gateway")
	authorKey  = testKey("author")
	theSecret  = [16]byte{1, 2, 3}
	community  = ledger.CharterID{1}
	node       = ledger.CharterID{2}
	theRequest = []byte(`{"format": "tombolo gateway request v2"}`)
	testNow    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

// screen is one side of two people who stand together: what one side shows, the
// other types. Each holds one value.
type screen struct {
	shows chan<- string
	reads <-chan string
}

func screens() (gateway, desk *screen) {
	a, b := make(chan string, 1), make(chan string, 1)
	return &screen{a, b}, &screen{b, a}
}

func (s *screen) Show(digits string) error {
	if len(digits) != 6 {
		return errors.New("not six digits: " + digits)
	}
	select {
	case s.shows <- digits:
		return nil
	default:
		return errors.New("shown twice, and nobody has read the first")
	}
}

func (s *screen) Type(ctx context.Context) (string, error) {
	select {
	case digits := <-s.reads:
		return digits[:3] + " " + digits[3:] + "\n", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// person is a screen of a function for either side.
type person struct {
	show func(digits string) error
	typ  func(ctx context.Context) (string, error)
}

func (p person) Show(digits string) error                 { return p.show(digits) }
func (p person) Type(ctx context.Context) (string, error) { return p.typ(ctx) }

// types is a person who types that, whatever is shown.
func types(text string) person {
	return person{func(string) error { return nil }, func(context.Context) (string, error) { return text, nil }}
}

// unasked is a screen that nobody may use.
func unasked(t *testing.T) person {
	return person{
		func(string) error { t.Error("digits were shown"); return nil },
		func(context.Context) (string, error) { t.Error("digits were asked for"); return "", nil },
	}
}

// errs is a log that keeps the errors in it, in order.
type errs struct{ all chan error }

func (h errs) Enabled(context.Context, slog.Level) bool { return true }
func (h errs) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h errs) WithGroup(string) slog.Handler            { return h }
func (h errs) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
			h.all <- err
		}
		return true
	})
	return nil
}

// gateway is an Offer under way.
type gateway struct {
	OfferConfig
	t      *testing.T
	at     string
	errs   chan error // of its sessions
	ended  chan error // of Offer
	cancel context.CancelFunc
	digits chan string // that it shows, for who wants to read them

	mu    sync.Mutex
	taken [][]byte // whole approvals
	desk  Desk     // of the last
}

// offering starts a gateway on loopback; change may alter its configuration.
func offering(t *testing.T, change func(*OfferConfig)) *gateway {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return offeringOn(t, l, change)
}

func offeringOn(t *testing.T, l net.Listener, change func(*OfferConfig)) *gateway {
	t.Helper()
	g := &gateway{t: t, at: l.Addr().String(), errs: make(chan error, 100), ended: make(chan error, 1)}
	g.OfferConfig = OfferConfig{
		Listener: l, Key: gatewayKey, Request: theRequest, Secret: theSecret, Screen: unasked(t), Dir: t.TempDir(),
		Take: func(desk Desk, approval io.ReadSeeker) error {
			data, err := io.ReadAll(approval)
			g.mu.Lock()
			defer g.mu.Unlock()
			g.taken, g.desk = append(g.taken, data), desk
			return err
		},
		Log: slog.New(errs{g.errs}),
	}
	if change != nil {
		change(&g.OfferConfig)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.cancel = cancel
	go func() { g.ended <- Offer(ctx, g.OfferConfig) }()
	return g
}

// end stops the gateway if it still waits, and tells what Offer returned and
// whether a file was left.
func (g *gateway) end() error {
	g.t.Helper()
	g.cancel()
	err := <-g.ended
	if left, _ := os.ReadDir(g.Dir); len(left) != 0 {
		g.t.Errorf("%d files are left in the gateway's folder", len(left))
	}
	return err
}

// tookNothing ends a gateway that nobody enrolled.
func (g *gateway) tookNothing() {
	g.t.Helper()
	if err := g.end(); !errors.Is(err, context.Canceled) {
		g.t.Errorf("Offer returned %v, want %v", err, context.Canceled)
	}
	if len(g.taken) != 0 {
		g.t.Errorf("%d approvals were taken", len(g.taken))
	}
}

// took ends a gateway that took this approval, once.
func (g *gateway) took(want []byte) {
	g.t.Helper()
	select {
	case err := <-g.ended:
		g.ended <- err
	case <-time.After(10 * time.Second):
		g.t.Error("Offer goes on")
	}
	if err := g.end(); err != nil {
		g.t.Errorf("Offer returned %v", err)
	}
	if len(g.taken) != 1 || !bytes.Equal(g.taken[0], want) {
		g.t.Errorf("%d approvals were taken, or another than was sent", len(g.taken))
	}
	if g.desk.Author != publicKey(authorKey) || g.desk.Community != community || g.desk.Node != node || g.desk.Remote == "" {
		g.t.Errorf("enrolled by %+v", g.desk)
	}
}

func (g *gateway) code() *Code {
	return &Code{publicKey(gatewayKey), theSecret, []string{g.at}}
}

// approving is a steward's side that answers with the approval.
func approving(t *testing.T, answer []byte) ApproveConfig {
	return ApproveConfig{
		Screen: unasked(t), Author: authorKey, Community: community, Node: node, Now: testNow,
		Decide: func(_ context.Context, g Gateway) (Approval, error) {
			if g.Key != publicKey(gatewayKey) || !bytes.Equal(g.Request, theRequest) {
				t.Errorf("asked about %x, %q", g.Key, g.Request)
			}
			return Approval{int64(len(answer)), bytes.NewReader(answer)}, nil
		},
	}
}

// undecided is a steward's side that is never asked.
func undecided(t *testing.T) ApproveConfig {
	cfg := approving(t, nil)
	cfg.Decide = func(context.Context, Gateway) (Approval, error) {
		t.Error("the steward's tool was asked to approve")
		return Approval{}, errors.New("asked")
	}
	return cfg
}

// noise are bytes that follow from n alone.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

// stranger is a desk that a test plays frame by frame.
func (g *gateway) stranger(author ed25519.PrivateKey) (*session, transcript) {
	g.t.Helper()
	raw, err := net.Dial("tcp", g.at)
	if err != nil {
		g.t.Fatal(err)
	}
	return strangerOn(g.t, raw, author)
}

func strangerOn(t *testing.T, raw net.Conn, author ed25519.PrivateKey) (*session, transcript) {
	t.Helper()
	own, err := DeskCertificate(author, testNow)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := handshake(t.Context(), raw, tls.Client, ApproveConfig{}.config(own))
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(conn)
	t.Cleanup(func() { s.end(nil) })
	h := &hello{Way: wayShort, Community: community, Node: node}
	tr, err := channel(conn.ConnectionState(), publicKey(gatewayKey), own.Certificate[0], h)
	if err != nil {
		t.Fatal(err)
	}
	return s, tr
}

// loopback is both ends of a connection, which holds what was not read yet.
func loopback(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	must(t, err)
	far, err = l.Accept()
	must(t, err)
	return near, far
}

// counter counts what is read.
type counter struct {
	net.Conn
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("the error is %v, want %v", err, target)
	}
}
