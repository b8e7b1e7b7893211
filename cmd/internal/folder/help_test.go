package folder

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestMain keeps the guards of tests out of the user's.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tombolo-guard-*")
	if err == nil {
		err = os.Setenv("TOMBOLO_GUARD", dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// noon is when everything in these tests happens.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string) *Folder {
	t.Helper()
	f, err := Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	f.Now = func() time.Time { return noon }
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// found makes a folder with a community and a node, whose issuer and steward it
// is.
func found(t testing.TB, slug string) *Folder {
	t.Helper()
	f := open(t, t.TempDir())
	community := charter(t, f, ledger.Charter{Kind: ledger.CommunityCharter, Slug: slug, ChainID: 1, Registry: [20]byte{1}}, IssuerKey, ledger.Issuer)
	charter(t, f, ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: community}, StewardKey, ledger.Steward)
	return f
}

func charter(t testing.TB, f *Folder, c ledger.Charter, role Role, as ledger.AuthorRole) ledger.CharterID {
	t.Helper()
	key, err := f.EnsureKey(CharterKey)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := f.EnsureKey(role)
	if err != nil {
		t.Fatal(err)
	}
	c.Format, c.Version, c.Threshold = 1, 1, 1
	c.Keys = [][32]byte{[32]byte(key.Public().(ed25519.PublicKey))}
	c.Authors = []ledger.Author{{Role: as, Key: [32]byte(writer.Public().(ed25519.PublicKey))}}
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	id, err := f.Found(ledger.SignCharter(b, key))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func write(t testing.TB, f *Folder, kind ledger.LogKind, bodies ...ledger.Body) {
	t.Helper()
	a, err := f.Author(kind)
	if err != nil {
		t.Fatal(err)
	}
	var drafts []store.Draft
	for _, b := range bodies {
		drafts = append(drafts, store.Draft{Body: b, Time: f.Now()})
	}
	if _, err := a.Append(drafts...); err != nil {
		t.Fatal(err)
	}
}

func admit(n uint64) ledger.Body {
	return &ledger.Admit{Passport: n, Owner: [20]byte{byte(n), 1}, Class: "resident", NotBefore: 1, NotAfter: 2}
}

// everything is all kinds of ledger.
var everything = []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog, ledger.DoorLog}

func export(t testing.TB, f *Folder, kinds ...ledger.LogKind) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := f.Export(&b, kinds, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gateway makes one, and has the steward f enrol it.
func gateway(t testing.TB, f *Folder, name string) *Folder {
	t.Helper()
	g := open(t, t.TempDir())
	r, err := g.NewGateway(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: name, Keys: r.Keys})
	if got, err := g.Enrol(bytes.NewReader(export(t, f, ledger.CommunityLog, ledger.NodeLog))); err != nil || got != name {
		t.Fatalf("enrolled as %q, %v", got, err)
	}
	return g
}

// rebundle writes a bundle anew from what edit leaves of its items.
func rebundle(t testing.TB, data []byte, edit func(*ledger.BundleItem) bool) []byte {
	t.Helper()
	r, err := ledger.NewBundleReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := ledger.NewBundleWriter(&out)
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !edit(&item) {
			continue
		}
		switch {
		case item.Charter != nil:
			err = w.Charter(*item.Charter)
		case item.Head != nil:
			err = w.Head(item.Head.Author, item.Head.Note)
		default:
			err = w.Chunk(*item.Chunk)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func size(t testing.TB, f *Folder, kind ledger.LogKind) (n int64) {
	t.Helper()
	all, err := f.Store().Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Origin.Kind == kind {
			n += i.Size
		}
	}
	return n
}

func file(t testing.TB, f *Folder, name string) string {
	t.Helper()
	return filepath.Join(f.Dir(), name)
}
