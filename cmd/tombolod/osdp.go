package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
)

// newOSDP has the daemon that runs give OSDP readers their keys.
func newOSDP(env environment, load func() (*wiring.Wiring, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: "osdp", Short: "Give OSDP readers their keys, and say how they are", Args: cobra.NoArgs,
		Long: "Each OSDP reader has a key of its own, which it is given once, where it hangs, and which protects all that is said on its cable from then on. The daemon that runs does it: it has the bus.",
	}
	cmd.AddCommand(newOSDPInstall(env, load), newOSDPRotate(env, load), newOSDPList(env, load))
	return cmd
}

// placeFlags say which reader.
func placeFlags(cmd *cobra.Command, p *gateway.Place) {
	cmd.Flags().StringVar(&p.Bus, "bus", "", "the bus, as the wiring file names it")
	cmd.Flags().Uint8Var(&p.Address, "address", 0, "the reader's address on it")
	cmd.MarkFlagRequired("bus") // the flags exist: they were defined above
	cmd.MarkFlagRequired("address")
}

func newOSDPInstall(env environment, load func() (*wiring.Wiring, error)) *cobra.Command {
	var at gateway.Place
	var window time.Duration
	cmd := &cobra.Command{
		Use: "install", Short: "Give a reader that is in its installation mode a key of its own", Args: cobra.NoArgs,
		Example: "  tombolod osdp install --bus wall --address 3",
		Long: "Put the reader into its installation mode first (its manual says how). Until it has its key, and for two minutes at most, it is talked to with a key that everybody knows: do it with the reader and its cable in sight. " +
			"Another reader than before is taken for the one of this place from then on.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if window <= 0 || window > gateway.MaxInstall {
				return fmt.Errorf("--window: more than none, and at most %v", gateway.MaxInstall)
			}
			fmt.Fprintf(env.Stderr, "Waiting for the reader at %v to answer in its installation mode, for %v at most…\n", at, window)
			return askOne(env, cmd, load, gateway.Request{Do: gateway.DoInstall, Place: at, Window: window}, "has its key")
		},
	}
	placeFlags(cmd, &at)
	cmd.Flags().DurationVar(&window, "window", gateway.MaxInstall, "how long to wait for the reader")
	return cmd
}

func newOSDPRotate(env environment, load func() (*wiring.Wiring, error)) *cobra.Command {
	var at gateway.Place
	cmd := &cobra.Command{
		Use: "rotate", Short: "Give a reader that has a key another one, inside the protection of the one that it has", Args: cobra.NoArgs,
		Example: "  tombolod osdp rotate --bus wall --address 3",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askOne(env, cmd, load, gateway.Request{Do: gateway.DoRotate, Place: at}, "has another key")
		},
	}
	placeFlags(cmd, &at)
	return cmd
}

// askOne asks for something to be done at one reader, and says that it was.
func askOne(env environment, cmd *cobra.Command, load func() (*wiring.Wiring, error), r gateway.Request, done string) error {
	w, err := load()
	if err != nil {
		return err
	}
	all, err := gateway.Ask(cmd.Context(), w.Data, r)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Place == r.Place && o.Installed != nil {
			_, err = fmt.Fprintf(env.Stdout, "The reader at %v, door %s, %s: %s, generation %d.\n", o.Place, o.Door, done, maker(o.Installed), o.Installed.Generation)
			return err
		}
	}
	return errors.New("the daemon has another wiring file than this one: start it again")
}

func maker(i *gateway.Installed) string {
	return fmt.Sprintf("vendor %s, model %d, serial %d, firmware %s", i.Vendor, i.Model, i.Serial, i.Firmware)
}

// listed is a reader as `osdp list` prints it.
type listed struct {
	gateway.OSDPReader
	Known bool `json:"known"` // whether it is online: a daemon runs
}

func newOSDPList(env environment, load func() (*wiring.Wiring, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the OSDP readers of the wiring, which have a key, and how they are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := load()
			if err != nil {
				return err
			}
			all, err := gateway.Ask(cmd.Context(), w.Data, gateway.Request{Do: gateway.DoList})
			known := err == nil
			if errors.Is(err, gateway.ErrNoDaemon) {
				all, err = gateway.WiredOSDP(w)
			}
			if err != nil {
				return err
			}
			out := make([]listed, 0, len(all))
			for _, r := range all {
				out = append(out, listed{r, known})
			}
			if asJSON {
				return json.NewEncoder(env.Stdout).Encode(out)
			}
			return printOSDP(env.Stdout, out)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printOSDP(w io.Writer, all []listed) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "The wiring file has no OSDP reader.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PLACE\tDOOR\tREADER\tKEY\tSTATE\tMAKER")
	for _, r := range all {
		key, made := "none yet", ""
		switch i := r.Installed; {
		case r.Insecure:
			key = "insecure"
		case i == nil:
		case i.Generation == 0:
			key = "sent, not known to be taken"
		default:
			key = fmt.Sprintf("generation %d, %s", i.Generation, i.At.Format(time.DateOnly))
		}
		if r.Installed != nil && r.Installed.UID != "" {
			made = maker(r.Installed)
		}
		state := "not known: no tombolod runs"
		switch {
		case r.Online:
			state = "online"
		case r.Why != "":
			state = "offline: " + r.Why
		case r.Known:
			state = "offline"
		}
		side := ""
		if r.Exit {
			side = " (out)"
		}
		fmt.Fprintf(t, "%v\t%s\t%d%s\t%s\t%s\t%s\n", r.Place, r.Door, r.Reader, side, key, state, made)
	}
	return t.Flush()
}
