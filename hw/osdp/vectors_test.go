package osdp

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vector is a line of testdata/vectors: words that name it, and bytes.
type vector struct {
	names []string
	bytes []byte
}

func vectors(t testing.TB, file string) (all []vector) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vectors", file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		var v vector
		for word := range strings.FieldsSeq(line) {
			b, err := hex.DecodeString(word)
			switch {
			case word == "'":
			case err == nil && len(b) == 1:
				v.bytes = append(v.bytes, b...)
			case len(v.bytes) > 0:
				t.Fatalf("%s: %q is no byte", file, word)
			default:
				v.names = append(v.names, word)
			}
		}
		if len(v.names) > 0 {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no vectors", file)
	}
	return all
}

func named(t testing.TB, all []vector, name string) []byte {
	t.Helper()
	for _, v := range all {
		if v.names[0] == name {
			return v.bytes
		}
	}
	t.Fatalf("no vector %q", name)
	return nil
}

func TestAnnexEFrames(t *testing.T) {
	t.Parallel()
	n := 0
	for _, v := range vectors(t, "annex-e.txt") {
		if v.names[0] != "frame" {
			continue
		}
		n++
		f, err := parseFrame(v.bytes)
		if err != nil {
			t.Errorf("%s: %v", v.names[1], err)
			continue
		}
		b, err := f.append(nil)
		if err != nil || !bytes.Equal(b, v.bytes) {
			t.Errorf("%s: % X, want % X (%v)", v.names[1], b, v.bytes, err)
		}
	}
	if n != 4 {
		t.Errorf("%d frames, want 4", n)
	}
}

func TestAnnexESecureChannel(t *testing.T) {
	t.Parallel()
	all := vectors(t, "annex-e.txt")
	get := func(name string) []byte { return named(t, all, name) }
	if !bytes.Equal(DefaultKey[:], get("scbk")) {
		t.Errorf("SCBK-D is % X", DefaultKey[:])
	}
	s := newSession(Key(get("scbk")), [8]byte(get("rnd-a")))
	for _, k := range []struct {
		name string
		got  cipher.Block
	}{{"s-enc", s.enc}, {"s-mac1", s.mac1}, {"s-mac2", s.mac2}} {
		// A block cipher does not show its key: it has to encrypt as the vector does.
		var got, want [16]byte
		k.got.Encrypt(got[:], got[:])
		block(Key(get(k.name))).Encrypt(want[:], want[:])
		if got != want {
			t.Errorf("%s differs", k.name)
		}
	}
	reply := replyCCrypt{random: [8]byte(get("rnd-b")), cryptogram: [16]byte(get("client-cryptogram"))}
	if !s.prove(reply) {
		t.Error("the client cryptogram is refused")
	}
	if !bytes.Equal(s.serverCryptogram[:], get("server-cryptogram")) {
		t.Errorf("server cryptogram % X", s.serverCryptogram[:])
	}
	if !s.begin(replyRMacI{[16]byte(get("r-mac-i"))}) {
		t.Errorf("the initial R-MAC is refused, computed % X", s.reply[:])
	}
	for i := range 16 {
		bad := reply
		bad.cryptogram[i] ^= 1 << (i % 8)
		if newSession(Key(get("scbk")), [8]byte(get("rnd-a"))).prove(bad) {
			t.Errorf("a client cryptogram with a wrong byte %d is taken", i)
		}
		rmac := [16]byte(get("r-mac-i"))
		rmac[i] ^= 1
		if s.begin(replyRMacI{rmac}) {
			t.Errorf("an initial R-MAC with a wrong byte %d is taken", i)
		}
	}
}

func TestCommandVectors(t *testing.T) {
	t.Parallel()
	key := Key{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7}
	commands := map[string]command{
		"POLL": poll(), "LSTAT": ask(cmdLStat), "ISTAT": ask(cmdIStat), "OSTAT": ask(cmdOStat),
		"ID": askID(), "CAP": askCap(), "COMSET": setCommunication(1, 9600), "KEYSET": setKey(key),
		"FILE": sendFragment(3, 1000, 10, []byte{1, 2, 3, 4, 5}),
		"MFG":  manufacturer([3]byte{1, 2, 3}, []byte{0x0A, 0x0B, 0x0C}),
	}
	all := vectors(t, "commands.txt")
	if len(all) != 2*len(commands) {
		t.Errorf("%d vectors for %d commands", len(all), len(commands))
	}
	for _, v := range all {
		c, ok := commands[v.names[1]]
		if !ok {
			t.Fatalf("unknown command %q", v.names[1])
		}
		l := link{sequence: 2}
		if v.names[0] == "sealed" {
			zero := block(Key{})
			l.session = &session{enc: zero, mac1: zero, mac2: zero}
		}
		b, err := l.send(c)
		if err != nil || !bytes.Equal(b, v.bytes) {
			t.Errorf("%v: % X, want % X (%v)", v.names, b, v.bytes, err)
		}
		if f, err := parseFrame(v.bytes); err != nil || f.code != c.code || f.sequence != 2 {
			t.Errorf("%v: parsed as %+v (%v)", v.names, f, err)
		}
	}
}
