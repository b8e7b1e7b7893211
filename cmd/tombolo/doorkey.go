package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

func (e *env) doorkeyCmd() *cobra.Command {
	return group("doorkey", "Keys that open doors and hold nothing else",
		e.doorkeyNew(), e.doorkeyDelegate(), e.doorkeyAdd(), e.doorkeyRevoke(), e.doorkeyList(), e.doorkeyQR(), e.doorkeyTap())
}

func (e *env) doorkeyNew() *cobra.Command {
	var kind, out string
	var simulated bool
	c := verb("new", "Make a door key in software", func(*cobra.Command, []string) error {
		k, err := passport.ParseKeyKind(kind)
		switch {
		case err != nil:
			return usage("--kind %s: want software, phone, halo or keycard", kind)
		case k.Card() && !simulated:
			return usage("--kind %s: a card makes its own key; --simulated makes one in a file, to try a simulated reader", kind)
		case !k.Card() && simulated:
			return usage("--simulated is for the kinds of cards, halo and keycard")
		}
		if simulated {
			e.warn("this is no card: it is for trying simulated readers, and whoever copies the file has copied the card")
		}
		if _, err := os.Lstat(out); err == nil {
			return fmt.Errorf("%s exists: a door key is never overwritten; name another file", out)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		key, err := passport.GenerateSoftKey(k, rand.Reader)
		if err != nil {
			return err
		}
		text, err := key.MarshalText()
		if err != nil {
			return err
		}
		if err := folder.WriteFile(out, append(text, '\n'), 0o600); err != nil {
			return err
		}
		return e.print(struct {
			Key  string         `json:"key"`
			ID   passport.KeyID `json:"id"`
			Kind string         `json:"kind"`
			File string         `json:"file"`
		}{key.Key().String(), key.Key().ID(), kind, out},
			"key  %s\nid   %s\nfile %s: whoever has it opens your doors\n", key.Key(), key.Key().ID(), out)
	})
	c.Flags().StringVar(&kind, "kind", "software", "software (secp256k1) or phone (P-256); with --simulated halo or keycard")
	c.Flags().BoolVar(&simulated, "simulated", false, "a card's key in a file, to try a simulated reader with doorkey tap")
	c.Flags().StringVar(&out, "out", "", "file for the private key, mode 0600")
	return need(c, "out")
}

func readSoftKey(path string) (*passport.SoftKey, error) {
	text, err := folder.ReadFile(path, 1024)
	if err != nil {
		return nil, err
	}
	k, err := passport.ParseSoftKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// doorkeyRow is a door key as it is listed.
type doorkeyRow struct {
	Passport uint64         `json:"passport"`
	ID       passport.KeyID `json:"id"`
	Kind     string         `json:"kind"`
	Mode     string         `json:"mode"`
	Scope    string         `json:"scope"`
	From     stamp          `json:"from"`
	Until    stamp          `json:"until"`
	State    string         `json:"state"`
	Why      string         `json:"why,omitempty"`
}

func doorkeyRows(all *members, m *member, now time.Time, names map[passport.Target]string) []doorkeyRow {
	var rows []doorkeyRow
	for _, k := range m.keys {
		d := k.delegation.Delegation
		r := doorkeyRow{Passport: m.number, ID: k.id, Kind: "-", Mode: "-", Scope: "-", State: k.state(all, now)}
		if !k.added.IsZero() {
			r.Kind, r.Mode = d.Key.Kind.String(), d.Mode.String()
			r.From, r.Until = asOf(d.NotBefore), asOf(d.NotAfter)
			r.Scope = names[d.Scope]
			if r.Scope == "" {
				r.Scope = d.Scope.String()
			}
		}
		if k.revoked != nil {
			r.Why = k.revoked.Why
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b doorkeyRow) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return rows
}

// scopes names the targets that this folder can know: the community, its node
// and the doors of the newest policy.
func scopes(f *folder.Folder) map[passport.Target]string {
	names := map[passport.Target]string{{}: "community"}
	node, err := f.NodeID()
	if err != nil || node.IsZero() {
		return names
	}
	names[passport.NodeTarget(passport.NodeID(node))] = "node"
	if s, err := newestPolicy(f); err == nil && s != nil {
		if p, err := s.parse(); err == nil {
			for door := range p.Doors {
				names[passport.DoorTarget(passport.NodeID(node), door)] = "door:" + door
			}
		}
	}
	return names
}

func doorkeyTable(e *env, rows []doorkeyRow) error {
	return table(e, rows, "It has no door keys.", []string{"PASSPORT", "KEY", "KIND", "MODE", "SCOPE", "UNTIL", "STATE"}, func(r doorkeyRow) []string {
		state := r.State
		if r.Why != "" {
			state += " (" + r.Why + ")"
		}
		return []string{fmt.Sprint(r.Passport), r.ID.String()[:16], r.Kind, r.Mode, r.Scope, when(asTime(r.Until)), state}
	})
}

func (e *env) doorkeyList() *cobra.Command {
	var n uint64
	c := verb("list", "List the door keys", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			names := scopes(f)
			var rows []doorkeyRow
			for _, m := range all.list() {
				if n == 0 || m.number == n {
					rows = append(rows, doorkeyRows(all, m, e.Now(), names)...)
				}
			}
			if len(rows) == 0 && !e.json {
				_, err := fmt.Fprintln(e.Out, "No door key was added.")
				return err
			}
			return doorkeyTable(e, rows)
		})
	})
	passportFlag(c, &n, "passport", "only this passport's")
	return c
}

func (e *env) doorkeyAdd() *cobra.Command {
	return verb("add FILE", "As an issuer, enter a delegation: gateways take the key once they have the community's ledger", func(_ *cobra.Command, args []string) error {
		text, err := folder.ReadFile(args[0], 4096)
		if err != nil {
			return err
		}
		s, err := parseDelegation(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return e.change(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			if err := mayAdd(all, s, e.Now()); err != nil {
				return fmt.Errorf("%s: every gateway would refuse it: %w", args[0], err)
			}
			b, err := s.MarshalBinary()
			if err != nil {
				return err
			}
			if err := e.write(f, ledger.CommunityLog, &ledger.DoorKeyAdded{Delegation: b}); err != nil {
				return err
			}
			if all, err = readMembers(f); err != nil {
				return err
			}
			d := s.Delegation
			for _, row := range doorkeyRows(all, all.byNumber[uint64(d.Passport)], e.Now(), scopes(f)) {
				if row.ID == d.Key.ID() {
					return e.print(row, "door key %s speaks for passport %d by %s, scope %s, from %s until %s\n",
						row.ID.String()[:16], d.Passport, row.Mode, row.Scope, when(asTime(row.From)), when(asTime(row.Until)))
				}
			}
			return fmt.Errorf("door key %v is not in the ledger that was just written", d.Key.ID())
		})
	})
}

// mayAdd refuses what every gateway would refuse.
func mayAdd(all *members, s passport.SignedDelegation, now time.Time) error {
	signer, err := s.Verify(all.registries)
	if err != nil {
		return err
	}
	d := s.Delegation
	id := d.Key.ID()
	m := all.byNumber[uint64(d.Passport)]
	if m == nil || !m.admitted() {
		return fmt.Errorf("no issuer has admitted passport %d", d.Passport)
	}
	st := m.standing()
	switch {
	case st.expelled != nil:
		return fmt.Errorf("passport %d was expelled", d.Passport)
	case st.disputed:
		return fmt.Errorf("passport %d is disputed: its issuers name different owners or classes", d.Passport)
	case signer != st.owner:
		return fmt.Errorf("it was signed by the wallet %s, and passport %d belongs to %s; if the times or the scope were changed after signing, sign again", (*address)(&signer), d.Passport, (*address)(&st.owner))
	case now.Unix() >= int64(min(d.NotAfter, 1<<62)):
		return fmt.Errorf("it ended on %s", when(asTime(asOf(d.NotAfter))))
	}
	if first := all.claimed[id]; first != nil && first.passport != uint64(d.Passport) {
		return fmt.Errorf("the key belongs to passport %d, which claimed it on %s; a key is never shared", first.passport, when(first.added))
	}
	for _, k := range m.keys {
		if k.id != id {
			continue
		}
		if k.revoked != nil {
			return fmt.Errorf("the key was revoked on %s (%s), for good; make a new one", when(k.at), k.revoked.Why)
		}
		if k.delegation.Digest() == s.Digest() {
			return fmt.Errorf("this delegation was added on %s already", when(k.newest))
		}
	}
	return nil
}

// findKey finds one of a passport's keys by its id, by the first 8 or more
// digits of that, or by a file with the key or its delegation.
func findKey(m *member, name string) (*doorkey, error) {
	if text, err := folder.ReadFile(name, 4096); err == nil {
		if k, err := passport.ParseSoftKey(text); err == nil {
			name = k.Key().ID().String()
		} else if s, err := parseDelegation(text); err == nil {
			name = s.Delegation.Key.ID().String()
		} else {
			return nil, fmt.Errorf("%s is neither a door key nor a delegation", name)
		}
	}
	var found *doorkey
	for _, k := range m.keys {
		if len(name) >= 8 && strings.HasPrefix(k.id.String(), name) {
			if found != nil {
				return nil, fmt.Errorf("two keys of passport %d begin with %s: give more digits", m.number, name)
			}
			found = k
		}
	}
	if found == nil {
		return nil, fmt.Errorf("passport %d has no door key %s; see `tombolo doorkey list --passport %d`", m.number, name, m.number)
	}
	return found, nil
}
