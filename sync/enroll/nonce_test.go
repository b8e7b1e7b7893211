package enroll

import (
	"errors"
	mathrand "math/rand/v2"
	"testing"
)

// TestNoncesCannotBeChosen plays the short code a thousand times against
// somebody on both connections, in either order of his moves, who bends all that
// he can choose. The commitment leaves him chance; without it he always wins.
func TestNoncesCannotBeChosen(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		r := mathrand.New(mathrand.NewPCG(seed, 5))
		// two connections, as two transcripts: he cannot make them one
		left, right := transcript(random(r)), transcript(random(r))
		g, d := random(r), random(r) // the gateway's and the desk's

		// first the gateway: he must answer its hash before it opens, and so
		// knows A there; then the desk, to which he must commit first
		committed := left.commit(g)
		answer := digest("the best that he makes of", committed[:])
		a, b := left.digits(committed, g, answer)
		his, tries := search(r, func(n [32]byte) bool { // to what he would like the desk to draw
			got, _ := right.digits(right.commit(n), n, answer)
			return got[0] == a[0]
		})
		a2, b2 := right.digits(right.commit(his), his, d)
		if tries == 0 || a == a2 || b == b2 {
			t.Fatalf("seed %d: the digits agree: %s %s, %s %s", seed, a, b, a2, b2)
		}

		// first the desk, all of it; then an answer to the gateway's hash
		his = random(r)
		a2, b2 = right.digits(right.commit(his), his, d)
		answer, _ = search(r, func(n [32]byte) bool { // as if the gateway's nonce were the hash
			got, _ := left.digits(committed, committed, n)
			return got[0] == a2[0]
		})
		if a, b = left.digits(committed, g, answer); a == a2 || b == b2 {
			t.Fatalf("seed %d: the digits agree: %s %s, %s %s", seed, a, b, a2, b2)
		}
	}

	// A desk that did not hold the nonce against the commitment: he opens to
	// what gives the gateway's digits.
	r := mathrand.New(mathrand.NewPCG(8, 5)) // a seed that finds one soon: the mean is a million tries
	left, right := transcript(random(r)), transcript(random(r))
	g, d, first := random(r), random(r), random(r)
	a, _ := left.digits(left.commit(g), g, d)
	fits, tries := search(r, func(n [32]byte) bool {
		got, _ := right.digits(right.commit(first), n, d)
		return got == a
	})
	if tries == 0 {
		t.Fatal("no nonce fits: the commitment is not what keeps him out")
	}
	if right.commit(fits) == right.commit(first) {
		t.Fatal("a commitment to two nonces")
	}
	t.Logf("without the commitment: a nonce after %d tries", tries)
}

func random(r *mathrand.Rand) (b [32]byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// search draws nonces until one fits; 0 tries: none did.
func search(r *mathrand.Rand, fits func([32]byte) bool) (n [32]byte, tries int) {
	n = random(r)
	for tries = 1; tries <= 20_000_000; tries++ {
		n[tries%8] = byte(r.Uint32())
		n[8+tries%8]++
		if fits(n) {
			return n, tries
		}
	}
	return n, 0
}

// TestDrawn: each side draws its nonce anew for each connection; and the gateway
// begins three times, no more, while the long code stays good.
func TestDrawn(t *testing.T) {
	t.Parallel()
	seen := map[[32]byte]bool{{}: true}
	fresh := func(n [32]byte) {
		if seen[n] {
			t.Error("a nonce or a commitment came twice")
		}
		seen[n] = true
	}
	g := offering(t, func(c *OfferConfig) { c.Screen = types("") })
	for range maxAttempts {
		s, tr := g.stranger(authorKey)
		must(t, s.send(&hello{Way: wayShort, Community: community, Node: node}))
		r, err := next[*request](t.Context(), s, waitFrame)
		must(t, err)
		c, err := next[*commit](t.Context(), s, waitFrame)
		must(t, err)
		must(t, s.send(&nonce{}))
		n, err := next[*nonce](t.Context(), s, waitFrame)
		must(t, err)
		if tr.with(r.Request).commit(n.Nonce) != c.Commitment {
			t.Error("the gateway opened to another nonce")
		}
		fresh(n.Nonce)
		fresh(c.Commitment)
		must(t, s.conn.Close())
		want(t, <-g.errs, ErrLost)
	}
	s, _ := g.stranger(authorKey)
	must(t, s.send(&hello{Way: wayShort, Community: community, Node: node}))
	_, err := next[*request](t.Context(), s, waitFrame)
	want(t, err, ErrAttempts)
	must(t, s.conn.Close())
	want(t, <-g.errs, ErrAttempts)
	g.again()

	own, err := SelfSigned(gatewayKey, "")
	must(t, err)
	drawn := make(chan [32]byte, 1)
	cfg := undecided(t)
	cfg.Screen = types("")
	cfg.Address = impostor(t, publicKey(gatewayKey), own, func(s *session, tr transcript) error {
		err := s.send(&commit{Commitment: tr.commit([32]byte{})})
		n, err2 := next[*nonce](t.Context(), s, waitFirst)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		drawn <- n.Nonce
		return s.send(&nonce{})
	})
	for range 3 {
		want(t, Approve(t.Context(), cfg), ErrDigits)
		fresh(<-drawn)
	}
}
