package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
)

// delegateFlags is what a delegation says.
type delegateFlags struct {
	scope, mode string
	number      uint64
	valid       span
	out         string
	wallet      walletFlags
}

func (d *delegateFlags) flags(c *cobra.Command) {
	passportFlag(c, &d.number, "passport", "passport's number")
	c.Flags().StringVar(&d.scope, "scope", "community", "where it opens: community, node, or door:NAME")
	c.Flags().StringVar(&d.mode, "mode", "", "tap, window (codes) or tap+window (default all that the key can)")
	d.valid.flags(c)
	c.Flags().StringVar(&d.out, "out", "", "file for the delegation (default passport-N-KEY.delegation)")
	d.wallet.flags(c)
}

func (d *delegateFlags) check(c *cobra.Command) error {
	if d.wallet.given() != 1 {
		return usage("%s: say how the wallet signs: --wallet KEYSTORE.json, or --typed-data and then --signature 0x…", c.CommandPath())
	}
	return nil
}

// possessor is what holds a door key: it says which, and signs the digest of
// what is to be delegated to it.
type possessor func(digestOf func(passport.Key) ([32]byte, error)) (passport.Signature, error)

func (e *env) doorkeyDelegate() *cobra.Command {
	var d delegateFlags
	var file string
	c := verb("delegate", "As the passport's owner, let a door key speak for it", func(c *cobra.Command, _ []string) error {
		if err := d.check(c); err != nil {
			return err
		}
		key, err := readSoftKey(file)
		if err != nil {
			return err
		}
		if d.out == "" {
			d.out = defaultOut(d.number, key.Key())
		}
		return e.open(false, func(f *folder.Folder) error {
			return e.delegate(f, &d, key.Key(), func(digestOf func(passport.Key) ([32]byte, error)) (sig passport.Signature, err error) {
				digest, err := digestOf(key.Key())
				if err != nil {
					return sig, err
				}
				return key.Sign(passport.PossessionChallenge(digest))
			})
		})
	})
	c.Flags().StringVar(&file, "key", "", "the door key's file")
	d.flags(c)
	return need(c, "key", "passport")
}

// defaultOut is where the delegation of a key goes.
func defaultOut(number uint64, key passport.Key) string {
	return fmt.Sprintf("passport-%d-%s.delegation", number, key.ID().String()[:8])
}

// draftOf is where a delegation waits for the wallet's answer.
func draftOf(out string) string { return out + ".draft" }

// delegate has the holder prove the key and the wallet sign. key is the one that
// a draft has to be about; zero is any.
func (e *env) delegate(f *folder.Folder, d *delegateFlags, key passport.Key, holder possessor) (err error) {
	var to drafted
	if d.wallet.signature != "" {
		to, err = readDraft(d, key)
	} else {
		to, err = e.drafted(f, d, holder)
	}
	if err != nil {
		return err
	}
	dom, del := to.dom, to.delegation
	if d.out == "" {
		d.out = defaultOut(d.number, del.Key)
	}
	var wallet []byte
	switch {
	case d.wallet.typedData:
		return e.typedData(to, d.out)
	case d.wallet.signature != "":
		if wallet, err = d.wallet.answer(); err != nil {
			return err
		}
	default:
		priv, err := d.wallet.open(e)
		if err != nil {
			return err
		}
		sig, err := passport.SignDelegation(priv, dom, del)
		if err != nil {
			return err
		}
		wallet = sig[:]
	}
	signed, err := passport.NewSignedDelegation(dom, del, wallet, to.possession)
	if err != nil {
		return err
	}
	signer, err := signed.Verify([]passport.Domain{dom})
	if err != nil {
		return err
	}
	if err := e.isOwner(f, del.Passport, signer); err != nil {
		return err
	}
	text, err := marshalDelegation(signed)
	if err != nil {
		return err
	}
	if err := folder.WriteFile(d.out, text, 0o644); err != nil {
		return err
	}
	if err := os.Remove(draftOf(d.out)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return e.print(struct {
		Passport uint64         `json:"passport"`
		Key      passport.KeyID `json:"key"`
		Kind     string         `json:"kind"`
		Mode     string         `json:"mode"`
		From     stamp          `json:"from"`
		Until    stamp          `json:"until"`
		Wallet   address        `json:"wallet"`
		File     string         `json:"file"`
	}{uint64(del.Passport), del.Key.ID(), del.Key.Kind.String(), del.Mode.String(), asOf(del.NotBefore), asOf(del.NotAfter), signer, d.out},
		"%s: door key %s speaks for passport %d by %s, from %s until %s; signed by %s. Give it to an issuer, who enters it with `tombolo doorkey add`.\n",
		d.out, del.Key.ID().String()[:16], del.Passport, del.Mode, when(asTime(asOf(del.NotBefore))), when(asTime(asOf(del.NotAfter))), (*address)(&signer))
}

// typedData prints what the wallet signs, and keeps it for the answer.
func (e *env) typedData(to drafted, out string) error {
	data, err := to.delegation.TypedData(to.dom)
	if err != nil {
		return err
	}
	draft, err := marshalDraft(to)
	if err != nil {
		return err
	}
	if err := folder.WriteFile(draftOf(out), draft, 0o600); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Out, "%s\n", data)
	return err
}

// readDraft is what was drafted when this is the wallet's answer.
func readDraft(d *delegateFlags, key passport.Key) (drafted, error) {
	text, err := folder.ReadFile(draftOf(d.out), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return drafted{}, fmt.Errorf("%s is not there: ask for --typed-data first, with the same --out and otherwise as now", draftOf(d.out))
	}
	if err != nil {
		return drafted{}, err
	}
	to, err := parseDraft(text)
	if err != nil {
		return drafted{}, fmt.Errorf("%s: %w", draftOf(d.out), err)
	}
	if have := to.delegation; key != (passport.Key{}) && have.Key != key || uint64(have.Passport) != d.number {
		return drafted{}, fmt.Errorf("%s is about the key %v and passport %d: use the same key and --passport as for --typed-data", draftOf(d.out), have.Key.ID(), have.Passport)
	}
	return to, nil
}

// drafted is what the flags say, proved by who holds the key.
func (e *env) drafted(f *folder.Folder, d *delegateFlags, holder possessor) (to drafted, err error) {
	if err := d.valid.fill(e.Now(), time.Local); err != nil {
		return to, err
	}
	community, err := f.Community()
	if err != nil {
		return to, err
	}
	scope, err := scopeOf(f, d.scope)
	if err != nil {
		return to, err
	}
	now := community.Latest()
	to.dom = passport.Domain{ChainID: now.ChainID, Registry: now.Registry}
	to.possession, err = holder(func(key passport.Key) ([32]byte, error) {
		mode := passport.ModeTap | passport.ModeWindow
		if key.Kind.Card() {
			mode = passport.ModeTap
		}
		if d.mode != "" {
			if mode, err = passport.ParseMode(d.mode); err != nil {
				return [32]byte{}, usage("--mode %s: %w", d.mode, err)
			}
		}
		to.delegation = passport.Delegation{Passport: passport.ID(d.number), Key: key,
			NotBefore: uint64(d.valid.from.Unix()), NotAfter: uint64(d.valid.until.Unix()), Scope: scope, Mode: mode}
		return to.delegation.Digest(to.dom), to.delegation.Validate()
	})
	return to, err
}

func scopeOf(f *folder.Folder, s string) (passport.Target, error) {
	if s == "community" {
		return passport.Target{}, nil
	}
	door, isDoor := strings.CutPrefix(s, "door:")
	if s != "node" && !isDoor {
		return passport.Target{}, usage("--scope %s: want community, node or door:NAME", s)
	}
	node, err := f.Node()
	if err != nil {
		return passport.Target{}, err
	}
	if !isDoor {
		return passport.NodeTarget(passport.NodeID(node.ID())), nil
	}
	return doorTarget(f, passport.NodeID(node.ID()), door)
}

// doorTarget refuses a door that the newest policy that is held here, if any,
// does not know.
func doorTarget(f *folder.Folder, node passport.NodeID, door string) (t passport.Target, err error) {
	if err := checkDoor(f, door); err != nil {
		return t, err
	}
	return passport.DoorTarget(node, door), nil
}

// isOwner compares a wallet with the passport's owner, as far as this folder
// knows the passport.
func (e *env) isOwner(f *folder.Folder, n passport.ID, signer [20]byte) error {
	all, err := readMembers(f)
	if err != nil {
		return err
	}
	m := all.byNumber[uint64(n)]
	if m == nil || !m.admitted() {
		e.warn("this folder does not know passport %d, so nothing was compared with its owner", n)
		return nil
	}
	if owner := m.standing().owner; signer != owner {
		return fmt.Errorf("the wallet that signed is %s, and passport %d belongs to %s: sign with the owner's wallet, and exactly what was printed", (*address)(&signer), n, (*address)(&owner))
	}
	return nil
}
