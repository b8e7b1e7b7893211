package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) doorCmd() *cobra.Command {
	return group("door", "The doors of the policy, openings from afar, and lockdowns", e.doorOpen(), e.doorLockdown(), e.doorLift(), e.doorList())
}

// maxLockdown is how long one order keeps doors shut: what is forgotten ends.
const maxLockdown = 30 * 24 * time.Hour

// lockdownRow is a lockdown in JSON.
type lockdownRow struct {
	Doors   []string `json:"doors,omitempty"` // none for all
	Ends    stamp    `json:"ends"`            // null: lifted
	Why     string   `json:"why,omitempty"`
	Ordered stamp    `json:"ordered"`
	Steward string   `json:"steward,omitempty"`
}

// doorFlags are --door and --all: one of them.
type doorFlags struct {
	doors []string
	all   bool
}

func (d *doorFlags) flags(c *cobra.Command) {
	c.Flags().StringSliceVar(&d.doors, "door", nil, "door, by its name in the policy; may be given several times")
	c.Flags().BoolVar(&d.all, "all", false, "all doors of the node")
}

// check needs no policy for all doors: that order must always be possible.
func (d *doorFlags) check(f *folder.Folder) error {
	if d.all {
		return nil
	}
	p, err := currentPolicy(f)
	if err != nil {
		return err
	}
	d.doors = names(d.doors)
	return inPolicy(p, "door", p.Doors, d.doors...)
}

func (d *doorFlags) given(c *cobra.Command) error {
	if d.all == (len(d.doors) > 0) {
		return usage("%s: say which doors: --door or --all", c.CommandPath())
	}
	return nil
}

func (d *doorFlags) String() string {
	return doorsInWords(d.doors)
}

// openGoodFor is how long gateways carry an opening out (package edge/panel).
const openGoodFor = 30 * time.Second

func (e *env) doorOpen() *cobra.Command {
	var why string
	c := verb("open DOOR", "Open a door once, from afar: within half a minute or not at all", func(_ *cobra.Command, args []string) error {
		return e.change(false, func(f *folder.Folder) error {
			p, err := currentPolicy(f)
			if err != nil {
				return err
			}
			if err := inPolicy(p, "door", p.Doors, args[0]); err != nil {
				return err
			}
			if err := hasGateway(f, args[0], p.Doors[args[0]].Gateway); err != nil {
				return err
			}
			if err := e.write(f, ledger.NodeLog, &ledger.Open{Door: args[0], Why: why}); err != nil {
				return err
			}
			if !hasLinks(f) {
				e.warn("this folder has no links.toml: nothing tells the gateway in time, and one that hears of it more than %v later records that it ignored it", openGoodFor)
			}
			return e.print(struct {
				Door    string `json:"door"`
				Gateway string `json:"gateway"`
				Ordered stamp  `json:"ordered"`
				Until   stamp  `json:"until"`
				Why     string `json:"why,omitempty"`
			}{args[0], p.Doors[args[0]].Gateway, stamp(e.Now()), stamp(e.Now().Add(openGoodFor)), why},
				"%s: to be opened by gateway %s within %v\n", args[0], p.Doors[args[0]].Gateway, openGoodFor)
		})
	})
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	return c
}

// hasGateway refuses an order that nobody could carry out.
func hasGateway(f *folder.Folder, door, name string) error {
	all, err := f.Gateways()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(g folder.Gateway) bool { return g.Name == name && g.Active() }) {
		return fmt.Errorf("door %q hangs on gateway %q, which is not enrolled: nothing opens it until it is", door, name)
	}
	return nil
}

// doorLockdown does not ask: it is ordered in a hurry, and lifted as easily.
func (e *env) doorLockdown() *cobra.Command {
	var d doorFlags
	var ends ending
	var why string
	c := verb("lockdown", "Shut doors for a time: only homes and the levels that the policy lets through open them, and everybody gets out", func(c *cobra.Command, _ []string) error {
		if err := d.given(c); err != nil {
			return err
		}
		if err := ends.given(c); err != nil {
			return err
		}
		return e.change(false, func(f *folder.Folder) error {
			zone := e.nodeZone(f)
			end, err := ends.end(c, e.Now(), zone, maxLockdown)
			if err != nil {
				return err
			}
			if err := d.check(f); err != nil {
				return err
			}
			if err := e.write(f, ledger.NodeLog, &ledger.Lockdown{Doors: d.doors, Ends: end.Unix(), Why: why}); err != nil {
				return err
			}
			return e.print(lockdownRow{Doors: d.doors, Ends: stamp(end), Why: why, Ordered: stamp(e.Now())},
				"lockdown of %v until %s; %s\n", &d, whenIn(end, zone), obeyed)
		})
	})
	d.flags(c)
	ends.flags(c)
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	return c
}

func (e *env) doorLift() *cobra.Command {
	var d doorFlags
	var why string
	c := verb("lift", "End the lockdown of doors, whoever ordered it", func(c *cobra.Command, _ []string) error {
		if err := d.given(c); err != nil {
			return err
		}
		return e.change(false, func(f *folder.Folder) error {
			if err := d.check(f); err != nil {
				return err
			}
			was, err := e.inForce(f, &d)
			if err != nil {
				return err
			}
			if len(was) == 0 {
				// Another steward's may be on its way, so that the lift is written all the same.
				e.warn("no lockdown of %v is in force, as far as this folder knows", &d)
			}
			at := e.Now()
			for _, l := range was {
				at = later(at, l.at.Add(time.Millisecond))
			}
			if err := e.writeAt(f, ledger.NodeLog, at, &ledger.LockdownLifted{Doors: d.doors, Why: why}); err != nil {
				return err
			}
			left, err := e.inForce(f, &d)
			if err != nil {
				return err
			}
			for _, l := range left {
				return fmt.Errorf("the lockdown by steward %s is dated %s, which has not come here: it stays in force; set the clocks of both right and lift it again", short(l.steward), whenIn(l.at, e.nodeZone(f)))
			}
			return e.print(lockdownRow{Doors: d.doors, Why: why, Ordered: stamp(e.Now())}, "no lockdown of %v any more; %s\n", &d, obeyed)
		})
	})
	d.flags(c)
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	return c
}

// inForce is the lockdowns of these doors; of all doors, those of the policy's.
func (e *env) inForce(f *folder.Folder, d *doorFlags) (out []ordered[*ledger.Lockdown], err error) {
	doors := d.doors
	if d.all {
		p, err := currentPolicy(f)
		if errors.Is(err, errNoPolicy) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		doors = sortedKeys(p.Doors)
	}
	o, err := readOrders(f, doors)
	if err != nil {
		return nil, err
	}
	for _, name := range doors {
		if l, ok := o.lockdowns[name]; ok && l.body.Ends > e.Now().Unix() {
			out = append(out, l)
		}
	}
	return out, nil
}

// doorRow is a door as it is listed.
type doorRow struct {
	Door     string       `json:"door"`
	Gateway  string       `json:"gateway"`
	From     string       `json:"from"`
	To       string       `json:"to"`
	Home     bool         `json:"home"`
	Lockdown *lockdownRow `json:"lockdown"`
}

func (e *env) doorList() *cobra.Command {
	return verb("list", "List the doors of the signed policy, and the lockdowns in force", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			p, err := currentPolicy(f)
			if err != nil {
				return err
			}
			o, err := readOrders(f, sortedKeys(p.Doors))
			if err != nil {
				return err
			}
			var rows []doorRow
			for _, name := range sortedKeys(p.Doors) {
				d := p.Doors[name]
				row := doorRow{Door: name, Gateway: d.Gateway, From: d.From, To: d.To, Home: d.Home}
				if l, ok := o.lockdowns[name]; ok && l.body.Ends > e.Now().Unix() {
					row.Lockdown = &lockdownRow{Ends: stamp(unix(l.body.Ends)), Why: l.body.Why, Ordered: stamp(l.at), Steward: l.steward.String()}
				}
				rows = append(rows, row)
			}
			return table(e, rows, "The policy has no doors.", []string{"DOOR", "GATEWAY", "FROM", "TO", "HOME", "LOCKDOWN"}, func(r doorRow) []string {
				return []string{r.Door, r.Gateway, r.From, r.To, yes(r.Home), r.Lockdown.inWords(p.Location)}
			})
		})
	})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

func (l *lockdownRow) inWords(zone *time.Location) string {
	if l == nil {
		return "-"
	}
	return because(fmt.Sprintf("until %s, by steward %s", whenIn(asTime(l.Ends), zone), l.Steward[:8]), l.Why)
}
