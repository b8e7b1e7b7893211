package folder

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"tombolo/sync/ledger"
)

func sampleRequest(t testing.TB) (Request, []byte) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	r := Request{Gateway: "front", Keys: ledger.GatewayKeys{Signing: [32]byte(key.Public().(ed25519.PublicKey)),
		Hold: [32]byte{2}, Witness: [32]byte{3}, Sealing: [32]byte{4}, TLS: [32]byte{5}},
		Reader: [33]byte(elliptic.MarshalCompressed(elliptic.P256(), elliptic.P256().Params().Gx, elliptic.P256().Params().Gy))}
	return r, must(r.Sign(key))
}

func TestRequestMalformed(t *testing.T) {
	t.Parallel()
	want, text := sampleRequest(t)
	if got, err := ParseRequest(text); err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	good := string(text)
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	hold := hex.EncodeToString(want.Keys.Hold[:])
	reader := hex.EncodeToString(want.Reader[:])
	witness := hex.EncodeToString(want.Keys.Witness[:])
	for _, c := range []struct {
		name, text, field string
		want              error
	}{
		{"nothing", "", "", ErrJSON},
		{"huge", strings.Repeat(" ", maxRequest+1), "", ErrRequestSize},
		{"cut", good[:len(good)-4], "", ErrJSON},
		{"two", good + good, "", ErrRewrote},
		{"without its line feed", strings.TrimSuffix(good, "\n"), "", ErrRewrote},
		{"carriage returns", strings.ReplaceAll(good, "\n", "\r\n"), "", ErrRewrote},
		{"an unknown key", replace(`"gateway"`, `"door": "front", "gateway"`), "", ErrJSON},
		{"a doubled key", replace(`"gateway"`, `"gateway": "back", "gateway"`), "", ErrRewrote},
		{"another case", replace(`"gateway"`, `"Gateway"`), "", ErrRewrote},
		{"a number", replace(`"front"`, `5`), "", ErrJSON},
		{"another format", replace("request v2", "request v1"), "format", ErrRequestFormat},
		{"no slug", replace(`"front"`, `"Front Door"`), "gateway", nil},
		{"another name", replace(`"front"`, `"fromt"`), "signature", ErrRequestSignature},
		{"a short key", replace(hold, hold[2:]), "hold", ErrRequestKey},
		{"upper case", replace(hold, "0A"+hold[2:]), "hold", ErrRequestKey},
		{"no key", replace(hold, strings.Repeat("0", 64)), "hold", ErrRequestKey},
		{"two roles", replace(witness, hold), "witness", ErrRequestTwice},
		{"no reader key", replace(reader, ""), "reader", ErrRequestReader},
		{"an uncompressed reader key", replace(reader, "04"+reader[2:]+reader[2:]), "reader", ErrRequestReader},
		{"a reader key off its curve", replace(reader, "02"+strings.Repeat("ff", 32)), "reader", ErrRequestReader},
		{"another reader key", replace(reader, "02"+reader[2:]), "signature", ErrRequestSignature},
		{"keys exchanged", strings.Replace(replace(witness, strings.Repeat("ff", 32)), hold, witness, 1), "signature", ErrRequestSignature},
		{"no signature", replace(good[strings.Index(good, `"signature": "`):], "\"signature\": \"\"\n}\n"), "signature", ErrRequestSignature},
	} {
		_, err := ParseRequest([]byte(c.text))
		bad, ok := errors.AsType[*RequestError](err)
		if !ok || !errors.Is(err, ErrRequest) || bad.Field != c.field || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: got %v, want field %q, %v", c.name, err, c.field, c.want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	_, text := sampleRequest(f)
	f.Add(text)
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRequest(text)
		if err != nil {
			return
		}
		// Ed25519 is deterministic, so that the same key's file is the same bytes.
		if r.Keys.Signing != [32]byte(key.Public().(ed25519.PublicKey)) {
			return
		}
		if again, err := r.Sign(key); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	})
}

func TestNewGateway(t *testing.T) {
	t.Parallel()
	g := open(t, t.TempDir())
	if _, err := g.NewGateway("Front Door"); err == nil {
		t.Error("a name that is no slug")
	}
	// A first try that was interrupted leaves keys and no request.
	if err := g.NewKey(SigningKey); err != nil {
		t.Fatal(err)
	}
	want, err := g.NewGateway("front")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseRequest(must(os.ReadFile(file(t, g, RequestFile)))); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := g.NewGateway("back"); !errors.Is(err, ErrKeyExists) {
		t.Errorf("under another name: %v", err)
	}
	text := must(os.ReadFile(file(t, g, RequestFile)))
	if again, err := g.NewGateway("front"); err != nil || again != want || !bytes.Equal(text, must(os.ReadFile(file(t, g, RequestFile)))) {
		t.Errorf("twice: %+v, %v", again, err)
	}
}

// TestNewGatewayOlder: what an older version made has no reader key; another
// init adds it to the keys that are there.
func TestNewGatewayOlder(t *testing.T) {
	t.Parallel()
	g := open(t, t.TempDir())
	want := must(g.NewGateway("front"))
	if err := os.Remove(file(t, g, "keys/reader.pem")); err != nil {
		t.Fatal(err)
	}
	older := `{"format":"tombolo gateway request v1","gateway":"front"}`
	if err := WriteFile(file(t, g, RequestFile), []byte(older), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := g.NewGateway("back"); !errors.Is(err, ErrKeyExists) {
		t.Errorf("under another name: %v", err)
	}
	got, err := g.NewGateway("front")
	if err != nil || got.Keys != want.Keys || got.Reader == want.Reader {
		t.Errorf("%+v, %v", got, err)
	}
	if parsed, err := ParseRequest(must(os.ReadFile(file(t, g, RequestFile)))); err != nil || parsed != got {
		t.Errorf("%+v, %v", parsed, err)
	}
	if err := WriteFile(file(t, g, RequestFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := g.NewGateway("front"); !errors.Is(err, ErrRequest) {
		t.Errorf("a damaged request: %v", err)
	}
}
