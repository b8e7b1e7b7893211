package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// barRow is a bar as it is listed.
type barRow struct {
	Passport uint64 `json:"passport"`
	Ends     stamp  `json:"ends"` // null: lifted
	Why      string `json:"why,omitempty"`
	Ordered  stamp  `json:"ordered"`
	Steward  string `json:"steward,omitempty"`
}

func (e *env) barCmd() *cobra.Command {
	var n uint64
	var ends ending
	var why string
	var lift bool
	c := verb("bar", "Keep a passport out of this node until a date; its home and the way out stay open to it", func(c *cobra.Command, _ []string) error {
		b := &ledger.Bar{Passport: n, Why: why}
		if !lift {
			if err := ends.given(c); err != nil {
				return err
			}
			if why == "" {
				return usage("%s: --why is missing", c.CommandPath())
			}
		} else if c.Flags().Changed("for") || c.Flags().Changed("until") {
			return usage("%s: --lift ends a bar at once: leave --for and --until away", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error {
			if lift {
				return e.liftBar(f, b)
			}
			zone := e.nodeZone(f)
			end, err := ends.end(c, e.Now(), zone, 0)
			if err != nil {
				return err
			}
			b.Ends = end.Unix()
			if err := e.tellPassport(f, n); err != nil {
				return err
			}
			if err := e.write(f, ledger.NodeLog, b); err != nil {
				return err
			}
			if err := e.print(barRow{Passport: n, Ends: stamp(unix(b.Ends)), Why: why, Ordered: stamp(e.Now())},
				"passport %d is barred from this node until %s; %s\n", n, whenIn(end, zone), obeyed); err != nil {
				return err
			}
			return e.stillHome(f, n, "bar")
		})
	})
	passportFlag(c, &n, "passport", "passport's number")
	ends.flags(c)
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	c.Flags().BoolVar(&lift, "lift", false, "end the bar, whoever ordered it")
	c.AddCommand(e.barList())
	return need(c, "passport")
}

func (e *env) liftBar(f *folder.Folder, b *ledger.Bar) error {
	o, err := readOrders(f, nil)
	if err != nil {
		return err
	}
	was, ok := o.bars[b.Passport]
	if !ok || was.body.Ends <= e.Now().Unix() {
		return fmt.Errorf("passport %d is not barred, as far as this folder knows; see `tombolo bar list`", b.Passport)
	}
	if err := e.writeAt(f, ledger.NodeLog, later(e.Now(), was.at.Add(time.Millisecond)), b); err != nil {
		return err
	}
	return e.print(barRow{Passport: b.Passport, Why: b.Why, Ordered: stamp(e.Now())}, "passport %d is barred no more; %s\n", b.Passport, obeyed)
}

func (e *env) barList() *cobra.Command {
	return verb("list", "List the bars in force", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			o, err := readOrders(f, nil)
			if err != nil {
				return err
			}
			zone := e.nodeZone(f)
			var rows []barRow
			for _, n := range slices.Sorted(maps.Keys(o.bars)) {
				if b := o.bars[n]; b.body.Ends > e.Now().Unix() {
					rows = append(rows, barRow{n, stamp(unix(b.body.Ends)), b.body.Why, stamp(b.at), b.steward.String()})
				}
			}
			return table(e, rows, "Nobody is barred.", []string{"PASSPORT", "UNTIL", "ORDERED", "STEWARD", "WHY"}, func(r barRow) []string {
				return []string{fmt.Sprint(r.Passport), whenIn(asTime(r.Ends), zone), whenIn(asTime(r.Ordered), zone), r.Steward[:8], r.Why}
			})
		})
	})
}

func (e *env) forgiveCmd() *cobra.Command {
	var n uint64
	var all bool
	var why string
	c := verb("forgive", "Forget where a passport was, and its wrong PINs: who left unseen can enter again", func(c *cobra.Command, _ []string) error {
		if all == (n != 0) {
			return usage("%s: say whom: --passport or --all", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error {
			if !all {
				if err := e.tellPassport(f, n); err != nil {
					return err
				}
			}
			if err := e.write(f, ledger.NodeLog, &ledger.Forgive{Passport: n, Why: why}); err != nil {
				return err
			}
			whom := "everybody"
			if !all {
				whom = fmt.Sprintf("passport %d", n)
			}
			return e.print(struct {
				Passport uint64 `json:"passport"` // 0: everybody
				Why      string `json:"why,omitempty"`
			}{n, why}, "where %s was until now, and wrong PINs, count no more; %s\n", whom, obeyed)
		})
	})
	passportFlag(c, &n, "passport", "passport's number")
	c.Flags().BoolVar(&all, "all", false, "everybody, as after an evacuation")
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	return c
}
