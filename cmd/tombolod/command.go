package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/cli"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
)

// environment is what the commands know of the world.
type environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
}

const maxWiring = 1 << 20

func newCommand(env environment) *cobra.Command {
	var config string
	root := &cobra.Command{
		Use: "tombolod", Short: "The gateway's daemon: checks passports and opens doors",
		Version: build.Version(), SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.PersistentFlags().StringVar(&config, "config", "gateway.toml", "the gateway's wiring file")
	load := func() (*wiring.Wiring, error) { return loadWiring(config) }
	root.AddCommand(newInit(env), newCheck(env, load), newRun(env, load), newSafe(load), newOSDP(env, load))
	return root
}

func loadWiring(path string) (*wiring.Wiring, error) {
	data, err := folder.ReadFile(path, maxWiring)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no wiring file at %s: name it with --config; the README shows one", path)
	}
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return wiring.Parse(abs, data)
}

func newInit(env environment) *cobra.Command {
	var dir, name string
	cmd := &cobra.Command{
		Use: "init", Short: "Make this gateway's keys and a request for a steward to approve", Args: cobra.NoArgs,
		Long:    "Keys that are there stay as they are: on a gateway that an older version set up, init adds what that version did not know\n(the key that it proves itself to phones with), and the request goes to a steward once more.",
		Example: "  tombolod init --dir /var/lib/tombolo --name gw1",
		RunE: func(*cobra.Command, []string) (err error) {
			f, err := folder.Open(dir, true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			request, err := f.NewGateway(name)
			if err != nil {
				return err
			}
			enrolled, err := f.Gateway()
			if err != nil {
				return err
			}
			answer := fmt.Sprintf("Put the answer at %s.", filepath.Join(dir, gateway.ApprovalFile))
			if enrolled != "" { // of a version that asked for less
				answer = fmt.Sprintf("Take in the answer with\n`tombolo ledger import gateway.approval --dir %s`.", dir)
			}
			_, err = fmt.Fprintf(env.Stdout, "The gateway %q has its keys. Its fingerprint is\n\n    %s\n\nTake %s to a steward, who compares the fingerprint and answers with\n`tombolo gateway approve`. %s\n",
				name, folder.Fingerprint(request.Keys.Signing), filepath.Join(dir, folder.RequestFile), answer)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "/var/lib/tombolo", "the gateway's folder: `data` in the wiring file")
	cmd.Flags().StringVar(&name, "name", "", "the gateway's slug, as the policy names it")
	cmd.MarkFlagRequired("name") // the flag exists: it was defined above
	return cmd
}

func newCheck(env environment, load func() (*wiring.Wiring, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "Say what is wrong with wiring and policy before anything moves", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, err := load()
			if err != nil {
				return err
			}
			findings := gateway.Check(w, env.Now())
			faults := 0
			for _, f := range findings {
				if f.Level == gateway.Fault {
					faults++
				}
			}
			if err := printFindings(env.Stdout, findings, asJSON); err != nil {
				return err
			}
			if faults > 0 {
				return fmt.Errorf("%d of these must be mended", faults)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printFindings(w io.Writer, findings []gateway.Finding, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(findings)
	}
	for _, f := range findings {
		mark := string(f.Level)
		if f.Level == gateway.Fault {
			mark = strings.ToUpper(mark)
		}
		if _, err := fmt.Fprintf(w, "%-5s  %s: %s\n", mark, f.Part, f.What); err != nil {
			return err
		}
	}
	return nil
}

func newSafe(load func() (*wiring.Wiring, error)) *cobra.Command {
	return &cobra.Command{
		Use: "safe", Short: "Drive every relay of the wiring to its safe side and let go of it", Args: cobra.NoArgs,
		Long: "For a supervisor, after the daemon has ended in whatever way (systemd's ExecStopPost).",
		RunE: func(*cobra.Command, []string) error {
			w, err := load()
			if err != nil {
				return err
			}
			return gateway.Safe(w)
		},
	}
}

func newRun(env environment, load func() (*wiring.Wiring, error)) *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use: "run", Short: "Run the gateway", Args: cobra.NoArgs,
		Long: "The first time it makes the gateway's keys, shows a code, and waits until a steward has approved it\n(`tombolo gateway approve`), over the network or by a file in its folder.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := load()
			if err != nil {
				return err
			}
			log := newLog(env.Stderr, asJSON, verbose)
			first := &enrolment{environment: env, wiring: w, log: log}
			if needed, err := first.needed(); err != nil {
				return err
			} else if needed {
				if err := first.run(cmd.Context()); err != nil || cmd.Context().Err() != nil {
					return err
				}
			}
			return serve(cmd.Context(), w, log, env.Now)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "log JSON")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log every decision; it names passports")
	return cmd
}

func newLog(w io.Writer, asJSON, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return cli.Logger(w, asJSON, level)
}
