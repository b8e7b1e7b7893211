package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	formats "github.com/transparency-dev/formats/log"
	cosig "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// vkey and skey are a key in the oracle's forms, algorithm 4: cosignature/v1.
func vkey(role Role, key ed25519.PrivateKey) string {
	c := cosigner{role: role, pub: public(key)}
	return fmt.Sprintf("%s+%08x+%s", c.Name(), c.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{4}, c.pub...)))
}

func skey(role Role, key ed25519.PrivateKey) string {
	c := cosigner{role: role, pub: public(key)}
	return fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", c.Name(), c.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{4}, key.Seed()...)))
}

// transparency-dev/formats reads our checkpoints and verifies our signatures,
// at the time that we were given.
func TestFormatsReadsOurs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		m.origin.Incarnation = Incarnation(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "incarnation"))
		c := Checkpoint{m.origin, rapid.Int64Range(0, maxSize).Draw(t, "size"), tlog.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root"))}
		at := uint64(rapid.Int64Min(0).Draw(t, "time"))
		signed, err := Sign(c, testAuthor, at)
		if err != nil {
			t.Fatal(err)
		}
		held := rapid.SampledFrom([]Role{RoleHold, RoleWitness, RoleHeartbeat}).Draw(t, "role")
		if signed, err = Cosign(signed, held, testKey("hold"), at+1); err != nil {
			t.Fatal(err)
		}
		author, err := cosig.NewVerifierForCosignatureV1(vkey(RoleAuthor, testAuthor))
		if err != nil {
			t.Fatal(err)
		}
		hold, err := cosig.NewVerifierForCosignatureV1(vkey(held, testKey("hold")))
		if err != nil {
			t.Fatal(err)
		}
		read, rest, n, err := formats.ParseCheckpoint(signed, c.Origin.String(), author, hold)
		if err != nil || len(rest) != 0 || len(n.Sigs) != 2 || len(n.UnverifiedSigs) != 0 {
			t.Fatalf("%v: %d bytes rest, %+v", err, len(rest), n)
		}
		if read.Origin != c.Origin.String() || read.Size != uint64(c.Size) || !bytes.Equal(read.Hash, c.Root[:]) {
			t.Fatalf("%+v became %+v", c, read)
		}
		for i, want := range []uint64{at, at + 1} {
			if got, err := cosig.CoSigV1Timestamp(n.Sigs[i]); err != nil || got.Unix() != time.Unix(int64(want), 0).Unix() {
				t.Fatalf("signature %d: at %v, want %d, %v", i, got, want, err)
			}
		}
	})
}

// The other way round: a note that formats writes and cosigns opens here.
func TestWeReadFormats(t *testing.T) {
	t.Parallel()
	m := newMemory()
	c := Checkpoint{m.origin, 17, tlog.RecordHash([]byte("x"))}
	text := formats.Checkpoint{Origin: c.Origin.String(), Size: 17, Hash: c.Root[:]}.Marshal()
	author, err := cosig.NewSignerForCosignatureV1(skey(RoleAuthor, testAuthor))
	if err != nil {
		t.Fatal(err)
	}
	beat, err := cosig.NewSignerForCosignatureV1(skey(RoleHeartbeat, testKey("beat")))
	if err != nil {
		t.Fatal(err)
	}
	before := uint64(time.Now().Unix())
	signed, err := note.Sign(&note.Note{Text: string(text)}, author, beat)
	if err != nil {
		t.Fatal(err)
	}
	after := uint64(time.Now().Unix())
	h, err := OpenHead(signed, public(testAuthor), Cosigner{RoleHeartbeat, public(testKey("beat"))})
	if err != nil {
		t.Fatal(err)
	}
	if h.Checkpoint != c || h.Time < before || h.Time > after || len(h.Others) != 1 || h.Others[0].Time < before || h.Unknown != 0 {
		t.Errorf("%+v", h)
	}
	if got := (cosigner{role: RoleAuthor, pub: public(testAuthor)}); got.KeyHash() != author.KeyHash() || got.Name() != author.Name() {
		t.Errorf("key %08x %s, want %08x %s", got.KeyHash(), got.Name(), author.KeyHash(), author.Name())
	}
}

// Only the author's and an asked heartbeat's signatures count for freshness.
func TestFresh(t *testing.T) {
	t.Parallel()
	signed := newMemory().fill(t, 1, 0).head(t, 1).Note
	add := func(role Role, name string, at uint64) {
		var err error
		if signed, err = Cosign(signed, role, testKey(name), at); err != nil {
			t.Fatal(err)
		}
	}
	add(RoleHold, "a hold", testTime+100)
	add(RoleWitness, "a witness", testTime+200)
	add(RoleHeartbeat, "a stranger", testTime+300)
	add(RoleHeartbeat, "a heartbeat", testTime+50)
	beat := Cosigner{RoleHeartbeat, public(testKey("a heartbeat"))}
	for _, c := range []struct {
		asked []Cosigner
		fresh uint64
		seen  int
	}{
		{nil, testTime, 0},
		{[]Cosigner{beat, beat}, testTime + 50, 1},
		{[]Cosigner{beat, {RoleHold, public(testKey("a hold"))}, {RoleWitness, public(testKey("a witness"))}}, testTime + 50, 3},
		{[]Cosigner{{RoleHeartbeat, public(testKey("a hold"))}, {RoleHold, beat.Key}}, testTime, 0}, // a key has one role
	} {
		h, err := OpenHead(signed, public(testAuthor), c.asked...)
		if err != nil || h.Fresh() != c.fresh || len(h.Others) != c.seen || h.Unknown != 4-c.seen {
			t.Errorf("%v: fresh %d, %d cosignatures, %d unknown, %v", c.asked, h.Fresh(), len(h.Others), h.Unknown, err)
		}
	}
	// The same key's later word replaces its earlier one.
	add(RoleHeartbeat, "a heartbeat", testTime+60)
	if h, err := OpenHead(signed, public(testAuthor), beat); err != nil || h.Fresh() != testTime+60 || h.Unknown != 3 {
		t.Errorf("%d, %v", h.Fresh(), err)
	}
}

func TestParseCheckpointMalformed(t *testing.T) {
	t.Parallel()
	m := newMemory()
	good := Checkpoint{m.origin, 17, tlog.RecordHash([]byte("x"))}
	if c, err := ParseCheckpoint(good.Text()); err != nil || c != good {
		t.Fatal(c, err)
	}
	origin, root := m.origin.String(), good.Root.String()
	notCanonical := []byte(root)
	notCanonical[42]++ // bits that no byte holds
	for name, c := range map[string]struct{ in, says string }{
		"nothing":              {"", "each on a line"},
		"no newline":           {strings.TrimSuffix(good.Text(), "\n"), "each on a line"},
		"an extension line":    {good.Text() + "extension\n", "each on a line"},
		"a blank line":         {good.Text() + "\n", "each on a line"},
		"carriage returns":     {strings.ReplaceAll(good.Text(), "\n", "\r\n"), "incarnation"},
		"another origin":       {"example.com/log\n17\n" + root + "\n", "does not begin with"},
		"no size":              {origin + "\n\n" + root + "\n", `size ""`},
		"a negative size":      {origin + "\n-1\n" + root + "\n", `size "-1"`},
		"a size with a plus":   {origin + "\n+17\n" + root + "\n", `size "+17"`},
		"a size with a zero":   {origin + "\n017\n" + root + "\n", `size "017"`},
		"a size in hex":        {origin + "\n0x11\n" + root + "\n", `size "0x11"`},
		"a size with a space":  {origin + "\n17 \n" + root + "\n", `size "17 "`},
		"a giant size":         {origin + "\n281474976710657\n" + root + "\n", `size "281474976710657"`},
		"beyond any integer":   {origin + "\n99999999999999999999\n" + root + "\n", `size "9999`},
		"no root":              {origin + "\n17\n\n", `root ""`},
		"a short root":         {origin + "\n17\n" + root[:40] + "\n", "root"},
		"a long root":          {origin + "\n17\n" + root[:43] + "AAA==\n", "root"},
		"a root unpadded":      {origin + "\n17\n" + root[:43] + "\n", "root"},
		"a root for addresses": {origin + "\n17\n" + "_" + root[1:] + "\n", "root"},
		"a root not canonical": {origin + "\n17\n" + string(notCanonical) + "\n", "root"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseCheckpoint(c.in)
			refused(t, err, ErrCheckpoint, c.says)
		})
	}
}

func TestOpenHeadMalformed(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 3, 0)
	good := m.head(t, 3).Note
	body, sigs, _ := bytes.Cut(good, []byte("\n\n"))
	other := testKey("another author")
	text := func(s string, signers ...note.Signer) []byte {
		signed, err := note.Sign(&note.Note{Text: s}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	as := func(role Role, key ed25519.PrivateKey) note.Signer { return cosigner{role, public(key), key, testTime} }
	c := m.head(t, 3).Checkpoint
	replace := func(old, with string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %q in the note", old)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	// flipped changes a bit in the signature's base64, i from its end.
	flipped := func(i int) []byte {
		b := bytes.Clone(good)
		if b[len(b)-1-i] ^= 1; b[len(b)-1-i] == '/' || b[len(b)-1-i] == '.' {
			b[len(b)-1-i] = 'Q'
		}
		return b
	}
	for name, k := range map[string]struct {
		in   []byte
		key  ed25519.PublicKey
		is   error
		says string
	}{
		"nothing":                {nil, public(testAuthor), ErrCheckpoint, "malformed note"},
		"too long":               {make([]byte, MaxNote+1), public(testAuthor), ErrCheckpoint, "8193 bytes"},
		"no signature":           {append(bytes.Clone(body), '\n'), public(testAuthor), ErrCheckpoint, "malformed note"},
		"no blank line":          {bytes.Replace(good, []byte("\n\n"), []byte("\n"), 1), public(testAuthor), ErrCheckpoint, "malformed note"},
		"invalid UTF-8":          {append([]byte{0xff}, good...), public(testAuthor), ErrCheckpoint, "malformed note"},
		"something behind":       {append(bytes.Clone(good), "x\n"...), public(testAuthor), ErrCheckpoint, "malformed note"},
		"a control character":    {replace("3\n", "3\r\n"), public(testAuthor), ErrCheckpoint, "malformed note"},
		"size altered":           {replace("\n3\n", "\n4\n"), public(testAuthor), ErrSignature, "does not verify"},
		"root altered":           {replace(c.Root.String()[:4], "AAAA"), public(testAuthor), ErrSignature, "does not verify"},
		"origin altered":         {replace("/door/", "/node/"), public(testAuthor), ErrSignature, "does not verify"},
		"signature altered":      {flipped(8), public(testAuthor), ErrSignature, "does not verify"},
		"time altered":           {flipped(90), public(testAuthor), ErrSignature, "does not verify"},
		"another's signature":    {text(c.Text(), as(RoleAuthor, other)), public(testAuthor), ErrSignature, "1 signatures, none by"},
		"another's name and key": {text(c.Text(), as(RoleAuthor, other)), public(other), ErrAuthor, "origin says"},
		"the whole re-signed":    {text(strings.Replace(c.Text(), c.Origin.Author.String(), KeyIDOf(public(other)).String(), 1), as(RoleAuthor, other)), public(testAuthor), ErrAuthor, "origin says"},
		"another's ledger":       {good, public(other), ErrAuthor, "origin says"},
		"only the holder signed": {text(c.Text(), as(RoleHold, testAuthor)), public(testAuthor), ErrSignature, "none by"},
		"not a checkpoint":       {text("x\ny\nz\n", as(RoleAuthor, testAuthor)), public(testAuthor), ErrCheckpoint, "does not begin"},
		"an extension line":      {text(c.Text()+"more\n", as(RoleAuthor, testAuthor)), public(testAuthor), ErrCheckpoint, "each on a line"},
		"no key":                 {good, nil, ErrAuthor, "0 bytes"},
		"half a key":             {good, public(testAuthor)[:16], ErrAuthor, "16 bytes"},
		"signed without a time":  {append(append(bytes.Clone(body), '\n', '\n'), shorten(t, sigs)...), public(testAuthor), ErrSignature, "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenHead(k.in, k.key)
			refused(t, err, k.is, k.says)
		})
	}
}

// shorten takes the time out of a signature line.
func shorten(tb testing.TB, line []byte) []byte {
	tb.Helper()
	i := bytes.LastIndexByte(line, ' ') + 1
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line[i:])))
	if err != nil {
		tb.Fatal(err)
	}
	b = append(b[:4:4], b[12:]...)
	return append(append(bytes.Clone(line[:i]), base64.StdEncoding.EncodeToString(b)...), '\n')
}

func TestSignAndCosignRefuse(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 3, 0)
	if _, err := Sign(m.head(t, 3).Checkpoint, testKey("another author"), 1); !errors.Is(err, ErrAuthor) {
		t.Errorf("%v", err)
	}
	if _, err := Cosign([]byte("no note"), RoleHold, testAuthor, 1); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("%v", err)
	}
	if _, err := Cosign(make([]byte, MaxNote+1), RoleHold, testAuthor, 1); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("%v", err)
	}
	// What grows past the bound is never handed out: nobody could open it.
	signed := m.head(t, 3).Note
	for i := 0; ; i++ {
		next, err := Cosign(signed, RoleWitness, testKey(fmt.Sprint(i)), 1)
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || i < 20 {
				t.Errorf("after %d: %v", i, err)
			}
			break
		}
		signed = next
	}
	if _, err := OpenHead(signed, public(testAuthor)); err != nil {
		t.Error(err)
	}
}

func TestParseOriginMalformed(t *testing.T) {
	t.Parallel()
	good := newMemory().origin
	s := good.String()
	if o, err := ParseOrigin(s); err != nil || o != good {
		t.Fatal(o, err)
	}
	part := func(n int, with string) string {
		parts := strings.Split(s, "/")
		parts[n] = with
		return strings.Join(parts, "/")
	}
	for name, c := range map[string]struct{ in, says string }{
		"nothing":                 {"", "does not begin"},
		"too long":                {s + strings.Repeat("0", 200), "characters"},
		"another product":         {part(0, "sunlight"), "does not begin"},
		"another version":         {part(1, "v2"), "does not begin"},
		"a part short":            {s[:strings.LastIndexByte(s, '/')], "3 parts"},
		"a part more":             {s + "/x", "5 parts"},
		"a short community":       {part(2, "abcd"), "community id: 4 characters"},
		"not hexadecimal":         {part(2, strings.Repeat("g", 64)), "community id: encoding/hex"},
		"upper case":              {part(2, strings.ToUpper(testCommunity.String())), "community id: upper-case"},
		"an unknown kind":         {part(3, "diary"), "unknown kind"},
		"no kind":                 {part(3, ""), "unknown kind"},
		"a kind in capitals":      {part(3, "Door"), "unknown kind"},
		"a short author":          {part(4, "ab"), "author's key id: 2"},
		"an upper-case author":    {part(4, strings.ToUpper(good.Author.String())), "author's key id: upper"},
		"a long incarnation":      {s + "0", "incarnation: 17"},
		"a space behind":          {s + " ", "incarnation: 17"},
		"a newline":               {s[:len(s)-1] + "\n", "incarnation: encoding/hex"},
		"a letter outside ASCII":  {part(5, "é12233445566778"), "incarnation: encoding/hex"},
		"a letter of two letters": {part(5, "ǅ12233445566778"), "incarnation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseOrigin(c.in)
			refused(t, err, ErrOrigin, c.says)
		})
	}
}

func FuzzParseOrigin(f *testing.F) {
	f.Add(newMemory().origin.String())
	f.Add("tombolo/v1////")
	f.Fuzz(func(t *testing.T, in string) {
		if o, err := ParseOrigin(in); err == nil && o.String() != in {
			t.Fatalf("%q became %q", in, o)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(newMemory().fill(f, 3, 0).head(f, 3).Text())
	f.Fuzz(func(t *testing.T, in string) {
		if c, err := ParseCheckpoint(in); err == nil && c.Text() != in {
			t.Fatalf("%q became %q", in, c.Text())
		}
	})
}

// What opens is the text that was signed, and nobody else's signature.
func FuzzOpenHead(f *testing.F) {
	h := newMemory().fill(f, 3, 0).head(f, 3)
	f.Add(h.Note)
	cosigned, err := Cosign(h.Note, RoleHold, testKey("hold"), testTime+9)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cosigned)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := OpenHead(in, public(testAuthor), Cosigner{RoleHold, public(testKey("hold"))})
		if err != nil {
			return
		}
		if got.Checkpoint != h.Checkpoint || got.Time != testTime { // the fuzzer has no key
			t.Fatalf("a forgery: %q", in)
		}
		if !bytes.Equal(got.Note, in) || !strings.HasPrefix(string(in), got.Text()+"\n") {
			t.Fatalf("%q became %q", in, got.Text())
		}
	})
}
