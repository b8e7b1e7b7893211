package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tombolo/edge"
	"tombolo/edge/roster"
)

// Run runs until ctx ends or a part fails. It may be called once; it closes the
// gateway.
func (g *Gateway) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, g.Close()) }()
	defer func() {
		if err == nil { // it was asked to end: no policy did it
			err = g.roster.Leave()
		}
	}()
	g.running = ctx
	// What records ends last.
	journalCtx, endJournal := context.WithCancel(context.WithoutCancel(ctx))
	var journal sync.WaitGroup
	var journalErr error
	journal.Go(func() { journalErr = g.journal.Run(journalCtx) })
	defer func() {
		endJournal()
		journal.Wait()
		err = errors.Join(err, journalErr)
	}()

	if err := g.board.listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	start := func(what string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	start("controller", g.Controller.Run)
	start("roster", g.project)
	start("forks", g.announceForks)
	start("memory", g.remember)
	start("simulated board", g.board.serve)
	start("control", g.control)
	start("links", g.net.run)
	start("siblings", g.siblings)
	start("retention", g.retain)
	if g.net.wired() {
		start("census", g.takePart)
	}
	if g.cfg.Wiring.Metrics != nil {
		start("metrics", g.serveMetrics)
	}
	if takesTaps(g.cfg.Wiring) {
		start("identity", g.vouch)
	}
	var tried sync.WaitGroup
	for _, p := range g.reading.parts() {
		tried.Add(1)
		start(p.name, func(ctx context.Context) error {
			done := sync.OnceFunc(tried.Done)
			defer done()
			return p.run(ctx, done)
		})
	}
	if err := g.board.openInputs(ctx, g.Controller); err != nil {
		cancel(err)
	}
	go func() {
		tried.Wait()
		close(g.ready)
	}()
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// project keeps the roster up to date with whatever arrives in the store, from
// this process or another. While that cannot be, doors go on with what is known.
func (g *Gateway) project(ctx context.Context) error {
	watch := watcher{watch: g.watch}
	defer watch.close()
	tick := time.NewTicker(projectEvery)
	defer tick.Stop()
	var shown *roster.View
	told := map[problem]bool{}
	if g.forgot != nil {
		g.fault(ctx, "memory", fmt.Sprintf("who is inside and which passes were spent may not be known: %v", g.forgot), false)
	}
	if g.damaged != nil {
		g.fault(ctx, "osdp", fmt.Sprintf("the OSDP readers' keys are not known: %v", g.damaged), false)
	}
	due, known, failing := false, g.clock().Known(), false
	var tried trial
	for {
		yes, err := watch.changed(ctx)
		clock := g.clock()
		due = tried.lived(ctx, g) || due
		if yes || due || clock.Known() != known {
			_, failed := g.roster.Project(clock)
			due, known = failed != nil || g.roster.View().Unreadable, clock.Known()
			if err == nil {
				err = failed
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if v := g.roster.View(); v != shown {
			// A revocation or a lockdown counts now, and not with the next person.
			_ = g.Controller.Refresh(ctx) // while it stops nothing counts
		}
		if (err != nil) != failing {
			failing = err != nil
			g.rosterTrouble(ctx, err)
		}
		if v := g.roster.View(); v != shown {
			shown = v
			select {
			case g.moved <- struct{}{}:
			default: // it is going to be looked at anyway
			}
			g.show(v)
			g.tellProblems(ctx, v, told)
			signal(g.net.present)
			yes = true
		}
		if yes {
			g.net.refresh()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.net.arrived:
		case <-tick.C:
		}
	}
}

func (g *Gateway) fault(ctx context.Context, part, what string, cleared bool) {
	if err := g.Controller.Fault(ctx, part, what, cleared); err != nil && !errors.Is(err, edge.ErrStopped) && ctx.Err() == nil {
		g.cfg.Log.Error("not recorded", "part", part, "what", what, "err", err)
	}
}

// Ready is closed once Run has opened every input and tried every reader.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Ping returns once the goroutine that owns the doors has answered.
func (g *Gateway) Ping(ctx context.Context) error { return g.Controller.Ping(ctx) }

// Generation counts what the gateway has taken in from the ledgers since it
// was opened.
func (g *Gateway) Generation() uint64 { return g.Controller.Generation() }
