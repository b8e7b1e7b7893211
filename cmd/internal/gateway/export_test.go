package gateway

import (
	"context"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Watch puts something around the store's watch; before Run.
func (g *Gateway) Watch(around func(changed func() (bool, error)) func() (bool, error)) {
	watch := g.watch
	g.watch = func(ctx context.Context) (func() (bool, error), error) {
		changed, err := watch(ctx)
		if err != nil {
			return nil, err
		}
		return around(changed), nil
	}
}

// CutBroker closes the gateway's broker as a crash does, and opens it again after
// a while at the same place.
func (g *Gateway) CutBroker(away func()) error {
	g.net.closeBroker()
	away()
	_, err := g.net.openBroker()
	return err
}

// MetricsAddress is where the figures are served, "" before that.
func (g *Gateway) MetricsAddress() string {
	at, _ := g.metricsAt.Load().(string)
	return at
}

// Claim writes into the door log, as a gateway that lies does.
func (g *Gateway) Claim(bodies ...ledger.Body) error {
	for _, b := range bodies {
		if err := g.journal.Record(store.Draft{Body: b, Time: time.Now()}); err != nil {
			return err
		}
	}
	return nil
}

// StatusNow is what AskStatus answers.
func (g *Gateway) StatusNow() *Status { return g.status() }

// SetTrialTime shortens a new policy's trial; before Run.
func (g *Gateway) SetTrialTime(d time.Duration) { g.trialTime = d }
