package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"tombolo/passport/vectortest"
)

func TestCharterMalformed(t *testing.T) {
	t.Parallel()
	node := Charter{
		Format: 1, Kind: NodeCharter, Version: 1, Slug: "casa", Community: testCommunity,
		Keys: raw(steward1), Threshold: 1, Authors: []Author{{Role: Steward, Key: [32]byte{1}}},
	}
	mustCharter(t, node)
	retired := func(f func(*Author)) func(*Charter) {
		return func(c *Charter) {
			a := issuer
			a.Retired = true
			f(&a)
			c.Authors = []Author{a}
		}
	}
	for name, c := range map[string]struct {
		of   Charter
		f    func(*Charter)
		says string
	}{
		"a later format":             {firstCharter(), func(c *Charter) { c.Format = 2 }, "format 2"},
		"an unknown kind":            {firstCharter(), func(c *Charter) { c.Kind = "hub" }, `unknown kind "hub"`},
		"version 0":                  {firstCharter(), func(c *Charter) { c.Version = 0 }, "version 0"},
		"first with a previous":      {firstCharter(), func(c *Charter) { c.Previous[0] = 1 }, "version 1 with previous 01"},
		"second without a previous":  {firstCharter(), func(c *Charter) { c.Version = 2 }, "version 2 with previous 00"},
		"no slug":                    {firstCharter(), func(c *Charter) { c.Slug = "" }, `slug ""`},
		"a slug in capitals":         {firstCharter(), func(c *Charter) { c.Slug = "Azul" }, "only a–z"},
		"no keys":                    {firstCharter(), func(c *Charter) { c.Keys = nil }, "2 of 0 keys"},
		"threshold 0":                {firstCharter(), func(c *Charter) { c.Threshold = 0 }, "0 of 3 keys"},
		"a threshold beyond reach":   {firstCharter(), func(c *Charter) { c.Threshold = 4 }, "4 of 3 keys"},
		"65 keys":                    {firstCharter(), func(c *Charter) { c.Keys = make([][32]byte, 65) }, "of 65 keys"},
		"keys not ascending":         {firstCharter(), func(c *Charter) { slices.Reverse(c.Keys) }, "keys are not ascending"},
		"a key twice":                {firstCharter(), func(c *Charter) { c.Keys[1] = c.Keys[0] }, "keys are not ascending"},
		"a community in a community": {firstCharter(), func(c *Charter) { c.Community = testCommunity }, "names a community"},
		"no chain":                   {firstCharter(), func(c *Charter) { c.ChainID = 0 }, "no chain id"},
		"no registry":                {firstCharter(), func(c *Charter) { c.Registry = [20]byte{} }, "no chain id or registry"},
		"a steward in a community":   {firstCharter(), func(c *Charter) { c.Authors[0].Role = Steward }, `role "steward"`},
		"an author without a role":   {firstCharter(), func(c *Charter) { c.Authors[0].Role = "" }, `role ""`},
		"a hub in a node":            {node, func(c *Charter) { c.Authors[0].Role = Hub }, `role "hub"`},
		"an evaluator in a node":     {node, func(c *Charter) { c.Authors[0].Role = Evaluator }, `role "evaluator"`},
		"two hubs":                   {firstCharter(), two(Hub), `two keys have the role "hub"`},
		"two that hold for the hub":  {firstCharter(), two(HubHold), `two keys have the role "hub-hold"`},
		"two witnesses of the hub":   {firstCharter(), two(HubWitness), `two keys have the role "hub-witness"`},
		"two evaluators":             {firstCharter(), two(Evaluator), `two keys have the role "evaluator"`},
		"an author who signs":        {firstCharter(), func(c *Charter) { c.Authors[0].Key = c.Keys[0] }, "writes no ledger"},
		"an author twice":            {firstCharter(), func(c *Charter) { c.Authors = []Author{issuer, issuer} }, "authors are not ascending"},
		"257 authors":                {firstCharter(), func(c *Charter) { c.Authors = make([]Author, 257) }, "257 authors"},
		"an end, not retired":        {firstCharter(), func(c *Charter) { c.Authors[0].Counted = []Counted{{Size: 1}} }, "not retired"},
		"a successor, not retired":   {firstCharter(), func(c *Charter) { c.Authors[0].Successor = make([]byte, 32) }, "not retired"},
		"a successor's half key":     {firstCharter(), retired(func(a *Author) { a.Successor = make([]byte, 16) }), "key of 16 bytes"},
		"an end before the start":    {firstCharter(), retired(func(a *Author) { a.Counted = []Counted{{Size: 0}} }), "at least one entry"},
		"an end twice":               {firstCharter(), retired(func(a *Author) { a.Counted = []Counted{{Size: 1}, {Size: 1}} }), "not ascending"},
		"a node without a community": {node, func(c *Charter) { c.Community = CharterID{} }, "names no community"},
		"a node with a chain":        {node, func(c *Charter) { c.ChainID = 1 }, "names a registry"},
		"an issuer in a node":        {node, func(c *Charter) { c.Authors[0].Role = Issuer }, `role "issuer"`},
		"more than travels":          {firstCharter(), retired(func(a *Author) { a.Counted = many(1200) }), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := c.of
			bad.Keys, bad.Authors = slices.Clone(bad.Keys), slices.Clone(bad.Authors)
			c.f(&bad)
			_, err := bad.Marshal()
			refused(t, err, ErrCharter, c.says)
			if bad.check() == nil { // only its size is wrong
				return
			}
			_, err = ParseCharter(encode(bad))
			refused(t, err, ErrCharter, c.says)
			_, err = CheckCharter(Charters{}, SignCharter(encode(bad), steward1, steward2))
			refused(t, err, ErrCharter, c.says)
		})
	}
}

func two(role AuthorRole) func(*Charter) {
	return func(c *Charter) { c.Authors = []Author{{Role: role, Key: [32]byte{1}}, {Role: role, Key: [32]byte{2}}} }
}

func many(n int) (out []Counted) {
	for i := range n {
		out = append(out, Counted{Incarnation: Incarnation{byte(i >> 8), byte(i)}, Size: 1})
	}
	return out
}

func TestParseCharterMalformed(t *testing.T) {
	t.Parallel()
	good := mustCharter(t, firstCharter())
	for name, c := range map[string]struct {
		in   []byte
		says string
	}{
		"nothing":            {nil, "EOF"},
		"too long":           {make([]byte, MaxCharter+1), "65537 bytes"},
		"a byte behind":      {append(bytes.Clone(good), 0), "extraneous"},
		"cut":                {good[:len(good)-1], "EOF"},
		"a field short":      {mutateBytes(good, 0, 0x8a), "extraneous"},
		"a field more":       {append(mutateBytes(good, 0, 0x8c), 0), "cannot decode CBOR array"},
		"a map":              {unhex(t, "a0"), "cannot unmarshal map"},
		"format at length":   {append(unhex(t, "8b 18 01"), good[2:]...), "deterministic"},
		"format as text":     {append(unhex(t, "8b 61 31"), good[2:]...), "cannot unmarshal UTF-8"},
		"kind as bytes":      {mutateBytes(good, 2, 0x49), "cannot unmarshal byte string"},
		"kind not UTF-8":     {mutateBytes(good, 3, 0xff), "UTF-8"},
		"authors null":       {append(good[:len(good)-len(encode([]Author{issuer})):len(good)-len(encode([]Author{issuer}))], 0xf6), "deterministic"},
		"an array for later": {mutateBytes(good, 0, 0x9f), "indefinite-length"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseCharter(c.in)
			refused(t, err, ErrCharter, c.says)
		})
	}
}

func TestParseSignedCharterMalformed(t *testing.T) {
	t.Parallel()
	s := SignCharter(mustCharter(t, firstCharter()), steward1, steward2)
	good := s.Marshal()
	with := func(f func(*SignedCharter)) []byte {
		k := SignedCharter{Charter: s.Charter, Signatures: slices.Clone(s.Signatures)}
		f(&k)
		return k.Marshal()
	}
	for name, c := range map[string]struct {
		in   []byte
		says string
	}{
		"nothing":          {nil, "EOF"},
		"too long":         {make([]byte, MaxCharter+1), "65537 bytes"},
		"a byte behind":    {append(bytes.Clone(good), 0), "extraneous"},
		"cut":              {good[:len(good)-1], "EOF"},
		"an open array":    {append(mutateBytes(good, 0, 0x9f), 0xff), "indefinite-length"},
		"a field more":     {append(mutateBytes(good, 0, 0x83), 0), "cannot decode CBOR array"},
		"a number":         {unhex(t, "01"), "cannot unmarshal positive"},
		"charter as array": {unhex(t, "82 81 01 80"), "deterministic"},
		"no signatures":    {unhex(t, "82 41 01 f6"), "deterministic"},
		"a short key":      {unhex(t, "82 41 01 81 82 41 00 41 00"), "deterministic"},
		"signed twice":     {with(func(s *SignedCharter) { s.Signatures[1] = s.Signatures[0] }), "not ascending"},
		"not ascending":    {with(func(s *SignedCharter) { slices.Reverse(s.Signatures) }), "not ascending"},
		"129 signatures": {with(func(s *SignedCharter) {
			s.Signatures = nil
			for i := range 129 {
				s.Signatures = append(s.Signatures, CharterSignature{Key: [32]byte{byte(i)}})
			}
		}), "129 signatures"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseSignedCharter(c.in)
			refused(t, err, ErrCharter, c.says)
		})
	}
	// What parses need not be signed: that is what CheckCharter is for.
	for i := range s.Signatures {
		bad, err := ParseSignedCharter(with(func(s *SignedCharter) { s.Signatures[i].Signature[63] ^= 1 }))
		if err != nil {
			t.Error(err)
		}
		_, err = CheckCharter(Charters{}, bad)
		refused(t, err, ErrThreshold, "1 of its own keys signed")
	}
}

// The largest charter that is made also travels with every signature.
func TestLargestCharterTravels(t *testing.T) {
	t.Parallel()
	c := firstCharter()
	c.Authors[0].Retired = true
	for n := 1000; ; n++ {
		c.Authors[0].Counted = many(n)
		b, err := c.Marshal()
		if err != nil {
			refused(t, err, ErrCharter, "at most")
			return
		}
		s := SignCharter(b, steward1, steward2)
		for i := range maxSignatures - 2 {
			s.Signatures = append(s.Signatures, CharterSignature{Key: [32]byte(public(testKey(fmt.Sprint(i % 8))))})
			s.Signatures[len(s.Signatures)-1].Key[0] = byte(i)
		}
		slices.SortFunc(s.Signatures, compareSignatures)
		if _, err := ParseSignedCharter(s.Marshal()); err != nil {
			t.Fatalf("%d ends: %v", n, err)
		}
	}
}

func FuzzParseCharter(f *testing.F) {
	for _, v := range vectortest.Load(f, "charters.txt", 3) {
		f.Add(v.Hex(f, "charter"))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ParseCharter(in)
		if err != nil {
			return
		}
		if out := encode(c); !bytes.Equal(out, in) {
			t.Fatalf("%x became %x", in, out)
		}
	})
}

// What the fuzzer makes is never signed: it has no key.
func FuzzParseSignedCharter(f *testing.F) {
	known := map[string]bool{}
	for _, v := range vectortest.Load(f, "charters.txt", 3) {
		f.Add(v.Hex(f, "signed"))
		known[string(v.Hex(f, "charter"))] = true
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := ParseSignedCharter(in)
		if err != nil {
			return
		}
		if !bytes.Equal(s.Marshal(), in) {
			t.Fatalf("%x became %x", in, s.Marshal())
		}
		if _, err := CheckCharter(Charters{}, s); err == nil && !known[string(s.Charter)] {
			t.Fatalf("%x is signed", in)
		}
	})
}
