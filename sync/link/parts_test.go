package link

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"tombolo/sync/replica"
)

var clockStart = time.Unix(testTime, 0)

func randomBytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	for i, r := 0, rand.New(rand.NewPCG(seed, 1)); i < n; i++ {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestPartsJoin(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, MaxPayload - 1, MaxPayload, MaxPayload + 1, 2 * maxPart, 2*maxPart + 1, maxMessage - 1, maxMessage} {
		message := randomBytes(n, 3)
		all := split(message, uint64(n)<<40)
		if n <= MaxPayload {
			if len(all) != 1 || !bytes.Equal(all[0], message) {
				t.Errorf("%d bytes became %d payloads", n, len(all))
			}
			continue
		}
		var j joiner
		for i, b := range all {
			if len(b) > MaxPayload || len(b) >= 128_000 {
				t.Errorf("%d bytes: a payload of %d", n, len(b))
			}
			got, err := j.add(sender{}, b, clockStart)
			if last := i == len(all)-1; err != nil || last != (got != nil) {
				t.Errorf("%d bytes: part %d of %d: %d bytes, %v", n, i, len(all), len(got), err)
			} else if last && !bytes.Equal(got, message) {
				t.Errorf("%d bytes: others came out", n)
			}
		}
		if len(j.of) != 0 {
			t.Errorf("%d bytes: something stays behind", n)
		}
	}
}

func TestMalformedParts(t *testing.T) {
	t.Parallel()
	whole := split(randomBytes(3*maxPart, 4), 9)
	piece := make([]byte, maxPart)
	of := func(p part) []byte { p.Version, p.Type = version, TypePart; return encode(p) }
	for name, b := range map[string][]byte{
		"nothing":              {},
		"cut short":            whole[0][:100],
		"a byte more":          append(bytes.Clone(whole[0]), 0),
		"a single one":         of(part{ID: 1, Count: 1, Bytes: piece}),
		"none":                 of(part{ID: 1, Bytes: piece}),
		"too many":             of(part{ID: 1, Count: maxParts + 1, Bytes: piece}),
		"beyond the count":     of(part{ID: 1, Index: 2, Count: 2, Bytes: piece}),
		"an empty one":         of(part{ID: 1, Count: 2}),
		"a small one":          of(part{ID: 1, Count: 2, Bytes: piece[1:]}),
		"a large one":          of(part{ID: 1, Count: 2, Bytes: append(piece[:maxPart:maxPart], 1)}),
		"the second first":     whole[1],
		"a later one first":    whole[2],
		"an empty last":        of(part{ID: 1, Index: 1, Count: 2}),
		"a large last":         of(part{ID: 1, Index: 1, Count: 2, Bytes: append(piece[:maxPart:maxPart], 1)}),
		"another type's shape": encode(gone{Version: 1, Type: TypePart, ID: 1}),
	} {
		var j joiner
		if got, err := j.add(sender{}, b, clockStart); got != nil || !errors.Is(err, ErrMessage) || len(j.of) != 0 {
			t.Errorf("%s: %d bytes, %v, %d kept", name, len(got), err, len(j.of))
		}
	}
	// What does not follow what came before.
	for name, b := range map[string][]byte{
		"again": whole[0], "skipping one": whole[2],
		"of another message": of(part{ID: 10, Index: 1, Count: 3, Bytes: piece}),
		"of another count":   of(part{ID: 9, Index: 1, Count: 4, Bytes: piece}),
	} {
		var j joiner
		if _, err := j.add(sender{}, whole[0], clockStart); err != nil {
			t.Fatal(err)
		}
		if got, err := j.add(sender{}, b, clockStart); got != nil || !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	var j joiner
	_, _ = j.add(sender{}, whole[0], clockStart)
	if _, err := j.add(sender{}, whole[1], clockStart.Add(partsStale+1)); !errors.Is(err, ErrMessage) {
		t.Errorf("a stale beginning: %v", err)
	}
}

// TestPartsAreBounded floods with beginnings of messages.
func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	first := split(randomBytes(maxMessage, 5), 1)[0]
	var j joiner
	at := func(i int) sender { return sender{replica.Scope(i % 2), replica.Peer{byte(i >> 8), byte(i)}} }
	for i := range 100 {
		if _, err := j.add(at(i), first, clockStart.Add(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, m := range j.of {
			held += cap(m.bytes)
		}
		if len(j.of) > maxSenders || held > maxSenders*2*maxPart {
			t.Fatalf("%d senders, %d bytes", len(j.of), held)
		}
	}
	if j.of[at(99)] == nil || j.of[at(83)] != nil {
		t.Error("not the one that was silent longest made room")
	}
	_, _ = j.add(at(5), first, clockStart.Add(partsStale+time.Minute))
	if len(j.of) != 1 {
		t.Errorf("%d stale ones stay", len(j.of)-1)
	}
}
