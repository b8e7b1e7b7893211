package hub

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"io"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// sealText seals what a hub would write, whatever it is.
func sealText(t testing.TB, community ledger.CharterID, epoch ledger.EpochID, auditor [32]byte, text []byte) []byte {
	var b bytes.Buffer
	s := must(newSealer(&b, community, epoch, auditor))
	for s.block = text; len(s.block) >= sealedBlock; s.block = s.block[sealedBlock:] {
		if err := s.seal(s.block[:sealedBlock]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.fill(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzReportRecords: whatever a hub seals, what is read as reports is whole, and is
// what they cover.
func FuzzReportRecords(f *testing.F) {
	key := must(ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32)))
	auditor := [32]byte(key.PublicKey().Bytes())
	w := newWorld(f, dialects[0], 2)
	e := w.opened(ledger.Auditor{Name: "the press", Sealing: auditor})
	for n := range 2 {
		w.append(w.reporter(n), w.reportOf(n, e.ID(), lines(10*n, 10*n+20, n), 7)...)
	}
	closed, _ := w.closeIt(e)
	covers, marshalled, err := w.hub.covers(&closed)
	w.ok(err)
	var real bytes.Buffer
	w.ok(w.hub.sealReports(f.Context(), &real, must(w.hub.freshView(nil)).byID[e.ID()], auditor, covers, marshalled))
	header, sealed := real.Bytes()[:sealedHeader], real.Bytes()[sealedHeader:]
	recipient := must(hpke.NewRecipient(sealed[:32], must(hpke.NewDHKEMPrivateKey(key)), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), header))
	block := must(recipient.Open(nil, sealed[32:])) // there is one
	text := bytes.TrimRight(block, "\x00")
	text = append(text, 0, 0, 0, 0) // the length of 'Z'
	read := func(text []byte) (n int, err error) {
		r, err := OpenReports(key, bytes.NewReader(sealText(f, w.id(), e.ID(), auditor, text)))
		for err == nil {
			var one SealedReport
			if one, err = r.Next(); err == nil {
				n++
				if l, bad := census.NewList(one.Tags); bad != nil || uint64(l.Len()) != one.Count || l.Root(nil) != one.TagsRoot {
					return n, errors.New("a report that is not what it covers was read")
				}
			} else if err == io.EOF && n != len(r.Covers) {
				return n, errors.New("fewer reports than are covered were read")
			}
		}
		return n, err
	}
	if n, err := read(text); err != io.EOF || n != 2 {
		f.Fatal(n, err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add(append(bytes.Clone(text), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<20 {
			return
		}
		if _, err := read(text); !errors.Is(err, io.EOF) && !errors.Is(err, ErrSealedReports) && !errors.Is(err, ErrSealedEnd) {
			t.Error(err)
		}
	})
}
