package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

const pastPolicy = `version = %d
node = "casa"
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[levels.all]
doors = ["front"]
[classes.resident]
levels = ["all"]
`

// TestPastWorld: a Basis is what the ledgers said as far as it names them, also
// after one that named more, and by the policy that it names, also where this
// program would have taken another.
func TestPastWorld(t *testing.T) {
	t.Setenv("TOMBOLO_GUARD", t.TempDir())
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	run := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		e := &env{Now: func() time.Time { return now }, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &out}
		if code := e.run(t.Context(), append([]string{"--dir", dir}, args...)); code != 0 {
			t.Fatalf("%q: exit status %d: %s", args, code, out.String())
		}
	}
	run("community", "new", "isla", "--chain-id", "1", "--registry", "0x0000000000000000000000000000000000000001")
	run("node", "new", "casa")
	var hashes [][32]byte
	for v := 1; v <= 2; v++ {
		file := filepath.Join(dir, "policy.toml")
		text := fmt.Appendf(nil, pastPolicy, v)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		run("node", "policy", "sign", file)
		hashes = append(hashes, policy.Hash(text))
	}
	f, err := folder.Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	infos, err := f.Store().Ledgers()
	if err != nil || len(infos) != 1 {
		t.Fatalf("%d ledgers, %v", len(infos), err)
	}
	node, err := f.Node()
	if err != nil {
		t.Fatal(err)
	}
	community, err := f.CommunityID()
	if err != nil {
		t.Fatal(err)
	}
	w := newPastWorld(f, community, node.ID(), [32]byte{}, nil)
	origin := infos[0].Origin.String()
	basis := func(size int64, version int) *ledger.Basis {
		b := &ledger.Basis{Clock: "ntp", Sources: []ledger.Source{{Origin: origin, Size: size}}}
		if version > 0 {
			b.Policy, b.Hash = uint64(version), hashes[version-1][:]
		}
		return b
	}
	clock := access.Clock{Now: now, Trust: access.TrustNTP}
	generation := uint64(0)
	for _, c := range []struct {
		what string
		b    *ledger.Basis
		want uint64 // policy version
		new  bool   // something else than the clock changed
	}{
		{"all", basis(3, 2), 2, true},
		{"less than before", basis(2, 1), 1, true},
		{"none yet", basis(1, 0), 0, true},
		{"one that this program would not take", basis(3, 1), 1, true},
		{"and none, as none could be read", basis(3, 0), 0, true},
		{"the same again: the roster saw something", basis(3, 0), 0, true},
		{"another clock", func() *ledger.Basis { b := basis(3, 0); b.Clock = "floor"; return b }(), 0, false},
	} {
		got, err := w.Basis(c.b, clock)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		version := uint64(0)
		if got.Policy != nil {
			version = got.Policy.Version
		}
		if version != c.want || got.Generation > generation != c.new || len(got.Sources) != 1 || got.Sources[0].Size != c.b.Sources[0].Size {
			t.Errorf("%s: policy %d, generation %d after %d, %+v", c.what, version, got.Generation, generation, got.Sources)
		}
		generation = got.Generation
	}

	if _, err := w.Basis(basis(4, 2), clock); !errors.Is(err, errBehind) || !strings.Contains(err.Error(), "4 entries of "+origin+", and here 3 count") {
		t.Errorf("more than is here: %v", err)
	}
	unknown := basis(3, 2)
	other := sha256.Sum256(nil)
	unknown.Hash = other[:]
	if _, err := w.Basis(unknown, clock); !errors.Is(err, errBehind) || !strings.Contains(err.Error(), "policy version 2, which is not in the node's ledgers") {
		t.Errorf("a policy that is not here: %v", err)
	}
	w.other = &policy.Policy{Version: 9}
	if got, err := w.Basis(basis(3, 1), clock); err != nil || got.Policy != w.other {
		t.Errorf("another in its place: %+v, %v", got, err)
	}
	if got, err := w.Basis(basis(3, 0), clock); err != nil || got.Policy != nil {
		t.Errorf("in the place of none: %+v, %v", got, err)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(w.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", w.dir, err)
	}
}

func TestParseEntries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int64{"0-0": {0, 0}, "7": {7, 7}, "120-180": {120, 180}} {
		if first, last, err := parseEntries(text); err != nil || first != want[0] || last != want[1] {
			t.Errorf("%q: %d to %d, %v", text, first, last, err)
		}
	}
	for _, text := range []string{"", "-", "-1", "1-", "9-3", "a-b", "1-2-3", "1 - 2", "0x1-0x2", "1..2", "9223372036854775808", "+1--2"} {
		_, _, err := parseEntries(text)
		if _, bad := errors.AsType[usageError](err); !bad {
			t.Errorf("%q: %v", text, err)
		}
	}
}
