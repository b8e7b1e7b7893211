package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
)

// errPolicy is why a policy is not lived by here.
var errPolicy = errors.New("this gateway cannot live by it")

// accepts says why a gateway cannot live by a policy: it would not be the gateway
// that the policy means, and open none of its doors. What a policy asks for beyond
// what is wired is a fault of single doors, and no reason to keep the old one.
func accepts(w *wiring.Wiring, gateway string) func(*policy.Policy) error {
	return func(p *policy.Policy) error {
		for _, problem := range wiring.Check(w, p, gateway) {
			if problem.Severity == wiring.Stop {
				return fmt.Errorf("%w: %s", errPolicy, problem.What())
			}
		}
		for name := range w.Doors {
			if d := p.Doors[name]; d != nil && d.Gateway == gateway {
				return nil
			}
		}
		if len(w.Doors) > 0 {
			return fmt.Errorf("%w: it gives gateway %s none of the doors that are wired here", errPolicy, gateway)
		}
		return nil
	}
}

// trial watches how long the gateway has lived with a new policy. It belongs to
// the goroutine that projects.
type trial struct {
	hash  [32]byte
	since time.Time
}

// lived confirms a policy once the gateway has lived with it for long enough and
// its doors answer; true if there is something to project.
func (t *trial) lived(ctx context.Context, g *Gateway) bool {
	on := g.roster.View().Trial
	switch {
	case on == nil:
		*t = trial{}
		return false
	case t.since.IsZero() || t.hash != on.Hash:
		*t = trial{on.Hash, time.Now()}
		g.cfg.Log.Info("a new policy is tried", "version", on.Version, "for", roster.TrialTime)
		return false
	case time.Since(t.since) < g.trialTime:
		return false
	}
	alive, end := context.WithTimeout(ctx, time.Second)
	defer end()
	if err := g.Controller.Ping(alive); err != nil {
		return false
	}
	if err := g.roster.Confirm(on.Hash); err != nil {
		g.cfg.Log.Error("the policy stays on trial", "err", err)
		return false
	}
	g.cfg.Log.Info("the policy is kept", "version", on.Version)
	return true
}
