package store

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"tombolo/sync/ledger"
)

// tampered is a ledger of 600 entries, 21 of them without their bodies, and a
// connection to its rows.
func tampered(t *testing.T) (*Store, ledger.Origin) {
	t.Helper()
	s, a := filled(t, 599)
	if err := a.Drop(100, 120, "retention"); err != nil {
		t.Fatal(err)
	}
	if r := verifies(t, s, a.Head().Origin); r.Size != 600 || r.Dropped != 21 {
		t.Fatalf("%+v", r)
	}
	return s, a.Head().Origin
}

// A random byte flipped in every entry in turn, in each of its columns: that
// entry is named, or for one without its body the chunk that it stands in.
func TestEveryEntryTampered(t *testing.T) { both(t, testEveryEntryTampered) }

func testEveryEntryTampered(t *testing.T) {
	t.Parallel()
	const seed = 20260101
	random := rand.New(rand.NewPCG(seed, 2))
	s, origin := tampered(t)
	info := held(t, s, origin)
	db := behind(t, s)
	columns := []string{"leaf", "salt", "body", "time"}
	for index := range int64(600) {
		gone := index >= 100 && index <= 120
		var before [3][]byte
		var when any
		if err := db.QueryRow("SELECT leaf, salt, body, time FROM entry WHERE idx = ?", index).Scan(&before[0], &before[1], &before[2], &when); err != nil {
			t.Fatal(err)
		}
		for _, column := range []int{0, 1 + int(index)%3} {
			first, last, want := index, index, ledger.ErrCommitment
			var now any
			switch {
			case column == 3 && gone:
				now = int64(1)
			case column == 3:
				now = when.(int64) ^ 1<<random.IntN(62)
			case column > 0 && gone:
				now = []byte{1 + byte(random.IntN(255))}
			default:
				b := append([]byte(nil), before[column]...)
				at := random.IntN(len(b))
				b[at] ^= 1 + byte(random.IntN(255))
				now = b
				if column == 0 && at <= len(b)-33 { // the commitment's own bytes leave it a leaf
					want = nil
				} else if gone {
					first, last, want = 0, 255, ledger.ErrProof
				}
			}
			if _, err := db.Exec("UPDATE entry SET "+columns[column]+" = ? WHERE idx = ?", now, index); err != nil {
				t.Fatal(err)
			}
			_, err := verify(s, info)
			at, ok := errors.AsType[*ledger.At](err)
			if want == nil && gone && ok && errors.Is(err, ledger.ErrProof) { // another valid leaf
				first, last = 0, 255
			}
			if !ok || at.First != first || at.Last != last || want != nil && !errors.Is(err, want) {
				t.Fatalf("seed %d: entry %d, %s: %v", seed, index, columns[column], err)
			}
			var old any = when
			if column < 3 {
				old = any(before[column])
				if before[column] == nil {
					old = nil
				}
			}
			if _, err := db.Exec("UPDATE entry SET "+columns[column]+" = ? WHERE idx = ?", old, index); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := verify(s, info); err != nil {
		t.Fatalf("the test did not put it back: %v", err)
	}
}

func TestStoreTampered(t *testing.T) { both(t, testStoreTampered) }

func testStoreTampered(t *testing.T) {
	t.Parallel()
	swap := func(column string) string {
		return "UPDATE entry SET " + column + " = (SELECT o." + column + " FROM entry o WHERE o.ledger = entry.ledger AND o.idx = 601 - entry.idx) WHERE idx IN (300, 301)"
	}
	for name, c := range map[string]struct {
		by          []string
		is          error
		first, last int64
	}{
		"two entries swapped":       {[]string{"UPDATE entry SET idx = -1 WHERE idx = 300", "UPDATE entry SET idx = 300 WHERE idx = 301", "UPDATE entry SET idx = 301 WHERE idx = -1"}, ledger.ErrCommitment, 300, 300},
		"two leaves swapped":        {[]string{swap("leaf")}, ledger.ErrCommitment, 300, 300},
		"two bodies swapped":        {[]string{swap("body")}, ledger.ErrCommitment, 300, 300},
		"two times swapped":         {[]string{swap("time")}, ledger.ErrCommitment, 300, 300},
		"one entry for another":     {[]string{"DELETE FROM entry WHERE idx = 301", "UPDATE entry SET idx = 301 WHERE idx = 300"}, ledger.ErrTruncated, 300, 300},
		"an entry taken out":        {[]string{"DELETE FROM entry WHERE idx = 300"}, ledger.ErrTruncated, 300, 300},
		"taken out and closed up":   {[]string{"DELETE FROM entry WHERE idx = 300", "UPDATE entry SET idx = -idx WHERE idx > 300", "UPDATE entry SET idx = -idx - 1 WHERE idx < 0"}, ledger.ErrCommitment, 300, 300},
		"the tail cut":              {[]string{"DELETE FROM entry WHERE idx >= 590"}, ledger.ErrTruncated, 590, 599},
		"a whole chunk cut":         {[]string{"DELETE FROM entry WHERE idx >= 512"}, ledger.ErrTruncated, 512, 599},
		"all entries cut":           {[]string{"DELETE FROM entry"}, ledger.ErrTruncated, 0, 255},
		"a body withheld":           {[]string{"UPDATE entry SET body = NULL, salt = NULL, time = NULL WHERE idx = 300"}, ledger.ErrWithheld, 300, 300},
		"a body emptied":            {[]string{"UPDATE entry SET body = x'' WHERE idx = 300"}, ledger.ErrCommitment, 300, 300},
		"only the body withheld":    {[]string{"UPDATE entry SET body = NULL WHERE idx = 300"}, ledger.ErrCommitment, 300, 300},
		"the record of a drop gone": {[]string{"UPDATE entry SET body = NULL, salt = NULL, time = NULL WHERE idx = 599"}, ledger.ErrWithheld, 100, 100},
		"a salt cut":                {[]string{"UPDATE entry SET salt = x'00' WHERE idx = 300"}, ledger.ErrCommitment, 300, 300},
		"a salt too long":           {[]string{"UPDATE entry SET salt = x'" + strings.Repeat("00", 17) + "' WHERE idx = 300"}, ledger.ErrCommitment, 300, 300},
		"a leaf emptied":            {[]string{"UPDATE entry SET leaf = x'' WHERE idx = 300"}, ledger.ErrLeaf, 300, 300},
		// A node proves its neighbour's chunk.
		"a node altered":            {[]string{"UPDATE node SET hash = " + zeros + " WHERE n = 1"}, ledger.ErrProof, 0, 255},
		"a leaf without a body":     {[]string{"UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE idx = 111) WHERE idx = 110"}, ledger.ErrProof, 0, 255},
		"its node altered to match": {[]string{"UPDATE node SET hash = " + zeros + " WHERE n = 0"}, ledger.ErrProof, 256, 511},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, origin := tampered(t)
			for _, query := range c.by {
				change(t, s, query)
			}
			_, err := verify(s, held(t, s, origin))
			refusedAt(t, err, c.first, c.last, c.is)
		})
	}
}

// What is said of a ledger as a whole is checked whenever it is read: nobody
// writes to it, takes in more of it or passes it on.
func TestDamagedLedgerRow(t *testing.T) { both(t, testDamagedLedgerRow) }

func testDamagedLedgerRow(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 300)
	o := a.Head().Origin
	other, b := filled(t, 300)
	elsewhere := b.Head()
	forged := func(c ledger.Checkpoint, key ed25519.PrivateKey) []byte {
		c.Origin.Author = ledger.KeyIDOf(public(key))
		note, err := ledger.Sign(c, key, testTime)
		if err != nil {
			t.Fatal(err)
		}
		return note
	}
	larger := a.Head().Checkpoint
	larger.Size++
	thief := testKey("thief")
	var tree []byte
	if err := s.read.QueryRow("SELECT tree FROM ledger").Scan(&tree); err != nil {
		t.Fatal(err)
	}
	tree[20]++
	for name, c := range map[string]struct {
		column string
		value  any
		is     error
	}{
		"tree altered":              {"tree", tree, ledger.ErrRoot},
		"tree cut":                  {"tree", tree[:40], ledger.ErrTree},
		"tree gone":                 {"tree", []byte{}, ledger.ErrTree},
		"tree of the empty ledger":  {"tree", make([]byte, 8), ledger.ErrRoot},
		"note gone":                 {"note", []byte{}, ledger.ErrCheckpoint},
		"note cut":                  {"note", a.Head().Note[:100], ledger.ErrCheckpoint},
		"size altered":              {"note", []byte(strings.Replace(string(a.Head().Note), "\n300\n", "\n301\n", 1)), ledger.ErrSignature},
		"root altered":              {"note", []byte(strings.Replace(string(a.Head().Note), a.Head().Root.String(), elsewhere.Root.String(), 1)), ledger.ErrSignature},
		"another ledger's head":     {"note", elsewhere.Note, ErrDamaged},
		"re-signed by another":      {"note", forged(a.Head().Checkpoint, thief), ledger.ErrAuthor},
		"a head beyond the entries": {"note", forged(larger, testKey("author")), ledger.ErrRoot},
		"another author":            {"author", []byte(public(thief)), ledger.ErrAuthor},
		"half an author":            {"author", []byte(public(thief))[:16], ledger.ErrAuthor},
		"another origin":            {"origin", elsewhere.Origin.String(), ErrDamaged},
		"a charter cut":             {"charter", []byte{1}, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			var before any
			if err := s.read.QueryRow("SELECT " + c.column + " FROM ledger").Scan(&before); err != nil {
				t.Fatal(err)
			}
			change(t, s, "UPDATE ledger SET "+c.column+" = ?", c.value)
			defer change(t, s, "UPDATE ledger SET "+c.column+" = ?", before)
			name := o
			if c.column == "origin" {
				name = elsewhere.Origin
			}
			_, err := s.Ledger(name)
			if !errors.Is(err, ErrDamaged) || !errors.Is(err, c.is) || !strings.Contains(err.Error(), name.String()) {
				t.Errorf("%v, want %v", err, c.is)
			}
			if all, err := s.Ledgers(); len(all) != 0 || !errors.Is(err, ErrDamaged) {
				t.Errorf("listed: %d, %v", len(all), err)
			}
		})
	}
	if _, err := s.Ledger(o); err != nil {
		t.Fatal(err)
	}
	// The others are still there to be read.
	if _, err := give(t, other, s, elsewhere.Origin); err != nil {
		t.Fatal(err)
	}
	change(t, s, "UPDATE ledger SET tree = x'' WHERE origin = ?", o.String())
	if all, err := s.Ledgers(); len(all) != 1 || all[0].Origin != elsewhere.Origin || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), o.String()) {
		t.Errorf("%d, %v", len(all), err)
	}
}

// Damaged nodes accuse nobody: an older head of the same author agrees with the
// entries, and the file is to blame.
func TestDamagedNodesAccuseNobody(t *testing.T) { both(t, testDamagedNodesAccuseNobody) }

func testDamagedNodesAccuseNobody(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 300)
	older := a.Head()
	fill(t, a, 900)
	to := open(t)
	if _, err := give(t, from, to, older.Origin); err != nil {
		t.Fatal(err)
	}
	if in, err := to.Ingest(older, testTime, each()); err != nil || in.Fresh || in.Added != 0 {
		t.Fatal(in, err)
	}
	change(t, to, "UPDATE node SET hash = "+zeros+" WHERE n = 0")
	if _, err := to.Ingest(older, testTime, each()); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
	change(t, to, "DELETE FROM node")
	if _, err := to.Ingest(older, testTime, each()); err == nil {
		t.Error("no error without nodes")
	}
}
