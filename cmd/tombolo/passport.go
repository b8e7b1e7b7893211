package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) passportCmd() *cobra.Command {
	return group("passport", "Memberships: a number, an owner's wallet, a class and a validity",
		e.passportIssue(), e.passportStand("suspend"), e.passportStand("reinstate"), e.passportStand("expel"), e.passportList(), e.passportShow())
}

// passportRow is a passport as it is listed.
type passportRow struct {
	Passport uint64       `json:"passport"`
	Class    string       `json:"class"`
	Owner    address      `json:"owner"`
	From     stamp        `json:"from"`
	Until    stamp        `json:"until"`
	State    string       `json:"state"`
	Why      string       `json:"why,omitempty"`
	Issuers  []string     `json:"issuers,omitempty"`
	Keys     []doorkeyRow `json:"keys,omitempty"`
}

func (e *env) row(m *member) passportRow {
	s := m.standing()
	return passportRow{Passport: m.number, Class: s.class, Owner: s.owner, From: stamp(unix(s.from)), Until: stamp(unix(s.until)), State: s.state(e.Now()), Why: s.why()}
}

func (r passportRow) state() string {
	if r.Why != "" {
		return r.State + " (" + r.Why + ")"
	}
	return r.State
}

func (e *env) passportIssue() *cobra.Command {
	var owner address
	var class string
	var n uint64
	var valid span
	var renew bool
	c := verb("issue", "Admit a wallet's owner: give it a passport", func(*cobra.Command, []string) error {
		if owner == (address{}) {
			return usage("--owner is nobody's address")
		}
		if err := ledger.CheckSlug("class", class); err != nil {
			return usageError{Err: err}
		}
		if err := valid.fill(e.Now(), time.Local); err != nil {
			return err
		}
		return e.change(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			if n == 0 {
				n = all.next()
			}
			if err := mayIssue(f, all, n, owner, class, renew); err != nil {
				return err
			}
			b := &ledger.Admit{Passport: n, Owner: owner, Class: class, NotBefore: valid.from.Unix(), NotAfter: valid.until.Unix()}
			if err := e.write(f, ledger.CommunityLog, b); err != nil {
				return err
			}
			if all, err = readMembers(f); err != nil {
				return err
			}
			row := e.row(all.byNumber[n])
			return e.print(row, "passport %d: %s, owner %s, from %s until %s, %s\n", n, class, &owner, when(valid.from.Time), when(valid.until.Time), row.state())
		})
	})
	c.Flags().Var(&owner, "owner", "the wallet's address")
	c.Flags().StringVar(&class, "class", "", "class, as the policies name it: resident, visitor, steward, …")
	c.Flags().Uint64Var(&n, "number", 0, "passport's number in the registry (default the next)")
	c.Flags().BoolVar(&renew, "renew", false, "--number has a passport already: give it this class, owner and validity instead")
	valid.flags(c)
	return need(c, "owner", "class")
}

// mayIssue refuses what would have no effect or a bad one at the doors.
func mayIssue(f *folder.Folder, all *members, n uint64, owner [20]byte, class string, renew bool) error {
	own, err := f.Public(folder.IssuerKey)
	if err != nil {
		return err
	}
	m := all.byNumber[n]
	if m == nil || !m.admitted() {
		if renew {
			return fmt.Errorf("there is no passport %d to renew", n)
		}
		return nil
	}
	if m.standing().expelled != nil {
		return fmt.Errorf("passport %d was expelled, for good: issue another number", n)
	}
	if !renew {
		return fmt.Errorf("passport %d was issued already; add --renew to change its class, owner or validity", n)
	}
	self := ledger.KeyIDOf(own[:])
	for _, c := range m.claims {
		if c.issuer == self || all.successors.SpeakFor(self.String(), c.issuer.String()) || m.replaced(c.issuer, (*claim).admits) {
			continue
		}
		if c.admit != nil && (c.admit.Owner != owner || c.admit.Class != class) {
			return fmt.Errorf("issuer %v admitted passport %d as %s of %s: another word would make it disputed, and no door opens for it; let that issuer renew it",
				c.issuer, n, c.admit.Class, (*address)(&c.admit.Owner))
		}
	}
	return nil
}

func (e *env) passportStand(what string) *cobra.Command {
	short := map[string]string{
		"suspend":   "Take a passport's rights until this issuer reinstates it",
		"reinstate": "End this issuer's suspension of a passport",
		"expel":     "End a passport for good",
	}[what]
	var why string
	var yes bool
	c := verb(what+" NUMBER", short, func(_ *cobra.Command, args []string) error {
		n, err := number(args[0])
		if err != nil {
			return err
		}
		return e.change(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			own, err := f.Public(folder.IssuerKey)
			if err != nil {
				return err
			}
			body, err := stand(all.byNumber[n], n, ledger.KeyIDOf(own[:]), what, why)
			if err != nil {
				return err
			}
			if what == "expel" {
				if err := e.confirm(yes, "Passport %d, %s of %s, will be expelled.", n, all.byNumber[n].standing().class, ownerOf(all.byNumber[n])); err != nil {
					return err
				}
			}
			if err := e.write(f, ledger.CommunityLog, body); err != nil {
				return err
			}
			if all, err = readMembers(f); err != nil {
				return err
			}
			row := e.row(all.byNumber[n])
			if err := e.print(row, "passport %d is %s\n", n, row.state()); err != nil {
				return err
			}
			return e.stillHome(f, n, what)
		})
	})
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	if what == "expel" {
		c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	}
	if what == "reinstate" {
		return c
	}
	return need(c, "why")
}

func ownerOf(m *member) *address {
	owner := address(m.standing().owner)
	return &owner
}

// stand makes the entry, or says why it would change nothing.
func stand(m *member, n uint64, own ledger.KeyID, what, why string) (ledger.Body, error) {
	if m == nil || !m.admitted() {
		return nil, fmt.Errorf("no issuer has admitted passport %d, as far as this folder knows; see `tombolo passport list`", n)
	}
	s := m.standing()
	mine := m.claims[own]
	if s.expelled != nil {
		return nil, fmt.Errorf("passport %d was expelled already, for good", n)
	}
	switch what {
	case "suspend":
		if mine != nil && mine.suspended {
			return nil, fmt.Errorf("this issuer suspended passport %d already (%s)", n, mine.why)
		}
		return &ledger.Suspend{Passport: n, Why: why}, nil
	case "reinstate":
		var others []string
		for _, c := range s.suspended {
			if c.issuer == own || m.all.successors.SpeakFor(own.String(), c.issuer.String()) {
				return &ledger.Reinstate{Passport: n, Why: why}, nil
			}
			others = append(others, c.issuer.String())
		}
		if len(others) > 0 {
			return nil, fmt.Errorf("only who suspended passport %d, or its successor, reinstates it: issuer %s", n, strings.Join(others, ", "))
		}
		return nil, fmt.Errorf("passport %d is not suspended", n)
	}
	return &ledger.Expel{Passport: n, Why: why}, nil
}

// stillHome reminds whoever suspends that a home's door opens all the same.
func (e *env) stillHome(f *folder.Folder, n uint64, what string) error {
	if has, err := f.NodeID(); err != nil || has.IsZero() || what == "reinstate" {
		return err
	}
	all, err := homes(f)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.Passport == n && !h.over(e.Now()) {
			e.warn("passport %d still has its home behind %q, which stays open to it until `tombolo home end` and its notice", n, h.Door)
		}
	}
	return nil
}

func (e *env) passportList() *cobra.Command {
	return verb("list", "List the passports", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			var rows []passportRow
			for _, m := range all.list() {
				rows = append(rows, e.row(m))
			}
			return table(e, rows, "No passport was issued.", []string{"PASSPORT", "CLASS", "OWNER", "UNTIL", "STATE"}, func(r passportRow) []string {
				return []string{fmt.Sprint(r.Passport), r.Class, r.Owner.String(), when(asTime(r.Until)), r.state()}
			})
		})
	})
}

func (e *env) passportShow() *cobra.Command {
	return verb("show NUMBER", "Show a passport and its door keys", func(_ *cobra.Command, args []string) error {
		n, err := number(args[0])
		if err != nil {
			return err
		}
		return e.open(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			m := all.byNumber[n]
			if m == nil || !m.admitted() {
				return fmt.Errorf("no issuer has admitted passport %d, as far as this folder knows; see `tombolo passport list`", n)
			}
			row := e.row(m)
			for _, c := range m.claims {
				if c.admit != nil {
					row.Issuers = append(row.Issuers, c.issuer.String())
				}
			}
			row.Keys = doorkeyRows(all, m, e.Now(), scopes(f))
			if e.json {
				return e.printJSON(row)
			}
			fmt.Fprintf(e.Out, "passport  %d\nclass     %s\nowner     %s\nvalid     %s to %s\nstate     %s\nissuer    %s\n",
				n, row.Class, row.Owner.String(), when(asTime(row.From)), when(asTime(row.Until)), row.state(), strings.Join(row.Issuers, ", "))
			return doorkeyTable(e, row.Keys)
		})
	})
}

// asOf is the time of a row's delegation.
func asOf(s uint64) stamp { return stamp(time.Unix(int64(min(s, 1<<62)), 0)) }
