package folder

import (
	"bytes"
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
