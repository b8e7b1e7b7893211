package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

type revokeFlags struct {
	number        uint64
	key, why, out string
	wallet        walletFlags
}

func (e *env) doorkeyRevoke() *cobra.Command {
	var d revokeFlags
	c := verb("revoke [REVOCATION]", "Close a lost door key for good: as an issuer, as the owner with the wallet, or as an issuer with the owner's REVOCATION file", func(c *cobra.Command, args []string) error {
		if d.wallet.given() > 1 || (d.wallet.given() == 1 && len(args) == 1) {
			return usage("%s: one of --wallet, --typed-data, --signature and REVOCATION is enough", c.CommandPath())
		}
		if d.out != "" && d.wallet.given() == 0 {
			return usage("%s: --out is for a revocation that the wallet signs", c.CommandPath())
		}
		if len(args) == 0 && (d.number == 0 || d.key == "") {
			return usage("%s: --passport and --key say which", c.CommandPath())
		}
		if len(args) == 1 && (d.number != 0 || d.key != "") {
			return usage("%s: REVOCATION says which passport and key", c.CommandPath())
		}
		if d.why == "" && !d.wallet.typedData && d.out == "" {
			return usage("%s: --why is missing", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error { return e.revoke(f, args, &d) })
	})
	passportFlag(c, &d.number, "passport", "passport's number")
	c.Flags().StringVar(&d.key, "key", "", "the door key: its id, 8 or more of its first digits, or its file")
	c.Flags().StringVar(&d.why, "why", "", "the reason, at most 200 characters")
	c.Flags().StringVar(&d.out, "out", "", "write the wallet's revocation to this file, for an issuer to enter")
	d.wallet.flags(c)
	return c
}

func (e *env) revoke(f *folder.Folder, args []string, d *revokeFlags) error {
	all, err := readMembers(f)
	if err != nil {
		return err
	}
	var word *passport.SignedRevocation
	if len(args) == 1 {
		text, err := folder.ReadFile(args[0], 4096)
		if err != nil {
			return err
		}
		s, err := parseRevocation(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		key := passport.Key{Point: s.Revocation.Point}
		word, d.number, d.key = &s, uint64(s.Revocation.Passport), key.ID().String()
	}
	m := all.byNumber[d.number]
	if m == nil {
		return fmt.Errorf("this folder does not know passport %d: import the community's ledgers", d.number)
	}
	k, err := findKey(m, d.key)
	if err != nil {
		return err
	}
	if d.wallet.given() == 1 {
		if word, err = e.walletRevokes(f, k, &d.wallet); word == nil || err != nil {
			return err
		}
	}
	if word != nil {
		if err := mayRevoke(all, m, word); err != nil {
			return err
		}
	}
	if d.out != "" {
		text, err := marshalRevocation(*word)
		if err != nil {
			return err
		}
		if err := folder.WriteFile(d.out, text, 0o644); err != nil {
			return err
		}
		return e.print(revoked{d.number, k.id, true, "", d.out}, "%s: give it to an issuer, who enters it with `tombolo doorkey revoke %s --why …`\n", d.out, d.out)
	}
	return e.enterRevocation(f, m, k, word, d.why)
}

type revoked struct {
	Passport uint64         `json:"passport"`
	Key      passport.KeyID `json:"key"`
	ByOwner  bool           `json:"by_owner"`
	Why      string         `json:"why,omitempty"`
	File     string         `json:"file,omitempty"`
}

func (e *env) enterRevocation(f *folder.Folder, m *member, k *doorkey, word *passport.SignedRevocation, why string) error {
	if k.revoked != nil && (word == nil || k.byWallet()) {
		return fmt.Errorf("door key %v was revoked on %s already (%s)", k.id, when(k.at), k.revoked.Why)
	}
	b := &ledger.DoorKeyRevoked{Passport: m.number, Key: k.id, Why: why}
	if word != nil {
		var err error
		if b.Wallet, err = word.MarshalBinary(); err != nil {
			return err
		}
	}
	if err := e.write(f, ledger.CommunityLog, b); err != nil {
		return err
	}
	if word == nil && m.last(k) {
		e.warn("it was the last key that passport %d's wallet had delegated, and its owner did not sign: it still opens that person's own home, until the owner revokes it or the home ends", m.number)
	}
	return e.print(revoked{m.number, k.id, word != nil, why, ""}, "door key %s of passport %d is revoked, for good\n", k.id.String()[:16], m.number)
}

// walletRevokes has the wallet sign; nil when only the typed data was wanted,
// which has no time in it and is the same the next time.
func (e *env) walletRevokes(f *folder.Folder, k *doorkey, w *walletFlags) (*passport.SignedRevocation, error) {
	if k.added.IsZero() {
		return nil, fmt.Errorf("the delegation of door key %v is not held here: import the community's ledgers", k.id)
	}
	community, err := f.Community()
	if err != nil {
		return nil, err
	}
	now := community.Latest()
	s := &passport.SignedRevocation{Domain: passport.Domain{ChainID: now.ChainID, Registry: now.Registry},
		Revocation: passport.Revocation{Passport: passport.ID(k.passport), Point: k.delegation.Delegation.Key.Point}}
	switch {
	case w.typedData:
		data, err := s.Revocation.TypedData(s.Domain)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintf(e.Out, "%s\n", data)
		return nil, err
	case w.signature != "":
		b, err := w.answer()
		if err != nil {
			return nil, err
		}
		s.Wallet, err = passport.CompactSignature(b)
		return s, err
	}
	priv, err := w.open(e)
	if err != nil {
		return nil, err
	}
	s.Wallet, err = passport.SignRevocation(priv, s.Domain, s.Revocation)
	return s, err
}

func mayRevoke(all *members, m *member, word *passport.SignedRevocation) error {
	signer, err := word.Verify(all.registries)
	if err != nil {
		return err
	}
	for _, c := range m.claims {
		if c.admit != nil && c.admit.Owner == signer {
			return nil
		}
	}
	return fmt.Errorf("the revocation was signed by the wallet %s, and passport %d belongs to %s: sign with the owner's wallet, and exactly what was printed", (*address)(&signer), m.number, ownerOf(m))
}
