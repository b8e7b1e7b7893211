package hub

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestSealedReports: an auditor whom the epoch names reads every tag of every report,
// and nobody else does; of what was altered nothing counts.
func TestSealedReports(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	ctx, id := context.Background(), s.epoch.ID()
	closed, _ := s.closeIt(s.epoch)
	reports, body, err := s.client.Reports(ctx, id, s.key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if census.CoversHash(reports.Covers) != closed.Covers {
		t.Error("the covers have another hash")
	}
	var all []byte
	for {
		r, err := reports.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, body, err := r.Shown.Verify(pubKeyOf(r.Origin.Author)); err != nil || body.(*ledger.Reported).Root != r.TagsRoot {
			t.Errorf("%+v, %v", body, err)
		}
		all = append(all, r.Tags...)
	}
	if l := must(census.NewList(census.Merge(all, nil))); l.Root(nil) != closed.Root {
		t.Error("the tags make another list")
	}
	other := must(ecdh.X25519().GenerateKey(rand.Reader))
	var refusal *Refusal
	if _, _, err := s.client.Reports(ctx, id, other); !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
		t.Error(err)
	}
	resp := must(http.Get(s.server.URL + fmt.Sprintf("/v1/epochs/%v/reports/%x", id, s.auditor())))
	sealed := must(io.ReadAll(resp.Body))
	resp.Body.Close()
	read := func(key *ecdh.PrivateKey, b []byte) error {
		r, err := OpenReports(key, bytes.NewReader(b))
		for err == nil {
			_, err = r.Next()
		}
		return err
	}
	if err := read(s.key, sealed); err != io.EOF {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := bytes.Clone(sealed)
		b[at] ^= 1
		return b
	}
	const start, block = sealedHeader + 32, sealedBlock + aeadOverhead
	if len(sealed) != start+block {
		t.Errorf("%d tags in %d bytes: their number shows", len(all)/ledger.TagSize, len(sealed))
	}
	for name, c := range map[string]struct {
		key *ecdh.PrivateKey
		b   []byte
		err error
	}{
		"no key":                {nil, sealed, census.ErrAuditorKey},
		"a key of another kind": {must(ecdh.P256().GenerateKey(rand.Reader)), sealed, census.ErrAuditorKey},
		"another auditor":       {other, sealed, ErrSealedReports},
		"nothing":               {s.key, nil, ErrSealedEnd},
		"half a header":         {s.key, sealed[:40], ErrSealedEnd},
		"another format":        {s.key, flip(3), ErrSealedReports},
		"another community":     {s.key, flip(len(sealedMagic)), ErrSealedReports},
		"another epoch":         {s.key, flip(len(sealedMagic) + 32), ErrSealedReports},
		"another ephemeral key": {s.key, flip(sealedHeader + 5), ErrSealedReports},
		"an altered block":      {s.key, flip(len(sealed) / 2), ErrSealedReports},
		"a block of zeros":      {s.key, append(bytes.Clone(sealed[:start]), make([]byte, block)...), ErrSealedReports},
		"a block twice":         {s.key, append(bytes.Clone(sealed), sealed[start:]...), ErrSealedReports},
		"no block":              {s.key, sealed[:start], ErrSealedEnd},
		"cut short":             {s.key, sealed[:len(sealed)-1], ErrSealedEnd},
		"something behind it":   {s.key, append(bytes.Clone(sealed), 0), ErrSealedReports},
	} {
		if err := read(c.key, c.b); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}

func pubKeyOf(id ledger.KeyID) []byte {
	for n := range 10 {
		if idOf(gatewayName(n)) == id {
			k := pub(gatewayName(n))
			return k[:]
		}
	}
	return nil
}

// TestHostileHub: what a modified hub seals does not read as a report.
func TestHostileHub(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	closed, _ := s.closeIt(s.epoch)
	covers, marshalled, err := s.hub.covers(&closed)
	s.ok(err)
	shown := func(c census.Covered) []byte {
		info, r, err := s.hub.coveredReport(s.epoch.ID(), c)
		s.ok(err)
		for e, err := range s.store.Entries(info, r.index, r.index+1) {
			s.ok(err)
			return codec.Encode(must(census.Show(s.store.Reader(info), info.Head, r.index, e)))
		}
		return nil
	}
	tags := s.tags
	if covers[0].Node != s.node(0) {
		tags[0], tags[1] = tags[1], tags[0]
	}
	type record struct {
		kind byte
		b    []byte
	}
	good := []record{{'C', marshalled}, {'S', shown(covers[0])}, {'T', tags[0]}, {'S', shown(covers[1])}, {'T', tags[1]}, {'Z', nil}}
	read := func(all []record) error {
		var b bytes.Buffer
		w := must(newSealer(&b, s.id(), s.epoch.ID(), s.auditor()))
		for _, r := range all {
			s.ok(w.record(r.kind, r.b))
		}
		s.ok(w.fill())
		r, err := OpenReports(s.key, &b)
		for err == nil {
			_, err = r.Next()
		}
		return err
	}
	if err := read(good); err != io.EOF {
		t.Fatal(err)
	}
	with := func(i int, r record) []record {
		all := slices.Clone(good)
		all[i] = r
		return all
	}
	for name, all := range map[string][]record{
		"no covers":           good[1:],
		"malformed covers":    with(0, record{'C', []byte{1}}),
		"a report missing":    slices.Delete(slices.Clone(good), 1, 3),
		"tags missing":        slices.Delete(slices.Clone(good), 2, 3),
		"a tag missing":       with(2, record{'T', tags[0][ledger.TagSize:]}),
		"a tag altered":       with(2, record{'T', append(bytes.Clone(tags[0][:len(tags[0])-1]), 0xaa)}),
		"half a tag":          with(2, record{'T', tags[0][:len(tags[0])-1]}),
		"more tags":           with(2, record{'T', append(bytes.Clone(tags[0]), tags[0]...)}),
		"another's tags":      with(2, record{'T', tags[1]}),
		"another's Reported":  with(1, record{'S', shown(covers[1])}),
		"malformed Reported":  with(1, record{'S', []byte{0xff}}),
		"one report too many": slices.Insert(slices.Clone(good), 5, good[3]),
		"an unknown record":   slices.Insert(slices.Clone(good), 1, record{'X', nil}),
		"a word at the end":   with(5, record{'Z', []byte{1}}),
		"a record behind it":  append(slices.Clone(good), record{'Z', nil}),
		"a long record":       slices.Insert(slices.Clone(good), 1, record{'C', make([]byte, max(sealedPiece, maxShown)+1)}),
	} {
		if err := read(all); !errors.Is(err, ErrSealedReports) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpenReports(f *testing.F) {
	key := must(ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32)))
	var b bytes.Buffer
	w := must(newSealer(&b, ledger.CharterID{1}, ledger.EpochID{2}, [32]byte(key.PublicKey().Bytes())))
	for _, err := range []error{w.record('C', census.MarshalCovers(nil)), w.close()} {
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:sealedHeader+32])
	f.Add([]byte(sealedMagic))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := OpenReports(key, bytes.NewReader(in))
		for err == nil {
			_, err = r.Next()
		}
		if err == io.EOF && !bytes.Equal(in[:sealedHeader], b.Bytes()[:sealedHeader]) {
			t.Error("what nobody sealed was read")
		}
	})
}
