package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/strict"
	"tombolo/sync/ledger"
)

func (e *env) homeCmd() *cobra.Command {
	return group("home", "Who lives behind which door", e.homeAdd(), e.homeEnd(), e.homeList())
}

// home is a door and a passport whose holder lives or lived behind it.
type home struct {
	Door     string `json:"door"`
	Passport uint64 `json:"passport"`
	Wallet   string `json:"wallet"` // whose door keys open it
	Since    stamp  `json:"since"`
	Notice   string `json:"notice"`
	Ends     stamp  `json:"ends"` // null: not ended
	Why      string `json:"why,omitempty"`

	owner  [20]byte // the wallet
	notice time.Duration
}

func (h home) over(now time.Time) bool {
	ends := asTime(h.Ends)
	return !ends.IsZero() && !now.Before(ends)
}

// homes plays the entries about homes in the order of their times, as gateways
// do. A gateway counts a notice from when it heard of it, so that its end may be
// later than the one given here.
func homes(f *folder.Folder) ([]home, error) {
	var events []folder.Record
	for r, err := range f.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		if r.Kind == ledger.KindHome || r.Kind == ledger.KindHomeEnded {
			events = append(events, r)
		}
	}
	slices.SortStableFunc(events, func(a, b folder.Record) int { return a.Time.Compare(b.Time) })
	var all []*home
	find := func(door string, number uint64, wallet string) *home {
		i := slices.IndexFunc(all, func(h *home) bool { return h.Door == door && h.Passport == number && h.Wallet == wallet })
		if i < 0 {
			return nil
		}
		return all[i]
	}
	for _, r := range events {
		switch b := r.Body.(type) {
		case *ledger.Home:
			notice, wallet := time.Duration(b.Notice)*time.Second, walletName(b.Owner)
			h := find(b.Door, b.Passport, wallet)
			if h == nil {
				h = &home{Door: b.Door, Passport: b.Passport, Wallet: wallet, owner: b.Owner}
				all = append(all, h)
			} else if !h.over(r.Time) {
				notice = max(notice, h.notice) // while a home lasts its notice only grows
			}
			h.Since, h.Ends, h.Why = stamp(r.Time), stamp{}, ""
			h.Notice, h.notice = strict.Duration(notice).String(), notice
		case *ledger.HomeEnded:
			for _, h := range all {
				if h.Door != b.Door || h.Passport != b.Passport {
					continue
				}
				if ends := later(unix(b.Ends), r.Time.Add(h.notice)); asTime(h.Ends).IsZero() || ends.Before(asTime(h.Ends)) {
					h.Ends, h.Why = stamp(ends), b.Why
				}
			}
		}
	}
	var out []home
	for _, h := range all {
		out = append(out, *h)
	}
	slices.SortStableFunc(out, func(a, b home) int { return cmp.Or(cmp.Compare(a.Door, b.Door), cmp.Compare(a.Passport, b.Passport)) })
	return out, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// walletName is an address as wallets show it.
func walletName(a [20]byte) string { return common.Address(a).Hex() }

// findHome is the last of a passport's homes behind a door, one that has not
// been ended before others: another wallet's may have come after it.
func findHome(all []home, door string, number uint64) *home {
	var found *home
	for i := range all {
		h := &all[i]
		if h.Door == door && h.Passport == number && (found == nil || asTime(h.Ends).IsZero() || !asTime(found.Ends).IsZero()) {
			found = h
		}
	}
	return found
}

func (e *env) homeAdd() *cobra.Command {
	var door string
	var n uint64
	notice := lasting{strict.Duration(30 * 24 * time.Hour)}
	c := verb("add", "Say that a passport's holder lives behind a door: nothing but the notice takes that away", func(*cobra.Command, []string) error {
		if time.Duration(notice.Duration) > ledger.MaxNotice*time.Second {
			return usage("--notice %v: at most %d days", notice.Duration, ledger.MaxNotice/86400)
		}
		return e.change(false, func(f *folder.Folder) error {
			if err := e.homeDoor(f, door); err != nil {
				return err
			}
			m, err := admittedMember(f, n)
			if err != nil {
				return err
			}
			have, err := homes(f)
			if err != nil {
				return err
			}
			s := m.standing()
			if s.disputed {
				return fmt.Errorf("issuers disagree about passport %d: whose wallet opens the home has to be settled first", n)
			}
			if h := findHome(have, door, n); h != nil && asTime(h.Ends).IsZero() && h.Wallet == walletName(s.owner) {
				return fmt.Errorf("passport %d has its home behind %q already, since %s", n, door, when(asTime(h.Since)))
			}
			b := &ledger.Home{Door: door, Passport: n, Owner: s.owner, Notice: uint32(time.Duration(notice.Duration) / time.Second)}
			if err := e.write(f, ledger.NodeLog, b); err != nil {
				return err
			}
			return e.print(home{Door: door, Passport: n, Wallet: walletName(s.owner), Since: stamp(e.Now()), Notice: notice.String()},
				"passport %d has its home behind %s, with a notice of %v; the door keys of wallet %s open it\n", n, door, notice.Duration, walletName(s.owner))
		})
	})
	c.Flags().StringVar(&door, "door", "", "door, by its name in the policy")
	passportFlag(c, &n, "passport", "passport's number")
	c.Flags().Var(&notice, "notice", "time that has to pass between the end's announcement and the end")
	return need(c, "door", "passport")
}

// homeDoor holds a door against the newest policy.
func (e *env) homeDoor(f *folder.Folder, door string) error {
	p, err := currentPolicy(f)
	if err != nil {
		return fmt.Errorf("%q: %w", door, err)
	}
	if err := inPolicy(p, "door", p.Doors, door); err != nil {
		return err
	}
	if !p.Doors[door].Home {
		return fmt.Errorf("door %q is no home by policy version %d: set home = true in the policy and sign it", door, p.Version)
	}
	return nil
}

func (e *env) homeEnd() *cobra.Command {
	var door, why string
	var n uint64
	var at moment
	c := verb("end", "End a home, after its notice", func(*cobra.Command, []string) error {
		return e.change(false, func(f *folder.Folder) error {
			have, err := homes(f)
			if err != nil {
				return err
			}
			h := findHome(have, door, n)
			if h == nil {
				return fmt.Errorf("passport %d has no home behind %q; see `tombolo home list`", n, door)
			}
			if h.over(e.Now()) {
				return fmt.Errorf("that home ended on %s", when(asTime(h.Ends)))
			}
			zone := e.nodeZone(f)
			if err := at.in(zone); err != nil {
				return usage("--at %s: %v", at.text, err)
			}
			ends := later(at.Time, e.Now())
			if err := e.write(f, ledger.NodeLog, &ledger.HomeEnded{Door: door, Passport: n, Ends: ends.Unix(), Why: why}); err != nil {
				return err
			}
			if have, err = homes(f); err != nil {
				return err
			}
			h = findHome(have, door, n)
			return e.print(h, "The home of passport %d behind %s ends on %s, after a notice of %s; a gateway that hears of it later counts the notice from then. Until that time its people open the door.\n",
				n, door, whenIn(asTime(h.Ends), zone), h.Notice)
		})
	})
	c.Flags().StringVar(&door, "door", "", "door, by its name in the policy")
	passportFlag(c, &n, "passport", "passport's number")
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	c.Flags().Var(&at, "at", "not before this time, in the node's time zone; the notice counts in any case")
	return need(c, "door", "passport", "why")
}

func (e *env) homeList() *cobra.Command {
	return verb("list", "List the homes", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			all, err := homes(f)
			if err != nil {
				return err
			}
			return table(e, all, "There are no homes.", []string{"DOOR", "PASSPORT", "SINCE", "NOTICE", "ENDS"}, func(h home) []string {
				return []string{h.Door, fmt.Sprint(h.Passport), when(asTime(h.Since)), h.Notice, when(asTime(h.Ends))}
			})
		})
	})
}
