package folder

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// carry takes what from exports to where it is imported, whole.
func carry(t testing.TB, from, to *Folder, kinds ...ledger.LogKind) {
	t.Helper()
	report, err := to.Import(bytes.NewReader(export(t, from, kinds...)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Refused() {
		t.Fatalf("%+v", report)
	}
}

// take imports a file and returns what became of its ledgers.
func take(t testing.TB, f *Folder, data []byte) []LedgerImport {
	t.Helper()
	report, err := f.Import(bytes.NewReader(data), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report.Ledgers
}

func reader(t testing.TB, from *Folder) *Folder {
	t.Helper()
	f := open(t, t.TempDir())
	data := export(t, from)
	if _, err := f.Import(bytes.NewReader(data), nil, nil); !errors.Is(err, ErrUnpinned) {
		t.Fatalf("without a pin: %v", err)
	}
	report, err := f.Import(bytes.NewReader(data), PinBoth, nil)
	if err != nil || len(report.Charters) != 2 || !report.Charters[0].Pinned || !report.Charters[1].Pinned {
		t.Fatalf("%+v, %v", report, err)
	}
	return f
}

func TestImport(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	to := reader(t, f)
	var many []ledger.Body
	for n := range 600 {
		many = append(many, admit(uint64(n)+1))
	}
	write(t, f, ledger.CommunityLog, many...)
	data := export(t, f, everything...)
	calls := 0
	report, err := to.Import(bytes.NewReader(data), nil, func(o ledger.Origin, done, total int64) {
		calls++
		if done > total || done < 1 {
			t.Errorf("%d of %d", done, total)
		}
	})
	if err != nil || report.Refused() || len(report.Ledgers) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := report.Ledgers[0]; got.Added != 601 || !got.Fresh || got.Size != 601 {
		t.Errorf("%+v", got)
	}
	if calls != 4 { // three chunks of the community's, one of the node's
		t.Errorf("progress was told %d times", calls)
	}
	if again := take(t, to, data); again[0].Added != 0 || again[0].Fresh {
		t.Errorf("again: %+v", again[0])
	}
	n := 0
	for r, err := range to.Counted(ledger.CommunityLog) {
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := r.Body.(*ledger.Admit); ok {
			if n++; a.Passport != uint64(n) {
				t.Fatalf("passport %d at place %d", a.Passport, n)
			}
		}
	}
	if n != 600 {
		t.Errorf("%d passports", n)
	}
}

// TestImportRefuses: each case is refused alone, and the other ledger of the
// file is taken in.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	write(t, f, ledger.CommunityLog, admit(1), admit(2))
	write(t, f, ledger.NodeLog, &ledger.Home{Door: "flat", Passport: 1, Owner: [20]byte{1}})
	g := gateway(t, f, "gw1")
	write(t, g, ledger.DoorLog, &ledger.DoorState{Door: "front", State: "locked"})
	whole := export(t, f, ledger.CommunityLog, ledger.NodeLog)
	doors := export(t, g, ledger.DoorLog)
	stranger := found(t, "isla")
	write(t, stranger, ledger.CommunityLog, admit(1))

	// nth counts heads, and edits what belongs to the one of that number.
	nth := func(data []byte, n int, edit func(*ledger.BundleItem) bool) []byte {
		at := -1
		return rebundle(t, data, func(i *ledger.BundleItem) bool {
			if i.Head != nil {
				at++
			}
			return at != n || i.Charter != nil || edit(i)
		})
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
		bad  int // the ledger that is refused
	}{
		{"a changed body", nth(whole, 0, func(i *ledger.BundleItem) bool {
			if i.Chunk != nil {
				i.Chunk.Entries[1].Body[3] ^= 1
			}
			return true
		}), ledger.ErrCommitment, 0},
		{"swapped entries", nth(whole, 0, func(i *ledger.BundleItem) bool {
			if i.Chunk != nil {
				e := i.Chunk.Entries
				e[1], e[2] = e[2], e[1]
			}
			return true
		}), ledger.ErrCommitment, 0},
		{"a withheld body", nth(whole, 0, func(i *ledger.BundleItem) bool {
			if i.Chunk != nil {
				i.Chunk.Entries[2] = i.Chunk.Entries[2].Drop()
			}
			return true
		}), ledger.ErrWithheld, 0},
		{"no Begin", nth(whole, 0, func(i *ledger.BundleItem) bool {
			if i.Chunk != nil {
				i.Chunk.Entries[0] = i.Chunk.Entries[0].Drop()
			}
			return true
		}), ledger.ErrBegin, 0},
		{"no chunks", nth(whole, 0, func(i *ledger.BundleItem) bool { return i.Chunk == nil }), ledger.ErrTruncated, 0},
		{"a part", nth(whole, 0, func(i *ledger.BundleItem) bool {
			if i.Chunk != nil {
				i.Chunk.Start = ledger.ChunkSize
			}
			return true
		}), ErrPart, 0},
		{"a changed head", nth(whole, 1, func(i *ledger.BundleItem) bool {
			if i.Head != nil {
				b := &i.Head.Note[len(i.Head.Note)-20] // another letter of base64
				if *b++; *b < 'B' || *b > 'Z' {
					*b = 'A'
				}
			}
			return true
		}), ledger.ErrSignature, 1},
		{"another author's key", nth(whole, 1, func(i *ledger.BundleItem) bool {
			if i.Head != nil {
				i.Head.Author = must(stranger.Key(StewardKey)).Public().(ed25519.PublicKey)
			}
			return true
		}), ledger.ErrAuthor, 1},
		{"a stranger's community", append(bytes.Clone(stripEnd(t, whole)), records(t, export(t, stranger, ledger.CommunityLog))...), ErrForeign, 2},
		{"a gateway before its enrolment", doors, ErrNobody, 0},
	} {
		to := reader(t, f)
		got := take(t, to, c.data)
		for i, l := range got {
			if i == c.bad && !errors.Is(l.Refused, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, l.Refused, c.want)
			}
			if i != c.bad && l.Refused != nil {
				t.Errorf("%s: ledger %d was refused as well: %v", c.name, i, l.Refused)
			}
		}
		all := must(to.Store().Ledgers())
		if len(all) != len(got)-1 {
			t.Errorf("%s: %d ledgers are held of %d", c.name, len(all), len(got))
		}
	}
}

// stripEnd is a bundle without its end record, records are another's ledgers
// with it: the two make one.
func stripEnd(t testing.TB, data []byte) []byte {
	t.Helper()
	return data[:len(data)-5]
}

func records(t testing.TB, data []byte) []byte {
	t.Helper()
	only := rebundle(t, data, func(i *ledger.BundleItem) bool { return i.Charter == nil })
	return only[len("tombolo bundle v1\n"):]
}

// TestImportBindsToTheCharter: a steward of two nodes cannot have what it wrote
// for one count in the other.
func TestImportBindsToTheCharter(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	// The same steward, node ledger begun under the community's charter instead.
	a, err := f.Store().OpenAuthor(store.AuthorConfig{Key: must(f.Key(StewardKey)), Community: must(f.CommunityID()), Kind: ledger.NodeLog,
		Charter: must(f.CommunityID()), Guard: must(Guard()), Now: f.Now, Rand: bytes.NewReader(bytes.Repeat([]byte{3}, 4096))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(store.Draft{Body: &ledger.Home{Door: "flat", Passport: 1, Owner: [20]byte{1}}, Time: noon}); err != nil {
		t.Fatal(err)
	}
	to := reader(t, f)
	foreign := a.Head().Origin
	for _, got := range take(t, to, export(t, f, ledger.NodeLog)) {
		if (got.Origin == foreign) != errors.Is(got.Refused, ErrForeign) {
			t.Errorf("%+v", got)
		}
	}
}

func TestImportBrokenFile(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	write(t, f, ledger.CommunityLog, admit(1))
	data := export(t, f, ledger.CommunityLog, ledger.NodeLog)
	to := reader(t, f)
	for _, cut := range []int{0, 10, 100, len(data) / 2, len(data) - 1} {
		if _, err := to.Import(bytes.NewReader(data[:cut]), nil, nil); !errors.Is(err, ledger.ErrBundle) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	if _, err := to.Import(bytes.NewReader(append(bytes.Clone(data), 0)), nil, nil); !errors.Is(err, ledger.ErrBundle) {
		t.Errorf("more behind its end: %v", err)
	}
}

func TestImportPins(t *testing.T) {
	t.Parallel()
	a, b := found(t, "isla"), found(t, "otra")
	both := append(bytes.Clone(stripEnd(t, export(t, a))), export(t, b)[len("tombolo bundle v1\n"):]...)
	f := open(t, t.TempDir())
	if _, err := f.Import(bytes.NewReader(both), PinBoth, nil); !errors.Is(err, ErrPinWhat) {
		t.Errorf("two communities: %v", err)
	}
	if id := must(f.CommunityID()); !id.IsZero() {
		t.Error("it was pinned all the same")
	}
	report, err := a.Import(bytes.NewReader(export(t, b)), PinBoth, nil)
	if err != nil || len(report.Charters) != 2 || !errors.Is(report.Charters[0].Refused, ErrForeign) || !errors.Is(report.Charters[1].Refused, ErrForeign) {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestRetiredAuthor(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	write(t, f, ledger.CommunityLog, admit(1), admit(2))
	info := must(f.Store().Ledgers())[0]
	retire := func(size int64, root [32]byte) *Folder {
		chain := must(f.Community())
		next := chain.Next()
		next.Authors[0].Retired = true
		next.Authors[0].Counted = []ledger.Counted{{Incarnation: info.Origin.Incarnation, Size: size, Root: root}}
		signed := ledger.SignCharter(must(next.Marshal()), must(f.Key(CharterKey)))
		to := reader(t, f)
		carry(t, f, to, ledger.CommunityLog)
		if _, _, err := to.Store().AddCharter(signed); err != nil {
			t.Fatal(err)
		}
		return to
	}
	count := func(to *Folder) (n int, err error) {
		for r, err := range to.Counted(ledger.CommunityLog) {
			if err != nil {
				return n, err
			}
			if r.Kind == ledger.KindAdmit {
				n++
			}
		}
		return n, nil
	}
	var short ledger.Tree
	for e, err := range f.Store().Entries(info, 0, 2) {
		if err != nil {
			t.Fatal(err)
		}
		short.Append(e.Leaf, nil)
	}
	if n, err := count(retire(2, short.Root())); err != nil || n != 1 {
		t.Errorf("%d passports count, %v", n, err)
	}
	if n, err := count(retire(3, info.Root)); err != nil || n != 2 {
		t.Errorf("%d passports count, %v", n, err)
	}
	if _, err := count(retire(2, [32]byte{1})); !errors.Is(err, ledger.ErrOtherHistory) {
		t.Errorf("another history: %v", err)
	}
}
