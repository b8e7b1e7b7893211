package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/sync/census"
)

func (e *env) censusReceipt() *cobra.Command {
	var epoch epochFlag
	var full bool
	var out string
	c := verb("receipt PASSPORT", "On a gateway that runs, write a resident's receipt: the proof that the node reported this passport, for its holder alone", func(c *cobra.Command, args []string) error {
		n, err := number(args[0])
		if err != nil {
			return err
		}
		if out == "" {
			out = fmt.Sprintf("passport-%d.receipt", n)
		}
		if _, err := os.Lstat(out); err == nil {
			return fmt.Errorf("%s exists: name another file (-o)", out)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		data, err := gateway.AskReceipt(c.Context(), e.dir, n, epoch.text, full)
		if err != nil {
			return elsewhere(err)
		}
		r, err := census.ParseReceipt(data)
		if err != nil {
			return err
		}
		if r.Opening.Passport != n || full && r.Opening.Full == nil {
			return fmt.Errorf("the gateway gave another receipt than the one that was asked for: this is a defect")
		}
		if err := folder.WriteFile(out, data, 0o600); err != nil {
			return err
		}
		warning := "It names the passport and shows that it was at this node in the epoch, but no door and no hour"
		if full {
			warning = "It names the passport, the door and the hour: for an auditor whom its holder trusts with them"
		}
		return e.print(struct {
			Passport uint64 `json:"passport"`
			Epoch    string `json:"epoch"`
			Tag      hex32  `json:"tag"`
			Full     bool   `json:"door_and_time"`
			File     string `json:"file"`
		}{n, r.Opening.Epoch.String(), hex32(r.Opening.Tag), full, out},
			"%s: the receipt of passport %d. %s; give it to its holder alone.\nOnce the hub has closed the epoch, `tombolo census verify %s --hub URL` redeems it.\n", out, n, warning, out)
	})
	epoch.flag(c)
	c.Flags().Lookup("epoch").Usage = "the epoch, by its number or its id (default the last that this gateway reported)"
	c.Flags().BoolVar(&full, "full", false, "with door and time, as only the holder may decide")
	c.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write (default passport-N.receipt)")
	return c
}
