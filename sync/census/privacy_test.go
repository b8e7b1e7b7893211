package census_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"testing"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// adversary has the hub's database, everything published, the full roster and the
// times of all taps at one door. By one drawn tag's opening, which an auditor let
// him see, he has a blind and an evaluation, too. What he lacks is the epoch's key.
type adversary struct {
	w      *world
	leaked census.Opening
}

// guesses are all the tags that he can compute for a passport.
func (a adversary) guesses(t *testing.T, id uint64) (out [][]byte) {
	t.Helper()
	w := a.w
	input := census.Input(w.community, w.opened.ID(), id)
	number := binary.BigEndian.AppendUint64(nil, id)
	salts := [][]byte{nil, w.opened.Key[:], a.leaked.Blind[:], a.leaked.Evaluation.Element[:], a.leaked.Salt[:], a.leaked.Tag[:]}
	for _, text := range [][]byte{input, number, w.people[id-1].delegation} {
		for _, salt := range salts {
			h := sha256.Sum256(append(bytes.Clone(salt), text...))
			k := sha512.Sum512(append(bytes.Clone(salt), text...))
			out = append(out, h[:], k[:32])
		}
	}
	// The protocol itself, by a key of his own and by what leaked of somebody else.
	own, err := census.NewKey(source(7))
	if err != nil {
		t.Fatal(err)
	}
	_, _, tag := tagOf(t, own, source(8), w.community, w.opened.ID(), id)
	out = append(out, tag[:])
	if tag, err := census.Finish(w.opened.Key, input, a.leaked.Blind, a.leaked.Evaluation); err == nil {
		out = append(out, tag[:])
	}
	return out
}

// TestWithoutTheKey: he cannot tell whose tag is whose, and with the key, which
// the test has, he could.
func TestWithoutTheKey(t *testing.T) {
	t.Parallel()
	w, _ := crowd(t, 300)
	a := adversary{w, w.open(t, w.visits[0], false)}
	for _, p := range w.people {
		if p.id == a.leaked.Passport {
			continue
		}
		for _, guess := range a.guesses(t, p.id) {
			if _, ok := w.list.Find(census.Tag(guess)); ok {
				t.Errorf("he finds passport %d", p.id)
			}
		}
		_, _, tag := tagOf(t, w.key, w.rnd, w.community, w.opened.ID(), p.id)
		if _, ok := w.list.Find(tag); !ok {
			t.Errorf("not even the key finds passport %d", p.id)
		}
	}
}

// TestCommitmentsSayNothing: beside each tag stands a commitment to an entry that
// he could guess but for its salts: passport, key and, for taps at the door that
// he watched, the second.
func TestCommitmentsSayNothing(t *testing.T) {
	t.Parallel()
	w, _ := crowd(t, 300)
	leaked := w.open(t, w.visits[0], false)
	listed := map[[32]byte]bool{}
	for i := range w.list.Len() {
		listed[w.list.At(i).Commitment] = true
	}
	for _, v := range w.visits[1:] {
		leaf := census.LeafHash(w.doors[0].entries[v.index]) // more than he has
		for _, salt := range []census.Salt{{}, leaked.Salt, census.Salt(leaked.Blind), census.Salt(w.opened.Key), census.Salt(v.tag)} {
			if listed[census.Commit(salt, leaf, v.who.delegation)] {
				t.Error("a commitment opens without its salt")
			}
		}
		if !listed[census.Commit(v.secret.TagSalt(), leaf, v.who.delegation)] {
			t.Error("a commitment does not open with its salt")
		}
		// Without the entry's own salt not even the leaf can be guessed.
		body, err := ledger.MarshalBody(&v.attendance)
		if err != nil {
			t.Fatal(err)
		}
		e := w.doors[0].entries[v.index]
		if guess := ledger.Seal(v.index, ledger.KindAttendance, false, ledger.Salt{}, e.Time, body); census.LeafHash(guess) == leaf {
			t.Error("the leaf needs no salt")
		}
	}
}

// TestTwoEpochsDoNotLink: of one passport's lines in two epochs, with the same
// key, door and second, no four bytes in a row are the same.
func TestTwoEpochsDoNotLink(t *testing.T) {
	t.Parallel()
	var lines [2][]byte
	for i := range lines {
		tw := plain
		tw.opened = func(b *ledger.EpochOpened) {
			b.Number += uint64(i)
			key, err := census.NewKey(source(uint64(50 + i)))
			if err != nil {
				t.Fatal(err)
			}
			b.Key = key.Public()
		}
		w := newWorld(t, tw)
		key, err := census.NewKey(source(uint64(50 + i)))
		if err != nil {
			t.Fatal(err)
		}
		w.key = key
		w.rnd = source(60) // the same person with the same door key
		p := w.admitOne(t, passport.KindHalo, passport.ModeTap)
		w.rnd = source(uint64(70 + i)) // another nonce
		v := w.visit(t, p, 0, "front", opens+100, false)
		w.report(t)
		lines[i] = v.line(w)
	}
	for i := range len(lines[0]) - 3 {
		if bytes.Contains(lines[1], lines[0][i:i+4]) {
			t.Errorf("bytes %d to %d stand in both", i, i+3)
		}
	}
}

// TestCoversSayNothing: of two nodes one reported a single tag. Whoever has the list
// tries each line as that node's, and holds what the close would cover against the
// hash that it names.
func TestCoversSayNothing(t *testing.T) {
	t.Parallel()
	w, _ := crowd(t, 60)
	lines := w.list.Len()
	share := func(only int64) (one, rest []byte) {
		for i := range lines {
			e := w.list.At(i)
			if i == only {
				one = append(append(one, e.Tag[:]...), e.Commitment[:]...)
			} else {
				rest = append(append(rest, e.Tag[:]...), e.Commitment[:]...)
			}
		}
		return one, rest
	}
	covers := func(only int64, salt func(n int) [32]byte) [32]byte {
		one, rest := share(only)
		all := []census.Covered{w.covered, w.covered}
		for n, tags := range [][]byte{one, rest} {
			l, err := census.NewList(tags)
			if err != nil {
				t.Fatal(err)
			}
			all[n].Origin.Author[0] = byte(n)
			all[n].Count, all[n].TagsRoot, all[n].Salt = uint64(l.Len()), l.Root(nil), salt(n)
		}
		return census.CoversHash(all)
	}
	search := func(published [32]byte, salt func(n int) [32]byte) (found []int64) {
		for i := range lines {
			if covers(i, salt) == published {
				found = append(found, i)
			}
		}
		return found
	}
	secret := func(n int) [32]byte { return [32]byte{1, 2, 3, byte(n)} }
	published := covers(17, secret)
	for _, salt := range [][32]byte{{}, w.opened.Key, w.list.Root(nil), w.covered.Root} {
		if found := search(published, func(int) [32]byte { return salt }); len(found) > 0 {
			t.Errorf("lines %d are found to be the node's", found)
		}
	}
	if found := search(published, secret); len(found) != 1 || found[0] != 17 {
		t.Errorf("with the salts he finds lines %d: the attack is none", found)
	}
}
