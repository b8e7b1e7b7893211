package census

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

func reportOrigin(author byte) ledger.Origin {
	return ledger.Origin{Community: ledger.CharterID{1}, Kind: ledger.ReportLog, Author: ledger.KeyID{author}, Incarnation: ledger.Incarnation{9}}
}

func someCovers(n int) (all []Covered) {
	for i := range n {
		all = append(all, Covered{reportOrigin(byte(i)), int64(10 + i), [32]byte{byte(i)}, ledger.CharterID{7, byte(i)}, uint64(25 * i), [32]byte{8}, [32]byte{9, byte(i)}})
	}
	return all
}

// What is covered has one encoding and one hash, in whatever order it is told.
func TestCoversComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := someCovers(rapid.IntRange(0, 20).Draw(t, "reports"))
		b, sum := MarshalCovers(all), CoversHash(all)
		shuffled := rapid.Permutation(all).Draw(t, "order")
		before := slices.Clone(shuffled)
		if !bytes.Equal(MarshalCovers(shuffled), b) || CoversHash(shuffled) != sum {
			t.Fatal("in another order it is another list")
		}
		if !slices.Equal(shuffled, before) {
			t.Fatal("the caller's list was sorted")
		}
		got, err := ParseCovers(b)
		if err != nil || !slices.Equal(got, all) {
			t.Fatalf("%v, %v", got, err)
		}
		if len(all) > 0 {
			all[rapid.IntRange(0, len(all)-1).Draw(t, "altered")].Count++
			if CoversHash(all) == sum {
				t.Fatal("another count has the same hash")
			}
			all = someCovers(len(all))
			all[rapid.IntRange(0, len(all)-1).Draw(t, "guessed")].Salt = [32]byte{}
			if CoversHash(all) == sum {
				t.Fatal("the hash is found without the salt")
			}
		}
	})
}

func TestMalformedCovers(t *testing.T) {
	t.Parallel()
	good := MarshalCovers(someCovers(3))
	row := func(origin string, size any, node any) []any {
		return []any{origin, size, [32]byte{}, node, 1, [32]byte{}, [32]byte{}}
	}
	list := func(rows ...any) []byte { return encode([]any{1, rows}) }
	one, two, node := reportOrigin(1).String(), reportOrigin(2).String(), [32]byte{7}
	door := reportOrigin(1)
	door.Kind = ledger.DoorLog
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "EOF"},
		{"cut short", good[:len(good)-1], "unexpected EOF"},
		{"something behind", append(slices.Clone(good), 0), "extraneous data"},
		{"another version", encode([]any{2, []any{}}), "version 2"},
		{"no version", encode([]any{[]any{}}), "cannot unmarshal"},
		{"a negative version", encode([]any{-1, []any{}}), "cannot unmarshal"},
		{"descending", list(row(two, 1, node), row(one, 1, node)), "report 1: the ledgers are not ascending"},
		{"a ledger twice", list(row(one, 1, node), row(one, 2, node)), "report 1: the ledgers are not ascending"},
		{"a door log", list(row(door.String(), 1, node)), "report 0 stands in a door ledger"},
		{"no origin", list(row("tombolo", 1, node)), "not a ledger's origin"},
		{"an origin in capitals", list(row(strings.ToUpper(one), 1, node)), "not a ledger's origin"},
		{"an empty ledger", list(row(one, 0, node)), "a ledger of 0 entries"},
		{"a size below 0", list(row(one, -1, node)), "a ledger of -1 entries"},
		{"no node", list(row(one, 1, [32]byte{})), "report 0 names no node"},
		{"a node of 31 bytes", list(row(one, 1, node[1:])), "not the deterministic encoding"},
		{"a field fewer", list(row(one, 1, node)[:6]), "cannot unmarshal"},
		{"too many", slices.Concat([]byte{0x82, 1, 0x9a, 0, 2, 0, 1}, bytes.Repeat([]byte{0x80}, 1<<17+1)), "exceeded max number of elements"},
		{"too long", make([]byte, 16+MaxCovers*maxCovered+1), "at most"},
	} {
		if _, err := ParseCovers(tt.b); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// FuzzCovers: what is read is written back as it was.
func FuzzCovers(f *testing.F) {
	for _, n := range []int{0, 1, 3} {
		f.Add(MarshalCovers(someCovers(n)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := ParseCovers(b); err == nil && !bytes.Equal(MarshalCovers(all), b) {
			t.Errorf("%x is written back as %x", b, MarshalCovers(all))
		}
	})
}
