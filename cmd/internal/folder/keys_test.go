package folder

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"testing"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	f := open(t, t.TempDir())
	for _, role := range roles {
		if _, err := f.Key(role); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v", role, err)
		}
		if err := f.NewKey(role); err != nil {
			t.Fatal(err)
		}
		before := must(os.ReadFile(file(t, f, "keys/"+string(role)+".pem")))
		if err := f.NewKey(role); !errors.Is(err, ErrKeyExists) {
			t.Errorf("%s again: %v", role, err)
		}
		if after := must(os.ReadFile(file(t, f, "keys/"+string(role)+".pem"))); !bytes.Equal(before, after) {
			t.Errorf("%s was replaced", role)
		}
	}
	info := must(os.Stat(file(t, f, "keys")))
	if info.Mode().Perm() != 0o700 {
		t.Errorf("keys: %v", info.Mode())
	}
	for _, e := range must(os.ReadDir(file(t, f, "keys"))) {
		if info := must(e.Info()); info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", e.Name(), info.Mode())
		}
	}
	if _, err := f.Key(SealingKey); !errors.Is(err, ErrKeyType) {
		t.Errorf("the sealing key signs: %v", err)
	}
	if _, err := f.Sealing(); err != nil {
		t.Error(err)
	}
	if _, err := f.Key(ReaderKey); !errors.Is(err, ErrKeyType) {
		t.Errorf("the reader key signs ledgers: %v", err)
	}
	if key, public, err := f.Reader(); err != nil || !bytes.Equal(public[:], elliptic.MarshalCompressed(key.Curve, key.X, key.Y)) {
		t.Errorf("the reader key: %x, %v", public, err)
	}
	if _, err := f.Key("../charter"); !errors.Is(err, ErrRole) {
		t.Errorf("a role that is a path: %v", err)
	}
	if err := os.Chmod(file(t, f, "keys/issuer.pem"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Key(IssuerKey); !errors.Is(err, ErrKeyOpen) {
		t.Errorf("a key for all to read: %v", err)
	}
	if err := os.Rename(file(t, f, "keys/sealing.pem"), file(t, f, "keys/hold.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Key(HoldKey); !errors.Is(err, ErrKeyType) {
		t.Errorf("a sealing key in hold's place: %v", err)
	}
}

func sampleKey(t testing.TB) []byte {
	t.Helper()
	return must(marshalKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))))
}

func TestKeyMalformed(t *testing.T) {
	t.Parallel()
	good := sampleKey(t)
	if _, err := parseKey(good); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	encode := func(kind string, headers map[string]string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: der})
	}
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	agree := must(ecdh.P384().GenerateKey(rand.Reader))
	for _, c := range []struct {
		name string
		text []byte
		want error
	}{
		{"nothing", nil, ErrKeyPEM},
		{"text", []byte("hello"), ErrKeyPEM},
		{"another type of block", encode("EC PRIVATE KEY", nil, block.Bytes), ErrKeyPEM},
		{"a public key's block", encode("PUBLIC KEY", nil, block.Bytes), ErrKeyPEM},
		{"headers", encode(pemType, map[string]string{"Role": "issuer"}, block.Bytes), ErrKeyPEM},
		{"an empty block", encode(pemType, nil, nil), ErrKeyPEM},
		{"cut DER", encode(pemType, nil, block.Bytes[:len(block.Bytes)-1]), ErrKeyPEM},
		{"more DER", encode(pemType, nil, append(bytes.Clone(block.Bytes), 0)), ErrKeyPEM},
		{"cut text", good[:len(good)-10], ErrKeyPEM},
		{"text before", append([]byte("# mine\n"), good...), ErrKeyPEM},
		{"text behind", append(bytes.Clone(good), "# mine\n"...), ErrKeyPEM},
		{"two keys", append(bytes.Clone(good), good...), ErrKeyPEM},
		{"carriage returns", bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), ErrKeyPEM},
		{"ECDSA on P-384", must(marshalKey(p384)), ErrKeyType},
		{"ECDH on P-384", must(marshalKey(agree)), ErrKeyType},
	} {
		if _, err := parseKey(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add(sampleKey(f))
	f.Add(must(marshalKey(must(ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))))))
	f.Add(must(marshalKey(must(ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))))))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseKey(text)
		if err != nil {
			return
		}
		if again, err := marshalKey(key); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	})
}
