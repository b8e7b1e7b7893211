package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

func (e *env) ledgerVerify() *cobra.Command {
	var given keys
	c := verb("verify [FILE]", "Verify every entry of this folder's ledgers, or of an exported FILE, and say what that proves", func(_ *cobra.Command, args []string) error {
		a := &audit{keys: given, chains: map[ledger.CharterID]ledger.Charters{}, pinned: map[ledger.CharterID]bool{},
			gateways: map[[32]byte]folder.Gateway{}, forks: map[ledger.Origin]int{}}
		if len(args) == 0 {
			return e.open(false, func(f *folder.Folder) error { return e.verifyFolder(f, a) })
		}
		// A folder is of use here and not needed: an auditor may have none.
		err := e.open(false, func(f *folder.Folder) error { return e.trust(f, a, true) })
		if err != nil && !errors.Is(err, folder.ErrNoFolder) {
			return err
		}
		return e.verifyFile(args[0], a)
	})
	c.Flags().Var(&given, "key", "an author's public key that you trust; may be given several times")
	return c
}

// trust takes over what the folder is pinned to, the proofs that it holds, and
// with gateways those that it knows.
func (e *env) trust(f *folder.Folder, a *audit, gateways bool) error {
	for _, chain := range []func() (ledger.Charters, error){f.Community, f.Node} {
		c, err := chain()
		if errors.Is(err, folder.ErrUnpinned) || errors.Is(err, folder.ErrNoNode) {
			continue
		}
		if err != nil {
			return err
		}
		a.chains[c.ID()], a.pinned[c.ID()] = c, true
	}
	ids, err := f.Store().CharterIDs() // other nodes', for their directories
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := a.chains[id]; ok {
			continue
		}
		if a.chains[id], err = f.Store().Charters(id); err != nil {
			return err
		}
	}
	forks, err := f.Store().Forks()
	if err != nil {
		return err
	}
	for _, fork := range forks {
		head, _, err := fork.Heads()
		if err != nil {
			return err
		}
		a.forks[head.Origin]++
	}
	if !gateways {
		return nil
	}
	all, err := f.Gateways()
	if errors.Is(err, folder.ErrNoNode) {
		return nil
	}
	for _, g := range all {
		a.gateways[g.Keys.Signing] = g
	}
	return err
}

func (e *env) verifyFolder(f *folder.Folder, a *audit) error {
	if err := e.trust(f, a, false); err != nil {
		return err
	}
	ledgers, err := f.Store().Ledgers()
	if err != nil {
		return err
	}
	// Node ledgers say which gateways were enrolled; all are read before the verdicts.
	for _, i := range ledgers {
		a.ledger(i.Head, e.watched(i.Head, held(f.Store(), i)))
	}
	return e.verdicts(a, f.Store().Path())
}

// held yields the chunks of a stored ledger whose tree is the one that its head
// signs.
func held(s *store.Store, i store.Info) iter.Seq2[ledger.Chunk, error] {
	return func(yield func(ledger.Chunk, error) bool) {
		if i.Tree.Size() != i.Size || i.Tree.Root() != i.Root {
			yield(ledger.Chunk{}, fmt.Errorf("%w: the stored tree has %d entries, the head %d", ledger.ErrRoot, i.Tree.Size(), i.Size))
			return
		}
		s.Chunks(i, 0)(yield)
	}
}

// watched draws the progress of a long ledger.
func (e *env) watched(head ledger.Head, chunks iter.Seq2[ledger.Chunk, error]) iter.Seq2[ledger.Chunk, error] {
	draw := e.progress()
	return func(yield func(ledger.Chunk, error) bool) {
		for c, err := range chunks {
			if !yield(c, err) {
				return
			}
			if draw != nil {
				draw(head.Origin, c.Start+int64(len(c.Entries)), head.Size)
			}
		}
	}
}

func (e *env) verifyFile(path string, a *audit) error {
	r, err := os.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := ledger.NewBundleReader(r)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	item, err := b.Next()
	for err == nil {
		switch {
		case item.Charter != nil:
			if err := a.addCharter(*item.Charter); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			item, err = b.Next()
		case item.Head != nil:
			head, bad := ledger.OpenHead(item.Head.Note, item.Head.Author)
			item, err = b.Next()
			if bad != nil {
				a.audited = append(a.audited, &audited{head: head, err: fmt.Errorf("its head: %w", bad)})
				for err == nil && item.Chunk != nil {
					item, err = b.Next()
				}
				continue
			}
			a.ledger(head, e.watched(head, func(yield func(ledger.Chunk, error) bool) {
				for ; err == nil && item.Chunk != nil; item, err = b.Next() {
					if !yield(*item.Chunk, nil) {
						break
					}
				}
				if err != nil && err != io.EOF {
					yield(ledger.Chunk{}, err)
				}
			}))
			for err == nil && item.Chunk != nil { // those after the first fault
				item, err = b.Next()
			}
		default:
			err = fmt.Errorf("%w: a chunk without a head", ledger.ErrBundle)
		}
	}
	if err != io.EOF {
		return errors.Join(e.verdicts(a, path), fmt.Errorf("%s: %w", path, err))
	}
	return e.verdicts(a, path)
}

// verdicts prints what was found, and returns the first thing that is wrong.
func (e *env) verdicts(a *audit, where string) error {
	var first error
	for _, l := range a.audited {
		v := a.verdict(l)
		if err := e.printVerdict(v); err != nil {
			return err
		}
		if first == nil {
			first = wrong(v, l.err)
		}
	}
	switch {
	case first != nil:
		return first
	case len(a.keys) > 0 && !keyPresent(a.audited, a.keys):
		return fmt.Errorf("%s holds no ledger by the key you gave", where)
	case len(a.audited) == 0:
		return fmt.Errorf("%s holds no ledger, so nothing was proved", where)
	}
	return nil
}

// wrong is why a ledger is not accepted, nil when it is.
func wrong(v verdict, err error) error {
	name := v.Origin
	if v.Author == nil {
		name = "a ledger"
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case v.Forks > 0 && v.Kind == string(ledger.DoorLog):
		return fmt.Errorf("%s: its author signed two histories, the proof is held; remove the gateway with `tombolo gateway remove`", name)
	case v.Forks > 0 && !v.settled:
		return fmt.Errorf("%s: its author signed two histories, the proof is held; retire the key with `tombolo charter update`", name)
	case !v.Vouched && v.Removed != nil:
		return fmt.Errorf("%s: a steward removed the gateway on %s, and what was signed later proves nothing; name the key %x with --key if you trust it", name, when(asTime(v.Removed.Time)), []byte(v.Author))
	case !v.Vouched:
		return fmt.Errorf("%s: it is whole, but nobody here vouches for its author %x; name the key with --key if you trust it", name, []byte(v.Author))
	}
	return nil
}

func (e *env) printVerdict(v verdict) error {
	if e.json {
		return e.printJSON(v)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", v.Origin)
	if f := v.Error; f != nil {
		switch {
		case f.First == nil:
			fmt.Fprintf(&b, "  BAD        %s\n", f.What)
		case *f.First == *f.Last:
			fmt.Fprintf(&b, "  BAD        entry %d: %s\n", *f.First, f.What)
		default:
			fmt.Fprintf(&b, "  BAD        entries %d to %d: %s\n", *f.First, *f.Last, f.What)
		}
	} else {
		fmt.Fprintf(&b, "  verified   %s, from %s to %s\n", count(v.Entries, "entry", "entries"), when(asTime(v.From)), when(asTime(v.Until)))
		fmt.Fprintf(&b, "  head       signed %s\n", when(asTime(v.HeadTime)))
		fmt.Fprintf(&b, "  author     %x\n", []byte(v.Author))
		fmt.Fprintf(&b, "  authority  %s\n", v.Authority)
	}
	if r := v.Removed; r != nil {
		fmt.Fprintf(&b, "  removed    %s\n", because("on "+when(asTime(r.Time)), r.Why))
	}
	if v.Dropped > 0 {
		fmt.Fprintf(&b, "  dropped    %s, as its author recorded\n", count(v.Dropped, "body", "bodies"))
	}
	if v.Unknown > 0 {
		fmt.Fprintf(&b, "  unknown    %s that this version does not know\n", count(v.Unknown, "entry of a kind", "entries of kinds"))
	}
	if v.Unread != nil {
		fmt.Fprintf(&b, "  stops at   entry %d, which is critical and of an unknown kind: update this program\n", *v.Unread)
	}
	if v.Forks > 0 {
		fmt.Fprintf(&b, "  FORKED     its author signed two histories; %s held\n", count(v.Forks, "proof is", "proofs are"))
	}
	_, err := io.WriteString(e.Out, b.String())
	return err
}
