package hub

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestListDamaged: whatever becomes of a list's file, what is served of the epoch is
// its list, made again if need be; it is also of a list that was asked for before.
func TestListDamaged(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{Rate: 1e6, Burst: 1e6})
	closed, list := s.closeIt(s.epoch)
	other := s.world.epoch(2)
	s.append(s.issuer(), other)
	s.append(s.reporter(0), s.reportOf(0, other.ID(), lines(100, 160, 0), 7)...)
	s.closeIt(other)
	path := s.hub.lists.path(s.epoch.ID(), listFile)
	whole := must(os.ReadFile(path))
	write := func(b []byte) func() error { return func() error { return os.WriteFile(path, b, 0o600) } }
	for _, c := range []struct {
		name  string
		spoil func() error
	}{
		{"as it was", func() error { return nil }},
		{"gone", func() error { return os.Remove(path) }},
		{"gone with its folder", func() error { return os.RemoveAll(filepath.Dir(path)) }},
		{"empty", write(nil)},
		{"cut short in its place", func() error { return os.Truncate(path, 2*ledger.TagSize) }},
		{"half a line more", write(append(bytes.Clone(whole), whole[:32]...))},
		{"a line more", write(append(bytes.Clone(whole), bytes.Repeat([]byte{0xff}, ledger.TagSize)...))},
		{"a line fewer", write(whole[ledger.TagSize:])},
		{"a bit of a commitment", func() error {
			b := bytes.Clone(whole)
			b[40] ^= 1
			return write(b)()
		}},
		{"a bit, and the time set back", func() error {
			b := bytes.Clone(whole)
			b[len(b)-1] ^= 1
			info := must(os.Stat(path))
			return errors.Join(write(b)(), os.Chtimes(path, info.ModTime(), info.ModTime()))
		}},
		{"two lines in each other's place", write(append(bytes.Clone(whole[ledger.TagSize:2*ledger.TagSize]), append(bytes.Clone(whole[:ledger.TagSize]), whole[2*ledger.TagSize:]...)...))},
		{"another epoch's", write(must(os.ReadFile(s.hub.lists.path(other.ID(), listFile))))},
		{"another's put in its place", func() error {
			copied := filepath.Join(t.TempDir(), "list")
			b := must(os.ReadFile(s.hub.lists.path(other.ID(), listFile)))
			return errors.Join(os.WriteFile(copied, b, 0o600), os.Rename(copied, path))
		}},
		{"nothing but zeros", write(make([]byte, len(whole)))},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(c.name, err)
		}
		var got bytes.Buffer
		if err := s.client.List(context.Background(), s.epoch.ID(), closed.Size, &got, nil); err != nil || !bytes.Equal(got.Bytes(), whole) {
			t.Errorf("%s: another list, %v", c.name, err)
		}
		if err := c.spoil(); err != nil {
			t.Fatal(c.name, err)
		}
		p, _, err := s.client.Proof(context.Background(), s.epoch.ID(), list.At(11).Tag)
		if err != nil || p.Verify(closed.Root) != nil {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
}

// TestFault: what a mapped file has lost is an error and no end of the process.
func TestFault(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, lines(0, 1000, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	f := must(os.Open(path))
	defer f.Close()
	data := must(mapFile(f, 1000*ledger.TagSize))
	list := must(census.NewList(data))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	err := guarded(func() error {
		_, err := list.Prove(list.At(500).Tag)
		return err
	})
	if !errors.Is(err, errFault) {
		t.Error(err)
	}
	if err := guarded(func() error { return io.EOF }); err != io.EOF {
		t.Error(err)
	}
	defer func() {
		if r := recover(); r != "ours" {
			t.Errorf("%v", r)
		}
	}()
	_ = guarded(func() error { panic("ours") })
}

// TestDiskFull: a close whose list does not fit leaves nothing, and is done when there
// is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[1], 1) // whose ledgers are not where the list is
	e := w.opened()
	tags := lines(0, 5000, 0)
	w.append(w.reporter(0), w.reportOf(0, e.ID(), tags, ledger.MaxTags)...)
	p := w.start(childConfig{Mode: "close", Epoch: e.ID(), Holder: "child", Room: 100_000})
	text, _ := p.out.ReadString('\n')
	_ = p.cmd.Wait()
	if text != "closed "+string(bytes.Repeat([]byte("0"), 64))+"\n" || !bytes.Contains([]byte(p.said.String()), []byte("file too large")) {
		t.Errorf("%q: %s", text, p.said)
	}
	for _, pattern := range []string{"*", ".*"} {
		if left := must(filepath.Glob(filepath.Join(w.dir, "epochs", "*", pattern))); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	}
	if n := w.closedEntries(e.ID()); n != 0 {
		t.Errorf("it was closed %d times", n)
	}
	began := time.Now()
	closed, _ := w.closeIt(e)
	if closed.Root != must(census.NewList(tags)).Root(nil) || w.closedEntries(e.ID()) != 1 {
		t.Errorf("%+v after %v", closed, time.Since(began))
	}
}
