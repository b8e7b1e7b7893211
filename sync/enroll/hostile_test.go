package enroll

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// frame is a message's bytes.
func frame(m message) []byte { return appendFrame(nil, m) }

// raw is a frame of any header and body.
func rawFrame(length uint32, version, kind byte, body string) []byte {
	return append([]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length), version, kind}, body...)
}

// TestHostileDesk: what a desk may say instead of what is due. The gateway ends
// it with an error of its own, says so, and waits for the next.
func TestHostileDesk(t *testing.T) {
	t.Parallel()
	byShort := frame(&hello{Way: wayShort, Community: community, Node: node})
	byCode := frame(&hello{Way: wayCode, Community: community, Node: node})
	for name, tt := range map[string]struct {
		say   [][]byte
		proof bool // and the right proof behind the first
		want  error
	}{
		"no hello":                {say: [][]byte{frame(&proof{})}, want: ErrFrame},
		"approval for a hello":    {say: [][]byte{frame(&approval{Size: 1})}, want: ErrFrame},
		"unknown way":             {say: [][]byte{frame(&hello{Way: 3, Community: community, Node: node})}, want: ErrFrame},
		"no community":            {say: [][]byte{frame(&hello{Way: wayShort, Node: node})}, want: ErrFrame},
		"hello twice":             {say: [][]byte{byCode, byCode}, want: ErrFrame},
		"no proof":                {say: [][]byte{byCode, frame(&approval{Size: 1})}, want: ErrFrame},
		"zero proof":              {say: [][]byte{byCode, frame(&proof{})}, want: ErrSecret},
		"agreed before its nonce": {say: [][]byte{byShort, frame(&agreed{})}, want: ErrFrame},
		"approval before digits":  {say: [][]byte{byShort, frame(&nonce{}), frame(&approval{Size: 1})}, want: ErrFrame},
		"approval while asked":    {say: [][]byte{byShort, frame(&nonce{}), frame(&agreed{}), frame(&approval{Size: 1})}, want: ErrFrame},
		"another version":         {say: [][]byte{rawFrame(1, 2, byte(kindHello), "\x80")}, want: ErrVersion},
		"unknown kind":            {say: [][]byte{rawFrame(1, version, 99, "\x80")}, want: ErrFrame},
		"4 GB":                    {say: [][]byte{rawFrame(1<<32-1, version, byte(kindHello), "")}, want: ErrFrame},
		"4 GB of a chunk":         {say: [][]byte{rawFrame(1<<32-1, version, byte(kindChunk), "")}, want: ErrFrame},
		"half a frame":            {say: [][]byte{byShort[:20], nil}, want: ErrLost},
		"its own end":             {say: [][]byte{byCode, frame(&refusal{Code: 6, Why: "no"})}, want: ErrDeclined},
		"an unknown end":          {say: [][]byte{byCode, frame(&refusal{Code: 200, Why: "later"})}, want: errOther},
		"empty approval":          {say: [][]byte{byCode, frame(&approval{})}, proof: true, want: ErrFrame},
		"257 MB":                  {say: [][]byte{byCode, frame(&approval{Size: MaxApproval + 1})}, proof: true, want: ErrFrame},
		"negative approval":       {say: [][]byte{byCode, frame(&approval{Size: -1})}, proof: true, want: ErrFrame},
		"chunk unannounced":       {say: [][]byte{byCode, frame(&chunk{Data: []byte{1}})}, proof: true, want: ErrFrame},
		"more than announced":     {say: [][]byte{byCode, frame(&approval{Size: 2}), frame(&chunk{Data: []byte{1, 2, 3}})}, proof: true, want: ErrFrame},
		"empty chunks":            {say: [][]byte{byCode, frame(&approval{Size: 2}), frame(&chunk{})}, proof: true, want: ErrFrame},
		"less than announced":     {say: [][]byte{byCode, frame(&approval{Size: 2}), frame(&chunk{Data: []byte{1}}), nil}, proof: true, want: ErrLost},
		"approval twice":          {say: [][]byte{byCode, frame(&approval{Size: 2}), frame(&approval{Size: 2})}, proof: true, want: ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := offering(t, func(c *OfferConfig) {
				c.Screen = person{func(string) error { return nil }, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
			})
			conn, tr := g.dial(wayCode)
			go drain(conn) // the gateway's refusal, after which it waits for the end
			for i, b := range tt.say {
				if b == nil { // gone
					must(t, conn.Close())
					break
				}
				conn.Write(b) // the gateway may have ended it
				if i == 0 && tt.proof {
					conn.Write(frame(&proof{MAC: tr.prove(deskMACLabel, theSecret)}))
				}
			}
			want(t, <-g.errs, tt.want)
			g.again()
		})
	}
}

// dial is a connection as a desk's, whose frames the test makes itself.
func (g *gateway) dial(w way) (net.Conn, transcript) {
	g.t.Helper()
	own, err := DeskCertificate(authorKey, testNow)
	must(g.t, err)
	return g.dialAs(own, w)
}

func (g *gateway) dialAs(own tls.Certificate, w way) (net.Conn, transcript) {
	g.t.Helper()
	conn, err := dial(g.t.Context(), ApproveConfig{Address: g.at}, own)
	must(g.t, err)
	tr, err := channel(conn.ConnectionState(), publicKey(gatewayKey), own.Certificate[0], &hello{Way: w, Community: community, Node: node})
	must(g.t, err)
	return conn, tr
}

// TestReplay: all that a desk said by the long code, said again over another
// connection, though with the desk's own certificate: it proves nothing there.
func TestReplay(t *testing.T) {
	t.Parallel()
	g := offering(t, func(c *OfferConfig) {
		c.Take = func(Desk, io.ReadSeeker) error { return errors.New("not now") }
	})
	own, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	conn, tr := g.dialAs(own, wayCode)
	go drain(conn)
	said := frame(&hello{Way: wayCode, Community: community, Node: node})
	said = append(said, frame(&proof{MAC: tr.prove(deskMACLabel, theSecret)})...)
	said = append(said, frame(&approval{Size: 3})...)
	said = append(said, frame(&chunk{Data: []byte("yes")})...)
	_, err = conn.Write(said)
	must(t, err)
	want(t, <-g.errs, ErrNotTaken) // it came as far as that

	again, _ := g.dialAs(own, wayCode)
	go drain(again)
	_, err = again.Write(said)
	must(t, err)
	want(t, <-g.errs, ErrSecret)
	g.tookNothing()
}

// TestStrangers: who shows no desk's certificate does not get to say a word.
func TestStrangers(t *testing.T) {
	t.Parallel()
	g := offering(t, nil)
	own, err := SelfSigned(testKey("another gateway"), "gw9")
	must(t, err)
	conn, err := dial(t.Context(), ApproveConfig{Address: g.at}, own)
	if err == nil { // TLS 1.3: the client learns of it behind its own handshake
		_, err = io.ReadAll(conn)
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("the stranger had %v", err)
	}
	want(t, <-g.errs, ErrDeskName)
	// a desk's key at work elsewhere, as at a broker, says nothing of enrolment
	if own, err = DeskCertificate(authorKey, testNow); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := tls.Dial("tcp", g.at, ClientConfig(own, func([32]byte) error { return nil }))
	must(t, err)
	want(t, <-g.errs, ErrFrame)
	elsewhere.Close()
	plain, err := net.Dial("tcp", g.at)
	must(t, err)
	plain.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	if err := <-g.errs; err == nil {
		t.Error("HTTP was taken for TLS")
	}
	plain.Close()
	g.again()
}

// TestElsewhere: nor does a gateway's key that is at work elsewhere.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	own, err := SelfSigned(gatewayKey, "gw1")
	must(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert})
	must(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			drain(conn)
		}
	}()
	cfg := undecided(t)
	cfg.Code = &Code{publicKey(gatewayKey), theSecret, []string{l.Addr().String()}}
	want(t, Approve(t.Context(), cfg), ErrFrame)
}

// TestCrowd: of many connections at a time the gateway keeps few, and the desk
// that comes when they are gone is served.
func TestCrowd(t *testing.T) {
	t.Parallel()
	g := offering(t, nil)
	var all []net.Conn
	for range 5 * maxOpen {
		c, err := net.Dial("tcp", g.at)
		must(t, err)
		all = append(all, c)
	}
	closed := 0
	for _, c := range all[maxOpen:] { // those were closed, the first wait
		if _, err := c.Read(make([]byte, 1)); err != nil {
			closed++
		}
	}
	if closed != 4*maxOpen {
		t.Errorf("%d of %d were closed", closed, 4*maxOpen)
	}
	for _, c := range all {
		c.Close()
	}
	for range maxOpen {
		<-g.errs
	}
	g.again()
}

// cutter is a proxy that lets so many bytes through towards the gateway, and so
// many back, and then ends both connections.
func cutter(t *testing.T, to string, there, back int64) (at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		desk, err := l.Accept()
		if err != nil {
			return
		}
		gateway, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		var both sync.WaitGroup
		pass := func(dst, src net.Conn, n int64) {
			io.CopyN(dst, src, n)
			dst.Close()
			src.Close()
		}
		both.Go(func() { pass(gateway, desk, there) })
		both.Go(func() { pass(desk, gateway, back) })
		both.Wait()
	}()
	return l.Addr().String()
}

// TestCut: wherever the connection is cut, the gateway takes the approval whole
// or not at all, leaves no file, and takes the next.
func TestCut(t *testing.T) {
	t.Parallel()
	answer := noise(3*chunkSize + 5)
	const all = 1 << 30
	whole := int64(len(answer))
	for _, there := range []int64{0, 1, 200, 600, 1000, 1300, 1500, 2000, 20_000, chunkSize, whole / 2, whole - 100, whole} {
		t.Run(fmt.Sprint(there), func(t *testing.T) {
			t.Parallel()
			g := offering(t, nil)
			cfg := approving(t, answer)
			cfg.Code = g.code()
			cfg.Code.At = []string{cutter(t, g.at, there, all)}
			if err := Approve(t.Context(), cfg); err == nil {
				t.Error("it was approved over a cut connection")
			}
			<-g.errs // it has noticed
			g.mu.Lock()
			if len(g.taken) != 0 {
				t.Errorf("%d bytes were taken", len(g.taken[0]))
			}
			g.mu.Unlock()
			g.again()
		})
	}
	t.Run("the last word", func(t *testing.T) {
		t.Parallel()
		g := offering(t, nil)
		// within the record of the last frame, 29 bytes, whether or not the
		// record of TLS's own end, 24 bytes, was read and counted with it
		back := measure(t) - 25
		cfg := approving(t, answer)
		cfg.Code = g.code()
		cfg.Code.At = []string{cutter(t, g.at, all, back)}
		err := Approve(t.Context(), cfg)
		want(t, err, ErrUnknown)
		want(t, err, ErrLost)
		g.took(answer) // the desk is told to look
	})
}

// measure is how many bytes come back from a gateway until its last word has
// been read.
func measure(t *testing.T) (n int64) {
	t.Helper()
	g := offering(t, nil)
	raw, err := net.Dial("tcp", g.at)
	must(t, err)
	counted := &counter{Conn: raw}
	own, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	cfg := approving(t, []byte("x"))
	cfg.Code = g.code()
	conn, err := handshake(t.Context(), counted, tls.Client, cfg.config(own))
	must(t, err)
	s := newSession(conn)
	must(t, cfg.approve(t.Context(), s, own.Certificate[0]))
	n = counted.n.Load()
	s.end(nil)
	g.took([]byte("x"))
	return n
}

// TestBounded: a reason from the other side is one short line.
func TestBounded(t *testing.T) {
	t.Parallel()
	g := offering(t, func(c *OfferConfig) {
		c.Take = func(Desk, io.ReadSeeker) error { return errors.New(strings.Repeat("日本\n", 1000)) }
	})
	cfg := approving(t, []byte("x"))
	cfg.Code = g.code()
	r, ok := errors.AsType[*Refused](Approve(t.Context(), cfg))
	if !ok || r.Why != strings.Repeat("日本 ", 134)[:len("日本 ")*133+len("日")] || bytes.ContainsRune([]byte(r.Why), '\n') {
		t.Errorf("the gateway said %+v", r)
	}
	g.tookNothing()
}
