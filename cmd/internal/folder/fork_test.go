package folder

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// history writes a ledger of n passports from the given first one under the name
// that every history shares, and returns it as a file.
func history(t *testing.T, f *Folder, first uint64, n int) []byte {
	t.Helper()
	// The author's own store is another each time, and so is its guard: this is
	// what no honest author can do.
	dir := t.TempDir()
	s, err := store.Open(dir + "/" + ledgersFile)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.OpenAuthor(store.AuthorConfig{Key: must(f.Key(IssuerKey)), Community: must(f.CommunityID()), Kind: ledger.CommunityLog,
		Charter: must(f.CommunityID()), Guard: store.Guard{Dir: dir, Boot: "boot"}, Now: f.Now, Rand: bytes.NewReader(bytes.Repeat([]byte{5}, 1<<16))})
	if err != nil {
		t.Fatal(err)
	}
	var drafts []store.Draft
	for i := range n {
		drafts = append(drafts, store.Draft{Body: admit(first + uint64(i)), Time: noon})
	}
	if _, err := a.Append(drafts...); err != nil {
		t.Fatal(err)
	}
	info, err := s.Ledger(a.Head().Origin)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := ledger.NewBundleWriter(&b)
	for _, chain := range []ledger.Charters{must(f.Community()), must(f.Node())} {
		_, signed := chain.Version(1)
		if err := w.Charter(signed); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Head(info.Author, info.Note); err != nil {
		t.Fatal(err)
	}
	for c, err := range s.Chunks(info, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Chunk(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestForkIsProved(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	for _, c := range []struct {
		name          string
		held, offered int
	}{
		{"the offered one is longer", 3, 700},
		{"the held one is longer", 700, 3},
		{"of one size", 300, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			to := reader(t, f)
			if got := take(t, to, history(t, f, 1, c.held)); got[0].Refused != nil {
				t.Fatal(got[0].Refused)
			}
			got := take(t, to, history(t, f, 1001, c.offered))
			if got[0].Refused == nil || !got[0].Forked {
				t.Fatalf("%+v", got[0])
			}
			forks, err := to.Store().Forks()
			if err != nil || len(forks) != 1 {
				t.Fatalf("%d proofs, %v", len(forks), err)
			}
			a, b, err := forks[0].Heads()
			if err != nil || a.Size != int64(min(c.held, c.offered))+1 || b.Size != int64(max(c.held, c.offered))+1 {
				t.Errorf("heads of %d and %d entries, %v", a.Size, b.Size, err)
			}
			if n := size(t, to, ledger.CommunityLog); n != int64(c.held)+1 {
				t.Errorf("%d entries are held", n)
			}
		})
	}
}

// headOf is the head of the one ledger in a file.
func headOf(t *testing.T, data []byte) (head ledger.Head) {
	t.Helper()
	rebundle(t, data, func(item *ledger.BundleItem) bool {
		if item.Head != nil {
			head = must(ledger.OpenHead(item.Head.Note, item.Head.Author))
		}
		return true
	})
	return head
}

// TestConvicted: nothing more of a ledger is taken in or written once it is
// proved that its author signed two histories, whichever of them it belongs to,
// until the charter says which one counts. All other ledgers go on.
func TestConvicted(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	to := reader(t, f)
	if got := take(t, to, history(t, f, 1, 3)); got[0].Refused != nil {
		t.Fatal(got[0].Refused)
	}
	if got := take(t, to, history(t, f, 1001, 5)); !got[0].Forked {
		t.Fatalf("%+v", got[0])
	}
	refused := func(name string, data []byte, want error) {
		t.Helper()
		got := take(t, to, data)
		if !errors.Is(got[0].Refused, want) || got[0].Forked != errors.Is(want, ErrForked) || size(t, to, ledger.CommunityLog) != 4 {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
	refused("more of what is held", history(t, f, 1, 6), ErrForked)
	refused("what is held", history(t, f, 1, 3), ErrForked)
	refused("more of the other", history(t, f, 1001, 9), ErrForked)
	write(t, f, ledger.NodeLog, &ledger.HomeEnded{Door: "front", Passport: 1})
	carry(t, f, to, ledger.NodeLog)

	forks := must(to.Store().Forks())
	if err := f.Store().AddFork(forks[0], 1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Author(ledger.CommunityLog); !errors.Is(err, ErrNotAuthor) || !errors.Is(err, ErrForked) {
		t.Errorf("the convicted author writes on: %v", err)
	}
	write(t, f, ledger.NodeLog, &ledger.HomeEnded{Door: "front", Passport: 2})
	carry(t, f, to, ledger.CommunityLog, ledger.NodeLog) // an export works, and signs no head of it

	truth := headOf(t, history(t, f, 1, 6))
	next := must(f.Community()).Next()
	next.Authors[0].Retired = true
	next.Authors[0].Counted = []ledger.Counted{{Incarnation: truth.Origin.Incarnation, Size: truth.Size, Root: truth.Root}}
	if _, _, err := to.Store().AddCharter(ledger.SignCharter(must(next.Marshal()), must(f.Key(CharterKey)))); err != nil {
		t.Fatal(err)
	}
	refused("less than the charter counts", history(t, f, 1, 5), ErrForked)
	refused("another history than the charter counts", history(t, f, 1001, 9), ledger.ErrOtherHistory)
	if got := take(t, to, history(t, f, 1, 8)); got[0].Refused != nil || size(t, to, ledger.CommunityLog) != 9 {
		t.Errorf("what the charter counts: %+v", got[0])
	}
}

// TestOtherHistoryIsReplaced: whoever held the history that does not count takes
// in the one that does, once the charter says so, and not before.
func TestOtherHistoryIsReplaced(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	to := reader(t, f)
	if got := take(t, to, history(t, f, 1001, 700)); got[0].Refused != nil {
		t.Fatal(got[0].Refused)
	}
	whole := history(t, f, 1, 300)
	for range 2 {
		if got := take(t, to, whole); !got[0].Forked || size(t, to, ledger.CommunityLog) != 701 {
			t.Fatalf("%+v", got[0])
		}
	}
	truth := headOf(t, whole)
	next := must(f.Community()).Next()
	next.Authors[0].Retired = true
	next.Authors[0].Counted = []ledger.Counted{{Incarnation: truth.Origin.Incarnation, Size: truth.Size, Root: truth.Root}}
	if _, _, err := to.Store().AddCharter(ledger.SignCharter(must(next.Marshal()), must(f.Key(CharterKey)))); err != nil {
		t.Fatal(err)
	}
	cut := rebundle(t, whole, func(item *ledger.BundleItem) bool { return item.Chunk == nil || item.Chunk.Start == 0 })
	if got := take(t, to, cut); got[0].Refused == nil || size(t, to, ledger.CommunityLog) != 701 {
		t.Errorf("a part: %+v", got[0])
	}
	for _, added := range []int64{301, 0} {
		if got := take(t, to, whole); got[0].Refused != nil || got[0].Added != added {
			t.Errorf("%+v", got[0])
		}
	}
	n := 0
	for r, err := range to.Counted(ledger.CommunityLog) {
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := r.Body.(*ledger.Admit); ok && b.Passport <= 300 {
			n++
		}
	}
	if n != 300 {
		t.Errorf("%d passports count", n)
	}
}

// TestConvictedGateway: a gateway's own doors go on, and so does their log;
// nobody else takes in more of it.
func TestConvictedGateway(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	g := gateway(t, f, "front")
	write(t, g, ledger.DoorLog, &ledger.Fault{Part: "door"})
	carry(t, g, f, everything...)
	first := must(g.Store().Ledgers())
	i := slices.IndexFunc(first, func(i store.Info) bool { return i.Origin.Kind == ledger.DoorLog })
	note := must(ledger.Sign(ledger.Checkpoint{Origin: first[i].Origin, Size: first[i].Size, Root: [32]byte{1}}, must(g.Key(SigningKey)), uint64(noon.Unix())))
	proof := must(ledger.ProveFork(must(ledger.OpenHead(note, first[i].Author)), first[i].Head, ledger.Hashes(g.Store().Reader(first[i]))))
	for _, one := range []*Folder{f, g} {
		if err := one.Store().AddFork(proof, noon.Unix()); err != nil {
			t.Fatal(err)
		}
	}
	write(t, g, ledger.DoorLog, &ledger.Fault{Part: "door", Cleared: true})
	got := take(t, f, export(t, g, ledger.DoorLog))
	if len(got) != 1 || !errors.Is(got[0].Refused, ErrForked) || !strings.Contains(got[0].Refused.Error(), "tombolo gateway remove") {
		t.Errorf("%+v", got)
	}
}
