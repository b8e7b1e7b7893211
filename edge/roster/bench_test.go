package roster_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/edge/roster/rostertest"
	"tombolo/passport"
)

// BenchmarkCatchUp projects the admission of 100,000 passports into an empty
// roster.
func BenchmarkCatchUp(b *testing.B) {
	w := newWorld(b)
	issuer := w.issuer()
	const n = 100_000
	a := w.person(7).admit()
	for i := range n {
		a.Passport = uint64(i + 1)
		a.Owner[0], a.Owner[1], a.Owner[2] = byte(i), byte(i>>8), byte(i>>16)
		issuer.write(a)
	}
	w.arriveAll()
	for b.Loop() {
		r := w.open()
		if v := w.project(r); len(v.Problems) != 0 {
			b.Fatal(v.Problems)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkCatchUpKeys projects delegations: what counts is their signatures.
func BenchmarkCatchUpKeys(b *testing.B) {
	w := newWorld(b)
	issuer := w.issuer()
	const n = 2000
	for i := range n {
		p := w.person(i + 1)
		issuer.write(p.admit(), p.adds(doorkey(fmt.Sprint("phone", i), passport.KindPhone)))
	}
	w.arriveAll()
	for b.Loop() {
		r := w.open()
		if v := w.project(r); len(v.Problems) != 0 {
			b.Fatal(v.Problems)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "delegations/s")
}

// BenchmarkLookup finds any of a million keys, each another page of the file.
func BenchmarkLookup(b *testing.B) {
	const members = 1_000_000
	path := filepath.Join(b.TempDir(), "roster.db")
	if err := rostertest.Fill(path, members, member); err != nil {
		b.Fatal(err)
	}
	w := newWorld(b)
	w.issuer()
	w.arriveAll()
	r := w.openAt(path)
	w.project(r)
	for _, by := range []struct {
		name   string
		lookup func(access.Holder) (access.Holder, error)
	}{
		{"ByKey", func(m access.Holder) (access.Holder, error) { return r.ByKey(m.KeyID) }},
		{"ByWindow", func(m access.Holder) (access.Holder, error) {
			return r.ByWindow(m.Delegation.Passport, m.KeyID.Short())
		}},
	} {
		// What is looked for is made before, so that only the lookup is measured.
		asked := make([]access.Holder, 1<<16)
		for i := range asked {
			asked[i] = member(i * 769 % members)
			asked[i].KeyID = asked[i].Delegation.Key.ID()
		}
		b.Run(by.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if h, err := by.lookup(asked[i%len(asked)]); !h.ByOwner || err != nil {
					b.Fatal(h, err)
				}
				i++
			}
		})
		b.Run(by.name+"Parallel", func(b *testing.B) {
			b.ReportAllocs()
			var next atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if h, err := by.lookup(asked[next.Add(1)%uint64(len(asked))]); !h.ByOwner || err != nil {
						b.Error(h, err)
						return
					}
				}
			})
		})
	}
}

// member is the i-th of many. Its key is no point of any curve: nobody checks
// its signatures.
func member(i int) access.Holder {
	seed := sha256.Sum256(fmt.Append(nil, "member ", i))
	h := access.Holder{Class: "resident", NotBefore: t0.Unix(), NotAfter: t0.Add(100 * day).Unix(), Wallet: [20]byte(seed[:20])}
	h.Delegation = passport.Delegation{
		Passport: passport.ID(i + 1), Key: passport.Key{Kind: passport.KindPhone}, Mode: passport.ModeTap | passport.ModeWindow,
		NotBefore: uint64(t0.Unix()), NotAfter: uint64(t0.Add(50 * day).Unix()),
	}
	h.Delegation.Key.Point[0] = 2
	copy(h.Delegation.Key.Point[1:], seed[:])
	return h
}

var _ roster.Source = (*world)(nil)
