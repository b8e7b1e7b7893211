package enroll

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

func TestByCode(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, chunkSize, chunkSize + 1, 3*chunkSize + 17} {
		answer := noise(size)
		g := offering(t, nil)
		cfg := approving(t, answer)
		cfg.Code = g.code()
		var last int64
		cfg.Progress = func(done, all int64) {
			if done <= last || done > all || all != int64(size) {
				t.Errorf("progress from %d to %d of %d", last, done, all)
			}
			last = done
		}
		if err := Approve(t.Context(), cfg); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if last != int64(size) {
			t.Errorf("the progress ended at %d of %d", last, size)
		}
		g.took(answer)
	}
}

func TestByShortCode(t *testing.T) {
	t.Parallel()
	answer := noise(100_000)
	there, here := screens()
	g := offering(t, func(c *OfferConfig) { c.Screen, c.Secret = there, [16]byte{} })
	cfg := approving(t, answer)
	cfg.Address, cfg.Screen = g.at, here
	if err := Approve(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	g.took(answer)
}

// TestOtherAddress: a code may name addresses that the desk cannot reach, or at
// which something else answers.
func TestOtherAddress(t *testing.T) {
	t.Parallel()
	g := offering(t, nil)
	other := offering(t, func(c *OfferConfig) { c.Key = testKey("other") })
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, dead.Close())
	cfg := approving(t, noise(10))
	cfg.Code = g.code()
	cfg.Code.At = []string{dead.Addr().String(), other.at, g.at}
	if err := Approve(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	g.took(noise(10))
	other.tookNothing()
}

// TestRefusals: each ends with its own error on both sides, and leaves the
// gateway as it was.
func TestRefusals(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	for name, tt := range map[string]struct {
		gateway     func(*OfferConfig)
		desk        func(*ApproveConfig)
		short       bool
		here, there error // of Approve; of the gateway's session
		said        bool  // the desk has it from the gateway
		why         string
	}{
		"wrong secret":         {desk: func(c *ApproveConfig) { c.Code.Secret[0]++ }, here: ErrSecret, there: ErrSecret, said: true},
		"wrong key":            {desk: func(c *ApproveConfig) { c.Code.Key[0]++ }, here: ErrKey, there: nil},
		"no long code":         {gateway: func(c *OfferConfig) { c.Secret = [16]byte{} }, here: ErrWay, there: ErrWay, said: true},
		"no short code":        {gateway: func(c *OfferConfig) { c.Screen = nil }, short: true, here: ErrWay, there: ErrWay, said: true},
		"wrong digits at desk": {short: true, desk: func(c *ApproveConfig) { c.Screen = types("12345") }, here: ErrDigits, there: ErrDigits},
		"no digits at desk":    {short: true, desk: func(c *ApproveConfig) { c.Screen = types("") }, here: ErrDigits, there: ErrDigits},
		"wrong digits at gateway": {short: true, gateway: func(c *OfferConfig) {
			c.Screen = person{c.Screen.Show, func(context.Context) (string, error) { return "12345", nil }}
		}, here: ErrDigits, there: ErrDigits, said: true},
		"no screen at desk": {short: true, desk: func(c *ApproveConfig) {
			c.Screen = person{func(string) error { return nil }, func(context.Context) (string, error) { return "", mine }}
		}, here: mine, there: ErrLost},
		"declined": {desk: func(c *ApproveConfig) {
			c.Decide = func(context.Context, Gateway) (Approval, error) { return Approval{}, mine }
		}, here: mine, there: ErrDeclined},
		"empty approval": {desk: func(c *ApproveConfig) {
			c.Decide = func(context.Context, Gateway) (Approval, error) { return Approval{0, strings.NewReader("")}, nil }
		}, here: ErrDeclined, there: ErrDeclined},
		"huge approval": {desk: func(c *ApproveConfig) {
			c.Decide = func(context.Context, Gateway) (Approval, error) {
				return Approval{MaxApproval + 1, zeros{}}, nil
			}
		}, here: ErrDeclined, there: ErrDeclined},
		"approval that is cut at the desk": {desk: func(c *ApproveConfig) {
			c.Decide = func(context.Context, Gateway) (Approval, error) {
				return Approval{5 * chunkSize, bytes.NewReader(noise(4 * chunkSize))}, nil
			}
		}, here: io.EOF, there: ErrDeclined},
		"not taken": {gateway: func(c *OfferConfig) {
			c.Take = func(Desk, io.ReadSeeker) error { return errors.New("no steward\x1b[2J enrolled \u202eit") }
		}, here: ErrNotTaken, there: ErrNotTaken, said: true, why: "no steward [2J enrolled  it"},
		"no folder": {gateway: func(c *OfferConfig) { c.Dir += "/none" },
			desk: func(c *ApproveConfig) { // more than the connection holds
				c.Decide = func(context.Context, Gateway) (Approval, error) { return Approval{64 << 20, zeros{}}, nil }
			}, here: ErrNotTaken, there: ErrNotTaken, said: true, why: "open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			there, here := screens()
			g := offering(t, func(c *OfferConfig) {
				if c.Screen = there; tt.gateway != nil {
					tt.gateway(c)
				}
			})
			cfg := approving(t, noise(9))
			if tt.short {
				cfg.Address, cfg.Screen = g.at, here
			} else {
				cfg.Code = g.code()
			}
			if tt.desk != nil {
				tt.desk(&cfg)
			}
			err := Approve(t.Context(), cfg)
			want(t, err, tt.here)
			if r, said := errors.AsType[*Refused](err); said != tt.said {
				t.Errorf("said by the other side: %v, want %v (%v)", said, tt.said, err)
			} else if said && !strings.Contains(r.Why, tt.why) {
				t.Errorf("the gateway said %q, want %q in it", r.Why, tt.why)
			}
			if err := <-g.errs; tt.there != nil {
				want(t, err, tt.there)
			}
			if tt.there == nil || !errors.Is(tt.there, ErrNotTaken) {
				g.again()
			} else {
				g.tookNothing()
			}
		})
	}
}

// again enrols a gateway after something went wrong, by code, or ends it if it
// shows none.
func (g *gateway) again() {
	g.t.Helper()
	if g.Secret == [16]byte{} {
		g.tookNothing()
		return
	}
	cfg := approving(g.t, noise(20))
	cfg.Code = g.code()
	if err := Approve(g.t.Context(), cfg); err != nil {
		g.t.Errorf("afterwards: %v", err)
	}
	g.took(noise(20))
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestTakenLater: a gateway that did not take one approval takes the next.
func TestTakenLater(t *testing.T) {
	t.Parallel()
	asked := 0
	g := offering(t, func(c *OfferConfig) {
		take := c.Take
		c.Take = func(d Desk, r io.ReadSeeker) error {
			if asked++; asked == 1 {
				return errors.New("this is another node's")
			}
			return take(d, r)
		}
	})
	cfg := approving(t, noise(3))
	cfg.Code = g.code()
	want(t, Approve(t.Context(), cfg), ErrNotTaken)
	g.again()
}

// TestBusy: one desk at a time by short code, while the long one is still good.
func TestBusy(t *testing.T) {
	t.Parallel()
	shown := make(chan string)
	g := offering(t, func(c *OfferConfig) {
		c.Screen = person{func(d string) error { shown <- d; return nil }, unasked(t).typ}
	})
	first := make(chan error)
	typing := undecided(t)
	typing.Address = g.at
	typing.Screen = person{unasked(t).show, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
	go func() { first <- Approve(t.Context(), typing) }()
	<-shown

	second := undecided(t)
	second.Address = g.at
	err := Approve(t.Context(), second)
	want(t, err, ErrBusy)
	if _, said := errors.AsType[*Refused](err); !said {
		t.Errorf("the gateway did not say so: %v", err)
	}
	want(t, <-g.errs, ErrBusy)
	g.again()
	want(t, <-first, ErrLost) // the gateway is another's now
}

// TestTwoAtOnce: of a desk by code and one by short code that both come to the
// end, one enrols the gateway.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	there, here := screens()
	taking, take := make(chan struct{}), make(chan struct{})
	g := offering(t, func(c *OfferConfig) {
		into := c.Take
		c.Screen = there
		c.Take = func(d Desk, r io.ReadSeeker) error { close(taking); <-take; return into(d, r) }
	})
	first := make(chan error)
	go func() {
		cfg := approving(t, noise(5))
		cfg.Code = g.code()
		first <- Approve(t.Context(), cfg)
	}()
	<-taking
	cfg := approving(t, noise(6))
	cfg.Address, cfg.Screen = g.at, here
	want(t, Approve(t.Context(), cfg), ErrBusy)
	close(take)
	must(t, <-first)
	g.took(noise(5))
}

// TestCancelled: Approve ends with its context, whoever is being waited for.
func TestCancelled(t *testing.T) {
	t.Parallel()
	there, _ := screens()
	g := offering(t, func(c *OfferConfig) { c.Screen = there })
	ctx, cancel := context.WithCancel(t.Context())
	cfg := undecided(t)
	cfg.Address = g.at
	cfg.Screen = person{unasked(t).show, func(ctx context.Context) (string, error) { cancel(); <-ctx.Done(); return "", ctx.Err() }}
	want(t, Approve(ctx, cfg), context.Canceled)
	want(t, <-g.errs, ErrLost)
	g.again()
}

func TestConfigured(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*OfferConfig){
		"no request":    func(c *OfferConfig) { c.Request = nil },
		"large request": func(c *OfferConfig) { c.Request = make([]byte, MaxRequest+1) },
		"no way":        func(c *OfferConfig) { c.Screen, c.Secret = nil, [16]byte{} },
	} {
		g := offering(t, change)
		if err := <-g.ended; err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: Offer returned %v", name, err)
		}
		if _, err := g.Listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the listener is open: %v", name, err)
		}
	}
	for name, change := range map[string]func(*ApproveConfig){
		"no screen":    func(c *ApproveConfig) { c.Screen = nil },
		"no address":   func(c *ApproveConfig) { c.Address = "" },
		"no community": func(c *ApproveConfig) { c.Community[0] = 0 },
		"no node":      func(c *ApproveConfig) { c.Node[0] = 0 },
	} {
		g := offering(t, nil)
		cfg := undecided(t)
		cfg.Address = g.at
		change(&cfg)
		if err := Approve(t.Context(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
		g.tookNothing()
	}
}

func TestWithPort(t *testing.T) {
	t.Parallel()
	for in, out := range map[string]string{
		"gw1.local": "gw1.local:8662", "gw1.local:1": "gw1.local:1", "192.0.2.7": "192.0.2.7:8662",
		"[2001:db8::1]": "[2001:db8::1]:8662", "2001:db8::1": "[2001:db8::1]:8662", "[2001:db8::1]:99": "[2001:db8::1]:99", "": "",
	} {
		if got := withPort(in); got != out {
			t.Errorf("%q became %q, want %q", in, got, out)
		}
	}
}
