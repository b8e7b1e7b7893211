package roster_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"tombolo/edge/roster"
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

// BenchmarkLookup finds one of a thousand keys among those of a million
// passports.
func BenchmarkLookup(b *testing.B) {
	const members, mine = 1_000_000, 1000
	w := newWorld(b)
	issuer := w.issuer()
	keys := make([]*passport.SoftKey, mine)
	for i := range keys {
		p := w.person(members/mine*i + 1)
		keys[i] = doorkey(fmt.Sprint("phone", i), passport.KindPhone)
		issuer.write(p.admit(), p.adds(keys[i]))
	}
	w.arriveAll()
	path := filepath.Join(b.TempDir(), "roster.db")
	w.project(w.openAt(path))
	// The rest as rows: their signatures would take minutes to make.
	damage(b, path, fmt.Sprintf(`
		PRAGMA cache_size = -400000; PRAGMA synchronous = OFF;
		CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, randomblob(20) AS w FROM n;
		INSERT OR IGNORE INTO claim SELECT i, '%s', zeroblob(24), w, 'resident', 0, 1 << 40, NULL, 0, 0 FROM n;
		INSERT OR IGNORE INTO owner SELECT i, w FROM n;
		INSERT OR IGNORE INTO doorkey SELECT randomblob(32), i, random(), 3, randomblob(33), w, 0, 1 << 40, zeroblob(32), 3, zeroblob(48), zeroblob(48), 0 FROM n;`,
		members, keyID(key("issuer"))))
	r := w.openAt(path)
	for _, by := range []struct {
		name   string
		lookup func(k *passport.SoftKey, n passport.ID) (bool, error)
	}{
		{"ByKey", func(k *passport.SoftKey, _ passport.ID) (bool, error) {
			h, err := r.ByKey(k.Key().ID())
			return h.ByOwner, err
		}},
		{"ByWindow", func(k *passport.SoftKey, n passport.ID) (bool, error) {
			h, err := r.ByWindow(n, k.Key().ID().Short())
			return h.ByOwner, err
		}},
	} {
		b.Run(by.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i = (i + 7) % mine
				if ok, err := by.lookup(keys[i], passport.ID(members/mine*i+1)); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

var _ roster.Source = (*world)(nil)
