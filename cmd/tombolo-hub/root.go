package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/cli"
	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// env is what a command has of the world.
type env struct {
	Now      func() time.Time
	In       io.Reader
	Out, Err io.Writer

	dir      string
	begin    string // the command that makes such a folder
	database string
	json     bool
}

// usageError is a command line that was not understood: exit status 2.
type usageError = cli.UsageError

func usage(format string, args ...any) error { return cli.Usage(format, args...) }

func (e *env) run(ctx context.Context, args []string) int {
	root := e.root()
	root.SetIn(e.In)
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	status, _ := cli.Run(ctx, root, args)
	return status
}

const (
	hubFolder       = "/var/lib/tombolo-hub"
	evaluatorFolder = "/var/lib/tombolo-evaluator"
)

func (e *env) root() *cobra.Command {
	evaluator := group("evaluator", "The keys of a community's epochs: not the hub's affair, and on another machine",
		e.evaluatorInit(), e.evaluatorRun(), e.evaluatorKey(), e.evaluatorForget(), e.evaluatorKeys(), e.evaluatorStatus(), e.checkCmd(ledger.Evaluator), e.admitCmd())
	e.folderFlag(evaluator, evaluatorFolder, "TOMBOLO_EVALUATOR_DIR", "tombolo-hub evaluator init FILE")
	hub := []*cobra.Command{e.initCmd(), e.runCmd(), e.admitCmd(), e.backupCmd(), e.restoreCmd(), e.statusCmd(), e.checkCmd(ledger.Hub)}
	for _, c := range hub {
		e.folderFlag(c, hubFolder, "TOMBOLO_HUB_DIR", "tombolo-hub init FILE")
		if n := c.Name(); n != "init" && n != "status" { // init leaves it to the start, which knows a new database
			cli.SecretVar(c, &e.database, "database", "TOMBOLO_HUB_DATABASE", "postgres:// `URL`, in place of SQLite in the folder; several hubs may share one")
		}
	}
	return cli.Root(group("tombolo-hub", "A community's hub, and its evaluator", append(hub, evaluator)...), &e.json)
}

func (e *env) folderFlag(c *cobra.Command, standard, variable, begin string) {
	if dir := os.Getenv(variable); dir != "" {
		standard = dir
	}
	c.PersistentFlags().StringVar(&e.dir, "data", standard, "`folder` of keys and ledgers ("+variable+")")
	// Two groups share the variable: what counts is the flag of the one that runs.
	c.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		e.dir, e.begin = cmd.Flag("data").Value.String(), begin
		if cmd.Flags().Lookup("database") == nil {
			e.database = ""
		}
		return nil
	}
}

func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	return cli.Group(use, short, verbs...)
}

func verb(use, short string, run func(*cobra.Command, []string) error) *cobra.Command {
	return cli.Verb(use, short, run)
}

// print prints v as one line of JSON, or the text for people.
func (e *env) print(v any, text string, args ...any) error {
	return cli.Print(e.Out, e.json, v, text, args...)
}

// count is a number of things in words.
func count[N int | int64 | uint32 | uint64](n N, one, many string) string {
	return cli.Count(n, one, many)
}

// warn tells a person something that stops nothing.
func (e *env) warn(format string, args ...any) { cli.Warn(e.Err, format, args...) }

// log is a daemon's.
func (e *env) log() *slog.Logger { return cli.Logger(e.Err, e.json, slog.LevelInfo) }

// noFolder says how a folder of this program's begins.
func (e *env) noFolder(err error) error {
	if errors.Is(err, folder.ErrNoFolder) {
		return fmt.Errorf("%w at %s: name another with --data, or begin one with `%s`", folder.ErrNoFolder, e.dir, e.begin)
	}
	return err
}
