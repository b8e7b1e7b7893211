package card_test

import (
	"bytes"
	"errors"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
)

func TestCredentialVerify(t *testing.T) {
	t.Parallel()
	good := newTown(t, "isla", "gw1").credential
	issuers := [][32]byte{{1}, good.Issuer, {2}}
	if err := good.Verify(issuers); err != nil {
		t.Fatal(err)
	}
	other := newTown(t, "otra", "gw1").credential
	for name, c := range map[string]struct {
		change func(*card.Credential)
		want   error
	}{
		"another community":     {func(c *card.Credential) { c.Community[0] ^= 1 }, card.ErrNodeLink},
		"another issuer":        {func(c *card.Credential) { c.Issuer = other.Issuer }, card.ErrIssuer},
		"another node":          {func(c *card.Credential) { c.Node[31] ^= 1 }, card.ErrNodeLink},
		"another steward":       {func(c *card.Credential) { c.Steward = other.Steward }, card.ErrNodeLink},
		"another's node link":   {func(c *card.Credential) { c.NodeSig = other.NodeSig }, card.ErrNodeLink},
		"no node link":          {func(c *card.Credential) { c.NodeSig = [64]byte{} }, card.ErrNodeLink},
		"another gateway":       {func(c *card.Credential) { c.Gateway[0] ^= 1 }, card.ErrGatewayLink},
		"another reader key":    {func(c *card.Credential) { c.Reader[0] ^= 1 }, card.ErrGatewayLink},
		"another's link":        {func(c *card.Credential) { c.GatewaySig = other.GatewaySig }, card.ErrGatewayLink},
		"no gateway link":       {func(c *card.Credential) { c.GatewaySig = [64]byte{} }, card.ErrGatewayLink},
		"links exchanged":       {func(c *card.Credential) { c.NodeSig, c.GatewaySig = c.GatewaySig, c.NodeSig }, card.ErrNodeLink},
		"the issuer as steward": {func(c *card.Credential) { c.Steward = c.Issuer }, card.ErrNodeLink},
	} {
		bad := good
		c.change(&bad)
		if err := bad.Verify(issuers); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := good.Verify(nil); !errors.Is(err, card.ErrIssuer) {
		t.Errorf("no issuer is known: %v", err)
	}
}

// Every byte of a credential is signed, or a signature.
func TestCredentialBits(t *testing.T) {
	t.Parallel()
	good := newTown(t, "isla", "gw1").credential
	b, err := good.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		c, err := card.ParseCredential(bad)
		if err == nil && c.Verify([][32]byte{good.Issuer}) == nil {
			t.Errorf("byte %d does not count", i)
		}
	}
}

func TestCredentialMalformed(t *testing.T) {
	t.Parallel()
	want := newTown(t, "isla", "gw1").credential
	good, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := card.ParseCredential(good); err != nil || c != want {
		t.Fatalf("%+v, %v", c, err)
	}
	const reader = 1 + 192 + 32
	with := func(at int, b ...byte) []byte {
		out := bytes.Clone(good)
		copy(out[at:], b)
		return out
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"nothing":             {nil, passport.ErrLength},
		"a version alone":     {[]byte{1}, passport.ErrLength},
		"a byte short":        {good[:len(good)-1], passport.ErrLength},
		"a byte more":         {append(bytes.Clone(good), 0), passport.ErrLength},
		"the node's part":     {good[:1+192], passport.ErrLength},
		"twice":               {append(bytes.Clone(good), good...), passport.ErrLength},
		"without its version": {good[1:], passport.ErrLength},
		"version 0":           {with(0, 0), passport.ErrVersion},
		"version 2":           {with(0, 2), passport.ErrVersion},
		"version 255":         {with(0, 255), passport.ErrVersion},
		"no reader key":       {with(reader, make([]byte, 33)...), card.ErrReaderKey},
		"uncompressed":        {with(reader, 4), card.ErrReaderKey},
		"hybrid":              {with(reader, 6), card.ErrReaderKey},
		"off the curve":       {with(reader, append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...)...), card.ErrReaderKey},
		"x of no point":       {with(reader, append([]byte{2}, append(make([]byte, 31), 1)...)...), card.ErrReaderKey},
	} {
		if got, err := card.ParseCredential(c.in); !errors.Is(err, c.want) || got != (card.Credential{}) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzCredential(f *testing.F) {
	good, err := newTown(f, "isla", "gw1").credential.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := card.ParseCredential(in)
		if err != nil {
			return
		}
		if out, err := c.MarshalBinary(); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x became %x, %v", in, out, err)
		}
	})
}
