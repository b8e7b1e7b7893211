package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/cli"
	"tombolo/cmd/internal/folder"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// env is what a command has of the world.
type env struct {
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error
	In       io.Reader
	Out, Err io.Writer

	Roots *card.Roots // that a genuine card's signatures lead to; nil are its makers'
	Maker *soft.Maker // of simulated cards; nil: nobody calls them genuine

	dir     string
	json    bool
	offline bool // what is written is not told to anybody now

	ctx   context.Context // of the command that runs
	wrote bool            // it has written to a ledger
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// usageError is a command line that was not understood: exit status 2.
type usageError = cli.UsageError

func usage(format string, args ...any) error { return cli.Usage(format, args...) }

// errTold is an error whose text was printed already.
var errTold = cli.ErrTold

// errUnchecked is wrapped by what kept an audit from judging: exit status 3.
var errUnchecked = errors.New("it could not be checked")

func (e *env) run(ctx context.Context, args []string) int {
	e.ctx, e.wrote = ctx, false
	root := e.root()
	root.SetIn(e.In)
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	status, err := cli.Run(ctx, root, args)
	if status == cli.Failed && errors.Is(err, errUnchecked) {
		return 3
	}
	return status
}

func (e *env) root() *cobra.Command {
	root := cli.Root(group("tombolo", "An access-control system whose every word is signed",
		e.communityCmd(), e.nodeCmd(), e.gatewayCmd(), e.homeCmd(),
		e.doorCmd(), e.guestCmd(), e.barCmd(), e.forgiveCmd(), e.pinCmd(),
		e.passportCmd(), e.doorkeyCmd(), e.cardCmd(), e.hwCmd(), e.charterCmd(), e.ledgerCmd(), e.syncCmd(), e.brokerCmd(), e.logCmd(), e.censusCmd(), e.demoCmd()), &e.json)
	root.PersistentFlags().StringVar(&e.dir, "dir", defaultDir(), "folder of keys and ledgers (TOMBOLO_DIR)")
	root.PersistentFlags().BoolVar(&e.offline, "offline", false, "do not tell the gateways now what is written, although there is a links.toml")
	return root
}

func defaultDir() string {
	if dir := os.Getenv("TOMBOLO_DIR"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".tombolo"
	}
	return filepath.Join(home, ".tombolo")
}

func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	return cli.Group(use, short, verbs...)
}

func verb(use, short string, run func(*cobra.Command, []string) error) *cobra.Command {
	return cli.Verb(use, short, run)
}

func need(c *cobra.Command, flags ...string) *cobra.Command { return cli.Need(c, flags...) }

// open opens the folder for do, and closes it.
func (e *env) open(create bool, do func(*folder.Folder) error) error {
	f, err := folder.Open(e.dir, create)
	if err != nil {
		return err
	}
	f.Now = e.Now
	return errors.Join(do(f), f.Close())
}

// change is open for a command that writes what follows from what it read: one
// at a time.
func (e *env) change(create bool, do func(*folder.Folder) error) error {
	return e.open(create, func(f *folder.Folder) error {
		unlock, err := folder.Lock(f.Dir(), folder.WriteLock, false)
		for end := time.Now().Add(time.Second); errors.Is(err, folder.ErrLocked) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // most commands are done before anybody would read a word
			unlock, err = folder.Lock(f.Dir(), folder.WriteLock, false)
		}
		if errors.Is(err, folder.ErrLocked) {
			e.warn("another command works on this folder, or waits for an answer; waiting for it")
			unlock, err = folder.Lock(f.Dir(), folder.WriteLock, true)
		}
		if err != nil {
			return err
		}
		if err := errors.Join(do(f), unlock()); err != nil || !e.wrote || e.offline || !hasLinks(f) {
			return err
		}
		return e.tellNow(f)
	})
}

// tellNow brings what was written to the gateways that can be reached. What cannot
// is written all the same, and goes with the next.
func (e *env) tellNow(f *folder.Folder) error {
	r, err := e.tell(e.ctx, f, syncPatience)
	if err != nil {
		e.warn("it is written here, and no gateway was told: %v", err)
		return nil
	}
	if len(r.Missing) > 0 || len(r.Links) > 0 {
		e.warn("it is written here; `tombolo sync run` tells those who were not reached, or they hear it from others")
	}
	return e.print(r, "%s\n", r)
}

// write appends to this folder's own ledger of a kind what every gateway of the
// node can read.
func (e *env) write(f *folder.Folder, kind ledger.LogKind, bodies ...ledger.Body) error {
	return e.writeAt(f, kind, e.Now(), bodies...)
}

// writeAt is write at a time that is not now's: what ends an order has to come
// after it, whatever clock that was dated by.
func (e *env) writeAt(f *folder.Folder, kind ledger.LogKind, at time.Time, bodies ...ledger.Body) error {
	a, err := f.Author(kind)
	if err != nil {
		return err
	}
	var drafts []store.Draft
	for _, b := range bodies {
		if err := f.Readable(b.Kind()); err != nil {
			return err
		}
		drafts = append(drafts, store.Draft{Body: b, Time: at})
	}
	if _, err = a.Append(drafts...); err == nil {
		e.wrote = true
	}
	return err
}
