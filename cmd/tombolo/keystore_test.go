package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestKeystore(t *testing.T) {
	t.Parallel()
	text, err := newKeystore("7", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	k, err := parseKeystore(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.open("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(crypto.FromECDSA(key)); got != strings.Repeat("0", 63)+"7" {
		t.Errorf("the key is %s, want 7", got)
	}
	if _, err := k.open("battery staple"); !errors.Is(err, errPassword) {
		t.Errorf("wrong password: %v", err)
	}
	k.Address = strings.Repeat("ab", 20)
	if _, err := k.open("correct horse"); !errors.Is(err, errKeystoreAddress) {
		t.Errorf("another's address: %v", err)
	}
}

// pbkdf2Keystore is the test vector of Web3 secret storage version 3,
// PBKDF2-SHA-256 (ethereum.org, "Web3 secret storage definition"; also
// go-ethereum's accounts/keystore/testdata/v3_test_vector.json).
const pbkdf2Keystore = `{
	"crypto": {
		"cipher": "aes-128-ctr",
		"cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
		"ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
		"kdf": "pbkdf2",
		"kdfparams": {"c": 262144, "dklen": 32, "prf": "hmac-sha256", "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
		"mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
	},
	"id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
	"version": 3
}`

func TestKeystoreVector(t *testing.T) {
	t.Parallel()
	k, err := parseKeystore([]byte(pbkdf2Keystore))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.open("testpassword")
	if err != nil {
		t.Fatal(err)
	}
	const want = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
	if got := hex.EncodeToString(crypto.FromECDSA(key)); got != want {
		t.Errorf("the key is %s, want %s", got, want)
	}
}

func TestKeystoreMalformed(t *testing.T) {
	t.Parallel()
	good, err := newKeystore("7", "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		edit func(k, box, kdf map[string]any)
		want error
	}{
		{"version 1", func(k, _, _ map[string]any) { k["version"] = 1 }, errKeystoreVersion},
		{"version as text", func(k, _, _ map[string]any) { k["version"] = "3" }, errKeystoreJSON},
		{"no crypto", func(k, _, _ map[string]any) { delete(k, "crypto") }, errKeystoreCipher},
		{"another cipher", func(_, c, _ map[string]any) { c["cipher"] = "aes-128-cbc" }, errKeystoreCipher},
		{"another kdf", func(_, c, _ map[string]any) { c["kdf"] = "argon2id" }, errKeystoreKDF},
		{"pbkdf2 without prf", func(_, c, _ map[string]any) { c["kdf"] = "pbkdf2" }, errKeystoreKDF},
		{"pbkdf2 for a year", func(_, c, p map[string]any) { c["kdf"], p["prf"], p["c"] = "pbkdf2", "hmac-sha256", 2_000_000_000 }, errKeystoreCost},
		{"pbkdf2 without rounds", func(_, c, p map[string]any) { c["kdf"], p["prf"], p["c"] = "pbkdf2", "hmac-sha256", 0 }, errKeystoreCost},
		{"scrypt of a terabyte", func(_, _, p map[string]any) { p["n"] = 1 << 30 }, errKeystoreCost},
		{"scrypt of a wide block", func(_, _, p map[string]any) { p["r"] = 1 << 40 }, errKeystoreCost},
		{"scrypt for a year", func(_, _, p map[string]any) { p["p"] = 1 << 28 }, errKeystoreCost},
		{"scrypt overflow", func(_, _, p map[string]any) { p["n"], p["r"], p["p"] = 1<<21, 1<<30, 1<<30 }, errKeystoreCost},
		{"scrypt of no power", func(_, _, p map[string]any) { p["n"] = 4095 }, errKeystoreCost},
		{"scrypt of nothing", func(_, _, p map[string]any) { p["n"] = 0 }, errKeystoreCost},
		{"negative r", func(_, _, p map[string]any) { p["r"] = -8 }, errKeystoreCost},
		{"a fraction", func(_, _, p map[string]any) { p["n"] = 4096.5 }, errKeystoreJSON},
		{"dklen 16", func(_, _, p map[string]any) { p["dklen"] = 16 }, errKeystoreField},
		{"no salt", func(_, _, p map[string]any) { delete(p, "salt") }, errKeystoreField},
		{"salt is a number", func(_, _, p map[string]any) { p["salt"] = 5 }, errKeystoreJSON},
		{"a long salt", func(_, _, p map[string]any) { p["salt"] = strings.Repeat("00", 65) }, errKeystoreField},
		{"a short key", func(_, c, _ map[string]any) { c["ciphertext"] = "00" }, errKeystoreField},
		{"no hexadecimal key", func(_, c, _ map[string]any) { c["ciphertext"] = strings.Repeat("zz", 32) }, errKeystoreField},
		{"a short iv", func(_, c, _ map[string]any) { c["cipherparams"] = map[string]any{"iv": "00"} }, errKeystoreField},
		{"a short mac", func(_, c, _ map[string]any) { c["mac"] = "00" }, errKeystoreField},
		{"a short address", func(k, _, _ map[string]any) { k["address"] = "abcd" }, errKeystoreField},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k map[string]any
			if err := json.Unmarshal(good, &k); err != nil {
				t.Fatal(err)
			}
			box := k["crypto"].(map[string]any)
			c.edit(k, box, box["kdfparams"].(map[string]any))
			text, err := json.Marshal(k)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseKeystore(text); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "no JSON": []byte("hello"), "a list": []byte("[]"), "cut": good[:len(good)-1], "two": append(bytes.Clone(good), good...), "huge": make([]byte, maxKeystore+1),
	} {
		if _, err := parseKeystore(text); !errors.Is(err, errKeystoreJSON) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzKeystore: whatever is accepted is within the bounds of what may be
// computed, and its MAC is checked without a panic.
func FuzzKeystore(f *testing.F) {
	text, err := newKeystore("7", "x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(pbkdf2Keystore))
	f.Add([]byte(`{"version":3,"crypto":{"cipher":"aes-128-ctr","kdf":"scrypt","kdfparams":{"n":9007199254740993}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := parseKeystore(text)
		if err != nil {
			return
		}
		p := k.Crypto.KDFParams
		if k.Crypto.KDF == "scrypt" && (128*p.N*p.R > maxScryptMemory || p.N*p.R*p.P > maxScryptWork) {
			t.Fatalf("N %d, r %d, p %d", p.N, p.R, p.P)
		}
		if p.N*p.R*p.P > 1<<10 || p.C > 1<<10 {
			return // lawful, and slow
		}
		if _, err := k.open(""); err == nil {
			t.Error("the empty password opens it")
		}
	})
}
