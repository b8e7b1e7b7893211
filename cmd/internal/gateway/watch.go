package gateway

import (
	"context"
	"fmt"
	"log/slog"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/roster"
)

// watcher asks a store whether anything has changed, and opens its watch anew
// after it failed: the first look of a watch says yes, so nothing is missed.
type watcher struct {
	watch func(context.Context) (changed func() (bool, error), err error)

	look func() (bool, error) // nil while there is no watch
	end  context.CancelFunc   // of what look holds
}

func (w *watcher) changed(ctx context.Context) (bool, error) {
	if w.look == nil {
		watching, end := context.WithCancel(ctx)
		look, err := w.watch(watching)
		if err != nil {
			end()
			return false, err
		}
		w.look, w.end = look, end
	}
	yes, err := w.look()
	if err != nil {
		w.close()
	}
	return yes, err
}

func (w *watcher) close() {
	if w.look != nil {
		w.end()
		w.look = nil
	}
}

// rosterTrouble tells that the roster is not kept up to date, or again with nil.
func (g *Gateway) rosterTrouble(ctx context.Context, err error) {
	what, level := "the roster is kept up to date again", slog.LevelInfo
	if err != nil {
		what, level = fmt.Sprintf("the roster stays as it was: %v", err), slog.LevelError
	}
	g.cfg.Log.Log(ctx, level, what)
	g.fault(ctx, "roster", what, err == nil)
}

// show logs what decisions are made on from now.
func (g *Gateway) show(v *roster.View) {
	version := uint64(0)
	if v.Policy != nil {
		version = uint64(v.Policy.Version)
	}
	g.cfg.Log.Info("roster", "generation", v.Generation, "policy", version)
}

// problem is something that a steward has to know of the roster or of the
// wiring under its policy.
type problem struct {
	roster.Problem
	note bool // it works so: it is logged and no fault
}

func (g *Gateway) problems(v *roster.View) (out []problem) {
	for _, p := range v.Problems {
		out = append(out, problem{Problem: p})
	}
	for _, p := range wiring.Check(g.cfg.Wiring, v.Policy, g.Name) {
		out = append(out, problem{roster.Problem{Part: "wiring", What: p.What()}, p.Severity == wiring.Note})
	}
	return out
}

// tellProblems logs and records what is new among the problems, and records
// what is over.
func (g *Gateway) tellProblems(ctx context.Context, v *roster.View, told map[problem]bool) {
	now := map[problem]bool{}
	for _, p := range g.problems(v) {
		now[p] = true
		if told[p] {
			continue
		}
		told[p] = true
		g.cfg.Log.Warn(p.What, "part", p.Part)
		if !p.note {
			g.fault(ctx, p.Part, p.What, false)
		}
	}
	for p := range told {
		if now[p] {
			continue
		}
		delete(told, p)
		if !p.note {
			g.fault(ctx, p.Part, p.What, true)
		}
	}
}
