package passport_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"tombolo/passport"
	"tombolo/passport/vectortest"
)

// TestHaloVectors: real chips' signatures, and what ParseDER and NormalizeLowS
// must do for them to verify.
func TestHaloVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectortest.Load(t, "halo.txt", 5) {
		t.Run(c.Name, func(t *testing.T) {
			var digest [32]byte
			if c.Has("digest") {
				digest = c.Hex32(t, "digest")
			} else {
				digest = sha256.Sum256(append(c.Hex(t, "prefix"), c.Hex(t, "payload")...))
			}
			der := c.Hex(t, "der")
			sig, err := passport.ParseDER(passport.Secp256k1, der)
			if err != nil {
				t.Fatal(err)
			}
			if got := sig.AppendDER(nil); !bytes.Equal(got, der) {
				t.Errorf("DER again: %x", got)
			}
			// A Keycard signs digests bare, so its kind verifies any of them.
			bare, err := passport.NewKey(passport.KindKeycard, c.Hex(t, "key"))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []passport.Signature{sig, sig.NormalizeLowS(passport.Secp256k1)} {
				if err := bare.Verify(digest, s); err != nil {
					t.Error(err)
				}
			}
			if c.Name == "sign challenge, slot 2" {
				halo, err := passport.NewKey(passport.KindHalo, c.Hex(t, "key"))
				if err != nil {
					t.Fatal(err)
				}
				if err := halo.Verify(c.Hex32(t, "payload"), sig); err != nil {
					t.Errorf("as a halo's answer: %v", err)
				}
				if !sig.HighS(passport.Secp256k1) {
					t.Error("the vector has lost its high s")
				}
			}
			c.Done(t)
		})
	}
}

func TestIDVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectortest.Load(t, "ids.txt", 5) {
		if c.Name != "ids" {
			k := keyOf(t, c).Key()
			if k.ID() != c.Hex32(t, "id") {
				t.Errorf("%s: id %s", c.Name, k.ID())
			}
			c.Done(t)
			continue
		}
		community, node := passport.CommunityID(c.Hex32(t, "community")), passport.NodeID(c.Hex32(t, "node"))
		if community != sha256.Sum256([]byte("a first charter")) {
			t.Error("community id is not the hash of its first charter")
		}
		if got := passport.NodeTarget(node); got != c.Hex32(t, "node_target") {
			t.Errorf("node target %s", got)
		}
		door := passport.DoorTarget(node, c.Text(t, "door"))
		if door != c.Hex32(t, "door_target") {
			t.Errorf("door target %s", door)
		}
		if got := passport.TapPlace(c.Hex32(t, "gateway"), door); got != c.Hex32(t, "tap_place") {
			t.Errorf("tap place %s", got)
		}
		c.Done(t)
	}
}

// keyOf is the vector's door key, made from its text form, whose point must be
// the vector's.
func keyOf(t *testing.T, c *vectortest.Case) *passport.SoftKey {
	t.Helper()
	k, err := passport.ParseSoftKey([]byte("tombolo-door-key-1:" + c.Text(t, "kind") + ":" + c.Text(t, "private")))
	if err != nil {
		t.Fatal(err)
	}
	if point := k.Key().Point; !bytes.Equal(point[:], c.Hex(t, "point")) {
		t.Fatalf("%s: point %x", c.Name, point)
	}
	return k
}

func TestDelegationVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectortest.Load(t, "delegation.txt", 4) {
		t.Run(c.Name, func(t *testing.T) {
			key := keyOf(t, c)
			mode, err := passport.ParseMode(c.Text(t, "mode"))
			if err != nil {
				t.Fatal(err)
			}
			dom := passport.Domain{ChainID: c.Uint(t, "chain_id"), Registry: [20]byte(c.Hex(t, "registry"))}
			d := passport.Delegation{
				Passport:  passport.ID(c.Uint(t, "passport")),
				Key:       key.Key(),
				NotBefore: c.Uint(t, "not_before"),
				NotAfter:  c.Uint(t, "not_after"),
				Scope:     c.Hex32(t, "scope"),
				Mode:      mode,
			}
			digest := d.Digest(dom)
			check(t, c, "type_hash", passport.DelegationTypeHash)
			check(t, c, "domain_hash", dom.Separator())
			check(t, c, "digest", digest)
			checkStructHash(t, c, digest)
			wallet := wallet(t, c.Hex32(t, "wallet"))
			compact, err := passport.SignDelegation(wallet, dom, d)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(compact[:], c.Hex(t, "compact")) {
				t.Errorf("compact signature %x", compact)
			}
			challenge := passport.PossessionChallenge(digest)
			check(t, c, "challenge", challenge)
			check(t, c, "signed", passport.SignedDigest(d.Key.Kind, challenge))
			possession, err := key.Sign(challenge)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(possession[:], c.Hex(t, "possession")) {
				t.Errorf("possession %x", possession)
			}
			s, err := passport.NewSignedDelegation(dom, d, c.Hex(t, "wallet_sig"), possession)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := s.MarshalBinary()
			if !bytes.Equal(raw, c.Hex(t, "bytes")) {
				t.Errorf("bytes\n%x", raw)
			}
			parsed, err := passport.ParseSignedDelegation(raw)
			if err != nil || parsed != s {
				t.Errorf("parsed: %v", err)
			}
			signer, err := parsed.Verify([]passport.Domain{{ChainID: 1, Registry: dom.Registry}, dom})
			if err != nil || !bytes.Equal(signer[:], c.Hex(t, "address")) {
				t.Errorf("signer %x, %v", signer, err)
			}
			c.Done(t)
		})
	}
}

func TestRevocationVector(t *testing.T) {
	t.Parallel()
	c := vectortest.Load(t, "revocation.txt", 1)[0]
	dom := passport.Domain{ChainID: c.Uint(t, "chain_id"), Registry: [20]byte(c.Hex(t, "registry"))}
	r := passport.Revocation{Passport: passport.ID(c.Uint(t, "passport")), Point: [33]byte(c.Hex(t, "point"))}
	digest := r.Digest(dom)
	check(t, c, "type_hash", passport.RevocationTypeHash)
	check(t, c, "domain_hash", dom.Separator())
	check(t, c, "digest", digest)
	checkStructHash(t, c, digest)
	compact, err := passport.SignRevocation(wallet(t, c.Hex32(t, "wallet")), dom, r)
	if err != nil || !bytes.Equal(compact[:], c.Hex(t, "compact")) {
		t.Errorf("compact %x, %v", compact, err)
	}
	fromWallet, err := passport.CompactSignature(c.Hex(t, "wallet_sig"))
	if err != nil || fromWallet != compact {
		t.Errorf("compact of the wallet's %x, %v", fromWallet, err)
	}
	signer, err := passport.RecoverRevocation(dom, r, compact)
	if err != nil || !bytes.Equal(signer[:], c.Hex(t, "address")) {
		t.Errorf("signer %x, %v", signer, err)
	}
	c.Done(t)
}

func TestTapVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectortest.Load(t, "tap.txt", 4) {
		t.Run(c.Name, func(t *testing.T) {
			key := keyOf(t, c)
			ch := passport.Challenge{
				Community: c.Hex32(t, "community"),
				Place:     c.Hex32(t, "place_target"),
				Time:      c.Uint(t, "time_s"),
				Nonce:     c.Hex32(t, "nonce"),
			}
			check(t, c, "salt_place", passport.PlaceSalt(ch.Nonce[:]))
			check(t, c, "salt_time", passport.TimeSalt(ch.Nonce[:]))
			check(t, c, "place", ch.PlaceCommitment())
			check(t, c, "time", ch.TimeCommitment())
			if got := ch.Preimage(); !bytes.Equal(got, c.Hex(t, "preimage")) {
				t.Errorf("preimage %x", got)
			}
			check(t, c, "sum", ch.Sum())
			check(t, c, "signed", passport.SignedDigest(key.Key().Kind, ch.Sum()))
			sig, err := key.Sign(ch.Sum())
			if err != nil {
				t.Fatal(err)
			}
			tap, err := passport.NewTap(ch, key.Key(), sig)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := tap.MarshalBinary()
			if !bytes.Equal(raw, c.Hex(t, "bytes")) {
				t.Errorf("bytes %x", raw)
			}
			parsed, err := passport.ParseTap(raw)
			if err != nil || parsed != tap {
				t.Fatalf("parsed: %v", err)
			}
			if err := parsed.Verify(verifier(t, key.Key()), ch.Community, ch.Place); err != nil {
				t.Error(err)
			}
			c.Done(t)
		})
	}
}

func TestWindowVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectortest.Load(t, "window.txt", 2) {
		t.Run(c.Name, func(t *testing.T) {
			c.Text(t, "text") // read by package qr's test
			key := keyOf(t, c)
			s := passport.WindowStatement{
				Community: c.Hex32(t, "community"),
				Passport:  passport.ID(c.Uint(t, "passport")),
				Target:    c.Hex32(t, "target"),
				Start:     uint32(c.Uint(t, "start")),
				Length:    uint8(c.Uint(t, "length")),
				Nonce:     [16]byte(c.Hex(t, "nonce")),
			}
			check(t, c, "salt_place", passport.PlaceSalt(s.Nonce[:]))
			check(t, c, "salt_time", passport.TimeSalt(s.Nonce[:]))
			check(t, c, "place", s.Place())
			check(t, c, "time", s.Time())
			if got := s.Preimage(); !bytes.Equal(got, c.Hex(t, "preimage")) {
				t.Errorf("preimage %x", got)
			}
			check(t, c, "sum", s.Sum())
			w, err := passport.SignWindow(key, s)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := w.MarshalBinary()
			if !bytes.Equal(raw, c.Hex(t, "bytes")) {
				t.Errorf("bytes %x", raw)
			}
			parsed, err := passport.ParseWindow(raw)
			if err != nil || parsed != w {
				t.Fatalf("parsed: %v", err)
			}
			if err := parsed.Verify(verifier(t, key.Key()), s.Community, s.Target); err != nil {
				t.Error(err)
			}
			c.Done(t)
		})
	}
}

func check(t *testing.T, c *vectortest.Case, key string, got [32]byte) {
	t.Helper()
	if want := c.Hex32(t, key); got != want {
		t.Errorf("%s\n got %x\nwant %x", key, got, want)
	}
}

// checkStructHash: the digest is keccak256(1901 ‖ domain ‖ struct). EIP-712
func checkStructHash(t *testing.T, c *vectortest.Case, digest [32]byte) {
	t.Helper()
	b := append([]byte{0x19, 0x01}, c.Hex(t, "domain_hash")...)
	if got := passport.Keccak(append(b, c.Hex(t, "struct_hash")...)); got != digest {
		t.Errorf("digest of domain_hash and struct_hash %x", got)
	}
}
