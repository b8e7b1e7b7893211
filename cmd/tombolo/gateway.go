package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) gatewayCmd() *cobra.Command {
	return group("gateway", "A node's controllers", e.gatewayApprove(), e.gatewayList(), e.gatewayRemove())
}

type gatewayRow struct {
	Gateway     string `json:"gateway"`
	Fingerprint string `json:"fingerprint"`
	Signing     hex32  `json:"signing"`
	Enrolled    stamp  `json:"enrolled"`
	Removed     stamp  `json:"removed"`
	Why         string `json:"why,omitempty"`
}

func (e *env) gatewayList() *cobra.Command {
	return verb("list", "List the node's gateways", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			all, err := f.Gateways()
			if err != nil {
				return err
			}
			var rows []gatewayRow
			for _, g := range all {
				rows = append(rows, gatewayRow{g.Name, folder.Fingerprint(g.Keys.Signing), g.Keys.Signing, stamp(g.Enrolled), stamp(g.Removed), g.Why})
			}
			return table(e, rows, "No gateway is enrolled.", []string{"GATEWAY", "FINGERPRINT", "ENROLLED", "REMOVED"}, func(r gatewayRow) []string {
				removed := when(asTime(r.Removed))
				if r.Why != "" {
					removed += " (" + r.Why + ")"
				}
				return []string{r.Gateway, r.Fingerprint, when(asTime(r.Enrolled)), removed}
			})
		})
	})
}

func (e *env) gatewayRemove() *cobra.Command {
	var why string
	var yes bool
	c := verb("remove NAME", "End a gateway's part in the node for good, as when it was stolen", func(_ *cobra.Command, args []string) error {
		return e.change(false, func(f *folder.Folder) error {
			all, err := f.Gateways()
			if err != nil {
				return err
			}
			for _, g := range all {
				if g.Name != args[0] || !g.Active() {
					continue
				}
				if err := e.confirm(yes, "Gateway %q, %s, will be removed; its keys never count again.", g.Name, folder.Fingerprint(g.Keys.Signing)); err != nil {
					return err
				}
				if err := e.write(f, ledger.NodeLog, &ledger.GatewayRemoved{Gateway: g.Name, Signing: g.Keys.Signing, Why: why}); err != nil {
					return err
				}
				if err := e.write(f, ledger.DirectoryLog, &ledger.DirectoryGone{Gateway: g.Name, Signing: g.Keys.Signing}); err != nil {
					return err
				}
				if err := e.tellPins(f, g.Keys.Signing, true, "whoever has that gateway can find out the PINs of the passports %s: set others (`tombolo pin set`)"); err != nil {
					return err
				}
				return e.print(gatewayRow{Gateway: g.Name, Fingerprint: folder.Fingerprint(g.Keys.Signing), Signing: g.Keys.Signing, Enrolled: stamp(g.Enrolled), Removed: stamp(e.Now()), Why: why},
					"gateway %s is removed\n", g.Name)
			}
			return fmt.Errorf("no gateway %q is enrolled; see `tombolo gateway list`", args[0])
		})
	})
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return need(c, "why")
}
