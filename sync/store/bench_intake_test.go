package store

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// What a hub takes in: the stretches of many gateways' report ledgers, checked and
// stored so many in a transaction, beside nothing but the same rows inserted in as
// many transactions by statements of many rows. The second of two figures for the
// first is to be at least half of it.
func BenchmarkIntake(b *testing.B) {
	for _, on := range []string{"sqlite", onPostgres} {
		b.Run(on, func(b *testing.B) {
			heads, stretches := reports(b, 512)
			for _, together := range []int{16, 128} {
				b.Run(fmt.Sprintf("extend/%d", together), func(b *testing.B) {
					n := 0
					for b.Loop() {
						b.StopTimer()
						to := open(b)
						b.StartTimer()
						for at := 0; at < len(heads); at += together {
							var xs []ledger.Extension
							for i := at; i < at+together; i++ {
								x, err := ledger.CheckStretch(ledger.Tree{}, heads[i], stretches[i])
								if err != nil {
									b.Fatal(err)
								}
								xs = append(xs, x)
								n += len(x.Entries())
							}
							if _, err := to.Extend(testTime, xs...); err != nil {
								b.Fatal(err)
							}
						}
					}
					b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
				})
				b.Run(fmt.Sprintf("bare/%d", together), func(b *testing.B) {
					n := 0
					for b.Loop() {
						b.StopTimer()
						to := open(b)
						b.StartTimer()
						for at := 0; at < len(heads); at += together {
							if err := bareReports(to, at, heads[at:at+together], stretches[at:at+together]); err != nil {
								b.Fatal(err)
							}
							for _, s := range stretches[at : at+together] {
								n += len(s.Entries)
							}
						}
					}
					b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
				})
			}
		})
	}
}

// reports are report ledgers of different gateways, whole: three parts of tags, some
// figures, and the word that this is all.
func reports(b *testing.B, count int) (heads []ledger.Head, stretches []ledger.Stretch) {
	b.Helper()
	from := open(b)
	for n := range count {
		cfg := testConfig(b)
		cfg.Kind, cfg.Key = ledger.ReportLog, testKey(fmt.Sprint("gateway ", n))
		a := author(b, from, cfg)
		var drafts []Draft
		for hour := range 6 {
			drafts = append(drafts, Draft{&ledger.Occupancy{Zone: "casa", Sure: 20, Most: 30}, time.Unix(testTime+3600*int64(hour), 0)})
		}
		for part := range uint32(3) {
			var tags []byte
			for tag := range 64 {
				tags = append(tags, byte(part), byte(tag))
				tags = append(tags, make([]byte, ledger.TagSize-2)...)
			}
			drafts = append(drafts, Draft{&ledger.CensusTags{Epoch: ledger.EpochID{1}, Part: part, Tags: tags}, time.Unix(testTime, 0)})
		}
		if _, err := a.Append(drafts...); err != nil {
			b.Fatal(err)
		}
		i := held(b, from, a.Head().Origin)
		s, err := from.Stretch(i, 0, 1<<20)
		if err != nil || int64(len(s.Entries)) != i.Size {
			b.Fatal(err)
		}
		heads, stretches = append(heads, i.Head), append(stretches, s)
	}
	return heads, stretches
}

// bareReports inserts the rows that Extend leaves behind.
func bareReports(s *Store, first int, heads []ledger.Head, stretches []ledger.Stretch) error {
	return s.inTx(func(tx txn) error {
		var ledgers, entries [][]driver.Value
		for n, h := range heads {
			id := int64(first + n + 1)
			ledgers = append(ledgers, []driver.Value{h.Origin.String(), []byte(h.Author), testNode[:], int64(0), h.Size, make([]byte, 8+4*32), h.Note, int64(h.Time), int64(testTime)})
			for i, e := range stretches[n].Entries {
				entries = append(entries, []driver.Value{id, int64(i), e.Leaf, e.Salt[:], e.Time, e.Body})
			}
		}
		const columns = "origin, author, charter, generation, size, tree, note, fresh, seen"
		if err := bulk(tx, "ledger ("+columns+")", 9, ledgers); err != nil {
			return err
		}
		return bulk(tx, "entry (ledger, idx, leaf, salt, time, body)", 6, entries)
	})
}

func bulk(tx txn, into string, width int, rows [][]driver.Value) error {
	one := "(?" + strings.Repeat(", ?", width-1) + ")"
	for some := range slices.Chunk(rows, 64) {
		if _, err := tx.values("INSERT INTO "+into+" VALUES "+one+strings.Repeat(", "+one, len(some)-1), slices.Concat(some...)...); err != nil {
			return err
		}
	}
	return nil
}
