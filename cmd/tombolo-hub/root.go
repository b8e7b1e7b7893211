package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/folder"
)

// env is what a command has of the world.
type env struct {
	Now      func() time.Time
	Out, Err io.Writer

	dir      string
	begin    string // the command that makes such a folder
	database string
	json     bool
}

// usageError is a command line that was not understood: exit status 2.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errTold is an error whose text was printed already.
var errTold = errors.New("see above")

func (e *env) run(ctx context.Context, args []string) int {
	root := e.root()
	root.SetArgs(args)
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if _, bad := errors.AsType[usageError](err); bad {
		fmt.Fprintf(e.Err, "tombolo-hub: %v\nSee `%s --help`.\n", err, cmd.CommandPath())
		return 2
	}
	if !errors.Is(err, errTold) {
		fmt.Fprintf(e.Err, "tombolo-hub: %v\n", err)
	}
	return 1
}

const (
	hubFolder       = "/var/lib/tombolo-hub"
	evaluatorFolder = "/var/lib/tombolo-evaluator"
)

func (e *env) root() *cobra.Command {
	evaluator := group("evaluator", "The keys of a community's epochs: not the hub's affair, and on another machine",
		e.evaluatorInit(), e.evaluatorRun(), e.evaluatorKey(), e.evaluatorForget(), e.evaluatorKeys(), e.admitCmd())
	e.folderFlag(evaluator, evaluatorFolder, "TOMBOLO_EVALUATOR_DIR", "tombolo-hub evaluator init FILE")
	hub := []*cobra.Command{e.initCmd(), e.runCmd(), e.admitCmd(), e.backupCmd(), e.restoreCmd(), e.statusCmd(), e.checkCmd()}
	for _, c := range hub {
		e.folderFlag(c, hubFolder, "TOMBOLO_HUB_DIR", "tombolo-hub init FILE")
		if c.Name() != "status" {
			c.Flags().StringVar(&e.database, "database", os.Getenv("TOMBOLO_HUB_DATABASE"), "postgres:// URL, in place of SQLite in the folder; several hubs may share one (TOMBOLO_HUB_DATABASE)")
		}
	}
	root := group("tombolo-hub", "A community's hub, and its evaluator", append(hub, evaluator)...)
	root.Version = build.Version()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().BoolVar(&e.json, "json", false, "print JSON, one value a line")
	return root
}

func (e *env) folderFlag(c *cobra.Command, standard, variable, begin string) {
	if dir := os.Getenv(variable); dir != "" {
		standard = dir
	}
	c.PersistentFlags().StringVar(&e.dir, "data", standard, "folder of keys and ledgers ("+variable+")")
	// Two groups share the variable: what counts is the flag of the one that runs.
	c.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		e.dir, e.begin = cmd.Flag("data").Value.String(), begin
		if cmd.Flags().Lookup("database") == nil {
			e.database = ""
		}
		return nil
	}
}

// group is a noun: it does nothing without a verb.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			c.SuggestionsMinimumDistance = 2
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %q?", near[0])
			}
			return usage("unknown command %q%s", c.CommandPath()+" "+args[0], hint)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			var names []string
			for _, v := range c.Commands() {
				if v.IsAvailableCommand() {
					names = append(names, v.Name())
				}
			}
			return usage("%s: say what: %s", c.CommandPath(), strings.Join(names, ", "))
		}}
	c.AddCommand(verbs...)
	return c
}

// verb is a command that takes the named arguments; one that ends in dots takes
// what follows, too.
func verb(use, short string, run func(*cobra.Command, []string) error) *cobra.Command {
	words := strings.Fields(use)[1:]
	more := len(words) > 0 && strings.HasSuffix(words[len(words)-1], "…")
	return &cobra.Command{Use: use, Short: short, RunE: run, Args: func(c *cobra.Command, args []string) error {
		if len(args) < len(words) {
			return usage("%s: %s is missing", c.CommandPath(), words[len(args)])
		}
		if len(args) > len(words) && !more {
			return usage("%s: %q is one argument too many", c.CommandPath(), args[len(words)])
		}
		return nil
	}}
}

// print prints v as one line of JSON, or the text for people.
func (e *env) print(v any, text string, args ...any) error {
	if e.json {
		enc := json.NewEncoder(e.Out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	_, err := fmt.Fprintf(e.Out, text, args...)
	return err
}

// warn tells a person something that stops nothing.
func (e *env) warn(format string, args ...any) {
	fmt.Fprintf(e.Err, "warning: "+format+"\n", args...)
}

// log is a daemon's.
func (e *env) log() *slog.Logger {
	if e.json {
		return slog.New(slog.NewJSONHandler(e.Err, nil))
	}
	return slog.New(slog.NewTextHandler(e.Err, nil))
}

// noFolder says how a folder of this program's begins.
func (e *env) noFolder(err error) error {
	if errors.Is(err, folder.ErrNoFolder) {
		return fmt.Errorf("%w at %s: name another with --data, or begin one with `%s`", folder.ErrNoFolder, e.dir, e.begin)
	}
	return err
}
