package holders

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/passport"
)

const short = 0x0102030405060708

// draw makes any holder whose key has that short id.
func draw(t *rapid.T) access.Holder {
	fill := func(b []byte, what string) {
		copy(b, rapid.SliceOfN(rapid.Byte(), len(b), len(b)).Draw(t, what))
	}
	flag := func(what string) bool { return rapid.Bool().Draw(t, what) }
	h := access.Holder{
		Known: true, ByOwner: flag("by owner"), Revoked: flag("revoked"), ClosedAtHome: flag("closed"), Admitted: flag("admitted"),
		Disputed: flag("disputed"), Suspended: flag("suspended"), Expelled: flag("expelled"),
		Class: rapid.StringN(0, 40, 255).Draw(t, "class"), NotBefore: rapid.Int64().Draw(t, "from"), NotAfter: rapid.Int64().Draw(t, "until"),
		Delegation: passport.Delegation{
			Passport: passport.ID(rapid.Uint64().Draw(t, "passport")), NotBefore: rapid.Uint64().Draw(t, "key from"), NotAfter: rapid.Uint64().Draw(t, "key until"),
			Key: passport.Key{Kind: passport.KeyKind(rapid.Byte().Draw(t, "kind"))}, Mode: passport.Mode(rapid.Byte().Draw(t, "mode")),
		},
	}
	fill(h.KeyID[:], "id")
	binary.BigEndian.PutUint64(h.KeyID[:], short)
	fill(h.Delegation.Key.Point[:], "point")
	fill(h.Delegation.Scope[:], "scope")
	fill(h.Wallet[:], "wallet")
	return h
}

// TestFound: whatever holders a row is made of, each is found in it by its key,
// and by its passport unless two have it.
func TestFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(rapid.Custom(draw), 1, 4, func(h access.Holder) passport.KeyID { return h.KeyID }).Draw(t, "holders")
		slices.SortFunc(all, func(a, b access.Holder) int { return bytes.Compare(a.KeyID[:], b.KeyID[:]) })
		if len(all) > 1 && rapid.Bool().Draw(t, "one passport") {
			all[1].Delegation.Passport = all[0].Delegation.Passport
		}
		row, err := Seal(all...)
		if err != nil {
			t.Fatal(err)
		}
		of := map[passport.ID]int{}
		for _, h := range all {
			of[h.Delegation.Passport]++
			if got, err := ByKey(row, h.KeyID); got != h || err != nil {
				t.Fatalf("by key\n got %+v, %v\nwant %+v", got, err, h)
			}
		}
		for _, h := range all {
			want := h
			if of[h.Delegation.Passport] > 1 {
				want = access.Holder{} // nobody can tell which is meant
			}
			if got, err := ByWindow(short, row, h.Delegation.Passport); got != want || err != nil {
				t.Fatalf("by window\n got %+v, %v\nwant %+v", got, err, want)
			}
		}
		other := all[0].KeyID
		other[31]++
		if i := slices.IndexFunc(all, func(h access.Holder) bool { return h.KeyID == other }); i < 0 {
			if got, err := ByKey(row, other); got.Known || err != nil {
				t.Fatalf("another key: %+v, %v", got, err)
			}
		}
	})
}

func holder(last byte) access.Holder {
	h := access.Holder{Known: true, Class: "resident", NotAfter: math.MaxInt64}
	binary.BigEndian.PutUint64(h.KeyID[:], short)
	h.KeyID[31] = last
	h.Delegation.Passport = 7
	return h
}

func sealed(t testing.TB, all ...access.Holder) []byte {
	t.Helper()
	row, err := Seal(all...)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// summed puts the sum that fits before records.
func summed(records []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, sum(short, records)), records...)
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	one, two := sealed(t, holder(1)), sealed(t, holder(1), holder(2))
	record := one[sumSize:]
	changed := func(row []byte, at int) []byte {
		row = bytes.Clone(row)
		row[at] ^= 0x80
		return row
	}
	for _, tt := range []struct {
		name string
		row  []byte
		want error
	}{
		{"nothing", nil, ErrSum},
		{"three bytes", one[:3], ErrSum},
		{"another sum", changed(one, 0), ErrSum},
		{"another id", changed(one, sumSize), ErrSum},
		{"another flag", changed(one, sumSize+24), ErrSum},
		{"another class", changed(one, len(one)-1), ErrSum},
		{"a byte is missing", one[:len(one)-1], ErrSum},
		{"a byte too many", append(bytes.Clone(one), 0), ErrSum},
		{"the row of another short id", func() []byte {
			h := holder(1)
			h.KeyID[0]++
			return sealed(t, h)
		}(), ErrSum},
		{"no record", summed(nil), ErrForm},
		{"a part of a record", summed(record[:fixedSize-1]), ErrForm},
		{"a class that is cut off", summed(record[:len(record)-1]), ErrForm},
		{"a class that claims more", summed(func() []byte { b := bytes.Clone(record); b[fixedSize-1]++; return b }()), ErrForm},
		{"a class that claims less", summed(func() []byte { b := bytes.Clone(record); b[fixedSize-1]--; return b }()), ErrForm},
		{"an unknown flag", summed(changed(record, 24)), ErrForm},
		{"a second record cut off", summed(two[sumSize : len(two)-1]), ErrForm},
		{"one record twice", summed(append(bytes.Clone(record), record...)), ErrForm},
		{"records out of order", summed(append(bytes.Clone(two[sumSize+len(record):]), record...)), ErrForm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if h, err := ByKey(tt.row, holder(1).KeyID); !errors.Is(err, tt.want) || h != (access.Holder{}) {
				t.Errorf("by key: %+v, %v, want %v", h, err, tt.want)
			}
			if h, err := ByWindow(short, tt.row, 7); !errors.Is(err, tt.want) || h != (access.Holder{}) {
				t.Errorf("by window: %+v, %v, want %v", h, err, tt.want)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	long, elsewhere, unknown := holder(2), holder(2), holder(2)
	long.Class = strings.Repeat("x", 256)
	elsewhere.KeyID[0]++
	unknown.Known = false
	for _, tt := range []struct {
		name string
		all  []access.Holder
		want error
	}{
		{"nobody", nil, ErrForm},
		{"a long class", []access.Holder{long}, ErrTooBig},
		{"another short id", []access.Holder{holder(1), elsewhere}, ErrForm},
		{"nobody's key", []access.Holder{holder(1), unknown}, ErrForm},
		{"one key twice", []access.Holder{holder(1), holder(1)}, ErrForm},
		{"out of order", []access.Holder{holder(2), holder(1)}, ErrForm},
	} {
		if row, err := Seal(tt.all...); !errors.Is(err, tt.want) || row != nil {
			t.Errorf("%s: %x, %v, want %v", tt.name, row, err, tt.want)
		}
	}
}

// FuzzParse: what is parsed is packed into the same bytes. The sum is made to
// fit, so that the records are reached.
func FuzzParse(f *testing.F) {
	for _, row := range [][]byte{sealed(f, holder(1)), sealed(f, holder(1), holder(2)), sealed(f, holder(0), holder(9), holder(255))} {
		f.Add(row[sumSize:])
		f.Add(row[sumSize : len(row)-1])
	}
	f.Fuzz(func(t *testing.T, records []byte) {
		row := summed(records)
		var all []access.Holder
		if err := each(short, row, func(h *access.Holder) { all = append(all, *h) }); err != nil {
			if !errors.Is(err, ErrForm) {
				t.Fatal(err)
			}
			return
		}
		if again := sealed(t, all...); !bytes.Equal(again, row) {
			t.Errorf("parsed and packed again:\n%x\n%x", row, again)
		}
	})
}
