package nfc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	rand2 "math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// TestPN532 holds the driver against go-pn532's simulator of the chip, at the
// end of each kind of bus: a pty, and buses of periph's registries.
func TestPN532(t *testing.T) {
	t.Parallel()
	program := buildPN532Peer(t)
	tests := map[string]func(*testing.T, *reader532){
		"tap":      testTap532,
		"latency":  testLatency532,
		"lengths":  testLengths532,
		"refused":  testRefused532,
		"torn":     testTorn532,
		"rubbish":  testRubbish532,
		"slow":     testSlow532,
		"faults":   testFaults532,
		"injected": testInjected532,
		"dead":     testDead532,
		"run":      testRun532,
		"ctx":      testContext532,
	}
	// They mostly wait, so more of them run at once than there are processors.
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	run := func(name string, test func(*testing.T)) {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(name, test)
		})
	}
	for _, kind := range []string{"uart", "i2c", "spi"} {
		for name, test := range tests {
			run(kind+"/"+name, func(t *testing.T) { test(t, newReader532(t, program, kind, 0)) })
		}
	}
	run("uart/jitter", func(t *testing.T) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := newReader532(t, program, "uart", seed)
		f := r.mustOpen()
		for range 3 {
			r.tap(f, softCards(t)[0])
			r.gone(f)
		}
	})
	all.Wait()
	buf := make([]byte, 1<<20)
	if s := string(buf[:runtime.Stack(buf, true)]); strings.Contains(s, "nfc.(*pn532") || strings.Contains(s, "nfc.(*chip)") {
		t.Errorf("the driver left a goroutine:\n%s", s)
	}
}

// hasty is for tests that wait for much to fail.
var hasty = pn532Times{ack: 100 * time.Millisecond, answer: 100 * time.Millisecond, card: 600 * time.Millisecond, poll: 2 * time.Millisecond, mute: 100 * time.Millisecond}

// bounded fails the test if f takes longer than limit.
func bounded(t *testing.T, what string, limit time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if d := time.Since(begin); d > limit {
		t.Errorf("%s took %v of at most %v", what, d, limit)
	}
}

func (r *reader532) mustOpen() Field { return r.openWith(usualTimes) }

func (r *reader532) openWith(times pn532Times) Field {
	r.t.Helper()
	f, err := r.openPN532(r.t.Context(), times)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	return f
}

// openPN532 gives the peer on the UART more time to acknowledge than a chip needs:
// it runs on the test's own machine, which may be busy.
func (r *reader532) openPN532(ctx context.Context, times pn532Times) (Field, error) {
	if r.kind == "uart" {
		times.ack *= 6
	}
	return openPN532(ctx, r.config(), times)
}

// wait is f.Wait, which has to find a card.
func (r *reader532) wait(f Field) card.Transceiver {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	r.t.Cleanup(cancel) // the card ends with it
	c, err := f.Wait(ctx)
	if err != nil {
		r.t.Fatalf("Wait: %v", err)
	}
	return c
}

// gone empties the field and waits for the driver to say so.
func (r *reader532) gone(f Field) {
	r.t.Helper()
	r.field(nil)
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Left(ctx); err != nil {
		r.t.Fatalf("Left: %v", err)
	}
}

// softCard is a software card and what it looks like in the field.
type softCard struct {
	name     string
	in       peerCard
	transmit func([]byte) ([]byte, error)
	key      passport.Key
	asker    card.Asker
}

func (s softCard) answer(apdu []byte) ([]byte, bool) {
	response, err := s.transmit(apdu)
	return response, err != nil
}

// softCards gives one of each kind, and a gateway that each of them answers.
func softCards(t *testing.T) []softCard {
	t.Helper()
	key := func(kind passport.KeyKind) *passport.SoftKey {
		k, err := passport.GenerateSoftKey(kind, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	var identity card.Identity
	community := passport.CommunityID{1}
	issuer, issuerKey, _ := ed25519.GenerateKey(rand.Reader)
	steward, stewardKey, _ := ed25519.GenerateKey(rand.Reader)
	gateway, _, _ := ed25519.GenerateKey(rand.Reader)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p256.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	reader := [33]byte{2 + point[64]&1} // SEC 1 §2.3.3
	copy(reader[1:], point[1:33])
	identity.Key = p256
	identity.Credential = card.Credential{
		Community: community, Issuer: [32]byte(issuer), Node: passport.NodeID{2}, Steward: [32]byte(steward),
		Gateway: [32]byte(gateway), Reader: reader,
	}
	c := &identity.Credential
	c.NodeSig = [64]byte(ed25519.Sign(issuerKey, card.NodeLinkPreimage(community, c.Node, c.Steward)))
	c.GatewaySig = [64]byte(ed25519.Sign(stewardKey, card.GatewayLinkPreimage(community, c.Node, c.Gateway, reader)))

	door := passport.DoorTarget(c.Node, "front")
	asker := card.Asker{
		Gateway: c.Gateway, Door: door, Identity: &identity, Rand: rand.Reader,
		Challenge: func(nonce [32]byte) passport.Challenge {
			return passport.Challenge{Community: community, Place: passport.TapPlace(c.Gateway, door), Time: 1_780_000_000, Nonce: nonce}
		},
	}
	halo, keycard, phone := key(passport.KindHalo), key(passport.KindKeycard), key(passport.KindPhone)
	maker := soft.NewMaker(rand.Reader)
	return []softCard{
		{"halo", halo532, soft.NewHalo(soft.HaloConfig{Key: halo, Maker: maker, Rand: rand.Reader}).Transmit, halo.Key(), asker},
		{"keycard", keycard532, soft.NewKeycard(soft.KeycardConfig{Key: keycard, Maker: maker}).Transmit, keycard.Key(), asker},
		{"phone", phone532, soft.NewPhone(soft.PhoneConfig{Key: phone, Community: community, Issuers: [][32]byte{c.Issuer}, Rand: rand.Reader}).Transmit, phone.Key(), asker},
	}
}

// tap holds a card there and has it answer.
func (r *reader532) tap(f Field, s softCard) {
	r.t.Helper()
	r.field(s.answer, s.in)
	c := r.wait(f)
	a, err := card.Tap(c, s.asker)
	if err != nil {
		r.t.Fatalf("%s: %v", s.name, err)
	}
	if a.Key != s.key {
		r.t.Fatalf("%s answered with another key", s.name)
	}
	if err := a.Key.Verify(a.Challenge.Sum(), a.Signature); err != nil {
		r.t.Fatalf("%s: %v", s.name, err)
	}
}

func testTap532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	for _, s := range softCards(t) {
		begin := time.Now()
		r.tap(f, s)
		t.Logf("%s: %v from its coming to its answer", s.name, time.Since(begin).Round(time.Millisecond))
		r.gone(f)
	}
}

// testLatency532 measures how long a card goes unnoticed, on a bus and with a
// chip that take the time of real ones: two tries of 5 ms in an empty field, and
// 25 ms to find and activate a card (UM0701-02 §7.3.5).
func testLatency532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	r.pace.Store(map[string]int64{"i2c": 90_000, "spi": 8_000}[r.kind]) // 100 kHz and 1 MHz, a byte; the UART is a pty
	slow := func(d time.Duration) {
		r.order(peerOrder{Fault: &peerFault{Cmd: cmdInListPassiveTarget, Delay: d, Times: 1 << 20}})
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand2.New(rand2.NewPCG(uint64(seed), 0))
	var took []time.Duration
	for range 10 {
		r.field(nil)
		slow(10 * time.Millisecond)
		came := make(chan time.Time, 1)
		time.AfterFunc(50*time.Millisecond+time.Duration(random.Int64N(int64(60*time.Millisecond))), func() {
			came <- time.Now()
			r.field(echo532, halo532)
			slow(25 * time.Millisecond)
		})
		r.wait(f)
		took = append(took, time.Since(<-came))
		r.gone(f)
	}
	slices.Sort(took)
	t.Logf("a card is told after %v at the median, %v at most", took[len(took)/2], took[len(took)-1])
	if d := took[len(took)/2]; d > 100*time.Millisecond {
		t.Errorf("a card is told only after %v at the median", d)
	}
}

// echo532 is a card that gives back what it is sent, with a status word.
func echo532(apdu []byte) ([]byte, bool) {
	return append(bytes.Clone(apdu[:min(len(apdu), 256)]), 0x90, 0), false
}

// testLengths532 exchanges every length that matters: where a fetch, a frame of
// the normal kind and an APDU end; whole, and in parts.
func testLengths532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	for _, chunk := range []int{0, 100} {
		r.order(peerOrder{Chunk: chunk})
		r.field(func(apdu []byte) ([]byte, bool) {
			n := len(apdu)
			if n == card.MaxCommand {
				n = card.MaxResponse
			}
			return append(bytes.Repeat([]byte{byte(n)}, n-2), 0x90, 0), false
		}, keycard532)
		r.order(peerOrder{Chunk: chunk})
		c := r.wait(f)
		for _, n := range []int{4, 5, 47, 48, 49, 53, 54, 55, 56, 57, 58, 64, 100, 200, 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, card.MaxCommand} {
			command := append(make([]byte, 1), bytes.Repeat([]byte{byte(n)}, n-1)...) // the simulator takes some first bytes for an NTAG's commands
			response, err := c.Transmit(command)
			want := min(n, card.MaxResponse)
			if err != nil || len(response) != want || response[0] != byte(want) {
				t.Fatalf("a command of %d bytes, in parts of %d: %d bytes, %v", n, chunk, len(response), err)
			}
		}
		for _, n := range []int{0, 3, card.MaxCommand + 1} {
			if _, err := c.Transmit(make([]byte, n)); err == nil || errors.Is(err, card.ErrGone) {
				t.Errorf("a command of %d bytes: %v", n, err)
			}
		}
		r.gone(f)
	}
}

func testRefused532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	s := softCards(t)[0]
	for _, tt := range []struct {
		name string
		in   []peerCard
		want error
	}{
		{"an NTAG", []peerCard{ntag532}, ErrNotISO},
		{"a MIFARE Classic", []peerCard{classic532}, ErrNotISO},
		{"two cards", []peerCard{halo532, phone532}, ErrSeveral},
		{"a card and an NTAG", []peerCard{keycard532, ntag532}, ErrSeveral},
		{"two NTAGs and a card", []peerCard{ntag532, classic532, halo532}, ErrSeveral},
	} {
		r.field(s.answer, tt.in...)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if c, err := f.Wait(ctx); c != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, c, err)
		}
		cancel()
		// It is told once for each time.
		ctx, cancel = context.WithTimeout(t.Context(), 150*time.Millisecond)
		if c, err := f.Wait(ctx); c != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, again: %v, %v", tt.name, c, err)
		}
		cancel()
		r.gone(f)
		r.tap(f, s)
		r.gone(f)
	}
	// With a card that does not answer RATS there is nothing to talk to, yet: it
	// may be on its way.
	silent := peerCard{"iso", halo532.UID, nil}
	refused := func(what string, f Field, want error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if c, err := f.Wait(ctx); c != nil || !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", what, c, err)
		}
	}
	r.field(s.answer, silent)
	refused("a card without ATS", f, context.DeadlineExceeded)
	r.tap(f, s)
	r.gone(f)
	f.Close()

	// One that stays so is refused, and one that leaves is told to have left.
	f = r.openWith(hasty)
	r.field(s.answer, silent)
	refused("a card that does not answer", f, ErrNotISO)
	refused("it again", f, context.DeadlineExceeded)
	r.gone(f)
	r.field(s.answer, silent)
	time.AfterFunc(hasty.mute/4, func() { r.field(nil) })
	refused("a card that left", f, card.ErrGone)
	refused("nothing", f, context.DeadlineExceeded)

	// What a card says of itself and cannot be loses no reader.
	r.field(s.answer, s.in)
	r.order(peerOrder{Fault: &peerFault{Cmd: cmdInListPassiveTarget, Kind: "replace", Times: 40,
		Data: encodeFrame(tfiChip, unhex532("4b"+"0101000420"+"04"+"08d1e2f3"+"ff78"))}})
	refused("a card whose ATS is longer than it is", f, ErrNotISO)
	r.gone(f)
	r.tap(f, s)
}

// testRun532 pulls the reader out from under Run, and puts it back.
func testRun532(t *testing.T, r *reader532) {
	s := softCards(t)[0]
	ups, answers := make(chan bool, 16), make(chan error, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{
			Open:     func(ctx context.Context) (Field, error) { return r.openPN532(ctx, usualTimes) },
			State:    func(up bool, _ error) { ups <- up },
			RetryMin: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond,
			Card: func(_ context.Context, c card.Transceiver) {
				a, err := card.Tap(c, s.asker)
				if err == nil {
					err = a.Key.Verify(a.Challenge.Sum(), a.Signature)
				}
				answers <- err
			},
		})
	}()
	get := func(want bool) {
		t.Helper()
		select {
		case up := <-ups:
			if up != want {
				t.Fatalf("the reader is up: %v", up)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("the reader is not said to be up: %v", want)
		}
	}
	for range 3 {
		get(true)
		r.field(nil)
		time.Sleep(400 * time.Millisecond) // what lies there at first is not read
		r.field(s.answer, s.in)
		select {
		case err := <-answers:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the card was not read")
		}
		r.unplug()
		get(false)
		r.plug()
	}
	cancel()
	bounded(t, "the end of Run", 2*time.Second, func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// testContext532 ends contexts in the middle of each method.
func testContext532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	stop := make(chan struct{})
	speak := sync.OnceFunc(func() { close(stop) })
	t.Cleanup(speak)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	bounded(t, "Wait", 400*time.Millisecond, func() {
		if _, err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v", err)
		}
	})
	r.field(func([]byte) ([]byte, bool) { <-stop; return nil, true }, halo532)
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	c, err := f.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bounded(t, "Transmit", 700*time.Millisecond, func() {
		if _, err := c.Transmit([]byte{0, 0xa4, 4, 0}); !errors.Is(err, card.ErrGone) {
			t.Errorf("Transmit: %v", err)
		}
	})
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	bounded(t, "Left", 700*time.Millisecond, func() {
		if err := f.Left(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Left: %v", err)
		}
	})
	r.gone(f)
	speak()
	r.tap(f, softCards(t)[0])
}
