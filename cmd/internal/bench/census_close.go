package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// closing measures an epoch's close and audit, each in a process of its own, so that
// its memory is only its own: the close as `tombolo census close` makes it, on a
// store that holds the reports and by a hub that has not looked at one of them;
// beside it the same tags, sorted and hashed by the plainest means.
func closing(b *report, dir string, s sea) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var closed, bare, listed, named told
	for _, step := range []struct {
		out  *told
		what string
	}{{new(told), "fill"}, {&bare, "bare"}, {&closed, "close"}, {new(told), "seal"}, {&listed, "audit"}, {&named, "named"}} {
		progress("%s", map[string]string{
			"fill": "all report ledgers", "bare": "the same tags, sorted and hashed by the plainest means", "close": "the hub closes", "seal": "the hub seals the reports to an auditor",
			"audit": "anybody audits the list", "named": "the auditor does, with the reports",
		}[step.what])
		var err error
		if *step.out, err = s.child(order{s, step.what, dir, closed.Closed}); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if closed.Closed.Root != bare.Closed.Root || closed.Closed.Size != uint64(s.Gateways*s.Tags) {
		return fmt.Errorf("the hub closed with %d tags and root %x, and the bare program has root %x", closed.Closed.Size, closed.Closed.Root, bare.Closed.Root)
	}
	b.most("census-close-ratio", closed.Seconds/bare.Seconds, 2)
	b.most("census-close-mb", closed.Most, 2000)
	b.least("census-close-told", float64(closed.Told), 100)
	b.most("census-audit-ratio", listed.Seconds/closed.Seconds, 1.5)
	b.most("census-proof-bytes", float64(listed.Proof), 1000)
	fmt.Printf("# a close of %d tags: %.1f s; one sort and hash of them in memory on one core: %.1f s, on all: %.1f s\n", closed.Closed.Size, closed.Seconds, bare.Seconds, bare.Cores)
	fmt.Printf("# its audit: %.1f s by anybody in %.0f MB; with every report that it covers, by a named auditor: %.1f s in %.0f MB\n", listed.Seconds, listed.Most, named.Seconds, named.Most)
	for _, st := range closed.Stages {
		fmt.Printf("# of the close: %-8s %5.1f s\n", st.Name, st.Seconds)
	}
	return nil
}

// fillStore makes the store that the hub closes.
func fillStore(o order) (out told, err error) {
	s := o.Sea
	on, err := store.Open(filepath.Join(o.Dir, "ledgers.db"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	if err := s.found(on, o.Dir); err != nil {
		return out, err
	}
	id := s.epoch().ID()
	var all []ledger.Extension
	for n := range s.Gateways {
		head, stretch, err := s.report(n, id)
		if err != nil {
			return out, err
		}
		x, err := ledger.CheckStretch(ledger.Tree{}, head, stretch)
		if err != nil {
			return out, err
		}
		if all = append(all, x); len(all) == 64 || n == s.Gateways-1 {
			if _, err := on.Extend(time.Now().Unix(), all...); err != nil {
				return out, err
			}
			all = all[:0]
		}
	}
	return out, nil
}

// told is what a child process tells.
type told struct {
	Seconds float64
	Cores   float64 // the bare program's, on all processors
	Most    float64 // resident memory at its most, in MB
	Closed  ledger.EpochClosed
	Told    int // times that progress was told
	Proof   int // bytes of the longest of some proofs
	Stages  []stage
}

type stage struct {
	Name    string
	Seconds float64
}

// order is what a child process is told.
type order struct {
	Sea    sea
	What   string
	Dir    string
	Closed ledger.EpochClosed // what is audited
}

func (s sea) child(o order) (out told, err error) {
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return out, err
	}
	cmd := exec.Command(self, "--census", string(text))
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(said, &out)
}

// obey is the child's.
func obey(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	do := map[string]func(order) (told, error){"fill": fillStore, "bare": bareClose, "close": closeIt, "seal": sealAll, "audit": audit, "named": audit}[o.What]
	if do == nil {
		return playGateways(o.Sea)
	}
	out, err := do(o)
	if err != nil {
		return err
	}
	if out.Most, err = status("VmHWM:"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// closeIt has the real hub close.
func closeIt(o order) (out told, err error) {
	on, err := store.Open(filepath.Join(o.Dir, "ledgers.db"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	h, err := hub.New(o.Sea.hub(on, o.Dir))
	if err != nil {
		return out, err
	}
	began := time.Now()
	since := began
	out.Closed, err = h.Close(context.Background(), o.Sea.epoch().ID(), func(name string, _, _ int64) {
		if n := len(out.Stages); n == 0 || out.Stages[n-1].Name != name {
			out.Stages, since = append(out.Stages, stage{Name: name}), time.Now()
		}
		out.Stages[len(out.Stages)-1].Seconds = time.Since(since).Seconds()
		out.Told++
	})
	out.Seconds = time.Since(began).Seconds()
	return out, err
}

type tagLine [ledger.TagSize]byte

// bareClose sorts and hashes the tags by the standard library: first on one core,
// and then the same, halved, on all.
func bareClose(o order) (out told, err error) {
	s := o.Sea
	lines := make([]tagLine, 0, s.Gateways*s.Tags)
	for n := range s.Gateways {
		for line := range slices.Chunk(s.tags(n), ledger.TagSize) {
			lines = append(lines, tagLine(line))
		}
	}
	compare := func(a, b tagLine) int { return bytes.Compare(a[:], b[:]) }
	shuffled := slices.Clone(lines)
	began := time.Now()
	slices.SortFunc(lines, compare)
	out.Closed.Root = plainRoot(lines)
	out.Seconds = time.Since(began).Seconds()

	began = time.Now()
	half := len(shuffled) / 2
	if err := both(func() error { slices.SortFunc(shuffled[:half], compare); return nil }, func() error { slices.SortFunc(shuffled[half:], compare); return nil }); err != nil {
		return out, err
	}
	merged := lines[:0]
	for a, b := shuffled[:half], shuffled[half:]; len(a)+len(b) > 0; {
		if len(b) == 0 || len(a) > 0 && compare(a[0], b[0]) < 0 {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	left := 1 << (bits.Len(uint(len(merged)-1)) - 1)
	var roots [2][32]byte
	err = both(func() error { roots[0] = plainRoot(merged[:left]); return nil }, func() error { roots[1] = plainRoot(merged[left:]); return nil })
	if err == nil && plainNode(roots[0], roots[1]) != out.Closed.Root {
		err = errors.New("the bare program has two roots")
	}
	out.Cores = time.Since(began).Seconds()
	return out, err
}

// both does two things at the same time.
func both(a, b func() error) error {
	done := make(chan error, 1)
	go func() { done <- b() }()
	return errors.Join(a(), <-done)
}

// plainRoot is RFC 6962 §2.1 word for word.
func plainRoot(lines []tagLine) [32]byte {
	if len(lines) == 1 {
		var b [1 + ledger.TagSize]byte
		copy(b[1:], lines[0][:])
		return sha256.Sum256(b[:])
	}
	k := 1 << (bits.Len(uint(len(lines)-1)) - 1)
	return plainNode(plainRoot(lines[:k]), plainRoot(lines[k:]))
}

func plainNode(left, right [32]byte) [32]byte {
	b := [65]byte{1}
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}
