package nfc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/hw/nfc"
	"tombolo/passport/card"
)

// scripted is a Field that plays a script and asserts Field's contract: calls
// come one at a time, Left before each Wait, no card is asked after Left, and
// nothing after Close, which comes once.
type scripted struct {
	t      *testing.T
	events []event

	mu     sync.Mutex // only to see that it is never contended
	opened bool       // the first Left came
	ready  bool       // Left came
	closed bool
	card   *scriptedCard
}

// event is what one Wait gives, after some time, and what the Left after it
// does.
type event struct {
	after  time.Duration
	card   func([]byte) ([]byte, error) // nil: err
	err    error
	stays  time.Duration // before Left returns
	leftEr error
}

var errLost = errors.New("reader lost")

func (f *scripted) enter(what string) func() {
	if !f.mu.TryLock() {
		f.t.Errorf("%s while another call is under way", what)
		f.mu.Lock()
	}
	if f.closed {
		f.t.Errorf("%s after Close", what)
	}
	return f.mu.Unlock
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (f *scripted) Wait(ctx context.Context) (card.Transceiver, error) {
	defer f.enter("Wait")()
	if !f.ready {
		f.t.Error("Wait without Left before it")
	}
	f.ready = false
	if len(f.events) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := f.events[0]
	if err := sleep(ctx, e.after); err != nil {
		return nil, err
	}
	if e.card == nil {
		return nil, e.err
	}
	f.card = &scriptedCard{f: f, answer: e.card}
	return f.card, nil
}

func (f *scripted) Left(ctx context.Context) error {
	defer f.enter("Left")()
	f.card = nil
	e, rest := &event{}, f.events
	if f.opened && len(f.events) > 0 { // of the Wait before
		e, rest = &f.events[0], f.events[1:]
	}
	began := time.Now()
	if err := sleep(ctx, e.stays); err != nil {
		e.stays -= time.Since(began) // it may be called again
		return err
	}
	f.events = rest
	f.opened = true
	f.ready = e.leftEr == nil
	return e.leftEr
}

func (f *scripted) Close() error {
	defer f.enter("Close")()
	f.closed = true
	return nil
}

type scriptedCard struct {
	f      *scripted
	answer func([]byte) ([]byte, error)
}

func (c *scriptedCard) Transmit(command []byte) ([]byte, error) {
	defer c.f.enter("Transmit")()
	if c.f.card != c {
		c.f.t.Error("Transmit to a card that has left")
	}
	if n := len(command); n < 4 || n > card.MaxCommand {
		c.f.t.Errorf("Transmit of %d bytes", n)
	}
	return c.answer(command)
}

var (
	sel = []byte{0, 0xa4, 4, 0}
	ok  = []byte{0x90, 0x00}
)

func fine([]byte) ([]byte, error) { return ok, nil }

// journal is what Run reported, in order; each line begins with the seconds
// since the start.
type journal struct {
	start time.Time
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.lines = append(j.lines, fmt.Sprintf("%.2f ", time.Since(j.start).Seconds())+fmt.Sprintf(format, args...))
}

// play runs the fields, one for each time that the reader is opened (nil does
// not open), and gives what was reported within d.
func play(t *testing.T, d time.Duration, fields []*scripted, onCard func(*journal, context.Context, card.Transceiver)) []string {
	t.Helper()
	var lines []string
	synctest.Test(t, func(t *testing.T) {
		j := &journal{start: time.Now()}
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		opened := 0
		err := nfc.Run(ctx, nfc.Config{
			Open: func(context.Context) (nfc.Field, error) {
				if opened >= len(fields) {
					return nil, errLost
				}
				f := fields[opened]
				opened++
				if f == nil {
					return nil, errLost
				}
				f.t = t
				return f, nil
			},
			Card: func(ctx context.Context, c card.Transceiver) {
				j.add("card")
				onCard(j, ctx, c)
			},
			Refused: func(err error) { j.add("refused %v", err) },
			State:   func(up bool, err error) { j.add("state %v %v", up, err) },
		})
		if err != nil {
			t.Error(err)
		}
		for i, f := range fields {
			if f != nil && i < opened && !f.closed {
				t.Errorf("field %d was not closed", i)
			}
		}
		lines = j.lines
	})
	return lines
}

func transmit(j *journal, c card.Transceiver) {
	got, err := c.Transmit(sel)
	j.add("%x %v", got, errors.Is(err, card.ErrGone))
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestRunReadsEachCardOnce(t *testing.T) {
	t.Parallel()
	got := play(t, 20*time.Second, []*scripted{{events: []event{
		{after: time.Second, card: fine, stays: 5 * time.Second},
		{after: time.Second, card: fine},
	}}}, func(j *journal, _ context.Context, c card.Transceiver) { transmit(j, c) })
	expect(t, got, "0.00 state true <nil>", "1.00 card", "1.00 9000 false", "7.00 card", "7.00 9000 false")
}

func TestRunOrdinaryEvents(t *testing.T) {
	t.Parallel()
	got := play(t, 20*time.Second, []*scripted{{events: []event{
		{after: time.Second, err: fmt.Errorf("%w!", nfc.ErrSeveral), stays: time.Second},
		{after: time.Second, err: nfc.ErrNotISO},
		{after: time.Second, err: nfc.ErrHeld},
		{after: time.Second, err: fmt.Errorf("too quick: %w", card.ErrGone)},
		{after: time.Second, card: fine},
	}}}, func(j *journal, _ context.Context, c card.Transceiver) { transmit(j, c) })
	expect(t, got, "0.00 state true <nil>",
		"1.00 refused "+nfc.ErrSeveral.Error()+"!", "3.00 refused "+nfc.ErrNotISO.Error(), "4.00 refused "+nfc.ErrHeld.Error(),
		"5.00 refused too quick: "+card.ErrGone.Error(), "6.00 card", "6.00 9000 false")
}

// TestRunReopens: state is told once for each change, and the wait between
// attempts doubles up to its bound, and starts anew after a reader that worked.
func TestRunReopens(t *testing.T) {
	t.Parallel()
	lost := &scripted{events: []event{{after: time.Second, card: fine}, {err: errLost}}}
	lostInLeft := &scripted{events: []event{{card: fine, leftEr: errLost}}}
	got := play(t, 20*time.Second, []*scripted{nil, nil, lost, lostInLeft, nil, nil, nil, nil, nil, {events: []event{{card: fine}}}},
		func(*journal, context.Context, card.Transceiver) {})
	expect(t, got, "0.00 state false reader lost",
		"0.75 state true <nil>", "1.75 card", "1.75 state false reader lost", // after 0.25 and 0.5
		"2.00 state true <nil>", "2.00 card", "2.00 state false reader lost", // 0.25
		// 0.25, 0.5, 1, 2, 2, 2: the five that fail come at 2.25, 2.75, 3.75, 5.75, 7.75
		"9.75 state true <nil>", "9.75 card")
}

// TestRunLeavesWhatLiesThere: a card that is on the reader when it is opened is
// not read until it was taken away.
func TestRunLeavesWhatLiesThere(t *testing.T) {
	t.Parallel()
	f := &lying{scripted: scripted{t: t}}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var calls []string
		f.calls = &calls
		if err := nfc.Run(ctx, nfc.Config{
			Open: func(context.Context) (nfc.Field, error) { return f, nil },
			Card: func(context.Context, card.Transceiver) { calls = append(calls, "Card") },
		}); err != nil {
			t.Error(err)
		}
		expect(t, calls, "Left", "Wait", "Card", "Left", "Wait")
	})
}

type lying struct {
	scripted
	calls *[]string
}

func (f *lying) Left(context.Context) error { *f.calls = append(*f.calls, "Left"); return nil }
func (f *lying) Close() error               { return nil }
func (f *lying) Wait(ctx context.Context) (card.Transceiver, error) {
	*f.calls = append(*f.calls, "Wait")
	if len(*f.calls) > 2 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &scriptedCard{f: &f.scripted, answer: fine}, nil
}

// TestRunTellsWhatLies: what is not taken away is told once, as are its end and a
// reader that is lost meanwhile; the reader is not opened anew for it.
func TestRunTellsWhatLies(t *testing.T) {
	t.Parallel()
	read := func(*journal, context.Context, card.Transceiver) {}
	lies := fmt.Sprintf("state false %v", nfc.ErrLies)
	got := play(t, 10*time.Minute, []*scripted{{events: []event{
		{after: time.Second, card: fine, stays: nfc.LieTime - time.Second},
		{after: time.Second, card: fine, stays: 5 * time.Minute},
		{after: time.Second, err: nfc.ErrNotISO, stays: time.Minute},
		{after: time.Second, card: fine},
	}}}, read)
	expect(t, got, "0.00 state true <nil>", "1.00 card", // 29 s
		"31.00 card", "61.00 "+lies, "331.00 state true <nil>",
		"332.00 refused "+nfc.ErrNotISO.Error(), "362.00 "+lies, "392.00 state true <nil>", "393.00 card")

	got = play(t, 10*time.Minute, []*scripted{
		{events: []event{{card: fine, stays: time.Minute, leftEr: errLost}}},
		{events: []event{{after: time.Second, card: fine, stays: time.Hour}}},
	}, read)
	expect(t, got, "0.00 state true <nil>", "0.00 card", "30.00 "+lies, // and lost at 60
		"60.25 state true <nil>", "61.25 card", "91.25 "+lies)
}

// TestRunCardTime: a card has CardTime for all of its APDUs together, and Card
// hears of its end by its context.
func TestRunCardTime(t *testing.T) {
	t.Parallel()
	slow := func([]byte) ([]byte, error) { time.Sleep(nfc.CardTime * 2 / 5); return ok, nil }
	got := play(t, 20*time.Second, []*scripted{{events: []event{{card: slow}, {card: fine}}}},
		func(j *journal, ctx context.Context, c card.Transceiver) {
			if len(j.lines) > 2 {
				transmit(j, c)
				return
			}
			transmit(j, c) // 1.2 s
			transmit(j, c) // 2.4 s
			transmit(j, c) // 3.6 s: too late
			transmit(j, c)
			j.add("%v", ctx.Err())
		})
	expect(t, got, "0.00 state true <nil>", "0.00 card", "1.20 9000 false", "2.40 9000 false", "3.60  true", "3.60  true",
		"3.60 context deadline exceeded", "3.60 card", "3.60 9000 false")
}

// TestRunDeadCards: a card is of no use after it said that it is gone, after
// Card returned, and after Run's context ended.
func TestRunDeadCards(t *testing.T) {
	t.Parallel()
	asked := 0
	torn := func([]byte) ([]byte, error) { asked++; return nil, fmt.Errorf("torn: %w", card.ErrGone) }
	var kept card.Transceiver
	got := play(t, 20*time.Second, []*scripted{{events: []event{{card: torn}, {after: time.Second, card: fine}}}},
		func(j *journal, _ context.Context, c card.Transceiver) {
			if kept != nil {
				transmit(j, kept)
			}
			kept = c
			transmit(j, c)
			transmit(j, c)
		})
	expect(t, got, "0.00 state true <nil>", "0.00 card", "0.00  true", "0.00  true",
		"1.00 card", "1.00  true", "1.00 9000 false", "1.00 9000 false")
	if asked != 1 {
		t.Errorf("a card that is gone was asked %d times", asked)
	}

	got = play(t, time.Second, []*scripted{{events: []event{{card: func([]byte) ([]byte, error) { time.Sleep(1500 * time.Millisecond); return ok, nil }}}}},
		func(j *journal, _ context.Context, c card.Transceiver) { transmit(j, c) })
	expect(t, got, "0.00 state true <nil>", "0.00 card", "1.50  true")
}

// TestRunTakesTheCardBack: Run does not go on while a Transmit is under way,
// even if Card left it to a goroutine.
func TestRunTakesTheCardBack(t *testing.T) {
	t.Parallel()
	slow := func([]byte) ([]byte, error) { time.Sleep(time.Second); return ok, nil }
	got := play(t, 5*time.Second, []*scripted{{events: []event{{card: slow}}}},
		func(j *journal, _ context.Context, c card.Transceiver) {
			go c.Transmit(sel)
			time.Sleep(time.Millisecond)
		}) // scripted fails if Left comes in between
	expect(t, got, "0.00 state true <nil>", "0.00 card")
}

// TestRunBounds: neither a command nor a response that no short APDU can be
// passes.
func TestRunBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		command, response int
		want              error
	}{
		{"no command", 0, 2, card.ErrCommand},
		{"a byte", 1, 2, card.ErrCommand},
		{"three bytes", 3, 2, card.ErrCommand},
		{"shortest", 4, 2, nil},
		{"longest", card.MaxCommand, card.MaxResponse, nil},
		{"command one too long", card.MaxCommand + 1, 2, card.ErrCommand},
		{"extended command", 65544, 2, card.ErrCommand},
		{"no response", 4, 0, card.ErrAnswer},
		{"half a status word", 4, 1, card.ErrAnswer},
		{"response one too long", 4, card.MaxResponse + 1, card.ErrAnswer},
		{"extended response", 4, 65538, card.ErrAnswer},
	} {
		play(t, time.Second, []*scripted{{events: []event{{card: func([]byte) ([]byte, error) { return make([]byte, c.response), nil }}}}},
			func(_ *journal, _ context.Context, tr card.Transceiver) {
				got, err := tr.Transmit(make([]byte, c.command))
				if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err != nil && got != nil || err == nil && len(got) != c.response {
					t.Errorf("%s: %d bytes, %v, want %v", c.name, len(got), err, c.want)
				}
			})
	}
}

func TestRunConfig(t *testing.T) {
	t.Parallel()
	open := func(context.Context) (nfc.Field, error) { return nil, errLost }
	on := func(context.Context, card.Transceiver) {}
	for name, cfg := range map[string]nfc.Config{
		"no reader":      {Card: on},
		"nobody to tell": {Open: open},
		"negative min":   {Open: open, Card: on, RetryMin: -1},
		"negative max":   {Open: open, Card: on, RetryMax: -1},
	} {
		if err := nfc.Run(context.Background(), cfg); !errors.Is(err, nfc.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
