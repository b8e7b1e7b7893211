// Package cli is the command line that the project's tools have in common: a noun
// and a verb, arguments that are named, output for people or as JSON, and an exit
// status that a script can use.
//
// A tool makes its tree of [Group] and [Verb], turns the top into a [Root] and
// gives it to [Run]. What a command prints goes through [Print] or [Table].
//
// It knows nothing of folders, ledgers or daemons, and keeps no state.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/build"
)

// The exit statuses of a tool.
const (
	Done   = 0
	Failed = 1 // what was wrong is said on the error stream
	Misuse = 2 // the command line was not understood
)

// UsageError is a command line that was not understood.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

func (e UsageError) Unwrap() error { return e.Err }

// Usage is a [UsageError] of a text.
func Usage(format string, args ...any) error { return UsageError{Err: fmt.Errorf(format, args...)} }

// ErrTold is the error of a command that has said itself what was wrong.
var ErrTold = errors.New("see above")

// Root makes a noun, with everything below it, a tool: with --json, which is bound to
// asJSON, and --version. A command's help begins with its short text.
func Root(c *cobra.Command, asJSON *bool) *cobra.Command {
	introduce(c)
	c.Version = build.Version()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{Err: err} })
	c.PersistentFlags().BoolVar(asJSON, "json", false, "print JSON, one value a line")
	return c
}

func introduce(c *cobra.Command) {
	if c.Long != "" && !strings.HasPrefix(c.Long, c.Short) {
		c.Long = c.Short + ".\n\n" + c.Long // cobra shows one of them
	}
	for _, v := range c.Commands() {
		introduce(v)
	}
}

// Run runs the command that args name, says on the root's error stream what went
// wrong, and returns the exit status with the error that it stands for.
func Run(ctx context.Context, root *cobra.Command, args []string) (status int, err error) {
	root.SetArgs(append([]string{}, args...)) // for nil cobra takes the process's own
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return Done, nil
	}
	if _, bad := errors.AsType[UsageError](err); bad {
		fmt.Fprintf(root.ErrOrStderr(), "%s: %v\nSee `%s --help`.\n", root.Name(), err, cmd.CommandPath())
		return Misuse, err
	}
	if !errors.Is(err, ErrTold) {
		fmt.Fprintf(root.ErrOrStderr(), "%s: %v\n", root.Name(), err)
	}
	return Failed, err
}

// Group is a noun: it does nothing without a verb.
func Group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			c.SuggestionsMinimumDistance = 2
			if whole := verbsOf(c, args[0]); whole != "" {
				hint = "; did you mean " + whole + "?"
			} else if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %q?", near[0])
			}
			return Usage("unknown command %q%s", c.CommandPath()+" "+args[0], hint)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			var names []string
			for _, v := range c.Commands() {
				if v.IsAvailableCommand() {
					names = append(names, v.Name())
				}
			}
			return Usage("%s: say what: %s", c.CommandPath(), strings.Join(names, ", "))
		}}
	c.AddCommand(verbs...)
	return c
}

// verbsOf names the commands below the nouns of c that are called like that; "" if
// there are none, or too many to mean one.
func verbsOf(c *cobra.Command, name string) string {
	var found []string
	for _, noun := range c.Commands() {
		for _, v := range noun.Commands() {
			if v.Name() == strings.ToLower(name) && v.IsAvailableCommand() {
				found = append(found, fmt.Sprintf("%q", noun.Name()+" "+v.Name()))
			}
		}
	}
	if len(found) > 4 {
		return ""
	}
	return strings.Join(found, " or ")
}

// Verb is a command that takes the arguments that use names after the command's
// own name: those in brackets optionally, and as many as there are of a last one
// that ends in "…".
func Verb(use, short string, run func(*cobra.Command, []string) error) *cobra.Command {
	words := strings.Fields(use)[1:]
	least := 0
	for _, w := range words {
		if !strings.HasPrefix(w, "[") {
			least++
		}
	}
	more := len(words) > 0 && strings.HasSuffix(words[len(words)-1], "…")
	return &cobra.Command{Use: use, Short: short, RunE: run, Args: func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return Usage("%s: %s is missing", c.CommandPath(), words[len(args)])
		}
		if len(args) > len(words) && !more {
			return Usage("%s: %q is one argument too many", c.CommandPath(), args[len(words)])
		}
		return nil
	}}
}

// Need makes flags mandatory.
func Need(c *cobra.Command, flags ...string) *cobra.Command {
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		for _, f := range flags {
			if !c.Flags().Changed(f) {
				return Usage("%s: --%s is missing", c.CommandPath(), f)
			}
		}
		return nil
	}
	return c
}

// SecretVar is a flag that the environment may give, too, and of which --help shows
// nothing: it may hold a password.
func SecretVar(c *cobra.Command, p *string, name, variable, usage string) {
	c.Flags().StringVar(p, name, os.Getenv(variable), usage+" ("+variable+")")
	c.Flags().Lookup(name).DefValue = ""
}
