package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

// Authors in one database, as hub processes on several hosts: whatever guards these
// have is not asked.

// hub is a key's author, on a host with a guard of its own.
func hub(tb testing.TB) AuthorConfig {
	tb.Helper()
	cfg := testConfig(tb)
	cfg.Kind, cfg.Charter = ledger.CensusLog, testCommunity
	return cfg
}

func drawn(n int) Draft {
	return Draft{Body: &ledger.Draw{Epoch: ledger.EpochID{1}, Size: 20, Seed: [32]byte{1, byte(n), byte(n >> 8)}, Source: "a block"}}
}

func appends(tb testing.TB, a *Author, n int) {
	tb.Helper()
	if _, err := a.Append(drawn(n)); err != nil {
		tb.Fatal(err)
	}
}

func TestSharedAuthors(t *testing.T) {
	t.Run(onPostgres, func(t *testing.T) {
		t.Parallel()
		s := open(t)
		other := openAt(t, placeOf(s))
		appends(t, author(t, s, hub(t)), 1)
		a, b := author(t, s, hub(t)), author(t, other, hub(t))
		if a.Head().Checkpoint != b.Head().Checkpoint || a.Head().Size != 2 {
			t.Fatalf("they do not both continue: %+v, %+v", a.Head(), b.Head())
		}
		appends(t, a, 2)
		for _, write := range []func() error{
			func() error { _, err := b.Append(drawn(9)); return err },
			b.Refresh, // it would say that the third entry is not there
			func() error { return b.Drop(1, 1, "x") },
		} {
			if err := write(); !errors.Is(err, ErrOtherAuthor) {
				t.Errorf("%v", err)
			}
		}
		again := author(t, other, hub(t))
		appends(t, again, 3)
		if h := again.Head(); h.Origin != a.Head().Origin || h.Size != 4 {
			t.Errorf("%+v", h)
		}
		verifies(t, s, a.Head().Origin)
	})
}

// Many at once through several stores: every entry that was acknowledged is there,
// each once, in one ledger.
func TestSharedAuthorsRace(t *testing.T) {
	t.Run(onPostgres, func(t *testing.T) {
		t.Parallel()
		s := open(t)
		stores := []*Store{s, openAt(t, placeOf(s)), openAt(t, placeOf(s))}
		var wg sync.WaitGroup
		var mu sync.Mutex
		written := map[[32]byte]int64{}
		for n := range 6 {
			s, cfg := stores[n%3], hub(t)
			wg.Go(func() {
				var a *Author
				for i := range 20 {
					if a == nil {
						var err error
						if a, err = s.OpenAuthor(cfg); err != nil {
							t.Error(err)
							return
						}
					}
					d := drawn(n*100 + i)
					index, err := a.Append(d)
					switch {
					case errors.Is(err, ErrOtherAuthor):
						a = nil
					case err != nil:
						t.Error(err)
					default:
						mu.Lock()
						written[d.Body.(*ledger.Draw).Seed] = index
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		all, err := s.Ledgers()
		if err != nil || len(all) != 1 {
			t.Fatalf("%d ledgers, %v", len(all), err)
		}
		if r := verifies(t, s, all[0].Origin); int(r.Size) != 1+len(written) || len(written) < 6 {
			t.Errorf("%d entries, %d were acknowledged", r.Size, len(written))
		}
		index := int64(0)
		for e, err := range s.Entries(all[0], 0, all[0].Size) {
			if err != nil {
				t.Fatal(err)
			}
			if index > 0 {
				body, err := ledger.ParseBody(ledger.KindDraw, e.Body)
				if err != nil || written[body.(*ledger.Draw).Seed] != index {
					t.Errorf("entry %d: %+v, %v", index, body, err)
				}
			}
			index++
		}
	})
}

// Another life of the database begins another incarnation, which names the last; who
// wrote in the one before finds out when it writes.
func TestSharedAuthorAnotherLife(t *testing.T) {
	t.Run(onPostgres, func(t *testing.T) {
		t.Parallel()
		for name, live := range map[string]func(*testing.T, *Store) *Store{
			"restored": func(t *testing.T, s *Store) *Store {
				to := open(t)
				if err := Restore(t.Context(), backup(t, s), to); err != nil {
					t.Fatal(err)
				}
				return to
			},
			"dumped and loaded": func(t *testing.T, s *Store) *Store { // rows come back, by another transaction
				change(t, s, "CREATE TABLE dump AS SELECT * FROM guard")
				change(t, s, "DELETE FROM guard")
				change(t, s, "INSERT INTO guard SELECT * FROM dump")
				return s
			},
			"of another start": func(t *testing.T, s *Store) *Store {
				change(t, s, "UPDATE guard SET era = '1' || era || pg_current_xact_id()::text")
				return s
			},
			"of no start": func(t *testing.T, s *Store) *Store { change(t, s, "DELETE FROM guard"); return s },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := open(t)
				a := author(t, s, hub(t))
				appends(t, a, 1)
				to := live(t, s)
				b := author(t, to, hub(t))
				appends(t, b, 2)
				begin := begins(t, to, b.Head().Origin)
				if p := begin.Predecessor; b.Head().Origin == a.Head().Origin || begin.Generation != 1 || p == nil ||
					*p != (ledger.Predecessor{Incarnation: a.Head().Origin.Incarnation, Size: 2, Root: a.Head().Root}) {
					t.Errorf("%+v", begin)
				}
				again := author(t, to, hub(t)) // that one goes on
				appends(t, again, 3)
				if again.Head().Origin != b.Head().Origin {
					t.Error("a third one begins")
				}
				_, err := a.Append(drawn(4))
				if (to == s) != errors.Is(err, ErrOtherAuthor) {
					t.Errorf("the one before: %v", err)
				}
			})
		}
	})
}

// Whatever happens to the database, no ledger gets a second history: see
// TestNeverTwoHistories.
func TestSharedNeverTwoHistories(t *testing.T) {
	t.Run(onPostgres, func(t *testing.T) {
		t.Parallel()
		few := few{most: 8}
		dir := t.TempDir()
		rapid.Check(t, func(rt *rapid.T) {
			if few.over() {
				return
			}
			defer few.end(rt)
			seen := history{}
			type process struct {
				*Store
				*faults
				a *Author
			}
			start := func(place string) *process {
				s, err := openPlace(place)
				if err != nil {
					rt.Fatal(err)
				}
				return &process{Store: s, faults: fail(t, s)}
			}
			all := []*process{start(place(t))}
			defer func() {
				for _, p := range all {
					p.Close()
				}
			}()
			any := func(rt *rapid.T) *process { return rapid.SampledFrom(all).Draw(rt, "process") }
			wrote, files := 0, 0
			var backups []string
			write := func(rt *rapid.T) {
				p := any(rt)
				if p.a == nil {
					var err error
					if p.a, err = p.OpenAuthor(hub(t)); err != nil {
						rt.Fatal(err)
					}
				}
				p.commit.Store(rapid.SampledFrom([]int32{works, works, works, notPersisted, persisted, notPersisted + blinding, persisted + blinding}).Draw(rt, "commit"))
				wrote++
				_, err := p.a.Append(drawn(wrote))
				p.commit.Store(works)
				p.reads.Store(false)
				if errors.Is(err, ErrOtherAuthor) {
					p.a = nil
				} else if err != nil && !errors.Is(err, errDisk) && !errors.Is(err, errReading) {
					rt.Fatal(err)
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"write": write, "write more": write, "write on": write,
				"start another": func(rt *rapid.T) {
					if len(all) < 5 {
						all = append(all, start(placeOf(any(rt).Store)))
					}
				},
				"die": func(rt *rapid.T) {
					p := any(rt)
					where := placeOf(p.Store)
					p.Close()
					*p = *start(where)
				},
				"restart": func(rt *rapid.T) { nextBoot(t, any(rt).Store) },
				"back up": func(rt *rapid.T) {
					files++
					path := filepath.Join(dir, fmt.Sprint(few.runs, "-", files))
					if err := any(rt).Backup(t.Context(), path); err != nil {
						rt.Fatal(err)
					}
					backups = append(backups, path)
				},
				"restore": func(rt *rapid.T) { // the old one may live on
					if len(backups) == 0 || len(all) > 4 {
						rt.Skip()
					}
					p := start(place(t))
					if err := Restore(t.Context(), rapid.SampledFrom(backups).Draw(rt, "backup"), p.Store); err != nil {
						rt.Fatal(err)
					}
					all = append(all, p)
				},
				"import": func(rt *rapid.T) {
					from, to := any(rt), any(rt)
					ledgers, err := from.Ledgers()
					if err != nil {
						rt.Fatal(err)
					}
					for _, i := range ledgers {
						if _, err := to.Ingest(i.Head, testTime, from.Chunks(i, 0)); err != nil {
							rt.Fatal(err)
						}
					}
				},
				"": func(rt *rapid.T) {
					for _, p := range all {
						if err := seen.see(t, p.Store); err != nil {
							rt.Fatal(err)
						}
					}
				},
			})
			for _, path := range backups {
				os.Remove(path)
			}
		})
	})
}

// Different ledgers are written at once by several stores, the same ones in turn,
// and in whichever order a batch names them.
func TestSharedExtend(t *testing.T) {
	t.Run(onPostgres, func(t *testing.T) {
		t.Parallel()
		from, s := open(t), open(t)
		var origins []ledger.Origin
		for n := range 12 {
			cfg := testConfig(t)
			cfg.Kind, cfg.Key = ledger.ReportLog, testKey(fmt.Sprint("gateway ", n))
			a := author(t, from, cfg)
			for range 10 {
				if _, err := a.Append(Draft{Body: &ledger.Occupancy{Zone: "casa", Sure: 20, Most: 30}}); err != nil {
					t.Fatal(err)
				}
			}
			origins = append(origins, a.Head().Origin)
		}
		var wg sync.WaitGroup
		for n := range 4 {
			to := openAt(t, placeOf(s))
			wg.Go(func() {
				for round := 0; round < 100; round++ {
					var xs []ledger.Extension
					for i := range origins {
						if n%2 == 1 {
							i = len(origins) - 1 - i
						}
						o := origins[i]
						info, err := from.Ledger(o)
						if err != nil {
							t.Error(err)
							return
						}
						edge, err := to.Edge(o)
						if err != nil && !errors.Is(err, ErrNoLedger) {
							t.Error(err)
							return
						}
						if edge.Size() == info.Size {
							continue
						}
						st, err := from.Stretch(info, edge.Size(), 150)
						if err != nil {
							t.Error(err)
							return
						}
						x, err := ledger.CheckStretch(edge, info.Head, st)
						if err != nil {
							t.Error(err)
							return
						}
						xs = append(xs, x)
					}
					if len(xs) == 0 {
						return
					}
					// Somebody may have been quicker with any of them.
					if _, err := to.Extend(testTime, xs...); err == nil || errors.Is(err, ErrGap) {
						continue
					} else {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for _, o := range origins {
			if err := extend(t, from, s, o, 1<<20); err != nil {
				t.Error(err)
			}
			if r := verifies(t, s, o); r.Size != 11 {
				t.Errorf("%+v", r)
			}
		}
	})
}
