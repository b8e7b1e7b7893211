package main

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

func (e *env) guestCmd() *cobra.Command {
	return group("guest", "Guest passes: levels for a passport beside its class's, for a time", e.guestAdd(), e.guestList(), e.guestEnd())
}

// passRow is a guest pass as it is listed.
type passRow struct {
	Pass     string   `json:"pass"`
	Passport uint64   `json:"passport"`
	Levels   []string `json:"levels"`
	From     stamp    `json:"from"`
	Until    stamp    `json:"until"`
	Uses     uint32   `json:"uses"` // 0: any number
	Used     *uint32  `json:"used"` // at all gateways, by their door logs as far as they are held here; null if one is not
	State    string   `json:"state"`
	Why      string   `json:"why,omitempty"`
	Given    stamp    `json:"given"`
	Steward  string   `json:"steward,omitempty"`
}

func (e *env) guestAdd() *cobra.Command {
	b := &ledger.GuestPass{}
	var levels []string
	var valid span
	c := verb("add", "Let a passport in by levels that its class does not have", func(c *cobra.Command, _ []string) error {
		if b.Uses == 0 && c.Flags().Changed("uses") {
			return usage("%s: --uses 0 would open nothing: leave --uses out for any number of entries", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error {
			p, err := currentPolicy(f)
			if err != nil {
				return err
			}
			zone := p.Location
			if err := valid.fill(e.Now(), zone); err != nil {
				return err
			}
			b.Levels, b.NotBefore, b.NotAfter = names(levels), valid.from.Unix(), valid.until.Unix()
			if err := inPolicy(p, "level", p.Levels, b.Levels...); err != nil {
				return err
			}
			m, err := admittedMember(f, b.Passport)
			if err != nil {
				return err
			}
			e.tellGuest(p, m.standing(), b)
			if _, err := rand.Read(b.Pass[:]); err != nil {
				return err
			}
			if err := e.write(f, ledger.NodeLog, b); err != nil {
				return err
			}
			row := e.passRow(guestPass{ordered: ordered[*ledger.GuestPass]{body: b, at: e.Now()}}, passUse{}, zone)
			return e.print(row, "guest pass %v\npassport   %d\nlevels     %s\nvalid      %s to %s\nentries    %s\n%s\n",
				b.Pass, b.Passport, strings.Join(b.Levels, ", "), whenIn(unix(b.NotBefore), zone), whenIn(unix(b.NotAfter), zone), entries(b.Uses), obeyed)
		})
	})
	passportFlag(c, &b.Passport, "passport", "the guest's passport")
	c.Flags().StringSliceVar(&levels, "level", nil, "level of the policy; may be given several times")
	c.Flags().Uint32Var(&b.Uses, "uses", 0, "so many entries and no more (default any number)")
	c.Flags().StringVar(&b.Why, "why", "", "whose guest, what for, at most 200 characters")
	c.Flags().Var(&valid.from, "from", "valid from, in the node's time zone (default now)")
	c.Flags().Var(&valid.until, "until", "valid until before, in the node's time zone")
	return need(c, "passport", "level", "until")
}

func entries(uses uint32) string {
	if uses == 0 {
		return "any number"
	}
	return fmt.Sprint(uses)
}

// tellGuest warns of a pass that does less than it seems, or more.
func (e *env) tellGuest(p *policy.Policy, s standing, b *ledger.GuestPass) {
	if state := s.state(e.Now()); state != "valid" {
		e.warn("passport %d is %s: the pass opens nothing while it is", b.Passport, state)
	} else if s.until < b.NotAfter {
		e.warn("passport %d ends on %s, before the pass does", b.Passport, whenIn(unix(s.until), p.Location))
	}
	for _, name := range b.Levels {
		l := p.Levels[name]
		if c := p.Classes[s.class]; c != nil && slices.Contains(c.Levels, name) {
			e.warn("class %s has level %s already: the pass adds nothing, counts nothing and ends nothing there", s.class, name)
		}
		if own := p.Passports[b.Passport]; own != nil && slices.Contains(own.Levels, name) {
			e.warn("the policy gives passport %d level %s already: the pass adds nothing, counts nothing and ends nothing there", b.Passport, name)
		}
		if !l.Schedule.Always() {
			e.warn("level %s opens at the hours of schedule %s only, whatever the pass says", name, l.Schedule.Name())
		}
	}
	if all := gatewaysOf(p, b.Levels); b.Uses > 0 && len(all) > 1 {
		e.warn("the doors hang on the gateways %s, and each counts for itself: the pass is good for %s at every one of them", strings.Join(all, ", "), count(b.Uses, "entry", "entries"))
	}
}

// gatewaysOf are those that drive a door of these levels, by their names.
func gatewaysOf(p *policy.Policy, levels []string) []string {
	all := map[string]bool{}
	for _, name := range levels {
		l := p.Levels[name]
		if l == nil {
			continue // of an earlier policy
		}
		for door, d := range p.Doors {
			if l.All || slices.Contains(l.Doors, door) {
				all[d.Gateway] = true
			}
		}
	}
	return sortedKeys(all)
}

func (e *env) passRow(p guestPass, used passUse, zone *time.Location) passRow {
	b := p.body
	r := passRow{Pass: b.Pass.String(), Passport: b.Passport, Levels: b.Levels, From: stamp(unix(b.NotBefore)), Until: stamp(unix(b.NotAfter)),
		Uses: b.Uses, Used: used.sum(), State: "valid", Why: b.Why, Given: stamp(p.at)}
	if p.steward != (ledger.KeyID{}) {
		r.Steward = p.steward.String()
	}
	switch now := e.Now().Unix(); {
	case p.ended != nil:
		r.State = because("ended on "+whenIn(p.ended.at, zone), p.ended.body.Why)
	case now >= b.NotAfter:
		r.State = "over"
	case b.Uses > 0 && used.up(b.Uses):
		r.State = "used up"
	case now < b.NotBefore:
		r.State = "not yet valid"
	}
	return r
}

func (e *env) guestList() *cobra.Command {
	var all bool
	c := verb("list", "List the guest passes that are not over", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			o, err := readOrders(f, nil)
			if err != nil {
				return err
			}
			passes := slices.DeleteFunc(o.passes, func(p guestPass) bool {
				return !all && (p.ended != nil || e.Now().Unix() >= p.body.NotAfter)
			})
			zone := e.nodeZone(f)
			used, err := passesUsed(f, passes)
			if err != nil {
				return err
			}
			e.tellMissing(used)
			var rows []passRow
			at := map[string]int{} // so many gateways count a pass
			for _, p := range passes {
				use := used[p.body.Pass]
				at[p.body.Pass.String()] = len(use.at)
				rows = append(rows, e.passRow(p, use, zone))
			}
			return table(e, rows, "There are no guest passes.", []string{"PASS", "PASSPORT", "LEVELS", "FROM", "UNTIL", "USED", "STATE", "WHY"}, func(r passRow) []string {
				count := "-"
				if r.Uses > 0 {
					count = fmt.Sprintf("? of %d", r.Uses)
					if r.Used != nil {
						count = fmt.Sprintf("%d of %d", *r.Used, r.Uses)
					}
					if n := at[r.Pass]; n > 1 {
						count += fmt.Sprintf(" at each of %d", n)
					}
				}
				return []string{r.Pass, fmt.Sprint(r.Passport), strings.Join(r.Levels, ","), whenIn(asTime(r.From), zone), whenIn(asTime(r.Until), zone), count, r.State, r.Why}
			})
		})
	})
	c.Flags().BoolVar(&all, "all", false, "those too that are over")
	return c
}

func (e *env) guestEnd() *cobra.Command {
	var why string
	c := verb("end PASS", "End a guest pass at once; PASS is its id, or 6 or more of its first digits", func(_ *cobra.Command, args []string) error {
		return e.change(false, func(f *folder.Folder) error {
			o, err := readOrders(f, nil)
			if err != nil {
				return err
			}
			p, err := findPass(o.passes, args[0])
			if err != nil {
				return err
			}
			zone := e.nodeZone(f)
			if p.ended != nil {
				return fmt.Errorf("that pass was ended on %s already", whenIn(p.ended.at, zone))
			}
			if now := e.Now(); now.Unix() >= p.body.NotAfter {
				return fmt.Errorf("that pass was over on %s", whenIn(unix(p.body.NotAfter), zone))
			}
			b := &ledger.GuestEnded{Pass: p.body.Pass, Why: why}
			if err := e.write(f, ledger.NodeLog, b); err != nil {
				return err
			}
			p.ended = &ordered[*ledger.GuestEnded]{body: b, at: e.Now()}
			used, err := passesUsed(f, []guestPass{p})
			if err != nil {
				return err
			}
			return e.print(e.passRow(p, used[p.body.Pass], zone), "guest pass %v of passport %d is ended; %s\n", p.body.Pass, p.body.Passport, obeyed)
		})
	})
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	return need(c, "why")
}

const leastPass = 6 // digits that name a pass

func findPass(passes []guestPass, digits string) (guestPass, error) {
	digits = strings.ToLower(digits)
	if len(digits) < leastPass {
		return guestPass{}, usage("%q: give %d or more digits of the pass, as `tombolo guest list` shows it", digits, leastPass)
	}
	found := slices.DeleteFunc(slices.Clone(passes), func(p guestPass) bool { return !strings.HasPrefix(p.body.Pass.String(), digits) })
	switch len(found) {
	case 0:
		return guestPass{}, fmt.Errorf("there is no guest pass %s, as far as this folder knows; see `tombolo guest list`", digits)
	case 1:
		return found[0], nil
	}
	return guestPass{}, fmt.Errorf("%d guest passes begin with %s: give more digits", len(found), digits)
}
